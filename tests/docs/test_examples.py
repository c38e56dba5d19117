"""The examples of docs/ run, in the order in which they stand, and print what the pages show."""

from __future__ import annotations

import contextlib
import io
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doc_blocks import PAGES, Block, blocks, mismatch, shell_lines

WITH_EXAMPLES = [page for page in PAGES if blocks(page.read_text("utf-8"))]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; modules that are imported from it are forgotten again."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(
    page: Path, place: Path, cli: Callable[..., Any], demo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(place))
    printed, names = "", dict[str, Any]()
    for number, block in enumerate(blocks(page.read_text("utf-8"))):
        where = f"{page.name}, block {number}"
        if block.kind == "start":
            shutil.copytree(demo.folder, place / "runs" / "first")
        elif block.kind == "file":
            (place / block.name).write_text(block.text + "\n", "utf-8")
        elif block.kind == "output":
            assert (reason := mismatch(block.text, printed)) is None, f"{where}: {reason}"
        elif block.language == "bash":
            printed = shell(block, cli, demo, where)
        else:
            printed, names = python(block, place / f"block_{number}.py", names)


def shell(block: Block, cli: Callable[..., Any], demo: Any, where: str) -> str:
    """What the commands of a block print, or the error's text where it is to fail; the quick start's run is made once."""
    printed = ""
    for given, words in shell_lines(block.text):
        assert set(given) <= {"PYTHONPATH"}, f"{where}: {given}"
        assert words[0] == "clay-eval", f"{where}: only clay-eval is run, not {words[0]}"
        if tuple(words) == demo.command:
            shutil.copytree(demo.folder, Path("runs") / "first")
            printed += demo.printed
            continue
        outcome = cli(*words[1:])
        assert outcome.code == int(block.name or 0), f"{where}: {words}\n{outcome.out}\n{outcome.err}"
        printed += outcome.out if outcome.code == 0 else outcome.err
    return printed


def python(block: Block, file: Path, names: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What a block prints, and the names that are defined after it."""
    assert block.language == "python", block
    file.write_text(block.text, "utf-8")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        after = runpy.run_path(str(file), init_globals=names)
    return printed.getvalue(), {name: value for name, value in after.items() if not name.startswith("__")}


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a 10.0 b", "a  10.1\nb"),
        ("first\n...\nlast", "first\nlast"),
        ("first\n...\nlast", "first\nand\nmore\nlast"),
        ("gap: ...", "gap: 3e-08"),
    ],
)
def test_an_output_matches(shown: str, printed: str) -> None:
    assert mismatch(shown, printed) is None


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a 10.0 b", "a 11.0 b"),
        ("first\n...\nlast", "first\nlost"),
        ("3 queries", "4 queries"),
        ("all", "all and more"),
    ],
)
def test_another_output_does_not(shown: str, printed: str) -> None:
    assert mismatch(shown, printed) is not None
