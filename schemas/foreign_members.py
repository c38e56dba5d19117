"""Which members of a stranger's tar make a sample, which are left out, and where that cannot be told.

Webdataset's rule ends a key at the first dot of the file's name. Where what follows is no extension that is read, such as
in `take 2.0.png`, the key ends at the last dot, provided that a picture and a JSON agree on it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .errors import IntegrityError
from .words import nfc

JSON = "json"
IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp")
UNREAD_EXTENSIONS = ("bmp", "tif", "tiff", "gif", "heic", "heif", "avif", "jp2", "jxl", "ppm", "svg")
"""Formats of pictures that are not read."""
CONVERT = "convert such pictures to PNG, JPEG or WebP"
_KNOWN = {JSON, *IMAGE_EXTENSIONS}
HIDDEN, BARE = "hidden", "without an extension"


class _Member(NamedTuple):
    """Place in the tar, key and extension by the first dot, key and extension by the last."""

    place: int
    key: str
    extension: str
    long_key: str
    last: str


@dataclass(frozen=True)
class Members:
    """taken: (key, extension) of each member of the tar, None for those that are left out; left_out: how many of them there
    are by extension."""

    taken: Sequence[tuple[str, str] | None]
    left_out: Counter[str]


def choose_members(names: Sequence[str], where: Path) -> Members:
    """Sort out the members of a tar by their names, in its order; empty names stand for folders, and are passed over.

    Raises IntegrityError for a sample with several pictures, or JSONs, none of which has the plain name `key.extension`,
    and for one whose only picture is of a format that is not read.
    """
    taken: list[tuple[str, str] | None] = [None] * len(names)
    left_out: Counter[str] = Counter()
    members = []
    for place, name in enumerate(names):
        path = PurePosixPath(nfc(name))
        if any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
            left_out[HIDDEN] += 1
        elif name:
            members.append(_member(place, path))
    for _, group in groupby(members, key=lambda member: member.key):
        run = list(group)
        chosen = _choose(run, where)
        for member in run:
            if member.place in chosen:
                taken[member.place] = chosen[member.place]
            else:
                left_out[_called(member)] += 1
    return Members(taken, left_out)


def _member(place: int, path: PurePosixPath) -> _Member:
    folder = "" if path.parent == PurePosixPath(".") else f"{path.parent}/"
    stem, _, extension = path.name.partition(".")
    long_stem, _, last = path.name.rpartition(".")
    return _Member(place, folder + stem, extension.lower(), folder + long_stem, last.lower())


def _choose(run: Sequence[_Member], where: Path) -> dict[int, tuple[str, str]]:
    """Place -> key and extension, of members whose keys by the first dot are the same."""
    plain = [member for member in run if member.extension in _KNOWN]
    chosen = {member.place: (member.key, member.extension) for member in plain}
    by_key: dict[str, list[_Member]] = defaultdict(list)
    for member in run:
        if member.extension not in _KNOWN and member.last in _KNOWN:
            by_key[member.long_key].append(member)
    rest: list[_Member] = []
    for key, group in by_key.items():
        if {True, False} == {member.last == JSON for member in group}:
            chosen.update((member.place, (key, member.last)) for member in group)
        else:
            rest += group
    if not plain:  # each of the rest is a sample that lacks something, which is said when it is read
        chosen.update((member.place, (member.long_key, member.last)) for member in rest)
    else:
        for slot in (True, False):
            others = [member for member in rest if (member.last == JSON) == slot]
            if others and not any((member.extension == JSON) == slot for member in plain):
                one = _only(others, plain[0].key, "JSON files" if slot else "pictures", where)
                chosen[one.place] = (plain[0].key, one.last)
    unread = next((member for member in run if member.last in UNREAD_EXTENSIONS), None)
    if unread is not None and all(extension == JSON for _, extension in chosen.values()):
        raise IntegrityError(
            "a picture of a format that is not read",
            where=f"{where}: {unread.key}",
            expected=", ".join(IMAGE_EXTENSIONS),
            found=f".{unread.extension}",
            hint=CONVERT,
        )
    return chosen


def _only(members: Sequence[_Member], key: str, what: str, where: Path) -> _Member:
    if len(members) > 1:
        names = ", ".join(f"{key.rpartition('/')[2]}.{member.extension}" for member in members[:5])
        raise IntegrityError(
            f"cannot choose between {len(members)} {what} of one sample",
            where=f"{where}: {key}",
            expected="one picture and one .json a sample, or one of each with the plain name KEY.EXTENSION",
            found=names[:500],
        )
    return members[0]


def _called(member: _Member) -> str:
    if not member.extension:
        return BARE
    return f".{member.extension if member.last in _KNOWN else member.last}"[:40]
