"""The pictures of an index: vectors, names, and what is known of them without a condition."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.words import did_you_mean, nearest

from ..vectors.arrays import FloatArray, Surveyed, survey, unit_rows
from .passes import over_blocks
from .removal import Removal
from .weighing import Weighted

_SAMPLED = 256
_KEPT_LENGTHS = 8


@dataclass(frozen=True, eq=False)
class Pictures:
    """surveyed: (N, d), see `survey`; keys: N names; labels: attribute -> N values."""

    surveyed: Surveyed
    keys: tuple[str, ...]
    labels: Mapping[str, Sequence[str]]
    _rows: Mapping[str, int]
    _file: Path | None
    _state: tuple[str, ...]
    _lengths: OrderedDict[Weighted, FloatArray] = field(default_factory=OrderedDict)

    @classmethod
    def read(
        cls, features: npt.ArrayLike, keys: Sequence[str], labels: Mapping[str, Sequence[str]] | None = None
    ) -> Pictures:
        """Read all vectors once; raises InputError as `ConditionalIndex`."""
        surveyed = survey(features, "features")
        if len(keys) != len(surveyed):
            raise InputError(
                "vectors and keys differ in number",
                where="keys",
                expected=f"{len(surveyed)} keys, one a vector",
                found=len(keys),
            )
        rows = {key: row for row, key in enumerate(keys)}
        if len(rows) < len(keys):
            twice = next(key for row, key in enumerate(keys) if rows[key] != row)
            raise InputError(
                "two pictures have one key", where="keys", expected="each once", found=repr(twice)
            )
        for attribute, values in (labels or {}).items():
            if len(values) != len(keys):
                raise InputError(
                    f"the attribute {attribute!r} does not have one value a picture",
                    where=f"labels.{attribute}",
                    expected=f"{len(keys)} values",
                    found=len(values),
                )
        name = getattr(features, "filename", None)
        file = None if name is None else Path(name)
        return cls(surveyed, tuple(keys), dict(labels or {}), rows, file, _state(surveyed, file))

    @property
    def width(self) -> int:
        """d."""
        return int(self.surveyed.shape[1])

    @cached_property
    def features(self) -> FloatArray:
        """The vectors (N, d) as a plain array."""
        return np.asarray(self.surveyed)

    def row(self, key: str) -> int:
        """The row of a picture; an unknown key raises InputError."""
        if key not in self._rows:
            raise InputError(
                "the index has no picture of this key",
                where="query",
                expected=f"one of its {len(self.keys)} keys",
                found=repr(key),
                hint=did_you_mean(nearest(key, self.keys, 3)) if len(self.keys) <= 100_000 else None,
            )
        return self._rows[key]

    def require_unchanged(self) -> None:
        """Raise IntegrityError where the vectors are not those that were read.

        Of a mapped file its size and time, of all the bytes of some rows spread over them.
        """
        if _state(self.surveyed, self._file) != self._state:
            raise IntegrityError(
                "the pictures' vectors have changed since they were indexed",
                where=self._file or "features",
                hint="make the index anew",
            )

    def cosines(self, query: FloatArray, removal: Removal | None, removed: Weighted) -> FloatArray:
        """The cosines (N,) of all pictures with one query (1, d), float32, after `removal` from both."""
        vector: FloatArray = unit_rows(query.astype(np.float64))
        if removal is not None:
            vector = removal.rows(unit_rows(removal.rows(vector)))
        scores = np.empty(len(self.keys), np.float32)
        column = vector[0].astype(self.features.dtype)

        def work(block: FloatArray, place: slice) -> None:
            scores[place] = block @ column

        over_blocks(self.features, work)
        scores /= self._length(removal, removed)
        return scores

    def _length(self, removal: Removal | None, removed: Weighted) -> FloatArray:
        """|R v| (N,), infinite where nothing is left."""
        if removed in self._lengths:
            self._lengths.move_to_end(removed)
            return self._lengths[removed]
        lengths = np.empty(len(self.keys), np.float32)

        def work(block: FloatArray, place: slice) -> None:
            squares = np.vecdot(block, block)
            if removal is not None:
                squares = removal.squared_lengths(block, squares)
            lengths[place] = np.sqrt(squares)

        over_blocks(self.features, work)
        lengths[lengths == 0] = np.inf
        self._lengths[removed] = lengths
        while len(self._lengths) > _KEPT_LENGTHS:
            self._lengths.popitem(last=False)
        return lengths


def _state(features: Surveyed, file: Path | None) -> tuple[str, ...]:
    rows = np.linspace(0, len(features) - 1, min(_SAMPLED, len(features))).astype(np.intp)
    found = [hashlib.sha256(np.asarray(features)[rows].tobytes()).hexdigest()]
    if file is not None:
        about = file.stat()
        found += [str(about.st_size), str(about.st_mtime_ns)]
    return tuple(found)
