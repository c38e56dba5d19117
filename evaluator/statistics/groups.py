"""Scores in groups, and clusters of queries within them, checked once for everything that draws or sums them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import Float64Array

Clusters = Sequence[npt.ArrayLike] | None
"""One integer array (Q,) a group: queries of equal numbers belong together. None: every query for itself."""


def checked_confidence(confidence: float) -> None:
    """Raise InputError unless `confidence` lies between 0 and 1."""
    if not 0 < confidence < 1:
        raise InputError(
            "the confidence must lie between 0 and 1",
            where="confidence",
            expected="0 < x < 1",
            found=confidence,
        )


def checked_groups(
    values_by_group: Sequence[npt.ArrayLike], clusters_by_group: Clusters = None
) -> list[tuple[Float64Array, npt.NDArray[np.int64] | None]]:
    """Return each group's values, (M, Q) float64, and its clusters (Q,), numbered from 0 without gaps, or None.

    Raises InputError for no groups, empty groups, numbers that are not finite, other shapes, and clusters that do not fit.
    """
    groups = [np.asarray(values, np.float64) for values in values_by_group]
    if not groups or any(g.ndim != 2 or not g.size or not np.isfinite(g).all() for g in groups):
        raise InputError(
            "statistics need finite numbers in every group",
            where="values",
            expected="at least one group, no empty group, no NaN",
            found=f"groups of {[int(np.isfinite(group).sum()) for group in groups]} numbers",
        )
    if len({len(group) for group in groups}) > 1:
        raise InputError(
            "the groups have different numbers of methods",
            where="values",
            expected="one array (M, Q) a group, of the same M",
            found=f"shapes {[group.shape for group in groups]}",
        )
    if clusters_by_group is None:
        return [(group, None) for group in groups]
    clusters = [np.asarray(one) for one in clusters_by_group]
    shapes = [(group.shape[1],) for group in groups]
    if [one.shape for one in clusters] != shapes or any(one.dtype.kind not in "iu" for one in clusters):
        raise InputError(
            "clusters must be one integer a query, an array a group",
            where="clusters",
            expected=f"integers of shapes {shapes}",
            found=f"{[f'{one.dtype} {one.shape}' for one in clusters]}",
        )
    numbered = [np.unique(one, return_inverse=True)[1].reshape(-1).astype(np.int64) for one in clusters]
    return list(zip(groups, numbered, strict=True))


def cluster_sums(
    values: Float64Array, clusters: npt.NDArray[np.int64] | None
) -> tuple[Float64Array, Float64Array]:
    """Return the sums (M, C) of `values` (M, Q) over each cluster, and the sizes (C,) of the clusters.

    clusters: (Q,) from 0 to C - 1, or None for one query a cluster.
    """
    if clusters is None:
        return values, np.ones(values.shape[1])
    sums = np.stack([np.bincount(clusters, weights=row) for row in values])
    return sums.astype(np.float64), np.bincount(clusters).astype(np.float64)
