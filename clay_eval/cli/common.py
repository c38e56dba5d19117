"""What sub-commands share: the run folder, options, progress bars, results for people and for pipes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from clay_eval.stages.folders import Progress, steps

Out = Annotated[
    Path, typer.Option("--out", help="The run folder: plan/, shards/, features/ and report/ lie in it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Decides everything that is drawn by lot.")]


def emit(as_json: bool, record: Mapping[str, Any], *lines: str) -> None:
    """Print `record` as JSON for a pipe, or `lines` for a person."""
    if as_json:
        import json

        text = json.dumps(record, indent=2, ensure_ascii=False)
        try:
            text.encode(sys.stdout.encoding or "utf-8")
        except UnicodeEncodeError:  # JSON has escapes of its own
            text = json.dumps(record, indent=2)
        lines = (text,)
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def emit_texts(as_json: bool, count: int, path: Path) -> None:
    """Say how many texts were written to `path`, to be encoded elsewhere."""
    line = f"{count} texts, one a line: {path}" if count else f"no text is needed: {path} is empty"
    emit(as_json, {"texts": count, "file": str(path)}, line)


def note(line: str) -> None:
    """Say something on standard error, where results of a pipe are not."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Bars on standard error, one for whatever begins; where that is no terminal, a line each."""
    if not sys.stderr.isatty():
        logging.basicConfig(level=logging.WARNING, format="%(levelname)-8s %(message)s", force=True)
        yield _lines
        return
    from rich.console import Console
    from rich.logging import RichHandler
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    logging.basicConfig(
        level=logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=console, show_time=False, show_path=False)],
        force=True,
    )
    if not console.is_terminal:
        yield _lines
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # Results that are printed meanwhile go above the bars, but into a pipe where there is one.
    bars = Bars(*columns, console=console, redirect_stdout=sys.stdout.isatty())
    tasks = dict[str, Any]()

    def show(name: str, done: int, total: int | None) -> None:
        if done == 0:
            bars.start()
            tasks[name] = bars.add_task(name, total=total)
        else:
            bars.update(tasks[name], completed=done, total=total)

    try:
        yield show
    finally:
        if tasks:
            bars.stop()


def _lines(name: str, done: int, _: int | None) -> None:
    if done == 0:
        note(f"{name} ...")


@contextmanager
def progress_bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error that is advanced by the function it yields; where that is no terminal, one line."""
    with progress_bars() as progress:
        yield steps(progress, title, total)
