"""The run that most pages start from, and the code that makes generated parts of pages."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parents[1] / "docs" / "hooks"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


@dataclass(frozen=True)
class Demo:
    """The quick start's run: its command, its folder (not to be altered), and what it prints."""

    command: tuple[str, ...]
    folder: Path
    printed: str


@pytest.fixture(scope="session")
def demo(cli: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """What most pages start from."""
    command = ("clay-eval", "run", "--renderer", "procedural", "--count", "60", "--out", "runs/first")
    place = tmp_path_factory.mktemp("docs")
    with contextlib.chdir(place):
        outcome = cli(*command[1:])
    assert outcome.code == 0, outcome.err
    return Demo(command, place / "runs" / "first", outcome.out)


@pytest.fixture(scope="session")
def build() -> ModuleType:
    """The mkdocs hook."""
    import docs_build

    return docs_build
