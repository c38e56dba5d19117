"""K-means on unit features, and how well a clustering agrees with the values of labels.

ACC    the share of images whose cluster is that of their value, clusters given to values one to one so that it is highest
       (the Hungarian method); what papers on clustering under a condition report first
NMI    mutual information over the mean of the two entropies; above 0 by chance, the more so the more clusters there are
AMI    the same adjusted for chance: 0 by chance (Vinh et al., JMLR 2010)
ARI    pairs of images that both put together or both apart, adjusted for chance (Hubert and Arabie, 1985)
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..pictures.labelled import Codes
from ..vectors.arrays import Float64Array, FloatArray

SHUFFLES = 10


@dataclass(frozen=True)
class Agreement:
    """How well a clustering agrees with the values; 1 is perfect, AMI and ARI can fall below 0."""

    acc: float
    nmi: float
    ami: float
    ari: float


def agreement(values: Codes, clusters: Codes) -> Agreement:
    """Return the scores of a clustering; values, clusters: integers (N,), N >= 1, equal where images belong together."""
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    return Agreement(
        matched_share(contingency(values, clusters)),
        mutual_information(values, clusters),
        float(adjusted_mutual_info_score(values, clusters, average_method="arithmetic")),
        float(adjusted_rand_score(values, clusters)),
    )


def mutual_information(values: Codes, clusters: Codes) -> float:
    """Return the NMI of a clustering: mutual information over the arithmetic mean of the two entropies."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(values, clusters, average_method="arithmetic"))


def contingency(values: Codes, clusters: Codes) -> Codes:
    """Return how many images of each value lie in each cluster, (values, clusters) in their order."""
    _, rows = np.unique(values, return_inverse=True)
    _, columns = np.unique(clusters, return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1), np.int64)
    np.add.at(table, (rows, columns), 1)
    return table


def matched_share(table: Codes) -> float:
    """Return the share of images on the best matching of values (rows) with clusters (columns), one to one."""
    from scipy.optimize import linear_sum_assignment

    return float(table[linear_sum_assignment(table, maximize=True)].sum() / table.sum())


def in_matched_order(table: Codes) -> Codes:
    """Return `table` with the column that is matched with each row on its diagonal; unmatched columns come last."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(table, maximize=True)
    first = columns[np.argsort(rows)].tolist()
    return table[:, [*first, *(c for c in range(table.shape[1]) if c not in first)]]


def majority(values: Codes) -> float:
    """Return the share of the most frequent value: the ACC of one cluster of all images."""
    return float(np.unique(values, return_counts=True)[1].max() / len(values))


def chance_scores(values: Codes, clusters: Codes, seed: int, shuffles: int = SHUFFLES) -> tuple[float, float]:
    """Return the mean ACC and NMI of clusters of the same sizes, filled by lot `shuffles` times; of AMI and ARI it is 0."""
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = [generator.permutation(clusters) for _ in range(shuffles)]
    return (
        float(np.mean([matched_share(contingency(values, one)) for one in drawn])),
        float(np.mean([mutual_information(values, one) for one in drawn])),
    )


def k_means(features: FloatArray, count: int, seeds: Sequence[int], starts: int) -> tuple[list[Codes], bool]:
    """Return the clusters (N,) under each seed, and whether all have `count` clusters: equal rows cannot be divided.

    features (N, k), count <= N; each seed draws `starts` starts by k-means++ and keeps the tightest. One thread, so that
    sums do not depend on how many there are.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    exact: Float64Array = np.ascontiguousarray(features, np.float64)
    found = []
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for seed in seeds:
            model = KMeans(n_clusters=count, n_init=starts, random_state=seed).fit(exact)
            found.append(model.labels_.astype(np.int64))
    return found, all(len(np.unique(clusters)) == count for clusters in found)
