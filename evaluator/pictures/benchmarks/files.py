"""Reading a benchmark's own files: lists, tables of labels, MATLAB files; and paths that they name, checked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.reading import read_bytes
from clay_eval.schemas.validate import parse_json, read_text

from .benchmark import Benchmark, Picture
from .mat_files import read_mat

MAX_LIST_BYTES = 64 << 20
MAX_MAT_BYTES = 64 << 20
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def safe_name(name: object, where: str | Path) -> str:
    """`name` as a normal relative path with /; InputError for what leads elsewhere or is no plain text."""
    if not isinstance(name, str) or not name.strip():
        raise InputError("a file has no name", where=where, expected="a name", found=repr(name)[:100])
    path = PurePosixPath(name)
    controls = any(ord(character) < 32 or ord(character) == 127 for character in name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or controls or name[1:3] in (":/", ":"):
        raise InputError(
            "a path leads out of the folder",
            where=where,
            expected="a plain path below the folder",
            found=repr(name)[:200],
        )
    return str(path)


def lines(path: Path, benchmark: Benchmark) -> Iterator[tuple[str, str]]:
    """(where, text) for every line of a list that is neither empty nor a comment (#), blanks stripped."""
    if not path.is_file():
        benchmark.missing(path.name, path)
    for number, line in enumerate(read_text(path, limit=MAX_LIST_BYTES).splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield f"{path} line {number}", line.strip()


def load_json(path: Path, benchmark: Benchmark) -> Any:
    """The content of a JSON file; InputError where it is missing or broken."""
    if not path.is_file():
        benchmark.missing(path.name, path)
    return parse_json(read_text(path), path)


def load_mat(path: Path, name: str, benchmark: Benchmark) -> list[Any]:
    """The variable `name` of a MATLAB 5 file, as `read_mat`; InputError where file or variable is missing or broken."""
    if not path.is_file():
        benchmark.missing(path.name, path)
    found = read_mat(read_bytes(path, MAX_MAT_BYTES), name, path)
    if not isinstance(found, list):
        benchmark.wrong(f"{name} is no list", path, "numbers, texts or structs", str(found)[:100])
    return found


def whole_number(value: object, where: str | Path, low: int, high: int) -> int:
    """`value` as an integer from `low` to `high`; InputError otherwise."""
    number = low - 1
    if isinstance(value, str):
        number = int(value) if re.fullmatch("[0-9]{1,18}", value) else number
    elif isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        number = int(value)
    if not low <= number <= high:
        raise InputError(
            "not a number that fits", where=where, expected=f"{low} to {high}", found=repr(value)[:100]
        )
    return number


def picture_names(folder: Path) -> set[str]:
    """The names of all pictures in `folder` and its sub-folders, relative to it, with /; hidden files are passed over."""
    found = set()
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        base = Path(place).relative_to(folder)
        found |= {
            (base / name).as_posix()
            for name in files
            if name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith(".")
        }
    return found


def check_pictures(
    benchmark: Benchmark,
    root: Path,
    pictures: Sequence[Picture],
    folders: Sequence[str],
    *,
    strict: bool = True,
) -> int:
    """Compare the pictures of a list with the files in `folders` below `root`; return how many files are in no list.

    Raises InputError for pictures that stand twice or are missing (their first names, how many, and files whose names
    differ only in case or extension), and, if `strict`, for files in no list.
    """
    wanted: set[str] = set()
    for picture in pictures:
        if picture.file in wanted:
            benchmark.wrong("a picture stands twice in the lists", root, "every picture once", picture.file)
        wanted.add(picture.file)
    there: set[str] = set()
    for folder in folders:
        if not (root / folder).is_dir():
            benchmark.missing(f"the folder {folder}", root / folder)
        there |= {f"{folder}/{name}" for name in picture_names(root / folder)}
    if not pictures:
        benchmark.wrong("no picture is listed", root)
    if missing := sorted(wanted - there):
        raise InputError(
            f"pictures of {benchmark.title} are missing",
            where=root / missing[0],
            expected=f"{len(wanted)} listed pictures",
            found=f"{len(missing)} of them are not there, such as {', '.join(missing[:3])}",
            hint=_renamed(missing[0], there) or f"the archive is not complete: {benchmark.hint}",
        )
    unlisted = sorted(there - wanted)
    if strict and unlisted:
        raise InputError(
            f"{benchmark.title}: pictures without a label",
            where=root / unlisted[0],
            expected="pictures that stand in the lists",
            found=f"{len(unlisted)} others, such as {', '.join(unlisted[:3])}",
            hint="remove them, or complete the lists",
        )
    return len(unlisted)


def _renamed(name: str, there: set[str]) -> str | None:
    """A hint where a file lies there whose name differs in case or extension only."""
    stem = str(PurePosixPath(name).with_suffix("")).casefold()
    for other in sorted(there):
        if str(PurePosixPath(other).with_suffix("")).casefold() == stem:
            return f"there is {other!r}: rename it to {name!r}"
    return None
