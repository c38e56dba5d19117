"""What a server says when it refuses: its own words, how long to wait, and which of our fields it does not take."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import parse_json

_SECONDS = re.compile(r"[0-9]{1,400}(\.[0-9]{0,20})?")
_WORDS = ("error", "message", "detail", "details", "errors", "msg", "error_description", "title", "reason")
_TAGS = re.compile(r"(?is)<(script|style)\b.*?</\1>|<[^>]*>")
_LONGEST = 4096
"""Characters of a page that are looked at."""


def complaint(body: str) -> str:
    """The words of an error's body on one line, without the JSON or HTML around them; empty for an empty body.

    Of a list of faults as FastAPI and Mistral send it, the places and messages; the input that it repeats is left out.
    """
    try:
        said = _words(parse_json(body, "the answer"))
    except InputError:
        body = body[:_LONGEST]
        said = _TAGS.sub(" ", body) if body.lstrip().startswith("<") else body
    return " ".join(said.split())


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, map(_words, value[:20])))
    if not isinstance(value, dict):
        return "" if value is None else json.dumps(value)
    if isinstance(value.get("loc"), list) and "msg" in value:
        return f"{'.'.join(map(str, value['loc']))}: {_words(value['msg'])}"
    # Mistral nests the list under "message", others under "error".
    found = next((words for name in _WORDS if (words := _words(value.get(name)))), "")
    param = value.get("param")
    named = f" (param: {param})" if found and isinstance(param, str) and param not in found else ""
    return found + named


def named_fields(text: str, fields: Iterable[str]) -> set[str]:
    """Those of `fields` that stand in a complaint as words of their own."""
    return {name for name in fields if re.search(rf"(?<![A-Za-z_]){re.escape(name)}(?![A-Za-z_])", text)}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by the header Retry-After: a number, or a date; None without it, or where it makes no sense."""
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        parsed = email.utils.parsedate_tz(value)
        return None if parsed is None else max(0.0, email.utils.mktime_tz(parsed) - time.time())
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None
