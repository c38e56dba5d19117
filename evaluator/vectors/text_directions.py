"""How many of the directions that texts span are about their values.

`text_quality` weighs directions by the variance along them. CLAY does not: V_k is orthonormal, so a direction of wording
counts as much as one of values, however little the texts vary along it. Here every direction counts alike:

    share = mean over j of B_j / T_j,

with T_j the variance of the log-mapped texts along the j-th column of V_k, and B_j that of their values' means.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clay_eval.schemas.errors import InputError

from .arrays import FloatArray, as_features, unit_rows
from .subspace import log_map, mean_direction, tangent_directions


def direction_share(features: FloatArray, values: Sequence[str], n_components: int = 50) -> float:
    """Return the share above, in [0, 1], over the first n_components directions, at most as many as there are.

    features: (n, d) text features; values: the n values that they name. 1 where texts of one value coincide; near
    (number of values - 1) / (n - 1) where each text has its own wording. Raises InputError for another number of values, and
    for texts that are all the same.
    """
    given = as_features(features, "text features")
    if len(values) != len(given):
        raise InputError("every text names one value", where="values", expected=len(given), found=len(values))
    rows = unit_rows(given.astype(np.float64))
    mean = mean_direction(rows, "text features")
    directions, _ = tangent_directions(rows, mean, float(np.finfo(given.dtype).eps))
    points = log_map(rows, mean) @ directions[:, :n_components]
    points -= points.mean(axis=0)
    total = (points**2).sum(axis=0)
    if not total.size or not total.all():
        raise InputError(
            "all texts have the same features", where="text features", expected="texts that differ"
        )
    _, codes = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    sums = np.zeros((codes.max() + 1, points.shape[1]))
    np.add.at(sums, codes, points)
    between = (sums**2 / np.bincount(codes)[:, None]).sum(axis=0)
    return float(np.minimum(between / total, 1).mean())
