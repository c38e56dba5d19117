"""From a model's text to checked JSON: fences and prose around it are dropped, nothing is executed."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import parse_json, schema_errors

MAX_TEXT = 1 << 20
_MOST_STARTS = 4096
_MOST_WORK = 16 * MAX_TEXT
_MOST_FITTED = 64
_MOST_PROBLEMS = 8
_MOST_ERRORS = 1000
_END_OF_THOUGHTS = re.compile(
    r"</(?:think|thinking|thought|reasoning|seed:think)>|\[/THINK\]|◁/think▷|<\|channel\|>final<\|message\|>",
    re.I,
)
_THOUGHTS = re.compile(r"\s*(?:<(?:think|thinking|thought|reasoning|seed:think)>|\[THINK\]|◁think▷)", re.I)


def extract_object(text: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The JSON object that a model's text comes to, whatever stands around it; InputError if there is none.

    What a model thinks aloud, up to the last "</think>" or its like, is no answer: drafts in it are JSON too. Of what
    follows, the last object that fits `schema`; the first, if none fits or there is no schema. An object inside a broken
    one does not count: a cut answer is no answer.
    """
    where = "the answer"
    if len(text) > MAX_TEXT:
        raise InputError("the answer is too long", where=where, expected=f"at most {MAX_TEXT} characters")
    ends = [found.end() for found in _END_OF_THOUGHTS.finditer(text)]
    if not ends and _THOUGHTS.match(text):
        raise InputError("the answer ends within the model's thoughts", where=where)
    first: dict[str, Any] | None = None
    last: deque[dict[str, Any]] = deque(maxlen=_MOST_FITTED)
    for value in _objects(text[ends[-1] if ends else 0 :], where):
        first = value if first is None else first
        if schema is None:
            return first
        last.append(value)
    if first is None or schema is None:
        raise InputError("there is no JSON object in the answer", where=where)
    return next((value for value in reversed(last) if not schema_problems(value, schema)), first)


def _objects(text: str, where: str) -> Iterator[dict[str, Any]]:
    """The outermost JSON objects in a text; InputError if there are broken ones alone, or one that is cut off."""
    failed: InputError | None = None
    found = False
    start, work = text.find("{"), 0
    for _ in range(_MOST_STARTS):
        if start < 0 or work > _MOST_WORK:
            break
        end = start + 1
        try:
            _, after = json.JSONDecoder().raw_decode(text, start)
            value = parse_json(text[start:after], where)
        except RecursionError as error:
            raise InputError("the answer is nested too deeply", where=where) from error
        except InputError as error:
            failed = failed or error
            end = after
        except ValueError as error:
            # From an opening brace to the end of the text: cut. Prose in braces fails at once.
            if isinstance(error, json.JSONDecodeError) and _is_cut(error):
                raise InputError("the JSON in the answer is cut off or broken", where=where) from error
            failed = failed or InputError("the JSON in the answer is broken", where=where, found=str(error))
            work += getattr(error, "pos", len(text)) - start
        else:
            found, end = True, after
            yield value
        start = text.find("{", end)
    if failed and not found:
        raise failed


def _is_cut(error: json.JSONDecodeError) -> bool:
    """Whether JSON is broken by the end of the text."""
    return error.pos >= len(error.doc.rstrip()) - 1 or error.msg.startswith("Unterminated string")


def schema_problems(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """Where `value` breaks `schema`, a line each, for the model to read; empty if it fits."""
    errors = sorted(schema_errors(value, dict(schema), _MOST_ERRORS), key=lambda e: e.json_path)
    return [f"{error.json_path}: {error.message[:200]}" for error in errors[:_MOST_PROBLEMS]]


def strict_object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object as strict structured output wants it: every property required, no other allowed."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def array(items: Mapping[str, Any], least: int, most: int) -> dict[str, Any]:
    """The schema of an array of `least` to `most` items."""
    return {"type": "array", "items": dict(items), "minItems": least, "maxItems": most}


def words(longest: int) -> dict[str, Any]:
    """The schema of a short phrase in plain English letters, digits, spaces, hyphens and apostrophes."""
    return {"type": "string", "pattern": f"^[A-Za-z0-9][A-Za-z0-9 '-]{{0,{longest - 2}}}[A-Za-z0-9]$"}
