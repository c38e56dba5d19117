"""Average precision over full rankings, exact, with ties that favour no one.

AP = (1/R) sum over the R relevant items of the precision at their rank. Two formulas are in use:

- "standard": precision = relevant items found so far / rank, as in TREC and scikit-learn;
- "trapezoid": the mean of that and the precision one rank earlier (1 before the first), as in the tools of
  the Oxford and Paris Buildings benchmarks: a single relevant item at rank 2 scores 0.25, not 0.5.

Items with equal scores have no order. "expected" takes the mean over all orders, in closed form (see `ties`);
"pessimistic" puts relevant items last.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from .arrays import Float64Array, FloatArray, as_floats, require_width
from .ranking import Keys, RowSort, Workspace, choose_sort, dense_keys, first_not_below, score_keys
from .ties import Formula, expected_precision_sum, harmonic_numbers

Ties = Literal["expected", "pessimistic"]
Codes = npt.NDArray[np.int64]
Marker = Callable[[Keys, npt.NDArray[np.intp]], None]
Part = Callable[[int, int], Float64Array]

_BLOCK_ENTRIES = 1 << 18
_PRODUCT_BLOCKS = 8
_TILE = 64
_NEAR = 4
_MOST_THREADS = 8


def average_precision(
    scores: npt.ArrayLike, relevant: npt.ArrayLike, formula: Formula = "standard", ties: Ties = "expected"
) -> Float64Array:
    """Return the average precision of each row, (Q,) float64, NaN where nothing is relevant.

    scores: (Q, N) float, higher is better, of any sign; relevant: (Q, N) bool.

    Raises InputError for NaN among the scores (naming the row), different shapes, relevance that is not
    boolean, and unknown options.

    >>> average_precision([[0.9, 0.8, 0.8]], [[False, True, False]]).round(4)
    array([0.4167])
    """
    _check_options(formula, ties)
    values = np.asarray(scores)
    wanted = np.asarray(relevant)
    if values.ndim != 2 or values.shape != wanted.shape:
        raise InputError(
            "scores and relevant must be two arrays of one shape, queries by database",
            where="average_precision",
            expected="(Q, N) and (Q, N)",
            found=f"{values.shape} and {wanted.shape}",
        )
    if wanted.dtype != np.bool_:
        raise InputError("relevant must be boolean", where="relevant", expected="bool", found=wanted.dtype)
    if not values.size:
        return np.full(len(values), np.nan)
    array = as_floats(values, "scores")
    sort = choose_sort(array[:4], len(array))

    def worker() -> Part:
        scorer = _Scorer(array.shape[1], formula, ties, sort)

        def part(start: int, stop: int) -> Float64Array:
            flags = wanted[start:stop]

            def mark(keys: Keys, rows: npt.NDArray[np.intp]) -> None:
                keys += flags if len(rows) == len(flags) else flags[rows]

            return scorer.score(array[start:stop], mark, first_row=start)

        return part

    return _over_rows(worker, len(array), _block_rows(array.shape[1]))


def retrieval_average_precision(
    queries: npt.ArrayLike,
    database: npt.ArrayLike,
    query_codes: npt.ArrayLike,
    database_codes: npt.ArrayLike,
    formula: Formula = "standard",
    ties: Ties = "expected",
) -> Float64Array:
    """Return the average precision of each query, (Q,) float64, NaN where no code in the database equals its own.

    queries (Q, k) and database (N, k) are compared by inner product; query_codes (Q,) and database_codes (N,)
    are integers, equal where relevant. Scores are made and ranked in blocks of 2^21 entries (or 8 rows) a thread, and
    memory stays bounded by them.

    Raises InputError for NaN, widths or lengths that do not fit, and unknown options.
    """
    _check_options(formula, ties)
    rows = as_floats(queries, "queries")
    columns = as_floats(database, "database")
    require_width(rows, "queries", columns.shape[1])
    row_codes, column_codes = (
        _codes(query_codes, len(rows), "query_codes"),
        _codes(database_codes, len(columns), "database_codes"),
    )
    n = len(columns)
    if not len(rows) or not n:
        return np.full(len(rows), np.nan)
    # Relevant items of a query become one run of columns, and queries of one code neighbours.
    column_order, row_order = np.argsort(column_codes, kind="stable"), np.argsort(row_codes, kind="stable")
    rows, row_codes, column_codes = rows[row_order], row_codes[row_order], column_codes[column_order]
    first = np.searchsorted(column_codes, row_codes, side="left")
    last = np.searchsorted(column_codes, row_codes, side="right")
    # Columns of zeros fill the last tile: BLAS rounds differently in a partial one, which would undo ties.
    transposed = np.zeros((-(-n // _TILE) * _TILE, columns.shape[1]), columns.dtype)
    transposed[:n] = columns[column_order]
    transposed = transposed.T
    sort = choose_sort((rows[:4] @ transposed)[:, :n], len(rows))
    # A product of few rows spends its time on packing the database.
    size = min(len(rows), _PRODUCT_BLOCKS * _block_rows(n))

    def worker() -> Part:
        scorer = _Scorer(n, formula, ties, sort)
        space = np.empty((size, transposed.shape[1]), np.result_type(rows, transposed))

        def part(start: int, stop: int) -> Float64Array:
            np.matmul(rows[start:stop], transposed, out=space[: stop - start])
            done = []
            for top in range(start, stop, scorer.rows):
                chosen = slice(top, min(top + scorer.rows, stop))
                scores = space[chosen.start - start : chosen.stop - start, :n]
                done.append(scorer.score(scores, _run_marker(first[chosen], last[chosen]), first_row=top))
            return np.concatenate(done)

        return part

    out = np.empty(len(rows))
    out[row_order] = _over_rows(worker, len(rows), size)
    return out


def mean_over_groups(groups: list[Float64Array]) -> float:
    """Return the mean over groups of each group's mean without its NaN; NaN where nothing is left.

    Groups with no number at all are left out.
    """
    means = [float(np.nanmean(values)) for values in groups if not np.isnan(values).all()]
    return float(np.mean(means)) if means else float("nan")


def chance_average_precision(
    n: npt.ArrayLike, r: npt.ArrayLike, formula: Formula = "standard"
) -> Float64Array:
    """Return the exact expected average precision of a random order of n items, r of them relevant.

    The two are integers or arrays that broadcast; NaN where r = 0. It is what a constant scorer gets.

    Raises InputError unless 0 <= r <= n.
    """
    _check_options(formula, "expected")
    items, hits = np.broadcast_arrays(np.asarray(n, np.int64), np.asarray(r, np.int64))
    if (hits < 0).any() or (hits > items).any():
        raise InputError(
            "relevant items must be between 0 and the number of items", where="r", expected="0 <= r <= n"
        )
    some, zero = np.maximum(hits, 1), np.zeros_like(items)
    harmonic = harmonic_numbers(int(items.max(initial=1)))
    total = expected_precision_sum(np.maximum(items, 1), some, zero, zero, harmonic, formula)
    return np.asarray(np.where(hits > 0, total / some, np.nan))


class _Scorer:
    """Average precision of blocks of rows of one width."""

    def __init__(self, n: int, formula: Formula, ties: Ties, sort: RowSort) -> None:
        self.n, self.formula, self.ties, self.sort = n, formula, ties, sort
        self.harmonic = harmonic_numbers(n)
        self.rows = _block_rows(n)
        self.space = Workspace(self.rows, n)

    def score(self, scores: FloatArray, mark: Marker, first_row: int) -> Float64Array:
        """AP (B,) of `scores` (B, N); mark(keys, rows) adds 1 to keys (len(rows), N) of relevant items."""
        keys, exact = score_keys(scores, self.space, first_row=first_row)
        everything = np.arange(len(keys))
        mark(keys, everything)
        result, tied = self._from_sorted(self.sort(keys, self.space))
        if exact or not tied.any():
            return result
        rows = np.flatnonzero(tied)
        keys = dense_keys(scores[rows])
        mark(keys, rows)
        result[rows], _ = self._from_sorted(self.sort(keys, self.space))
        return result

    def _from_sorted(self, keys: Keys) -> tuple[Float64Array, npt.NDArray[np.bool_]]:
        """AP of each row of sorted keys, and whether relevant and irrelevant items of the row share a key."""
        flat = keys.ravel()
        hits = np.flatnonzero((flat & 1).astype(np.bool_))
        starts = np.arange(len(keys)) * self.n
        bounds = np.searchsorted(hits, np.append(starts, flat.size))
        counts = np.diff(bounds)
        rank = hits - np.repeat(starts, counts) + 1
        found = np.arange(1, len(hits) + 1) - np.repeat(bounds[:-1], counts)
        precision = found.astype(np.float64)
        precision /= rank
        if self.formula == "trapezoid":
            earlier = np.where(rank > 1, (found - 1) / np.maximum(rank - 1, 1), 1.0)
            precision = 0.5 * (precision + earlier)
        # Relevant items stand last in a tie, so each mixed tie has exactly one such neighbourhood.
        mixed = np.flatnonzero((rank > 1) & (flat[hits - 1] == flat[hits] - 1))
        tied = np.zeros(len(keys), np.bool_)
        tied[hits[mixed] // self.n] = True
        if mixed.size and self.ties == "expected":
            self._spread_ties(precision, flat, hits, rank, found, mixed)
        result = np.full(len(keys), np.nan)
        some = counts > 0
        if some.any():
            result[some] = np.add.reduceat(precision, bounds[:-1][some]) / counts[some]
        return result, tied

    def _spread_ties(
        self, precision: Float64Array, flat: Keys, hits: Codes, rank: Codes, found: Codes, mixed: Codes
    ) -> None:
        """Replace, in place, the precisions of each mixed tie so that they add up to the expected sum."""
        at = hits[mixed]
        start = at - rank[mixed] + 1
        key = flat[at].astype(np.int64)
        # Most ties are short: look near by first.
        near, far = np.maximum(at - _NEAR, start), np.minimum(at + _NEAR, start + self.n - 1)
        first = first_not_below(flat, key - 1, np.where(flat[near] < key - 1, near, start), at)
        end = first_not_below(flat, key + 1, at, np.where(flat[far] > key, far, start + self.n))
        relevant = end - at
        expected = expected_precision_sum(
            end - first, relevant, first - start, found[mixed] - 1, self.harmonic, self.formula
        )
        edges = np.stack([mixed, mixed + relevant], axis=1).ravel()
        present = np.add.reduceat(np.append(precision, 0.0), edges)[::2]
        precision[mixed] += expected - present


def _run_marker(first: Codes, last: Codes) -> Marker:
    """Mark the relevant items of rows whose relevant columns run from first to last, (B,) each."""

    def mark(keys: Keys, rows: npt.NDArray[np.intp]) -> None:
        low, high = first[rows], last[rows]
        cuts = np.flatnonzero((np.diff(low) != 0) | (np.diff(high) != 0)) + 1
        for top, bottom in pairwise([0, *cuts.tolist(), len(rows)]):
            keys[top:bottom, low[top] : high[top]] += 1

    return mark


def _block_rows(width: int) -> int:
    return max(1, _BLOCK_ENTRIES // width)


def _over_rows(worker: Callable[[], Part], rows: int, size: int) -> Float64Array:
    """Return part(start, stop) over blocks of `size` rows, joined; on all cores if there are several.

    Each thread asks worker() for a part of its own. BLAS gets one thread meanwhile: its idle threads would
    spin on the cores that the ranking needs.
    """
    if rows <= size:
        return worker()(0, rows)
    from threadpoolctl import threadpool_limits

    out = np.empty(rows)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = min(_MOST_THREADS, cores)

    def run(first_block: int) -> None:
        part = worker()
        for start in range(first_block * size, rows, threads * size):
            stop = min(start + size, rows)
            out[start:stop] = part(start, stop)

    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))
    return out


def _codes(values: npt.ArrayLike, length: int, name: str) -> Codes:
    codes = np.asarray(values)
    if codes.shape != (length,) or codes.dtype.kind not in "iu":
        raise InputError(
            f"{name} must be one integer a row",
            where=name,
            expected=f"integers of shape ({length},)",
            found=f"{codes.dtype} of shape {codes.shape}",
        )
    return codes.astype(np.int64)


def _check_options(formula: str, ties: str) -> None:
    for name, value, known in (("formula", formula, get_args(Formula)), ("ties", ties, get_args(Ties))):
        if value not in known:
            raise InputError(f"unknown {name}", where=name, expected=f"one of {known}", found=repr(value))
