"""The texts of a release, from templates: every value is escaped for Markdown or YAML, and none depends on the clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from clay_eval.schemas.escaping import markdown
from clay_eval.schemas.pages import environment


def yaml_text(value: Any, indent: int = 0) -> str:
    """`value` (objects, lists, scalars) as block YAML; every text is a quoted JSON string, so nothing in it is syntax."""
    pad = "  " * indent
    if isinstance(value, Mapping) and value:
        return "".join(f"{pad}{key}:{_nested(item, indent)}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{pad}-{_item(item, indent)}" for item in value)
    return f"{pad}{_scalar(value)}\n"


def _nested(value: Any, indent: int) -> str:
    if isinstance(value, (Mapping, list)) and value:
        return "\n" + yaml_text(value, indent + 1)
    return f" {_scalar(value)}\n"


def _item(value: Any, indent: int) -> str:
    """A list's item behind its hyphen; an object begins on the same line."""
    if isinstance(value, Mapping) and value:
        return " " + yaml_text(value, indent + 1).lstrip(" ")
    return _nested(value, indent)


def _scalar(value: Any) -> str:
    """JSON, which YAML reads alike but for surrogates: what cannot be seen is escaped YAML's way instead."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)


def render(template: str, **values: Any) -> str:
    """A template of this package, filled in; whatever is inserted is text, never markup, unless marked `| code`."""
    made = environment(__package__, markdown)
    made.filters |= {"code": _code, "percent": _percent, "values": _values, "verbatim": Markup}
    return made.get_template(template).render(**values)


def _code(value: object) -> Markup:
    """Text inside backticks or a fence: no backtick and no control character is left in it."""
    kept = "".join(c for c in str(value) if c == "\n" or c.isprintable())
    return Markup(kept.replace("`", "'"))  # noqa: S704


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _values(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{value} {count}" for value, count in counts.items())
