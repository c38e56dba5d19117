"""How alike the scores of one combination of labels are: where much, queries are fewer witnesses than their number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..vectors.arrays import Float64Array
from .groups import checked_groups, cluster_sums

_ROUNDING = 1e-12


def intraclass_correlations(
    values_by_group: Sequence[npt.ArrayLike], clusters_by_group: Sequence[npt.ArrayLike]
) -> Float64Array:
    """Return (M,) the intraclass correlation of the scores of M methods by clusters within groups; NaN where there is none.

    values_by_group: one array (M, Q) a group; clusters_by_group: (Q,) integers a group. With the mean squares B between the
    clusters of a group and W within them, and n0 a cluster's typical size, it is (B - W) / (B + (n0 - 1) W): analysis of
    variance with one factor. NaN where no group has two clusters, no cluster two queries, or all scores are equal.

    Raises InputError as `checked_groups` does.
    """
    between = within = np.zeros(1)
    apart = inside = 0
    spare = 0.0
    level = np.zeros(1)
    for values, clusters in checked_groups(values_by_group, clusters_by_group):
        sums, sizes = cluster_sums(values, clusters)
        mean, means = values.mean(axis=1)[:, None], sums / sizes
        squares = ((means - mean) ** 2 * sizes).sum(axis=1)
        between = between + squares
        within = within + np.maximum(((values - mean) ** 2).sum(axis=1) - squares, 0)
        level = level + (values**2).sum(axis=1)
        apart += len(sizes) - 1
        inside += values.shape[1] - len(sizes)
        spare += values.shape[1] - float((sizes**2).sum()) / values.shape[1]
    if not apart or not inside:
        return np.full(len(between), np.nan)
    size = spare / apart
    b, w = between / apart, within / inside
    total = b + (size - 1) * w
    found: Float64Array = np.divide(
        b - w, total, out=np.full(len(b), np.nan), where=between + within > _ROUNDING * level
    )
    return np.clip(found, -1.0, 1.0)
