"""Measures over full rankings, exact, with ties that favour no one.

`retrieval_scores` ranks a database for each query by inner product; `score_rankings` starts from a matrix of scores.
Both sort each row once, whatever the number of measures (`measures` lists them).

AP = (1/R) sum over the R relevant items of the precision at their rank. Two formulas are in use:

- "standard": precision = relevant items found so far / rank, as in TREC and scikit-learn;
- "trapezoid": the mean of that and the precision one rank earlier (1 before the first), as in the tools of
  the Oxford and Paris Buildings benchmarks: a single relevant item at rank 2 scores 0.25, not 0.5.

Items with equal scores have no order. "expected" takes the mean over all orders, in closed form (see `ties`);
"pessimistic" puts relevant items last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import Float64Array, FloatArray, as_floats
from .blocks import Scorer
from .formulas import Tables
from .hard_negatives import HARD_NEGATIVES, TopShare
from .measures import Measure, check_measures
from .products import Combine, Pair, Products, Space, checked_spaces, combined, is_large, product_rows
from .ranking import choose_sort
from .relevance import (
    CodePair,
    Codes,
    Relevance,
    checked_codes,
    checked_own,
    checked_pairs,
    leave_out,
    mark_codes,
    mark_flags,
    mark_levels,
    mark_runs,
)
from .threads import Part, block_rows, over_rows
from .ties import Formula, check_ties
from .ties import Ties as Ties

_FORMULAS = {"standard": Measure("AP"), "trapezoid": Measure("AP(trapezoid)")}


def retrieval_scores(
    spaces: Sequence[Space],
    query_codes: npt.ArrayLike,
    database_codes: npt.ArrayLike,
    measures: Sequence[Measure],
    *,
    ties: Ties = "expected",
    own: npt.ArrayLike | None = None,
    combine: Combine | None = None,
    graded_codes: Sequence[CodePair] = (),
    other_codes: Sequence[CodePair] = (),
    backend: str = "numpy",
) -> dict[str, Float64Array]:
    """Return each measure of each query, name -> (Q,) float64, NaN where nothing is relevant to the query.

    spaces: queries (Q, k) and database (N, k), compared by inner product; several spaces need `combine`, which
    makes one array of scores (B, N) of a list of them, row by row. Float arrays of any precision; a large database
    may be memory-mapped, and is read slice by slice.
    query_codes (Q,), database_codes (N,): integers, equal where relevant.
    own: (Q,) the query's own row in the database, which is left out of its ranking, or -1.
    graded_codes: a pair like the codes above for each condition, for measures with gains: an item's gain is the number
    of conditions in which it matches. They are NaN where no item has any.
    other_codes: a pair for each condition that is not asked for; the result then has `HARD_NEGATIVES` as well.
    backend: "numpy" (all cores), or "torch" or "torch:<device>", which ranks on that device.

    Memory is bounded by blocks of rows, beside the database: with NumPy a copy of it up to 64 MiB, none above.

    Raises InputError for NaN, widths or lengths that do not fit, and unknown options.
    """
    wanted = tuple(measures)
    check_ties(ties)
    pairs = checked_spaces(spaces)
    rows, n = len(pairs[0].queries), len(pairs[0].database)
    relevance = Relevance(
        checked_codes(query_codes, rows, "query_codes"),
        checked_codes(database_codes, n, "database_codes"),
        checked_own(own, rows, n),
        checked_pairs(graded_codes, rows, n),
        checked_pairs(other_codes, rows, n),
    )
    check_measures(wanted, len(relevance.grades))
    if len(pairs) > 1 and combine is None:
        raise InputError(
            "several spaces need a way to combine their scores", where="combine", expected="a function"
        )
    names = [*map(str, wanted), *([HARD_NEGATIVES] if relevance.others else [])]
    if not rows or not n or not names:
        values = np.full((rows, len(names)), np.nan)
    elif backend == "numpy":
        values = _ranked(pairs, relevance, wanted, ties, combine)
    elif backend.partition(":")[0] == "torch":
        from .torch_backend import ranked_on_device

        device = backend.partition(":")[2] or "cpu"
        values = ranked_on_device(pairs, relevance, wanted, ties, combine, device)
    else:
        raise InputError(
            "unknown backend", where="backend", expected="numpy, torch or torch:<device>", found=repr(backend)
        )
    return _by_name(names, values)


def score_rankings(
    scores: npt.ArrayLike, relevant: npt.ArrayLike, measures: Sequence[Measure], *, ties: Ties = "expected"
) -> dict[str, Float64Array]:
    """Return each measure of each row of scores, name -> (Q,) float64, NaN where nothing is relevant.

    scores: (Q, N) float, higher is better, of any sign; relevant: (Q, N) bool. Measures with gains need
    `retrieval_scores`.

    Raises InputError for NaN among the scores (naming the row), different shapes, relevance that is not
    boolean, and unknown options.
    """
    check_ties(ties)
    chosen = tuple(measures)
    check_measures(chosen, 0)
    values = np.asarray(scores)
    flags = np.asarray(relevant)
    if values.ndim != 2 or values.shape != flags.shape:
        raise InputError(
            "scores and relevant must be two arrays of one shape, queries by database",
            where="scores",
            expected="(Q, N) and (Q, N)",
            found=f"{values.shape} and {flags.shape}",
        )
    if flags.dtype != np.bool_:
        raise InputError("relevant must be boolean", where="relevant", expected="bool", found=flags.dtype)
    if not values.size or not chosen:
        return _by_name(list(map(str, chosen)), np.full((len(values), len(chosen)), np.nan))
    array = as_floats(values, "scores")
    n = array.shape[1]
    sort, tables, mark = choose_sort(array[:4], len(array)), Tables(n), mark_flags(flags)

    def worker() -> Part:
        scorer = Scorer(n, chosen, ties, sort, tables)
        return lambda start, stop: scorer.score(array[start:stop], mark, start)

    return _by_name(list(map(str, chosen)), over_rows(worker, len(array), len(chosen), block_rows(n)))


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
    measure = _of_formula(formula)
    return score_rankings(scores, relevant, [measure], ties=ties)[str(measure)]


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
    are integers, equal where relevant. See `retrieval_scores`.

    Raises InputError for NaN, widths or lengths that do not fit, and unknown options.
    """
    measure = _of_formula(formula)
    scores = retrieval_scores([(queries, database)], query_codes, database_codes, [measure], ties=ties)
    return scores[str(measure)]


