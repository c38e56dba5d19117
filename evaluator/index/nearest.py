"""What a query is and finds: the highest of many scores, equal ones in order of row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..vectors.arrays import FloatArray

_RUN = 1024
Query = str | npt.ArrayLike
"""A picture's key, or a vector (d,)."""


@dataclass(frozen=True)
class Neighbour:
    """A picture that was found: its key, its row in the index, and its similarity to the query."""

    key: str
    row: int
    similarity: float


def best_rows(scores: FloatArray, count: int, without: int | None = None) -> npt.NDArray[np.int64]:
    """Return the rows of the `count` highest of `scores` (N,), best first, equal ones in order of row.

    without: a row that is left out. The highest of each run of scores bound from below what can be among the first, so
    that one look at each number is enough and few are sorted.
    """
    wanted = count + (without is not None)
    least = _bound(scores, wanted)
    rows = np.arange(len(scores)) if least is None else np.flatnonzero(scores >= least)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    return rows[rows != without][:count] if without is not None else rows[:count]


def _bound(scores: FloatArray, count: int) -> float | None:
    """The count-th highest of the runs' maxima; None where there are not enough runs."""
    runs = len(scores) // _RUN
    if runs < count:
        return None
    highest = scores[: runs * _RUN].reshape(runs, _RUN).max(axis=1)
    return float(np.partition(highest, runs - count)[runs - count])
