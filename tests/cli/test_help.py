"""Help of every command, usage errors, and what a cheap start must not import."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from clay_eval.cli import app

COMMANDS = tuple(command.name for command in app.registered_commands)
HEAVY = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "sklearn",
    "matplotlib",
    "open_clip",
    "webdataset",
    "jsonschema",
    "jinja2",
    "PIL",
    "safetensors",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_a_worked_example(cli: Callable[..., Any], command: str) -> None:
    outcome = cli(command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    example = outcome.out.partition("Example")[2]
    assert f"clay-eval {command}" in example
    assert "--json" in outcome.out


def test_help_names_every_command(cli: Callable[..., Any]) -> None:
    outcome = cli("--help")
    assert outcome.code == 0
    assert "clay-eval run --out" in outcome.out
    for command in COMMANDS:
        assert f"│ {command} " in outcome.out


def loaded_by(program: str, *arguments: str) -> set[str]:
    """The heavy modules that a fresh interpreter has loaded after `program`."""
    ending = f"\nimport sys; print('loaded:', *(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program + ending, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize("arguments", [["--help"], *([command, "--help"] for command in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import clay_eval.cli\ntry: clay_eval.cli.main()\nexcept SystemExit as left: assert not left.code"
    )
    assert loaded_by(program, *arguments) == set()


def test_importing_the_package_is_cheap() -> None:
    assert loaded_by("import clay_eval; assert 'CLAY' in dir(clay_eval)") == set()


def test_the_public_face_is_lazy_and_complete() -> None:
    program = (
        "from clay_eval import CLAY, average_precision, ClayEvalError\n"
        "import clay_eval, numpy\n"
        "from clay_eval.evaluator.methods.clay import CLAY as where_it_lives\n"
        "assert CLAY is where_it_lives\n"
        "assert average_precision([[.2, .1]], [[False, True]]).tolist() == [.5]\n"
        "assert all(hasattr(clay_eval, name) for name in clay_eval.__all__)\n"
    )
    assert not loaded_by(program) & {"torch", "matplotlib", "open_clip"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    import clay_eval

    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = clay_eval.no_such_thing  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "--out", "x", "--no-such-option"],
        ["no-such-command"],
        ["run", "--out", "x", "--count", "many"],
        ["run", "--out", "x", "--seed", "-1"],
        ["plan", "--out", "x"],
        ["render", "--out", "x", "--format", "bmp"],
        ["evaluate", "--out", "x", "--split", "other"],
        ["embed", "--out", "x", "--batch-size", "0"],
    ],
)
def test_usage_errors_exit_with_2(cli: Callable[..., Any], arguments: list[str]) -> None:
    outcome = cli(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert "Usage:" in outcome.err
    assert "Traceback" not in outcome.err


def test_entities_lists_the_shipped_specs(cli: Callable[..., Any]) -> None:
    outcome = cli("entities")
    assert outcome.code == 0
    for name in ("clay-object", "clay-human", "demo-object", "demo-human"):
        assert name in outcome.out


def test_a_closed_pipe_is_no_fault() -> None:
    listing = (
        "import sys; sys.argv = ['clay-eval', 'entities', '--json']; from clay_eval.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", listing], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate()
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
