"""The page of Python names, from signatures and docstrings."""

from __future__ import annotations

import html
import inspect
from typing import Any


def public_names() -> dict[str, Any]:
    """Name -> object, of everything that `clay_eval` offers."""
    import clay_eval

    return {name: getattr(clay_eval, name) for name in clay_eval.__all__ if name != "__version__"}


def api() -> str:
    """A section a name."""
    return "\n\n".join(_section(name, thing) for name, thing in public_names().items())


def stages() -> str:
    """A section a function of the stages and a class of their options, one level below the page's sections of names."""
    from clay_eval import stages

    named = {name: getattr(stages, name) for name in stages.__all__}
    return "\n\n".join(
        "#" + _section(name, thing)
        for name, thing in named.items()
        if inspect.isfunction(thing) or inspect.isclass(thing)
    )


def _section(name: str, thing: Any) -> str:
    text = inspect.getdoc(thing) or ""
    first, _, rest = text.partition("\n\n")
    parts = [f"### {name}", f"```python\n{_signature(name, thing)}\n```", " ".join(first.split())]
    body = rest.partition("\n>>>")[0] if not rest.startswith(">>>") else ""
    if body.strip():
        parts.append(_prose(body))
    if isinstance(thing, type):
        parts += [_method(name, member) for member in ("fit", "transform") if hasattr(thing, member)]
    return "\n\n".join(parts)


def _method(owner: str, name: str) -> str:
    import clay_eval

    method = getattr(getattr(clay_eval, owner), name)
    return (
        f"```python\n{_signature(f'{owner}.{name}', method)}\n```\n\n{_prose(inspect.getdoc(method) or '')}"
    )


def _prose(text: str) -> str:
    """A docstring as it stands, in lines that may be broken further."""
    return f'<pre class="docstring">{html.escape(text.strip())}</pre>'


def _signature(name: str, thing: Any) -> str:
    parameters: list[str] = []
    for one in inspect.signature(thing).parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and not any(p.startswith("*") for p in parameters):
            parameters.append("*")
        parameters.append(one.name if one.default is one.empty else f"{one.name}={_default(one.default)}")
    line = f"{name}({', '.join(parameters)})"
    if len(line) <= 90:
        return line
    return f"{name}(\n" + "".join(f"    {parameter},\n" for parameter in parameters) + ")"


def _default(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_default, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, type):
        return "..."
    if isinstance(value, str | int | float | bool | None):
        return repr(value)
    if inspect.isfunction(value):
        return value.__name__
    return "..." if " object at 0x" in str(value) or str(value).startswith("<") else str(value)
