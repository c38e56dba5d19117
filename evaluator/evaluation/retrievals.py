"""Which retrievals a report shows, chosen by rule and not by eye, and what stands first in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..pictures.labelled import Labelled

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
Score = Callable[[str, int], tuple[IntArray, FloatArray]]
"""(method, row of the query) -> rows of its database (D,) and their similarities (D,)."""

QUANTILES: Mapping[str, float] = {"median": 0.5, "lower quartile": 0.25, "worst": 0.0}


def choose_queries(
    keys: Sequence[str], average_precision: FloatArray, quantiles: Mapping[str, float] = QUANTILES
) -> list[tuple[int, str]]:
    """Positions of the queries to show, each with the name of its quantile.

    `keys` and `average_precision` (Q,) go together; NaN (nothing relevant) is left out; ties are ordered by key. Of
    Q' scored queries the quantile q is the one of rank round(q (Q' - 1)); a query is shown once, so few queries give
    few choices.
    """
    scored = [i for i in range(len(keys)) if np.isfinite(average_precision[i])]
    order = sorted(scored, key=lambda i: (float(average_precision[i]), keys[i]))
    chosen: dict[int, str] = {}
    for name, quantile in quantiles.items():
        if order:
            chosen.setdefault(order[int(quantile * (len(order) - 1) + 0.5)], name)
    return list(chosen.items())


def top(rows: IntArray, scores: FloatArray, keys: Sequence[str], count: int) -> list[tuple[int, float]]:
    """The `count` rows of highest score, best first; ties are ordered by key, not by where the files lie."""
    if len(rows) > count:
        floor = np.partition(scores, len(scores) - count)[len(scores) - count]
        near = np.flatnonzero(scores >= floor)
        rows, scores = rows[near], scores[near]
    pairs = [(int(row), float(score)) for row, score in zip(rows, scores, strict=True)]
    return sorted(pairs, key=lambda pair: (-pair[1], keys[pair[0]]))[:count]


def choose_retrievals(
    labelled: Labelled,
    conditions: Sequence[str],
    queries: IntArray,
    average_precision: Mapping[str, FloatArray],
    score: Score,
    *,
    chosen_by: str = "clay",
    count: int = 5,
    group: Callable[[int], str | None] = lambda row: None,
) -> list[dict[str, Any]]:
    """The report's `retrievals` for one set of conditions.

    Parameters
    ----------
    queries: rows of the queries (Q,).
    average_precision: method -> (Q,); these methods are shown. Queries are chosen by that of `chosen_by`, or of the
        first method if it is not among them.
    score: gives a query's database and similarities; the database decides what can be found.
    group: row of a query -> name of the database it is ranked in, where there are several.
    """
    keys, labels = labelled.keys, labelled.labels
    judge = chosen_by if chosen_by in average_precision else next(iter(average_precision))
    places = choose_queries([keys[row] for row in queries], average_precision[judge])
    shown = []
    for place, name in places:
        row = int(queries[place])
        shown.append(
            {
                "entity": labelled.entity,
                "conditions": list(conditions),
                "group": group(row),
                "choice": name,
                "chosen_by": judge,
                "query": {"key": keys[row], "labels": _labels_of(labels, row)},
                "methods": {
                    method: {
                        "ap": _finite(values[place]),
                        "neighbours": [
                            _neighbour(keys, labels, conditions, row, found, similarity)
                            for found, similarity in top(*score(method, row), keys, count)
                        ],
                    }
                    for method, values in average_precision.items()
                },
            }
        )
    return shown


def _neighbour(
    keys: Sequence[str],
    labels: Mapping[str, Sequence[str]],
    conditions: Sequence[str],
    query: int,
    found: int,
    similarity: float,
) -> dict[str, Any]:
    return {
        "key": keys[found],
        "score": round(similarity, 6) + 0.0,
        "relevant": all(labels[name][found] == labels[name][query] for name in conditions),
        "labels": _labels_of(labels, found),
    }


def _labels_of(labels: Mapping[str, Sequence[str]], row: int) -> dict[str, str]:
    return {name: str(values[row]) for name, values in labels.items()}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
