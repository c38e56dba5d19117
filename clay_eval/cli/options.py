"""Options once: a group of options is a frozen dataclass, which expands into the options of every command that takes it.

@dataclass(frozen=True)
class DataOptions:
    data: Annotated[Path | None, typer.Option("--data", help="Labelled pictures.")] = None
    entity: Annotated[str | None, typer.Option("--entity", help="One entity of the data only.")] = None

@grouped
def look(data: DataOptions, json: Json = False) -> None: ...      # clay-eval look --data ... --entity ... --json
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """`command` as typer is to see it: the fields of its groups are options, packed again when it is called.

    Raises ValueError where two options have one name.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    flat = [
        option
        for name, one in signature(command).parameters.items()
        for option in (
            _options(groups[name]) if name in groups else [_option(name, hints[name], one.default)]
        )
    ]

    def expanded(**values: Any) -> None:
        packed = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**packed, **values)

    expanded.__name__, expanded.__doc__, expanded.__module__ = (
        command.__name__,
        command.__doc__,
        command.__module__,
    )
    expanded.__annotations__ = {option.name: option.annotation for option in flat}
    expanded.__signature__ = Signature(flat)  # type: ignore[attr-defined]
    return expanded


def _options(group: Any) -> Iterator[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = Parameter.empty if field.default is MISSING else field.default
        yield _option(field.name, hints[field.name], default)


def _option(name: str, kind: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
