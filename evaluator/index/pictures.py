"""The pictures of an index: vectors, names, and what is known of them without a condition."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import RLock

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.words import did_you_mean, nearest

from ..vectors.arrays import Float64Array, FloatArray, Surveyed, survey
from .passes import over_blocks

_SAMPLED = 64


@dataclass(frozen=True, eq=False)
class Pictures:
    """surveyed: (N, d), see `survey`; keys: N names; labels: attribute -> N values.

    lock: held by whoever reads all of them, since that sets how many threads BLAS may use.
    """

    surveyed: Surveyed
    keys: tuple[str, ...]
    labels: Mapping[str, Sequence[str]]
    _rows: Mapping[str, int]
    _file: Path | None
    _state: tuple[str, ...]
    lock: RLock = field(default_factory=RLock)

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

    @cached_property
    def lengths(self) -> FloatArray:
        """|v| (N,), float32."""
        lengths = np.empty(len(self.keys), np.float32)

        def work(block: FloatArray, place: slice) -> None:
            lengths[place] = np.sqrt(np.vecdot(block, block))

        over_blocks(self.features, work)
        return lengths

    def products(self, vector: Float64Array) -> FloatArray:
        """The inner products (N,), float32, of all pictures with a vector (d,)."""
        found = np.empty(len(self.keys), np.float32)
        column = vector.astype(self.features.dtype)

        def work(block: FloatArray, place: slice) -> None:
            found[place] = block @ column

        over_blocks(self.features, work)
        return found


def _state(features: Surveyed, file: Path | None) -> tuple[str, ...]:
    rows = np.linspace(0, len(features) - 1, min(_SAMPLED, len(features))).astype(np.intp)
    found = [hashlib.sha256(np.asarray(features)[rows].tobytes()).hexdigest()]
    if file is not None:
        about = file.stat()
        found += [str(about.st_size), str(about.st_mtime_ns)]
    return tuple(found)
