"""The nearest images of each query by inner product, exact, with FAISS where it is installed.

FAISS's flat index is asked without copying the database. Where it could order ties by chance (equal images, or a
score that is cut in the middle of a tie) the query is searched again with NumPy, so that equal scores come in order of
row whichever library did the work.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import FloatArray, require_finite
from .duplicates import Duplicates, find_duplicates
from .products import Pair, Products, checked_spaces, product_rows
from .threads import Part, over_rows

Indices = npt.NDArray[np.int64]
Library = Literal["auto", "faiss", "numpy"]


def top_k(
    queries: npt.ArrayLike, database: npt.ArrayLike, k: int, *, library: Library = "auto"
) -> tuple[Indices, FloatArray]:
    """Return the rows (Q, K) of the `database` with the highest scores, best first, and the scores (Q, K).

    queries (Q, d) and database (N, d) are compared by inner product; K = min(k, N). Equal scores come in order of
    row. Scores are float32 or float64, as the features are. library: "auto" takes FAISS for float32 where it is
    installed, else NumPy. Memory is bounded by blocks of queries, beside the database, which is not copied.

    Raises InputError for k < 1, numbers that are not finite, other types, widths that differ, an unknown library, and
    for "faiss" where it is missing or the arrays are not float32.
    """
    [pair] = checked_spaces([(queries, database)])
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError("k is a whole number, 1 or more", where="k", expected="k >= 1", found=repr(k))
    if library not in get_args(Library):
        raise InputError(
            "unknown library", where="library", expected=f"one of {get_args(Library)}", found=repr(library)
        )
    _require_finite(pair.queries, "queries")
    _require_finite(pair.database, "database")
    single = all(a.dtype == np.float32 and a.flags.c_contiguous for a in (pair.queries, pair.database))
    installed = find_spec("faiss") is not None
    if library == "faiss" and not (single and installed):
        raise InputError(
            "FAISS cannot search this" if installed else "FAISS is not installed",
            where="library",
            expected="float32 arrays in row order",
            found=f"{pair.queries.dtype} and {pair.database.dtype}",
            hint="pass library='numpy'" if installed else "pip install 'clay-eval[faiss]'",
        )
    most = min(int(k), len(pair.database))
    everything = np.arange(len(pair.queries))
    if not most or not everything.size:
        return np.empty((everything.size, most), np.int64), np.empty((everything.size, most), np.float32)
    if library == "numpy" or not (single and installed):
        return _by_numpy(Products(pair, everything, None), everything, most)
    return _by_faiss(pair, most)


def _by_faiss(pair: Pair, k: int) -> tuple[Indices, FloatArray]:
    import faiss

    # One more shows whether a tie was cut. Of a single best, FAISS keeps the first row, and takes less time.
    more = min(k + 1, len(pair.database)) if k > 1 else 1
    queries, database = (array.astype(np.float32, copy=False) for array in (pair.queries, pair.database))
    scores, rows = faiss.knn(queries, database, more, metric=faiss.METRIC_INNER_PRODUCT)
    doubtful = _holds(rows, find_duplicates(pair.database))
    if more > k:
        doubtful |= scores[:, k - 1] == scores[:, k]
    order = np.lexsort((rows[:, :k], -scores[:, :k]), axis=1)
    rows, scores = np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
    again = np.flatnonzero(doubtful)
    if again.size:
        rows[again], scores[again] = _by_numpy(Products(pair, again, None), again, k)
    return rows, scores


def _by_numpy(products: Products, queries: npt.NDArray[np.intp], k: int) -> tuple[Indices, FloatArray]:
    """Search for the rows `queries` of the queries, which `products` holds in that order."""
    n = products.n
    size = product_rows(n, len(queries), 1)

    def worker() -> Part:
        buffer = products.buffer(size)

        def part(start: int, stop: int) -> npt.NDArray[np.float64]:
            scores = products.fill(start, stop, buffer)
            worst = np.partition(scores, n - k, axis=1)[:, n - k]
            found = np.empty((len(scores), 2 * k))
            for row, least, out in zip(scores, worst, found, strict=True):
                best = np.flatnonzero(row >= least)
                best = best[np.argsort(-row[best], kind="stable")[:k]]
                out[:k], out[k:] = best, row[best]
            return found

        return part

    # Rows beside scores: float64 holds both without loss.
    both = over_rows(worker, len(queries), 2 * k, size)
    return both[:, :k].astype(np.int64), both[:, k:].astype(products.dtype)


def _holds(rows: Indices, duplicates: Duplicates) -> npt.NDArray[np.bool_]:
    """Return for each query whether any of its rows (Q, k) is one of several that are equal."""
    if not duplicates.later.size:
        return np.zeros(len(rows), np.bool_)
    alike = np.union1d(duplicates.first, duplicates.later)
    return np.asarray(np.isin(rows, alike).any(axis=1))


def _require_finite(array: npt.NDArray[Any], name: str) -> None:
    """Look at row sums first, which is cheap; only sums that are not finite call for a look at each number.

    No product: the threads of NumPy's BLAS would spin for a while after it, on the cores that FAISS needs.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        sums = array.sum(axis=1)
    for row in np.flatnonzero(~np.isfinite(sums)):
        require_finite(array[row : row + 1], name, first_row=int(row))
