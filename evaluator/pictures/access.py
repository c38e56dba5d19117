"""Single pictures of a source, by entity and row: a file, a slice of a tar, or whatever the source reads them from.

What lies on the disk must still be what it was when the source was opened: files are hashed on every reading, a tar once,
and from then on its size, date and inode must stay.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import IO, Protocol, runtime_checkable

from clay_eval.schemas.decoding import MAX_BYTES
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.reading import open_regular
from clay_eval.schemas.shards import picture_places

from .labelled import ImageSource, Unit


@runtime_checkable
class InTars(Protocol):
    """A source whose units are tars."""

    def tar(self, unit: Unit) -> tuple[Path, bool]:
        """The tar that holds a unit's pictures in the order of its keys, and whether it is written as ours are."""
        ...


@dataclass(frozen=True)
class _Tar:
    """A tar as it was when it was hashed, with (offset, bytes) of its pictures."""

    path: Path
    state: tuple[int, int, int]
    places: Sequence[tuple[int, int]]


class PictureReader:
    """Encoded pictures of a source, one at a time; safe to call from several threads."""

    def __init__(self, source: ImageSource) -> None:
        self._source = source
        self._tars: dict[str, _Tar] = {}
        self._lock = Lock()
        self._units: dict[str, tuple[list[int], list[Unit]]] = {}
        for unit in source.units():
            starts, units = self._units.setdefault(unit.entity, ([], []))
            starts.append(starts[-1] + len(units[-1].keys) if units else 0)
            units.append(unit)

    def read(self, entity: str, row: int) -> bytes:
        """The encoded picture of a row of an entity's keys.

        Raises InputError for a row that there is not; IntegrityError where the data changed since the source was opened.
        """
        starts, units = self._units.get(entity, ([], []))
        number = bisect_right(starts, row) - 1
        if not row >= 0 or number < 0 or row - starts[number] >= len(units[number].keys):
            raise InputError("no such picture", where=entity, found=row)
        unit, place = units[number], row - starts[number]
        if isinstance(self._source, InTars):
            return self._slice(*self._source.tar(unit), unit, place)
        key = unit.keys[place]
        for found, data in self._source.images(replace(unit, keys=(key,))):
            if found == key:
                return data
        raise IntegrityError("a picture is no longer there", where=f"{entity}/{key}", hint="run again")

    def _slice(self, path: Path, strict: bool, unit: Unit, place: int) -> bytes:
        with self._lock:
            tar = self._tars.get(unit.name)
            if tar is None:
                tar = self._tars[unit.name] = _hashed(path, strict, unit)
        offset, size = tar.places[place]
        with open_regular(path, "shard") as stream:
            if _state(stream) != tar.state:
                raise _changed(path)
            stream.seek(offset)
            data = stream.read(min(size, MAX_BYTES))
        if len(data) != size:
            raise _changed(path)
        return data


def _hashed(path: Path, strict: bool, unit: Unit) -> _Tar:
    with open_regular(path, "shard") as stream:
        before = _state(stream)
    if file_sha256(path) != unit.sha256:
        raise _changed(path)
    places = picture_places(path, strict=strict)
    if len(places) != len(unit.keys):
        raise _changed(path)
    return _Tar(path, before, places)


def _state(stream: IO[bytes]) -> tuple[int, int, int]:
    found = os.fstat(stream.fileno())
    return found.st_size, found.st_mtime_ns, found.st_ino


def _changed(path: Path) -> IntegrityError:
    return IntegrityError("a shard changed while it was in use", where=path, hint="run again")
