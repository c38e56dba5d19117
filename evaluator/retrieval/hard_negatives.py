"""Which attributes make hard negatives of a group, and how many there would be among the first by chance."""

from __future__ import annotations

import numpy as np

from ..pictures.labelled import Codes
from ..scoring.hard_negatives import hard_counts
from ..vectors.arrays import Float64Array
from .tasks import RetrievalGroup, RetrievalTask


def other_pairs(task: RetrievalTask, group: RetrievalGroup) -> list[tuple[Codes, Codes]]:
    """Return the codes of queries and database of every attribute that is not asked for.

    Without those of which the whole database has one value, such as the parent that divides the data: all would match.
    """
    return [
        (codes[group.queries], here)
        for codes in task.other_codes.values()
        if ((here := codes[group.database]) != here[0]).any()
    ]


def hard_chance(task: RetrievalTask, group: RetrievalGroup) -> Float64Array | None:
    """Return the share of the ranked images that are hard negatives of each query, (Q,): that of the first ones by chance.

    NaN for queries with nothing relevant; None where no other attribute tells images apart.
    """
    if task.combinations is None or not other_pairs(task, group):
        return None
    _, places, counts = np.unique(task.combinations[group.database], return_index=True, return_counts=True)
    _, first, which = np.unique(task.combinations[group.queries], return_index=True, return_inverse=True)
    queries, items = group.queries[first], group.database[places]
    others = [(q[first], c[places]) for q, c in other_pairs(task, group)]
    found = hard_counts((task.codes[queries], task.codes[items]), others, counts)[which]
    # An image matches itself in what is asked, so a query in the database is no hard negative of its own.
    return np.where(task.relevant_counts(group) > 0, found / np.maximum(group.sizes, 1), np.nan)
