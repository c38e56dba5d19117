"""NAME:FOLDER and NAME@TAG:FOLDER, as options say which benchmark lies where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import did_you_mean, nearest

_FORM = re.compile(r"(?P<name>[A-Za-z][\w-]*)(?:@(?P<tags>[\w-]+(?:\+[\w-]+)*))?:(?P<folder>.+)", re.DOTALL)

HUGGING_FACE = "hugging-face"
"""The name of any data set that `datasets` saved, among those of the benchmarks."""


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
        raise InputError(
            "no such data set",
            where=f"--data {name}:FOLDER",
            expected=f"one of {known}",
            found=repr(name),
            hint=did_you_mean(nearest(name, known, most=3)) or "clay-eval datasets lists them",
        )
    return name
