"""Standard streams that may be closed, full or without a reader: results that are lost are an error, messages are not."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import typer

from clay_eval.schemas.errors import StorageError

UNREAD = 141
"""The exit code where nobody reads the output, as the shell has it for SIGPIPE."""
_STANDARD = {0: os.O_RDONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}
"""How /dev/null takes the place of a closed stream; what is written to standard output then fails, as it would have."""


class _Results(io.FileIO):
    """Standard output. The first thing that it does not take ends the command; what follows goes nowhere."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            _silence(self.fileno())
            if isinstance(error, BrokenPipeError):
                raise typer.Exit(UNREAD) from error
            raise StorageError(
                "cannot write to standard output",
                found=error.strerror,
                hint="files that the command has made are kept; give it an output that can be written",
            ) from error


class _Messages(io.FileIO):
    """Standard error. What it does not take is lost, and the work goes on."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


@contextmanager
def standard_streams() -> Iterator[None]:
    """Within the block, standard output raises StorageError or Exit where it cannot be written, and standard error nothing.

    Closed streams are opened as /dev/null: files opened later would take their numbers, and libraries would write into them.
    """
    before = sys.stdout, sys.stderr
    # Python itself leaves None for a stream that was closed when it started.
    closed = sys.stdout is None, sys.stderr is None
    for number, mode in _STANDARD.items():
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest number that is free: this one
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        place = os.open(os.devnull, os.O_RDONLY) if closed[0] else 1
        sys.stdout = _text(_Results(place, "w", closefd=False), sys.stdout)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        place = os.open(os.devnull, os.O_WRONLY) if closed[1] else 2
        sys.stderr = _text(_Messages(place, "w", closefd=False), sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _text(raw: io.FileIO, like: TextIO | None) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=like.encoding if like else "utf-8",
        # A name may hold what the terminal's encoding does not: it is shown with escapes, and nothing is lost over it.
        errors="backslashreplace" if like is None or like.errors in (None, "strict") else like.errors,
        line_buffering=raw.isatty() or isinstance(raw, _Messages),
    )


def _silence(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
