"""Features made elsewhere in place of an encoder: any embedding can be benchmarked without its model.

>>> images, texts = read_given(Path("images.npy")), read_given(Path("texts.parquet"))      # doctest: +SKIP
>>> encoder, store = GivenEncoder(images, texts), GivenStore(images, texts)                # doctest: +SKIP
>>> store.load(source, encoder.identity)["pets"].matrix.shape                              # doctest: +SKIP
(7349, 512)

Pictures are found by their keys (`ENTITY/KEY` where two entities have a key in common), texts by themselves. Vectors of any
length are taken: methods compare by cosine. `given_files` says what the files look like.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.files import write_text
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.words import nfc

from ..vectors.arrays import FloatArray, as_floats, unit_rows
from .encoders.rows import UNKNOWN_LOGIT_SCALE
from .given_files import KEYS_SUFFIX, READERS
from .store import EntityFeatures

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..pictures.labelled import ImageSource
    from .encoders import Encoder

log = logging.getLogger(__name__)

_CHUNK_ROWS = 4096
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class GivenFeatures:
    """A file of features: `matrix[i]`, of d numbers and any length, belongs to `keys[i]`."""

    path: Path
    keys: tuple[str, ...]
    matrix: FloatArray

    @property
    def dimension(self) -> int:
        """Number of columns."""
        return int(self.matrix.shape[1])

    @cached_property
    def identity(self) -> dict[str, str]:
        """The file's name and sha256, and that of the file of keys beside a .npy file."""
        beside = self.path.with_suffix(KEYS_SUFFIX)
        named = {"keys_sha256": file_sha256(beside)} if self.path.suffix.lower() == ".npy" else {}
        return {"name": self.path.name, "sha256": file_sha256(self.path), **named}

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Key -> row; its composed Unicode form (NFC), too, where no other key is that."""
        exact = {key: row for row, key in enumerate(self.keys)}
        return {nfc(key): row for key, row in exact.items()} | exact

    def row(self, key: str) -> int | None:
        """The row of a key, in this Unicode form or another."""
        return self.rows.get(key, self.rows.get(nfc(key)))

    def select(self, rows: Sequence[int]) -> FloatArray:
        """The vectors (n, d) of some rows, checked; a view of the file where the rows follow one another.

        Raises InputError naming the key of a vector that is all zeros or holds NaN or infinity.
        """
        chosen = np.asarray(rows, dtype=np.intp)
        follow = bool((np.diff(chosen) == 1).all())
        block = self.matrix[chosen[0] : chosen[-1] + 1] if follow else self.matrix[chosen]
        for start in range(0, len(block), _CHUNK_ROWS):
            chunk = np.asarray(block[start : start + _CHUNK_ROWS])
            bad = np.flatnonzero(~np.isfinite(chunk).all(axis=1) | ~chunk.any(axis=1))
            if len(bad):
                zero = not chunk[bad[0]].any()
                raise InputError(
                    "a vector of zeros has no direction" if zero else "a vector with NaN or infinity",
                    where=self.path,
                    found=f"key {self.keys[chosen[start + bad[0]]]!r}",
                )
        return block


def read_given(path: Path) -> GivenFeatures:
    """Read a .npy (mapped, not loaded), .safetensors or .parquet file of features.

    Raises InputError for other files, files that cannot be read or are cut short, numbers that are not floating-point,
    another number of keys than rows, and keys that occur twice or are empty.
    """
    path = Path(path)
    if path.suffix.lower() not in READERS:
        raise InputError(
            "not a file of features that can be read",
            where=path,
            expected=", ".join(READERS),
            hint="save them with numpy.save, with safetensors or as parquet",
        )
    if not path.is_file():
        raise InputError("there is no such file", where=path)
    keys, matrix = READERS[path.suffix.lower()](path)
    if len(keys) != len(matrix):
        raise InputError(
            "there is not one key a row",
            where=path,
            expected=f"{len(matrix)} keys",
            found=f"{len(keys)} keys",
        )
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise InputError("keys that occur twice", where=path, expected="one row a key", found=_some(twice))
    if "" in keys:
        raise InputError("a row without a key", where=f"{path}, row {keys.index('')}")
    return GivenFeatures(path, keys, matrix)


class GivenEncoder:
    """Stands for the encoder that made given features; it knows the texts that were given, and no pictures.

    logit_scale: the encoder's learnt scale, where the user knows it. Raises InputError where pictures and texts have vectors
    of different lengths.
    """

    def __init__(
        self,
        images: GivenFeatures,
        texts: GivenFeatures | None = None,
        logit_scale: float = UNKNOWN_LOGIT_SCALE,
    ) -> None:
        if texts is not None and texts.dimension != images.dimension:
            raise InputError(
                "pictures and texts have vectors of different lengths",
                where=texts.path,
                expected=f"{images.dimension} numbers, as in {images.path}",
                found=texts.dimension,
                hint="both must come from one and the same encoder",
            )
        self.images = images
        self.texts = texts
        self.logit_scale = logit_scale
        self.identity: Mapping[str, Any] = {
            "library": "given",
            **images.identity,
            "texts": None if texts is None else texts.identity,
            "dimension": images.dimension,
            "demonstration": False,
        }

    @property
    def dimension(self) -> int:
        """Number of columns of the features."""
        return self.images.dimension

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Raises InputError: only the features are here, not their encoder."""
        raise InputError("pictures cannot be embedded with features that were given", where=self.images.path)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n texts that were given; InputError for others."""
        return unit_rows(self.rows_of_texts(texts).astype(np.float32))

    def rows_of_texts(self, texts: Sequence[str]) -> FloatArray:
        """(n, d) vectors as they were given; raises InputError for missing texts, naming some."""
        self.require_texts(texts)
        if self.texts is None or not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        return self.texts.select([row for text in texts if (row := self.texts.row(text)) is not None])

    def require_texts(self, texts: Iterable[str]) -> None:
        """Raise InputError, with the number of them and some, for texts whose features were not given."""
        given = self.texts
        missing = [text for text in dict.fromkeys(texts) if given is None or given.row(text) is None]
        if missing:
            raise InputError(
                f"there are no features of {len(missing)} texts",
                where="--text-features" if self.texts is None else self.texts.path,
                expected="a vector for every text, the text itself its key",
                found=_some(missing),
                hint="encode the texts that --write-texts FILE lists, one a line",
            )


class GivenStore:
    """Features that were given, where an evaluation looks for those of a `FeatureStore`."""

    def __init__(self, images: GivenFeatures, texts: GivenFeatures | None = None) -> None:
        self._images = images
        self._encoder = GivenEncoder(images, texts)
        self.notes: tuple[str, ...] = ()

    def load(self, source: ImageSource, identity: Mapping[str, Any]) -> dict[str, EntityFeatures]:
        """The given features of `source` by entity, in the order of its keys; a view of the file if it has this order.

        Raises InputError for pictures without features, with some keys, and for vectors that are not finite or all zeros.
        Features of pictures that the data has not are left out, with a remark in `notes`.
        """
        rows = given_rows(source, self._images)
        surplus = len(self._images.keys) - sum(map(len, rows.values()))
        if surplus:
            self.notes = (
                f"{surplus} rows of {self._images.path.name} belong to no picture of the data, and were left out",
            )
            log.warning("%s", self.notes[0])
        return {
            name: EntityFeatures(source.entities[name].keys, self._images.select(chosen))
            for name, chosen in rows.items()
        }

    def text_features(self, texts: Sequence[str], encoder: Encoder) -> FloatArray:
        """(n, d) unit rows for `texts`, float64 where they were given so, else float32; InputError for missing ones."""
        if not texts:
            raise InputError("there is no text to encode")
        return unit_rows(as_floats(self._encoder.rows_of_texts(texts), "text features"))


def given_rows(source: ImageSource, given: GivenFeatures) -> dict[str, list[int]]:
    """Entity -> the row of each of its pictures; raises InputError where some have none, naming them.

    A source's `written`, key -> other names, are looked for where a key is not there.
    """
    count = Counter(key for labels in source.entities.values() for key in labels.keys)
    written: Mapping[str, Sequence[str]] = getattr(source, "written", {})
    rows: dict[str, list[int]] = {}
    missing: list[str] = []
    for name, labels in source.entities.items():
        rows[name] = []
        for key in labels.keys:
            full = f"{name}/{key}"
            names = [full, *([key, *written.get(key, ())] if count[key] == 1 else [])]
            row = next((given.rows[name] for name in names if name in given.rows), None)
            if row is None:
                missing.append(full if count[key] > 1 else key)
            else:
                rows[name].append(row)
    if missing:
        raise InputError(
            f"{len(missing)} of {count.total()} pictures have no features",
            where=given.path,
            expected="a row for every picture, its key that of the data",
            found=f"missing: {_some(missing)}; the file has: {_some(given.keys)}",
        )
    return rows


def needed_texts(*groups: Iterable[str]) -> list[str]:
    """All texts that an evaluation asks for, each once, in order."""
    return list(dict.fromkeys(text for group in groups for text in group))


def write_needed_texts(path: Path, texts: Sequence[str]) -> None:
    """Write texts to encode elsewhere, one a line, as the .keys.txt of a .npy file wants them.

    Raises InputError for a text that would not come back from such a file: one with a line break, with a
    zero character (the sign of UTF-16) or with a byte order mark before it.
    """
    broken = [text for text in texts if set(text) & {"\n", "\r", "\0"} or text.startswith("\ufeff")]
    if broken:
        raise InputError(
            "a text with a line break, a zero character or a byte order mark cannot be listed one a line",
            where=path,
            found=_some(broken),
        )
    write_text(path, "".join(f"{text}\n" for text in texts))


def _some(items: Sequence[str]) -> str:
    shown = ", ".join(repr(item if len(item) <= 80 else item[:77] + "...") for item in items[:_SHOWN])
    return shown + (f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")
