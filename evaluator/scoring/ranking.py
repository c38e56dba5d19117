"""Exact rankings of score matrices by sorting plain integers.

Each score becomes an int32 *key*: even, smaller for higher scores, equal for equal scores. One is added where
the item is relevant, and each row is sorted: relevant items are then the odd keys, their ranks are their
positions, and within a tie they stand last. No permutation is ever formed, which is what makes this fast.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import FloatArray

Keys = npt.NDArray[np.int32]

_SMALL = 512
_WORTH_A_TRIAL = 1 << 22
_SMALL_TRIAL = 1 << 18
_EXTRA_PASSES = 3
_PADDING = np.iinfo(np.int32).max

LAST = np.int32(_PADDING - 1)
"""A key after all that `score_keys` and `dense_keys` make: an item that is left out of the ranking."""


class Workspace:
    """Arrays for blocks of at most `rows` rows of `n` keys, used again for block after block by one thread."""

    def __init__(self, rows: int, n: int) -> None:
        columns = -(-n // _SMALL)
        height = -(-n // columns)
        self.n, self.columns, self.height = n, columns, height + height % 2
        total = columns * self.height
        self.keys = np.empty((rows, n), np.int32)
        self.padded = np.empty((rows, total), np.int32)
        self.dealt = np.empty((rows, columns, self.height), np.int32)
        self.shifted = self.dealt.ravel()[: rows * (total - self.height)].reshape(rows, -1)


RowSort = Callable[[Keys, Workspace], Keys]


def score_keys(
    scores: FloatArray, space: Workspace, *, names: Sequence[int] | npt.NDArray[np.int64] | None = None
) -> tuple[Keys, bool]:
    """Return keys (B, N) of `scores` (B, N), and whether equal keys always mean equal scores.

    float32 within (-1.999, 2), which holds every cosine, is mapped bit by bit; all else is first cut to 2^30 - 1
    levels a row, which keeps the order but may merge close scores (the second value is then False).

    names: (B,) what to call the rows, by default 0, 1, ...

    Raises InputError naming the row that holds NaN.
    """
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    missing = np.flatnonzero(np.isnan(low))
    if missing.size:
        raise InputError(
            "a score is NaN, and cannot be ranked",
            where=f"scores, row {missing[0] if names is None else names[missing[0]]}",
            expected="real numbers",
            found="NaN",
        )
    if scores.dtype == np.float32 and high.max() < 2 and low.min() > -1.999:
        # Below 2 the exponent's top bit is 0, so 31 bits hold the number and one is left for relevance.
        bits = space.keys[: len(scores)]
        np.add(scores, np.float32(0), out=bits.view(np.float32))
        flip = space.padded.ravel()[: bits.size].reshape(bits.shape)
        np.right_shift(bits, 31, out=flip)
        flip &= np.int32(0x7FFFFFFF)
        bits ^= flip
        np.invert(bits, out=bits)
        bits <<= 1
        return bits, True
    with np.errstate(over="ignore", invalid="ignore"):
        span = high.astype(np.float64) - low
        if not np.isfinite(span).all():
            return dense_keys(scores), True
        levels = (high - scores.astype(np.float64)) * np.divide(
            2.0**30 - 2, span, out=np.zeros_like(span), where=span > 0
        )
    if not np.isfinite(levels).all():
        return dense_keys(scores), True
    return levels.astype(np.int32) << 1, False


def dense_keys(scores: FloatArray) -> Keys:
    """Return keys (B, N) of any `scores` (B, N) without NaN, equal exactly where scores are; one argsort a row."""
    order = np.argsort(scores, axis=1)
    ordered = np.take_along_axis(scores, order, axis=1)
    steps = np.zeros(scores.shape, np.int32)
    steps[:, 1:] = (ordered[:, 1:] != ordered[:, :-1]) * np.int32(2)
    np.cumsum(steps, axis=1, out=steps)
    keys = np.empty_like(steps)
    np.put_along_axis(keys, order, steps[:, -1:] - steps, axis=1)
    return keys


def sort_plainly(keys: Keys, space: Workspace) -> Keys:
    """Sort each row of `keys` (B, N) in place, with numpy's own sort."""
    keys.sort(axis=1)
    return keys


