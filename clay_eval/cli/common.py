"""What sub-commands share: the run folder, options, progress bars, results for people and for pipes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer


@dataclass(frozen=True)
class RunFolder:
    """Where the artefacts of a run lie."""

    root: Path

    @property
    def plan(self) -> Path:
        """Sample specs, specs, condition texts, coverage."""
        return self.root / "plan"

    @property
    def shards(self) -> Path:
        """Pictures with labels."""
        return self.root / "shards"

    @property
    def parts(self) -> Path:
        """Pictures of parts of the plan, made apart."""
        return self.root / "parts"

    @property
    def features(self) -> Path:
        """The feature store."""
        return self.root / "features"

    @property
    def report(self) -> Path:
        """report.json and its pages."""
        return self.root / "report"


Out = Annotated[
    Path, typer.Option("--out", help="The run folder: plan/, shards/, features/ and report/ lie in it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Decides everything that is drawn by lot.")]


def emit(as_json: bool, record: Mapping[str, Any], *lines: str) -> None:
    """Print `record` as JSON for a pipe, or `lines` for a person."""
    if as_json:
        import json

        lines = (json.dumps(record, indent=2, ensure_ascii=False),)
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def note(line: str) -> None:
    """Say something on standard error, where results of a pipe are not."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def progress_bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error that is advanced by the function it yields; where that is no terminal, one line."""
    from rich.console import Console
    from rich.logging import RichHandler
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    logging.basicConfig(
        level=logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=console, show_time=False, show_path=False)],
        force=True,
    )
    if not console.is_terminal:
        sys.stderr.write(f"{title} ...\n")
        sys.stderr.flush()
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, advance=done)
