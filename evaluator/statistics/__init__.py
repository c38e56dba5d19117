"""How far a mean over queries can be trusted: intervals, and the bootstrap over queries, or over clusters of them.

Images of one attribute combination are near-duplicates, so queries of one combination do not count as independent. In the
bootstrap, whole clusters are drawn with replacement, as many as a group has, and the mean is over the queries drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import Float64Array
from .groups import Clusters, checked_confidence, checked_groups, cluster_sums
from .intervals import Bounds, mean_interval

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
    bounds: Bounds | None = None,
) -> tuple[float, float]:
    """Return `intervals.mean_interval` of the mean over groups, for callers of the percentile bootstrap that stood here.

    draws, seed: of no effect on the ends, which covered too seldom as percentiles of draws. For those, see
    `bootstrap_means` and `percentile_intervals`.

    Raises InputError as `mean_interval` does, and for draws below 1.
    """
    if draws < 1:
        raise InputError("a bootstrap needs draws", where="draws", expected="1 or more", found=draws)
    return mean_interval(values_by_group, confidence, clusters_by_group, bounds)


def percentile_intervals(replicates: Float64Array, confidence: float = 0.95) -> Float64Array:
    """Return (M, 2), the low and high end of the middle `confidence` of each row of `replicates` (M, draws).

    Raises InputError for a confidence outside (0, 1).
    """
    checked_confidence(confidence)
    tail = (1 - confidence) / 2
    ends: Float64Array = np.quantile(replicates, [tail, 1 - tail], axis=1).T
    return ends


def _drawn_counts(generator: np.random.Generator, draws: int, items: int) -> Iterator[Float64Array]:
    """Yield (rows, items) chunks, `draws` rows in all: how often each item was drawn in `items` draws."""
    step = max(1, _CHUNK_ENTRIES // items)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        drawn = generator.integers(0, items, (rows, items))
        drawn += items * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * items)
        yield counts.reshape(rows, items).astype(np.float64)
