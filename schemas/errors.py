"""Errors that a user can act on: what is wrong, where, what was expected, what was found, and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class ClayEvalError(Exception):
    """Base of every error meant for a person; the command line prints it and exits with `exit_code`.

    Parameters
    ----------
    what: one sentence saying what is wrong.
    where: file, JSON path, sample key or option that is at fault.
    expected, found: what should have been there and what was.
    hint: the way out.
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        where: str | Path | None = None,
        expected: object = None,
        found: object = None,
        hint: str | None = None,
    ) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.expected = None if expected is None else str(expected)
        self.found = None if found is None else str(found)
        self.hint = hint
        super().__init__(what, self.where, self.expected, self.found, self.hint)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.what, self.where, self.expected, self.found, self.hint)

    def __str__(self) -> str:
        parts = [
            ("where", self.where),
            ("expected", self.expected),
            ("found", self.found),
            ("try", self.hint),
        ]
        return "\n".join([self.what, *(f"  {label + ':':<10}{text}" for label, text in parts if text)])


def _rebuild(
    kind: type[ClayEvalError],
    what: str,
    where: str | None,
    expected: str | None,
    found: str | None,
    hint: str | None,
) -> ClayEvalError:
    """Errors cross process borders, so copying and pickling must keep them whole."""
    return kind(what, where=where, expected=expected, found=found, hint=hint)


class InputError(ClayEvalError, ValueError):
    """A file, option or array that the user supplied is wrong; a ValueError, as callers expect of bad arguments."""

    exit_code = 2


class ConfigChangedError(ClayEvalError):
    """An output folder holds work that was made with another configuration."""

    exit_code = 3


class IntegrityError(ClayEvalError):
    """Data is damaged, incomplete, or not what its manifest says."""

    exit_code = 4


class BusyError(ClayEvalError):
    """An output folder is in use by another run."""

    exit_code = 5


class StorageError(ClayEvalError):
    """The disk is full, or a file cannot be written."""

    exit_code = 6


class ResourceError(ClayEvalError):
    """Memory or threads ran out."""

    exit_code = 6