def sort_by_columns(keys: Keys, space: Workspace) -> Keys:
    """Return `keys` (B, N) with each row sorted, by Leighton's columnsort (IEEE Trans. Comp. C-34, 1985).

    The row is cut into s columns of at most 512 keys, which numpy sorts in registers: sort columns, deal the
    keys out in turn, sort columns, undo the deal, sort columns, sort windows half a column further. Rows with so
    many columns that this is not enough go through the last two steps again, and in the end the plain sort.
    """
    rows, n = keys.shape
    padded, dealt = space.padded[:rows], space.dealt[:rows]
    padded[:, :n] = keys
    padded[:, n:] = _PADDING
    padded.reshape(rows, space.columns, space.height).sort(axis=2)
    dealt[:] = padded.reshape(rows, space.height, space.columns).transpose(0, 2, 1)
    dealt.sort(axis=2)
    padded.reshape(rows, space.height, space.columns)[:] = dealt.transpose(0, 2, 1)
    _sort_windows(padded, space)
    for extra_pass in range(_EXTRA_PASSES + 1):
        unsorted = np.flatnonzero((padded[:, 1:] < padded[:, :-1]).any(axis=1))
        if not unsorted.size:
            break
        again = padded[unsorted]
        if extra_pass < _EXTRA_PASSES:
            _sort_windows(again, space)
        else:
            again.sort(axis=1)
        padded[unsorted] = again
    keys[:] = padded[:, :n]
    return keys


def _sort_windows(rows: Keys, space: Workspace) -> None:
    """Sort, in place, windows of one column's height in each row, then the windows half a height further."""
    height, count = space.height, len(rows)
    rows.reshape(count, -1, height).sort(axis=2)
    inner = rows[:, height // 2 : rows.shape[1] - height // 2]
    shifted = space.shifted[:count]
    shifted[:] = inner
    shifted.reshape(count, -1, height).sort(axis=2)
    inner[:] = shifted


def choose_sort(sample: FloatArray, rows: int) -> RowSort:
    """Return the faster way to sort `rows` rows like those of `sample` (a few, N), by a trial on the sample.

    Both ways give the same keys. Which one wins depends on the processor: numpy's partition step for AVX-512
    is several times slower on some (AMD Zen 4) than on others, its sort of up to 512 numbers fast on all.
    """
    n = sample.shape[1]
    if n <= 2 * _SMALL or rows * n < _WORTH_A_TRIAL:
        return sort_plainly
    repeats = 3 if sample.size <= _SMALL_TRIAL else 1
    sample = sample[: max(1, _SMALL_TRIAL // n)]
    space = Workspace(len(sample), n)
    keys, _ = score_keys(np.nan_to_num(sample), space)
    fresh = keys.copy()
    best: dict[RowSort, float] = {}
    for way in (sort_plainly, sort_by_columns) * repeats:
        keys[:] = fresh
        start = time.perf_counter()
        way(keys, space)
        best[way] = min(best.get(way, np.inf), time.perf_counter() - start)
    return min(best, key=best.__getitem__)


def first_not_below(
    keys: Keys, wanted: npt.NDArray[np.int64], low: npt.NDArray[np.intp], high: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Return for each i the first position p in [low_i, high_i] with keys[p] >= wanted_i, or high_i.

    `keys` is flat and sorted within each [low_i, high_i): a binary search, all of them in step.
    """
    low, high = low.copy(), high.copy()
    while (active := np.flatnonzero(low < high)).size:
        middle = (low[active] + high[active]) // 2
        below = keys[middle] < wanted[active]
        low[active[below]] = middle[below] + 1
        high[active[~below]] = middle[~below]
    return low
