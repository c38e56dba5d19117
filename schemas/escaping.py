"""Strangers' texts made harmless for the language of a page."""

from __future__ import annotations

import json
import re
from typing import Any

from markupsafe import Markup

_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]{}|#!~$^])")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def visible(value: object) -> str:
    """Text without control characters and without those that turn the direction of writing."""
    return value if isinstance(value, Markup) else _INVISIBLE.sub(" ", str(value))


def markdown(value: object) -> Markup:
    """`value` as text that Markdown shows as it is, on one line: no markup, no link, no table bar survives."""
    if isinstance(value, Markup):
        return value
    escaped = _MARKDOWN_SPECIAL.sub(r"\\\1", visible(value))
    entities = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markup(entities.replace("://", ":&#47;&#47;").replace("www.", "www&#46;"))  # noqa: S704


def embedded(value: Any) -> str:
    """`script_json` of `value` with every text, keys of objects too, as `visible` has it."""
    return script_json(_cleaned(value))


def script_json(value: Any) -> str:
    """JSON that can stand in a script element: no character in it can end the element or begin another."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _cleaned(value: Any) -> Any:
    """`value` with every text, keys of objects too, as `visible` has it."""
    if isinstance(value, dict):
        return {visible(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return visible(value) if isinstance(value, str) else value
