"""Hard negatives: what stands first in a ranking for the sake of another condition than those that were asked for.

An item is a hard negative of a query if it does not match it in all conditions asked for, and does match it in at least one
that was not. Measured is the share of them among the first `TOP` items, or among all where there are fewer; of equal scores,
the mean over all orders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ..vectors.arrays import Float64Array, FloatArray
from .relevance import Codes, dense_codes

TOP = 10
HARD_NEGATIVES = f"hard negatives@{TOP}"
"""What `retrieval_scores` calls the share."""

_BLOCK_ENTRIES = 1 << 18


class TopShare:
    """The share of hard negatives among the first items of blocks of score rows.

    asked: the codes of queries (Q,) and database (N,) that are equal where relevant; others: a pair like it for each
    condition not asked for; own: (Q,) each query's own column, or -1; None where there is none.
    """

    def __init__(
        self, asked: tuple[Codes, Codes], others: Sequence[tuple[Codes, Codes]], own: Codes | None
    ) -> None:
        self._asked = dense_codes(*asked)
        self._others = [dense_codes(*pair) for pair in others]
        self._own = own

    def shares(self, scores: FloatArray, first_row: int) -> Float64Array:
        """Return (B,) for `scores` (B, N) without NaN, whose rows are queries first_row, first_row + 1, ..."""
        rows, n = np.arange(first_row, first_row + len(scores)), scores.shape[1]
        ranked = np.full(len(rows), n)
        held = np.empty(0, np.intp)
        if self._own is not None:
            held = np.flatnonzero(self._own[rows] >= 0)
            scores = scores.copy()
            scores[held, self._own[rows[held]]] = -np.inf
            ranked[held] -= 1
        last = n - min(TOP, n)
        threshold = np.partition(scores, last, axis=1)[:, last, None]
        candidates = scores >= threshold
        if held.size and self._own is not None:
            candidates[held, self._own[rows[held]]] = False
        row, column = np.nonzero(candidates)
        above = scores[row, column] > threshold[row, 0]
        depth = np.minimum(TOP, ranked)
        inside = np.bincount(row[above], minlength=len(rows))
        tied = np.bincount(row[~above], minlength=len(rows))
        chance = (depth - inside) / np.maximum(tied, 1)
        weight = np.where(above, 1.0, chance[row]) * self._hard(rows[row], column)
        found: Float64Array = np.bincount(row, weight, minlength=len(rows)) / np.maximum(depth, 1)
        return found

    def _hard(self, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        """Whether each (query, item) is a hard negative."""
        matched = np.zeros(len(rows), np.bool_)
        for queries, items in self._others:
            matched |= queries[rows] == items[columns]
        queries, items = self._asked
        matched &= queries[rows] != items[columns]
        return matched


def hard_counts(asked: tuple[Codes, Codes], others: Sequence[tuple[Codes, Codes]], counts: Codes) -> Codes:
    """Return how many items are hard negatives of each query, (Q,); item i counts `counts[i]` times. As in `TopShare`."""
    rows, columns = dense_codes(*asked)
    pairs = [dense_codes(*pair) for pair in others]
    weights, found = counts.astype(np.float64), np.empty(len(rows), np.int64)
    for part in _blocks(len(rows), len(columns)):
        hard = np.zeros((len(rows[part]), len(columns)), np.bool_)
        for queries, items in pairs:
            hard |= queries[part, None] == items
        hard &= rows[part, None] != columns
        found[part] = hard.astype(np.float64) @ weights
    return found


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, _BLOCK_ENTRIES // max(columns, 1))
    return (slice(start, start + step) for start in range(0, rows, step))
