"""Equal rows of a database, which must get equal scores.

BLAS may round the same inner product differently from column to column (by up to a last digit; OpenBLAS for Haswell
does so even between neighbours in a row of whole tiles). For images with equal features that would turn a tie
into an order, by their place in the file. So the score of the first of such rows is copied to the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.intp]
Hashes = npt.NDArray[np.uint64]

_CHUNK_ROWS = 4096
_GLANCE = 4


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Rows that equal an earlier one: row later[i] equals row first[i], the first of its kind; both (D,)."""

    first: Places
    later: Places


def find_duplicates(rows: npt.NDArray[Any]) -> Duplicates:
    """Return the duplicates among `rows` (N, k), real numbers; 0 and -0 are equal, NaN is equal to nothing.

    A glance at four columns leaves few rows to look at in whole, unless there are duplicates; those are hashed chunk
    by chunk and compared number by number, so that a collision can only hide a duplicate (one pair in 2^64).
    """
    glance = np.linspace(0, rows.shape[1] - 1, min(_GLANCE, rows.shape[1])).astype(np.intp)
    suspects = _alike(_hashed(np.asarray(rows[:, glance])))
    if not suspects.size:
        return Duplicates(suspects, suspects)
    hashes = np.concatenate(
        [_hashed(rows[suspects[top : top + _CHUNK_ROWS]]) for top in range(0, len(suspects), _CHUNK_ROWS)]
    )
    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    first, later = suspects[first[which]], suspects
    first, later = first[first != later], later[first != later]
    equal = np.concatenate(
        [
            np.zeros(0, np.bool_),
            *(
                (rows[first[top : top + _CHUNK_ROWS]] == rows[later[top : top + _CHUNK_ROWS]]).all(axis=1)
                for top in range(0, len(later), _CHUNK_ROWS)
            ),
        ]
    )
    return Duplicates(first[equal], later[equal])


def _hashed(rows: npt.NDArray[Any]) -> Hashes:
    """Return a 64-bit hash of each row: every number is mixed before the weighted sum, which then wraps around."""
    bits = (rows.astype(np.float64) + 0.0).view(np.uint64)
    weights = np.random.default_rng(0).integers(0, 2**63, bits.shape[1], np.uint64) * 2 + 1
    bits ^= bits >> 32
    bits *= np.uint64(0xD6E8FEB86659FD93)
    bits ^= bits >> 32
    bits *= weights
    bits ^= bits >> 29
    return np.asarray(bits.sum(axis=1, dtype=np.uint64))


def _alike(hashes: Hashes) -> Places:
    """Return the rows whose hash occurs more than once, in order."""
    order = np.argsort(hashes, kind="stable")
    same = hashes[order[1:]] == hashes[order[:-1]]
    return np.sort(order[np.append(same, False) | np.insert(same, 0, False)])
