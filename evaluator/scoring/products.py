"""Scores of queries by inner products, block by block, so that a database larger than memory is only read.

A small database is copied with its columns sorted by code, which makes marking relevant items cheap. One above 64 MiB
is multiplied where it lies, in slices of its rows: a memory-mapped file is never copied as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import FloatArray, as_floats, require_width
from .duplicates import find_duplicates
from .relevance import Codes
from .threads import block_rows, thread_count

Space = tuple[npt.ArrayLike, npt.ArrayLike]
Combine = Callable[[Sequence[FloatArray]], FloatArray]

_SLICE_ROWS = 8192
_MOST_COPIED_BYTES = 1 << 26
_PRODUCT_BLOCKS = 8
_PRODUCT_ROWS = 64
_PRODUCT_ENTRIES = 1 << 27


@dataclass(frozen=True, eq=False)
class Pair:
    """Queries (Q, k) and database (N, k) of one space, of any real type."""

    queries: npt.NDArray[np.generic]
    database: npt.NDArray[np.generic]


class Products:
    """Scores of the queries, in `row_order`, with the whole database of one space."""

    def __init__(self, pair: Pair, row_order: Codes, column_order: Codes | None) -> None:
        self.queries, self.row_order = pair.queries, row_order
        self.n = len(pair.database)
        self.dtype = np.result_type(float_type(pair.queries), float_type(pair.database))
        self.database, self.copied = pair.database, column_order is not None
        if column_order is not None:
            self.database = pair.database[column_order].astype(self.dtype, copy=False)
        self.duplicates = find_duplicates(self.database)

    def buffer(self, rows: int) -> FloatArray:
        return np.empty((rows, self.n), self.dtype)

    def fill(self, start: int, stop: int, out: FloatArray) -> FloatArray:
        """Return scores (stop - start, N) of a block of queries, made in `out`."""
        rows = self.queries[self.row_order[start:stop]].astype(self.dtype, copy=False)
        out = out[: stop - start]
        height = self.n if self.copied else _SLICE_ROWS
        for top in range(0, self.n, height):
            part = np.ascontiguousarray(self.database[top : top + height], self.dtype)
            np.matmul(rows, part.T, out=out[:, top : top + height])
        if self.duplicates.later.size:
            out[:, self.duplicates.later] = out[:, self.duplicates.first]
        return out


def checked_spaces(spaces: Sequence[Space]) -> list[Pair]:
    """Return the arrays of each space, all with as many queries and as many images.

    Raises InputError for no space, for other types, and for widths and lengths that do not fit.
    """
    pairs = []
    for i, (queries, database) in enumerate(spaces):
        suffix = f" of space {i}" if len(spaces) > 1 else ""
        pair = Pair(_as_matrix(queries, f"queries{suffix}"), _as_matrix(database, f"database{suffix}"))
        require_width(pair.queries, f"queries{suffix}", pair.database.shape[1])  # type: ignore[arg-type]
        pairs.append(pair)
    shapes = {(len(pair.queries), len(pair.database)) for pair in pairs}
    if len(shapes) != 1:
        raise InputError(
            "every space must hold the same queries and the same database",
            where="spaces",
            expected="one or more spaces of one size",
            found=f"numbers of queries and images: {sorted(shapes)}",
        )
    return pairs


def is_large(pairs: Sequence[Pair]) -> bool:
    """Return whether the database is to stay where it lies."""
    return sum(pair.database.nbytes for pair in pairs) > _MOST_COPIED_BYTES


def product_rows(n: int, rows: int, spaces: int) -> int:
    """Return how many of `rows` queries are multiplied at a time: enough to make up for reading the database."""
    threads = thread_count()
    most = max(
        _PRODUCT_BLOCKS * block_rows(n), min(_PRODUCT_ROWS, _PRODUCT_ENTRIES // (n * spaces * threads)), 1
    )
    if rows <= most:
        return rows
    rounds = -(-rows // (most * threads))
    return -(-rows // (rounds * threads))


def combined(scores: Sequence[FloatArray], combine: Combine | None) -> FloatArray:
    """Return the scores (B, N) that `combine` makes of those of each space; of a single space, they are kept."""
    if combine is None:
        return scores[0]
    result = np.asarray(combine(scores))
    if result.shape != scores[0].shape or result.dtype not in (np.float32, np.float64):
        raise InputError(
            "combine must return one score an image",
            where="combine",
            expected=f"float32 or float64 of shape {scores[0].shape}",
            found=f"{result.dtype} of shape {result.shape}",
        )
    return result


def _as_matrix(values: npt.ArrayLike, name: str) -> npt.NDArray[np.generic]:
    array = np.asarray(values)
    if array.nbytes <= _MOST_COPIED_BYTES:
        return as_floats(array, name)
    as_floats(array[:1], name)
    return array


def float_type(array: npt.NDArray[np.generic]) -> np.dtype[np.floating[Any]]:
    return as_floats(array[:1], "features").dtype
