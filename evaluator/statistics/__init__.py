"""How far a mean over queries can be trusted: bootstrap over queries, or over clusters of them.

Images of one attribute combination are near-duplicates, so queries of one combination do not count as independent. With
clusters, whole clusters are drawn with replacement, as many as a group has, and the mean is over the queries drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import Float64Array

Clusters = Sequence[npt.ArrayLike] | None
"""One integer array (Q,) a group: queries of equal numbers belong together. None: every query for itself."""

_CHUNK_ENTRIES = 1 << 20
_TILE = 16


def bootstrap_means(
    values_by_group: Sequence[npt.ArrayLike], draws: int, seed: int, clusters_by_group: Clusters = None
) -> Float64Array:
    """Return (draws,) bootstrap replicates of the mean over groups of the mean within each group.

    Queries (or clusters) are drawn with replacement within their group, as many as it has, so every group keeps its weight.

    Raises InputError for empty groups, numbers that are not finite, clusters that do not fit, and draws below 1.
    """
    rows = [np.asarray(values, np.float64)[None] for values in values_by_group]
    means: Float64Array = bootstrap_means_many(rows, draws, seed, clusters_by_group)[0]
    return means


def bootstrap_means_many(
    values_by_group: Sequence[npt.ArrayLike], draws: int, seed: int, clusters_by_group: Clusters = None
) -> Float64Array:
    """Return (M, draws): `bootstrap_means` of M methods scored on the same queries, all from the same draws.

    values_by_group: one array (M, Q) a group. Row i is what `bootstrap_means` gives for it alone, so rows may be subtracted
    for the replicates of a difference. One product of counts (draws, Q) and values (Q, M), in chunks of 2^20 counts.

    Raises InputError as `bootstrap_means` does, and for groups of unequal numbers of methods.
    """
    groups = checked_groups(values_by_group, clusters_by_group)
    if draws < 1:
        raise InputError("a bootstrap needs draws", where="draws", expected="1 or more", found=draws)
    methods = len(groups[0][0])
    generator = np.random.Generator(np.random.PCG64(seed))
    means = np.zeros((draws, methods))
    for values, clusters in groups:
        sums, sizes = cluster_sums(values, clusters)
        start = 0
        for counts in _drawn_counts(generator, draws, len(sizes)):
            total = counts @ sizes
            for first in range(0, methods, _TILE):
                # BLAS rounds by the shape of a product: with tiles of one width no method feels the others.
                tile = np.zeros((len(sizes), _TILE))
                part = sums[first : first + _TILE].T
                tile[:, : part.shape[1]] = part
                added = (counts @ tile)[:, : part.shape[1]] / total[:, None]
                means[start : start + len(counts), first : first + _TILE] += added
            start += len(counts)
    return np.ascontiguousarray(means.T) / len(groups)


def bootstrap_interval(
    values_by_group: Sequence[npt.ArrayLike],
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    clusters_by_group: Clusters = None,
) -> tuple[float, float]:
    """Return the percentile interval (low, high) of the mean over groups, from `draws` bootstrap replicates.

    values_by_group: one array (Q,) of per-query values a group, without NaN; clusters_by_group: see `Clusters`.

    Raises InputError as `bootstrap_means` does, and for a confidence outside (0, 1).
    """
    means = bootstrap_means(values_by_group, draws, seed, clusters_by_group)
    low, high = percentile_intervals(means[None], confidence)[0]
    return float(low), float(high)


def percentile_intervals(replicates: Float64Array, confidence: float = 0.95) -> Float64Array:
    """Return (M, 2), the low and high end of the middle `confidence` of each row of `replicates` (M, draws).

    Raises InputError for a confidence outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise InputError(
            "the confidence must lie between 0 and 1",
            where="confidence",
            expected="0 < x < 1",
            found=confidence,
        )
    tail = (1 - confidence) / 2
    ends: Float64Array = np.quantile(replicates, [tail, 1 - tail], axis=1).T
    return ends


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


def _drawn_counts(generator: np.random.Generator, draws: int, items: int) -> Iterator[Float64Array]:
    """Yield (rows, items) chunks, `draws` rows in all: how often each item was drawn in `items` draws."""
    step = max(1, _CHUNK_ENTRIES // items)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        drawn = generator.integers(0, items, (rows, items))
        drawn += items * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * items)
        yield counts.reshape(rows, items).astype(np.float64)
