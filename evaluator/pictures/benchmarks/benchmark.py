"""What is known of a benchmark, and what its reader returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from clay_eval.schemas.errors import InputError

from ..gallery_queries import GalleryQuery

NOT_DOWNLOADED = "nothing is downloaded by itself"
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Picture:
    """A picture file below the benchmark's folder, its values by condition, and its tags ("train", "test", ...).

    key: its name in tables; made of the file's if empty. crop: left, top, right, bottom in pixels; the rest is cut off and
    the shorter side padded with black to a square.
    """

    file: str
    labels: Mapping[str, str]
    tags: frozenset[str] = frozenset()
    key: str = ""
    crop: Box | None = None


@dataclass(frozen=True)
class Listing:
    """All pictures of a benchmark, entity by entity, below `root`.

    unlisted: files that lie there and are in no list; queries: with galleries of their own, of a benchmark that has such;
    notes: what a reader of the numbers should know of them, a sentence each.
    """

    root: Path
    entities: Mapping[str, Sequence[Picture]]
    unlisted: int = 0
    queries: tuple[GalleryQuery, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """A published data set.

    conditions: entity -> condition -> how many values there are, None where that is not fixed; pictures: entity -> how
    many there are when complete, None where that is not known; download: (what, from where); layout: the files expected,
    below the folder or a folder of one of the names `inside`; tags: what NAME@TAG can choose.
    """

    name: str
    title: str
    conditions: Mapping[str, Mapping[str, int | None]]
    pictures: Mapping[str, int | None]
    licence: str
    download: tuple[tuple[str, str], ...]
    layout: tuple[str, ...]
    read: Callable[[Benchmark, Path], Listing]
    inside: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    notes: str = ""

    @property
    def hint(self) -> str:
        """What to download, from where, and where it goes."""
        parts = "; ".join(f"{what} from {where}" for what, where in self.download)
        return f"get {parts}; unpacked, the folder holds {', '.join(self.layout)} ({NOT_DOWNLOADED})"

    def missing(self, what: str, where: Path, found: object = None) -> NoReturn:
        """Raise InputError: a part of the benchmark is not there."""
        raise InputError(
            f"{what} of {self.title} is missing",
            where=where,
            expected=", ".join(self.layout),
            found=found,
            hint=self.hint,
        )

    def wrong(self, what: str, where: str | Path, expected: object = None, found: object = None) -> NoReturn:
        """Raise InputError: a part of the benchmark is not as it should be."""
        raise InputError(
            f"{self.title}: {what}",
            where=where,
            expected=expected,
            found=found,
            hint="unpack the archives again into an empty folder",
        )

    def root(self, folder: Path, *marks: str) -> Path:
        """`folder`, or one of the folders `inside` it: where all `marks` lie.

        Raises InputError for a folder that is not there, or where a mark is missing; it names the first.
        """
        if not folder.is_dir():
            self.missing("the folder", folder)
        places = [folder, *(folder / name for name in self.inside)]
        best = max(places, key=lambda place: sum((place / mark).exists() for mark in marks))
        for mark in marks:
            if not (best / mark).exists():
                self.missing(mark, best / mark, _lies_here(best))
        return best


def _lies_here(folder: Path, most: int = 8) -> str:
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}" if names else "an empty folder"
