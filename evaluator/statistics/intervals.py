"""The interval of a mean over databases of few, skewed queries: Student's t after Hall's transformation.

Scores near a ceiling are skewed, and databases are small: a percentile bootstrap then covers too seldom, since drawing n of
n shrinks a variance by (n - 1)/n, to nothing where n = 1. With G databases of n_g queries, d their deviations from the
database's mean, s^2 and k the second and third cumulant of the mean over databases,

    s^2 = 1/G^2 sum_g v_g / n_g,   v_g = sum d^2 / (n_g - 1);      k = 1/G^3 sum_g (sum d^3 / n_g) / n_g^2;   a = k / s^3,

the interval is mean - s g^-1(t) to mean - s g^-1(-t), with t Student's quantile on Satterthwaite's degrees of freedom and

    g(x) = x + a x^2 / 3 + a^2 x^3 / 27 + a / 6

(Hall 1992). A database of one query takes v from all databases: within them if they have `FEW` degrees of freedom together,
else about the mean of all queries, which counts what differs between databases as well. Clusters of queries stand as one
query each, by the linear part of the ratio of sums. No draw is made: the ends follow from the scores alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from ..vectors.arrays import Float64Array
from .groups import Clusters, checked_confidence, checked_groups, cluster_sums

Bounds = tuple[float, float]
SHARES: Bounds = (0.0, 1.0)
"""Where the mean of scores lies."""
DIFFERENCES: Bounds = (-1.0, 1.0)
"""Where a difference of two means lies."""

FEW = 5


def mean_interval(
    values_by_group: Sequence[npt.ArrayLike],
    confidence: float = 0.95,
    clusters_by_group: Clusters = None,
    bounds: Bounds | None = None,
) -> tuple[float, float]:
    """Return the interval (low, high) of the mean over groups, within `bounds`; one query alone tells nothing: all of them.

    values_by_group: one array (Q,) of per-query values a group, without NaN; clusters_by_group: see `Clusters`.

    Raises InputError for empty groups, numbers that are not finite, clusters that do not fit, a confidence outside (0, 1).
    """
    rows = [np.asarray(values, np.float64)[None] for values in values_by_group]
    low, high = mean_intervals(rows, confidence, clusters_by_group)[0].clip(*bounds or (-np.inf, np.inf))
    return float(low), float(high)


def mean_intervals(
    values_by_group: Sequence[npt.ArrayLike], confidence: float = 0.95, clusters_by_group: Clusters = None
) -> Float64Array:
    """Return (M, 2): the ends that `mean_interval` gives for M methods scored on the same queries, without bounds.

    values_by_group: one array (M, Q) a group. Raises InputError as `mean_interval` does, and for unequal numbers of methods.
    """
    checked_confidence(confidence)
    groups = checked_groups(values_by_group, clusters_by_group)
    mean = np.mean([values.mean(axis=1) for values, _ in groups], axis=0)
    deviations = [_deviations(values, clusters) for values, clusters in groups]
    counts = np.array([d.shape[1] for d in deviations])
    if counts.sum() == 1:
        return np.tile([-np.inf, np.inf], (len(mean), 1))
    own = np.array([(d**2).sum(axis=1) / max(d.shape[1] - 1, 1) for d in deviations])
    lone = counts == 1
    free = (counts - 1).sum()
    if free >= FEW:
        shared = ((counts - 1)[:, None] * own).sum(axis=0) / free
    else:
        units = np.concatenate([_unit_means(values, clusters) for values, clusters in groups], axis=1)
        shared, free = units.var(axis=1, ddof=1), units.shape[1] - 1
    of_mean = np.where(lone[:, None], shared, own) / counts[:, None]
    variance = of_mean.sum(axis=0)
    parts = (of_mean[~lone] ** 2 / (counts[~lone] - 1)[:, None]).sum(axis=0) + of_mean[lone].sum(
        axis=0
    ) ** 2 / free
    cubes = np.array([(d**3).sum(axis=1) for d in deviations])
    third = np.where((counts > 2)[:, None], cubes / counts[:, None], cubes.sum(axis=0) / counts.sum())
    error = np.sqrt(variance)
    spread = variance > 0
    degrees = np.divide(variance**2, parts, out=np.full(len(mean), float(free)), where=parts > 0)
    cumulant = (third / counts[:, None] ** 2).sum(axis=0)
    skew = np.divide(cumulant, error**3, out=np.zeros(len(mean)), where=spread)
    t = stdtrit(degrees, (1 + confidence) / 2)
    scale = error / len(groups)
    ends: Float64Array = np.stack(
        [mean - scale * _untransformed(t, skew), mean - scale * _untransformed(-t, skew)], axis=1
    )
    return ends


def _untransformed(x: Float64Array, skew: Float64Array) -> Float64Array:
    """g^-1(x) = 3 / a ((1 + a (x - a / 6))^(1/3) - 1), written so that a = 0 gives x."""
    moved = x - skew / 6
    root = np.cbrt(1 + skew * moved)
    found: Float64Array = 3 * moved / (root**2 + root + 1)
    return found


def _deviations(values: Float64Array, clusters: npt.NDArray[np.int64] | None) -> Float64Array:
    """(M, C): of each query from the mean of its group, or of each cluster as far as it moves the ratio of sums."""
    sums, sizes = cluster_sums(values, clusters)
    found: Float64Array = (sums - values.mean(axis=1)[:, None] * sizes) * (len(sizes) / sizes.sum())
    return found


def _unit_means(values: Float64Array, clusters: npt.NDArray[np.int64] | None) -> Float64Array:
    sums, sizes = cluster_sums(values, clusters)
    return sums / sizes
