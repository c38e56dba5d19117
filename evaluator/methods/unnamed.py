"""Groups of images that show a value which no text names.

Found among the k-means clusters of the images' directions in the texts' subspace, twice as many as there are values. Every
one of these has to hold of a cluster, since many clusters are no value of the asked condition, but a part of a named one, or
another attribute's:

- size: it holds a third of a value's mean share of the images or more, five at least. Smaller ones are what others left;
- direction: its mean is 60 degrees or more from every named value's text;
- doubt: zero-shot, its images are less sure than images are on average, and together they give no value .7 or more;
- one piece: the mixture of named values gives most of it to one of them. Clusters of another attribute hold all values;
- apart: along the discriminant to the cluster nearest to it, their means are 3.75 standard deviations apart. A spread
  without a gap that k-means cuts in two leaves 2.65 (a normal one) to 3.46 (a flat one).
"""

from __future__ import annotations

import warnings

import numpy as np

from ..vectors.arrays import Float64Array, unit_rows
from .mixture import precision_root, shrunk
from .support.inputs import Codes

_CLUSTERS_A_VALUE = 2
_IMAGES_A_CLUSTER = 10
_FEWEST_IMAGES = 5
_LEAST_SHARE = 1 / 3
_STEPS = 50
_STARTS = 4
_CLUSTERED = 2500

_LARGEST_COSINE = 0.5
_SURE = 0.7
_MOST = 0.5
_GAP = 3.75


def unnamed_groups(
    points: Float64Array,
    values: Float64Array,
    zero_shot: Float64Array,
    posterior: Float64Array,
    seed: int,
) -> Codes:
    """Return of each image the number of its unnamed group, from 0, or -1, (n,).

    points (n, k): images, centred; values (K, k): the values' texts, centred; zero_shot (n, K); posterior (n, K): of the
    mixture of named values alone. The order of the images does not matter.
    """
    wanted = min(_CLUSTERS_A_VALUE * len(values), len(points) // _IMAGES_A_CLUSTER)
    groups = np.full(len(points), -1, np.intp)
    if wanted < 2:
        return groups
    clusters = cluster(unit_rows(points), wanted, seed)
    sure = zero_shot.max(axis=1)
    fewest = max(_FEWEST_IMAGES, _LEAST_SHARE * len(points) / len(values))
    found = 0
    for number in apart(points, clusters, fewest):
        members = clusters == number
        mean = points[members].mean(axis=0, keepdims=True)
        together = zero_shot[members].mean(axis=0).max()
        if (
            (unit_rows(mean) @ unit_rows(values).T).max() < _LARGEST_COSINE
            and together < _SURE
            and sure[members].mean() < sure.mean()
            and posterior[members].mean(axis=0).max() >= _MOST
        ):
            groups[members] = found
            found += 1
    return groups


def cluster(points: Float64Array, wanted: int, seed: int) -> Codes:
    """Return the k-means cluster of each point (n,), numbers from 0 without gaps, whatever the order of the points.

    The best of four seeded k-means++ starts, by the sum of squares within. Of 5,000 points or more, the centres are those
    of 2,500 to 5,000 evenly taken from all in their lexical order.
    """
    from scipy.cluster.vq import kmeans2, vq

    distinct, same = np.unique(points.round(9), axis=0, return_inverse=True)
    if len(distinct) <= wanted:
        return same.astype(np.intp)
    order = np.lexsort(points.round(9).T)
    rows = points[order]
    some = rows[:: max(1, len(rows) // _CLUSTERED)]
    best, least = np.zeros(len(rows), np.intp), np.inf
    for start in range(_STARTS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a cluster that ran empty is left out below
            draw = np.random.default_rng((seed, start))
            centres, _ = kmeans2(some, wanted, iter=_STEPS, minit="++", rng=draw)
        found, distances = vq(rows, centres)
        within = float((distances**2).sum())
        if within < least:
            best, least = found, within
    clusters = np.empty(len(rows), np.intp)
    clusters[order] = np.unique(best, return_inverse=True)[1]
    return clusters


def apart(points: Float64Array, clusters: Codes, fewest: float) -> list[int]:
    """Return the clusters of `fewest` points or more that lie apart from the cluster nearest to them, as told above."""
    counts = np.bincount(clusters)
    if len(counts) < 2:
        return []
    means = np.zeros((len(counts), points.shape[1]))
    np.add.at(means, clusters, points)
    means /= counts[:, None]
    residuals = points - means[clusters]
    within = shrunk(residuals.T @ residuals / len(points), len(points), points.var(axis=0))
    root = precision_root(within)
    precision = root @ root.T
    return [
        number
        for number in np.flatnonzero(counts >= fewest).tolist()
        if _gap(points, clusters, means, precision, number) >= _GAP
    ]


def _gap(
    points: Float64Array, clusters: Codes, means: Float64Array, precision: Float64Array, number: int
) -> float:
    """How many standard deviations a cluster's mean is from that of the nearest other, along their discriminant."""
    steps = means - means[number]
    distances = np.vecdot(steps @ precision, steps)
    distances[number] = np.inf
    nearest = int(distances.argmin())
    axis = precision @ steps[nearest]
    one, other = points[clusters == number] @ axis, points[clusters == nearest] @ axis
    squares = ((one - one.mean()) ** 2).sum() + ((other - other.mean()) ** 2).sum()
    deviation = float(np.sqrt(squares / (len(one) + len(other))))
    between = abs(float(one.mean() - other.mean()))
    return between / deviation if deviation > 0 else (np.inf if between > 0 else 0.0)
