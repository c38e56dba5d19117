"""A benchmark's pictures as an `ImageSource`.

Every picture is hashed when the folder is opened, so that no picture can change unnoticed, neither its size nor its date
being proof. It costs one reading of the whole data set; `hash_files` uses all cores.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from clay_eval.schemas.decoding import MAX_BYTES, MAX_PIXELS, decode_image, not_read
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.reading import read_bytes

from ..columns import check_lengths, one_form
from ..labelled import UNIT_IMAGES, Labelled, Unit
from ..names import count, unique_keys
from ..notes import identical_pictures
from .benchmark import Box, Listing, Picture

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")
_THREADS = min(16, os.cpu_count() or 1)
_CHUNK = 64


class BenchmarkSource:
    """Pictures of a `Listing`, in units of `UNIT_IMAGES` at most. `benchmark` and `tags` say what they are; `queries`
    have galleries of their own, where the benchmark has such.

    Raises InputError for files that are too large or no JPEG, PNG or WebP; IntegrityError, while reading, for a picture
    that changed since the folder was opened.
    """

    kind = "benchmark"

    def __init__(
        self,
        benchmark: str,
        listing: Listing,
        conditions: Sequence[str] | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        self.benchmark, self.tags, self.unlisted = benchmark, tuple(tags), listing.unlisted
        self.queries = listing.queries
        self._root = listing.root
        files = sorted({picture.file for group in listing.entities.values() for picture in group})
        self._hashes = hash_files(listing.root, files)
        self._pictures: dict[str, dict[str, Picture]] = {}
        self._units: list[Unit] = []
        self._notes: list[str] = list(listing.notes)
        if listing.unlisted:
            self._notes.append(
                f"{count(listing.unlisted, 'picture')} of the folder in no list of {benchmark}, left out"
            )
        self.entities: Mapping[str, Labelled] = {
            name: self._take(name, group, conditions) for name, group in listing.entities.items()
        }
        self.fingerprint: str = fingerprint(
            {
                "units": [[unit.name, unit.sha256] for unit in self._units],
                "entities": {
                    name: {k: list(column) for k, column in labels.labels.items()}
                    for name, labels in self.entities.items()
                },
                "keys": {name: list(labels.keys) for name, labels in self.entities.items()},
            }
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or changed while reading, and pictures that are the same, a sentence each."""
        return tuple(self._notes)

    def units(self) -> tuple[Unit, ...]:
        """All units, entity by entity."""
        return tuple(self._units)

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        """Stream (key, encoded picture); crops are encoded as PNG."""
        for key in unit.keys:
            picture = self._pictures[unit.entity][key]
            path = self._root / picture.file
            data = _read(path)
            if hashlib.sha256(data).hexdigest() != self._hashes[picture.file]:
                raise IntegrityError("a picture changed while it was in use", where=path, hint="run again")
            yield key, data if picture.crop is None else cropped(data, picture.crop, path)

    def _take(self, entity: str, pictures: Sequence[Picture], conditions: Sequence[str] | None) -> Labelled:
        names = list(pictures[0].labels) if pictures else []
        chosen = [name for name in names if conditions is None or name in conditions]
        stems = [picture.key or Path(picture.file).stem for picture in pictures]
        keys = unique_keys(stems, [f"{picture.file} {picture.crop or ''}" for picture in pictures])
        self._pictures[entity] = dict(zip(keys, pictures, strict=True))
        for start in range(0, len(keys), UNIT_IMAGES):
            some = keys[start : start + UNIT_IMAGES]
            content = [
                [key, picture.file, self._hashes[picture.file], picture.crop and list(picture.crop)]
                for key, picture in zip(some, pictures[start : start + UNIT_IMAGES], strict=True)
            ]
            name = f"{entity}-{start // UNIT_IMAGES:05d}"
            self._units.append(Unit(name, fingerprint(content), entity, tuple(some)))
        labels = {}
        for name in chosen:
            labels[name], said = one_form(name, [picture.labels[name] for picture in pictures])
            self._notes += (f"{entity}: {note}" for note in said)
            check_lengths(
                name, labels[name], lambda i, name: f"{self._root / pictures[i].file} label {name!r}"
            )
        seen = [(self._hashes[picture.file], picture.crop) for picture in pictures]
        self._notes += (f"{entity}: {note}" for note in identical_pictures(keys, seen, labels))
        return Labelled(tuple(keys), labels, {}, entity)


def hash_files(root: Path, files: Sequence[str]) -> dict[str, str]:
    """File -> sha256 of its content; raises InputError for files that are links out of `root`, too large, or no pictures.

    Several files are read at once: hashing leaves Python's lock free.
    """
    _check_links(root, files)

    def some(names: Sequence[str]) -> list[str]:
        return [_hash(root / name) for name in names]

    parts = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    with ThreadPoolExecutor(_THREADS) as threads:
        return dict(zip(files, chain.from_iterable(threads.map(some, parts)), strict=True))


def _check_links(root: Path, files: Sequence[str]) -> None:
    home = root.resolve()
    folders = {str(Path(name).parent) for name in files}
    links = [name for name in files if (root / name).is_symlink()]
    for name in (*sorted(folders), *links):
        if not (root / name).resolve().is_relative_to(home):
            raise InputError("a link leads out of the folder", where=root / name)


def _hash(path: Path) -> str:
    data = _read(path)
    if not data.startswith(_SIGNATURES):
        error = not_read(data, path)
        raise InputError(
            error.what,
            where=path,
            expected=error.expected,
            found=error.found if data else "an empty file",
            hint=error.hint or "unpack the archive again",
        )
    return hashlib.sha256(data).hexdigest()


def cropped(data: bytes, box: Box, where: str | Path) -> bytes:
    """The part `box` (left, top, right, bottom) of a picture, on a black square of its longer side, as PNG.

    Pixels outside the picture are black. Raises as `decode_image`, and InputError for a box that holds no pixel, or whose
    square has too many.
    """
    from PIL import Image

    image = decode_image(data, where)
    left, top, right, bottom = (round(value) for value in box)
    if (
        right <= left
        or bottom <= top
        or left >= image.width
        or top >= image.height
        or right <= 0
        or bottom <= 0
    ):
        raise InputError(
            "a box holds no pixel of its picture",
            where=where,
            expected=f"a part of {image.width} x {image.height} pixels",
            found=[left, top, right, bottom],
        )
    part = image.crop((left, top, min(right, image.width), min(bottom, image.height)))
    side = max(part.size)
    if side * side > MAX_PIXELS:
        raise InputError(
            "a box is too long and thin to lie on a square",
            where=where,
            expected=f"a square of at most {MAX_PIXELS} pixels",
            found=f"{part.width} x {part.height}",
        )
    square = Image.new("RGB", (side, side))
    square.paste(part, ((side - part.width) // 2, (side - part.height) // 2))
    stream = io.BytesIO()
    square.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _read(path: Path) -> bytes:
    return read_bytes(path, MAX_BYTES, "picture")
