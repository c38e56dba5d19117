"""The page of commands, from the command line itself."""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, CommandInfo, OptionInfo

_COMMAND = r"(?:[A-Z_]+=\S* )*clay-eval "


@dataclass(frozen=True)
class Parameter:
    """An argument (no flags) or option of a command, as one reads it."""

    name: str
    flags: tuple[str, ...]
    takes: str
    many: bool
    required: bool
    default: str
    help: str
    panel: str


@dataclass(frozen=True)
class Command:
    """A command: what it does, its parameters, examples, and what is said below its help."""

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    examples: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def flags(self) -> set[str]:
        """Every option."""
        return {flag for parameter in self.parameters for flag in parameter.flags} | {"--help"}


def all_commands() -> dict[str, Command]:
    """Command name -> command, in the order of the help."""
    from clay_eval.cli import app

    found = [_command(info) for info in app.registered_commands]
    return {command.name: command for command in found}


def commands() -> str:
    """A section a command."""
    return "\n\n".join(_section(command) for command in all_commands().values())


def _command(info: CommandInfo) -> Command:
    callback = info.callback
    assert callback is not None
    examples, notes = _epilog(info.epilog or "")
    hints = get_type_hints(callback, include_extras=True)
    parameters = tuple(
        _parameter(name, hints[name], one.default)
        for name, one in inspect.signature(callback).parameters.items()
        if get_origin(hints[name]) is Annotated
    )
    name = info.name or callback.__name__.replace("_", "-")
    summary = " ".join((inspect.getdoc(callback) or "").split("\n\n")[0].split())
    return Command(name, summary, parameters, examples, notes)


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    kind, info = (
        get_args(hint)[0],
        next(i for i in get_args(hint)[1:] if isinstance(i, ArgumentInfo | OptionInfo)),
    )
    option = isinstance(info, OptionInfo)
    # Inside Annotated the first declaration takes the place of the default.
    words = [word for word in (info.default, *(info.param_decls or ())) if isinstance(word, str)]
    declared = tuple(flag for word in words for flag in word.split("/") if flag.startswith("-"))
    flags = (declared or (f"--{name.replace('_', '-')}",)) if option else ()
    inner, many = _unwrapped(kind)
    if option and inner is bool and not declared and default is True:
        flags = (*flags, f"--no-{name.replace('_', '-')}")
    required = default is inspect.Parameter.empty
    value = default.value if isinstance(default, enum.Enum) else default
    shown = "" if required or value is None or isinstance(value, bool) else str(value)
    return Parameter(
        name if _choices(info) else info.metavar or name,
        flags,
        _takes(inner, info),
        many,
        required,
        shown,
        " ".join((info.help or "").split()),
        info.rich_help_panel or "",
    )


def _unwrapped(kind: Any) -> tuple[Any, bool]:
    """The type of one value, and whether several are taken; None is left out."""
    if get_origin(kind) in (types.UnionType, typing.Union):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) in (list, tuple):
        return get_args(kind)[0], True
    return kind, False


def _choices(info: ArgumentInfo | OptionInfo) -> list[str]:
    """The values of an option that has a metavar such as <a|b>: those that are built in, of a registry."""
    inside = re.fullmatch(r"<(.+\|.+)>", info.metavar or "")
    return inside[1].split("|") if inside else []


def _takes(kind: Any, info: ArgumentInfo | OptionInfo) -> str:
    if kind is bool:
        return ""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return " or ".join(f"`{item.value}`" for item in kind)
    if choices := _choices(info):
        return " or ".join(f"`{choice}`" for choice in choices)
    word = {"str": "text", "int": "whole number", "float": "number", "Path": "path"}.get(kind.__name__, "")
    limits = [f"{info.min:g} or more" if info.min is not None and info.max is None else ""]
    if info.max is not None:
        limits = [f"{info.min or 0:g} to {info.max:g}"]
    return ", ".join(filter(None, [word, *limits]))


def _epilog(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Examples, and paragraphs of prose or further code, without the heading."""
    examples: list[str] = []
    notes: list[str] = []
    for block in filter(str.strip, text.strip("\n").split("\n\n")):
        lines = [line[4:] for line in block.splitlines()]
        if not block.startswith("    "):
            if not block.strip("* ").startswith("Example"):
                notes.append(" ".join(block.split()))
        elif re.match(_COMMAND, lines[0]):
            joined = re.sub(rf"\n(?!{_COMMAND})\s*", " ", "\n".join(lines))
            examples += [wrapped(line) for line in joined.splitlines()]
        else:
            notes.append("\n".join(["```text", *lines, "```"]))
    return tuple(examples), tuple(notes)


def wrapped(command: str, width: int = 88) -> str:
    """A command over several lines, broken before options."""
    first, *rest = re.split(r" (?=--\w)", command)
    lines = [first]
    for option in rest:
        if len(f"{lines[-1]} {option}") > width:
            lines.append(f"    {option}")
        else:
            lines[-1] += f" {option}"
    return " \\\n".join(lines)


def _section(command: Command) -> str:
    return "\n\n".join(_parts(command))


def _parts(command: Command) -> Iterator[str]:
    yield f"## {command.name}"
    yield command.summary
    arguments = " ".join(
        f"{p.name.upper()}{' ...' if p.many else ''}" for p in command.parameters if not p.flags
    )
    needed = " ".join(f"{p.flags[0]} {p.name.upper()}" for p in command.parameters if p.flags and p.required)
    yield f"```text\nclay-eval {' '.join(filter(None, [command.name, arguments, needed, '[OPTIONS]']))}\n```"
    if command.examples:
        yield "```bash\n" + "\n".join(command.examples) + "\n```"
    yield from command.notes
    panels = dict.fromkeys(parameter.panel for parameter in command.parameters)
    for panel in panels:
        if panel:
            yield f"**{panel}**"
        rows = [_row(parameter) for parameter in command.parameters if parameter.panel == panel]
        yield "\n".join(["| | takes | what | default |", "|---|---|---|---|", *rows])


def _row(parameter: Parameter) -> str:
    name = ", ".join(f"`{flag}`" for flag in parameter.flags) or f"`{parameter.name.upper()}`"
    takes = parameter.takes + (", repeatable" if parameter.many and parameter.flags else "")
    default = "required" if parameter.required else f"`{parameter.default}`" if parameter.default else ""
    return f"| {name} | {takes} | {_cell(parameter.help)} | {default} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
