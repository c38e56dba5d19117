"""Groups of options: what a command's user sees of them, and what its function gets."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from clay_eval.cli.options import grouped

ROOT = Path(__file__).resolve().parents[2]
MOST_OF_A_COMMAND, MOST = 12, 8
MANY = {
    "evaluator/scoring/__init__.py:retrieval_scores": 10,
}
"""Functions that take more than they should, with how many parameters: this may shrink only."""


class Colour(StrEnum):
    """Colours."""

    red = "red"
    blue = "blue"


@dataclass(frozen=True)
class Base:
    """A group."""

    name: Annotated[str, typer.Option("--name", help="Needed.")]
    size: Annotated[int, typer.Option("--size", min=1, help="How large.", rich_help_panel="Much")] = 3


@dataclass(frozen=True)
class More(Base):
    """A group that changes one option of another, and adds one."""

    size: Annotated[int, typer.Option("--size", min=2, help="How very large.")] = 4
    tag: Annotated[list[str] | None, typer.Option("--tag", help="May be repeated.")] = None
    colour: Annotated[Colour, typer.Option("--colour")] = Colour.red
    deep: Annotated[bool, typer.Option("--deep/--flat")] = True


Out = Annotated[Path, typer.Option("--out")]


def run(command: Callable[..., None], *arguments: str) -> Any:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(grouped(command))
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def seen() -> list[Any]:
    """What `command` was called with."""
    return []


@pytest.fixture
def command(seen: list[Any]) -> Callable[..., None]:
    def command(file: Annotated[str, typer.Argument()], *, out: Out = Path("o"), group: More) -> None:
        """Do it.

        With care.
        """
        seen.append((file, out, group))

    return command


def test_a_command_gets_its_groups_back(command: Callable[..., None], seen: list[Any]) -> None:
    words = ["f", "--name", "n", "--tag", "a", "--tag", "b", "--size", "7", "--colour", "blue", "--flat"]
    assert run(command, *words, "--out", "x").exit_code == 0
    assert run(command, "f", "--name", "n").exit_code == 0
    assert seen == [
        ("f", Path("x"), More("n", 7, ["a", "b"], Colour.blue, False)),
        ("f", Path("o"), More("n")),
    ]


def test_limits_and_needed_options_hold(command: Callable[..., None], seen: list[Any]) -> None:
    for words in (["f"], ["f", "--name", "n", "--size", "1"], ["f", "--name", "n", "--colour", "green"]):
        assert run(command, *words).exit_code == 2
    assert seen == []


def test_options_stand_in_the_order_of_the_groups(command: Callable[..., None]) -> None:
    options = signature(grouped(command)).parameters
    assert list(options) == ["file", "out", "name", "size", "tag", "colour", "deep"]
    assert options["name"].default is Parameter.empty
    assert options["size"].default == 4
    shown = run(command, "--help").output
    assert "Do it." in shown
    assert "How very large." in shown
    assert "How large." not in shown


def test_two_options_of_one_name_are_refused() -> None:
    def twice(*, size: Annotated[int, typer.Option("--size")] = 1, group: Base) -> None: ...

    with pytest.raises(ValueError, match="size"):
        grouped(twice)


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """All parameters but self and cls."""
    given = node.args
    named = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    named += [one.arg for one in (given.vararg, given.kwarg) if one]
    return named[1:] if named[:1] in (["self"], ["cls"]) else named


def test_no_function_takes_many_parameters() -> None:
    """A command at most 12, groups counted once; any other function at most 8, but for those that still do."""
    long, many = {}, {}
    for layer in ("clay_eval", "generator", "evaluator", "schemas", "prompts", "data"):
        for path in sorted((ROOT / layer).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                count, where = len(parameters(node)), f"{path.relative_to(ROOT).as_posix()}:{node.name}"
                command = path.parent == ROOT / "clay_eval" / "cli" and node.name == path.stem
                if command and count > MOST_OF_A_COMMAND:
                    long[where] = count
                elif not command and count > MOST:
                    many[where] = count
    assert long == {}
    assert many == MANY, "take out of MANY what is mended"
