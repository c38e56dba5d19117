"""What a random order of the database is expected to score, for each query and measure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..vectors.arrays import Float64Array
from .measures import Measure, check_measures, graded_chance
from .relevance import CodePair, Codes, checked_codes, checked_own, checked_pairs


def retrieval_chance(
    query_codes: npt.ArrayLike,
    database_codes: npt.ArrayLike,
    measures: Sequence[Measure],
    *,
    own: npt.ArrayLike | None = None,
    graded_codes: Sequence[CodePair] = (),
) -> dict[str, Float64Array]:
    """Return what a random order is expected to score, name -> (Q,) float64; arguments as in `retrieval_scores`."""
    query_array, column_array = np.asarray(query_codes), np.asarray(database_codes)
    rows, n = query_array.size, column_array.size
    row_codes = checked_codes(query_array, rows, "query_codes")
    column_codes = checked_codes(column_array, n, "database_codes")
    places = checked_own(own, rows, n)
    grades = checked_pairs(graded_codes, rows, n)
    check_measures(tuple(measures), len(grades))
    out_items = np.zeros(rows, np.int64) if places is None else (places >= 0).astype(np.int64)
    ordered = np.sort(column_codes)
    relevant = np.searchsorted(ordered, row_codes, "right") - np.searchsorted(ordered, row_codes, "left")
    if places is not None and n:
        relevant -= out_items * (column_codes[places] == row_codes)
    result = {str(m): m.chance(n - out_items, relevant) for m in measures if not m.graded}
    graded = [measure for measure in measures if measure.graded]
    if graded:
        counts = _gain_counts(grades)
        if places is not None and n:
            held = np.flatnonzero(out_items)
            gains = sum((c[places[held]] == q[held]).astype(np.int64) for q, c in grades)
            counts[held, gains] -= 1
        result |= {str(measure): graded_chance(measure, counts) for measure in graded}
    return {str(measure): result[str(measure)] for measure in measures}


def _gain_counts(grades: Sequence[tuple[Codes, Codes]]) -> Codes:
    """Return how many items of the database have each gain, (Q, C + 1), by distinct combinations of codes."""
    queries, which = np.unique(np.stack([q for q, _ in grades], axis=1), axis=0, return_inverse=True)
    items, counts = np.unique(np.stack([c for _, c in grades], axis=1), axis=0, return_counts=True)
    table = np.empty((len(queries), len(grades) + 1), np.int64)
    for i, codes in enumerate(queries):
        table[i] = np.bincount((items == codes).sum(axis=1), counts, minlength=len(grades) + 1)
    return table[which.ravel()]
