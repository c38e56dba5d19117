"""NAME:FOLDER and NAME@TAG:FOLDER, as options say which benchmark lies where."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from clay_eval.schemas.errors import InputError

_FORM = re.compile(r"(?P<name>[A-Za-z][\w-]*)(?:@(?P<tags>[\w-]+(?:\+[\w-]+)*))?:(?P<folder>.+)", re.DOTALL)


@dataclass(frozen=True)
class DataName:
    """A benchmark, the tags that its pictures must have (such as "test"), and its folder."""

    name: str
    tags: tuple[str, ...]
    folder: Path


def parse_data_name(text: str) -> DataName | None:
    """Read NAME:FOLDER or NAME@TAG+TAG:FOLDER; None where the text has another form.

    Whether there is such a benchmark is left to `known_name`.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    tags = tuple(match["tags"].split("+")) if match["tags"] else ()
    return DataName(match["name"], tags, Path(match["folder"]).expanduser())


def known_name(name: str, known: list[str]) -> str:
    """`name`, if it is one of `known`; InputError with the nearest ones otherwise."""
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
        raise InputError(
            "no such data set",
            where=f"--data {name}:FOLDER",
            expected=f"one of {known}",
            found=repr(name),
            hint=f"did you mean {', '.join(near)}?" if near else "clay-eval datasets lists them",
        )
    return name
