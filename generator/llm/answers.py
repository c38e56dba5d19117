"""From a model's text to checked JSON: fences and prose around it are dropped, nothing is executed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import parse_json, schema_errors

MAX_TEXT = 1 << 20
_MOST_STARTS = 64
_MOST_PROBLEMS = 8
_MOST_ERRORS = 1000


def extract_object(text: str) -> dict[str, Any]:
    """The first JSON object in `text`, whatever stands around it; InputError if there is none.

    An object inside a broken one does not count: a cut answer is no answer.
    """
    where = "the answer"
    if len(text) > MAX_TEXT:
        raise InputError("the answer is too long", where=where, expected=f"at most {MAX_TEXT} characters")
    failed: InputError | None = None
    for start in _starts(text):
        try:
            _, end = json.JSONDecoder().raw_decode(text, start)
            value = parse_json(text[start:end], where)
        except RecursionError as error:
            raise InputError("the answer is nested too deeply", where=where) from error
        except InputError as error:
            failed = failed or error
        except ValueError as error:
            # From an opening brace to the end of the text: cut. Prose in braces fails at once.
            if isinstance(error, json.JSONDecodeError) and error.pos >= len(text.rstrip()) - 1:
                raise InputError("the JSON in the answer is cut off or broken", where=where) from error
            failed = failed or InputError("the JSON in the answer is broken", where=where, found=str(error))
        else:
            if isinstance(value, dict):
                return value
    raise failed or InputError("there is no JSON object in the answer", where=where)


def _starts(text: str) -> Iterator[int]:
    """Where an object may begin: opening braces, outermost first, a bounded number of them."""
    start = text.find("{")
    for _ in range(_MOST_STARTS):
        if start < 0:
            return
        yield start
        start = text.find("{", start + 1)


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