def mean_over_groups(groups: list[Float64Array]) -> float:
    """Return the mean over groups of each group's mean without its NaN; NaN where nothing is left.

    Groups with no number at all are left out.
    """
    means = [float(np.nanmean(values)) for values in groups if not np.isnan(values).all()]
    return float(np.mean(means)) if means else float("nan")


def chance_average_precision(
    n: npt.ArrayLike, r: npt.ArrayLike, formula: Formula = "standard"
) -> Float64Array:
    """Return the expected average precision of a random order of n items, r of them relevant (see `Measure.chance`)."""
    return _of_formula(formula).chance(n, r)


def _ranked(
    pairs: Sequence[Pair],
    relevance: Relevance,
    measures: tuple[Measure, ...],
    ties: Ties,
    combine: Combine | None,
) -> Float64Array:
    """Return (Q, M), and a column more of hard negatives where there are other conditions.

    Queries of one code become neighbours; so do columns of one code, if they are copied anyway.
    """
    row_codes, column_codes, own = relevance.rows, relevance.columns, relevance.own
    n, row_order = len(column_codes), np.argsort(row_codes, kind="stable")
    codes = row_codes[row_order]
    column_order = None if is_large(pairs) else np.argsort(column_codes, kind="stable")
    if column_order is None:
        mark = mark_codes(codes, column_codes)
    else:
        ordered = column_codes[column_order]
        mark = mark_runs(np.searchsorted(ordered, codes, "left"), np.searchsorted(ordered, codes, "right"))
    if any(measure.graded for measure in measures):
        mark = mark_levels(mark, _arranged(relevance.grades, row_order, column_order))
    places = None
    if own is not None:
        places = own[row_order]
        if column_order is not None:
            moved = np.empty_like(column_order)
            moved[column_order] = np.arange(n)
            places = np.where(places >= 0, moved[places], -1)
        mark = leave_out(mark, places)
    tops = None
    if relevance.others:
        asked, *rest = _arranged([(row_codes, column_codes), *relevance.others], row_order, column_order)
        tops = TopShare(asked, rest, places)
    products = [Products(pair, row_order, column_order) for pair in pairs]
    sort, tables = choose_sort(_sample(products, combine, len(codes)), len(codes)), Tables(n)
    size = product_rows(n, len(codes), len(products))

    def worker() -> Part:
        scorer = Scorer(n, measures, ties, sort, tables, len(relevance.grades), row_order)
        buffers = [product.buffer(size) for product in products]

        def part(start: int, stop: int) -> Float64Array:
            made = [p.fill(start, stop, buffer) for p, buffer in zip(products, buffers, strict=True)]
            done = []
            for top in range(0, stop - start, scorer.rows):
                scores = combined([block[top : top + scorer.rows] for block in made], combine)
                found = scorer.score(scores, mark, start + top)
                if tops is not None:
                    found = np.column_stack([found, tops.shares(scores, start + top)])
                done.append(found)
            return np.concatenate(done)

        return part

    columns = len(measures) + (tops is not None)
    out = np.empty((len(codes), columns))
    out[row_order] = over_rows(worker, len(codes), columns, size)
    return out


def _arranged(
    pairs: Sequence[tuple[Codes, Codes]], row_order: Codes, column_order: Codes | None
) -> list[tuple[Codes, Codes]]:
    """Codes of queries and database in another order of both."""
    return [(q[row_order], c if column_order is None else c[column_order]) for q, c in pairs]


def _sample(products: Sequence[Products], combine: Combine | None, rows: int) -> FloatArray:
    """Return a few rows of scores to try sorts on; where those are dear, random numbers."""
    if not products[0].copied:
        return np.random.default_rng(0).random((1, products[0].n), np.float32)
    few = min(4, rows)
    return combined([product.fill(0, few, product.buffer(few)) for product in products], combine)


def _by_name(names: Sequence[str], values: Float64Array) -> dict[str, Float64Array]:
    return {name: values[:, i].copy() for i, name in enumerate(names)}


def _of_formula(formula: str) -> Measure:
    if formula not in _FORMULAS:
        raise InputError(
            "unknown formula", where="formula", expected=f"one of {get_args(Formula)}", found=repr(formula)
        )
    return _FORMULAS[formula]
