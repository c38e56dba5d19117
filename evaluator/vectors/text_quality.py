"""How well condition texts vary their condition: the rank they span, and how much of it is the value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clay_eval.schemas.errors import InputError

from .arrays import FloatArray, as_floats, require_finite
from .subspace import log_map, mean_direction, tangent_directions


@dataclass(frozen=True)
class TextQuality:
    """rank: directions that the texts span around their mean. between_share: in [0, 1], variance between values."""

    rank: int
    between_share: float


def text_quality(features: FloatArray, values: Sequence[str]) -> TextQuality:
    """Rank and between-value share of the texts' variance, after the log map at their mean direction.

    features: (n, d) text features; their lengths do not count. values: the n values that the texts name. With x_i the
    log-mapped texts, m their mean, and m_v the mean of the n_v texts of value v,

        between_share = sum_v n_v |m_v - m|^2 / sum_i |x_i - m|^2.

    1 where texts of one value coincide; near (number of values - 1) / (n - 1) where values tell nothing. Raises InputError
    for a number of values other than n, for texts that are all the same, and for features that are not finite.
    """
    rows = as_floats(features, "text features")
    if len(values) != len(rows):
        raise InputError("every text names one value", where="values", expected=len(rows), found=len(values))
    require_finite(rows, "text features")
    eps = float(np.finfo(rows.dtype).eps)
    exact = rows.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    if not len(exact) or not lengths.all():
        raise InputError("a text feature has no direction", where="text features", expected="nonzero rows")
    exact /= lengths
    mean = mean_direction(exact, "text features")
    directions, _ = tangent_directions(exact, mean, eps)
    points = log_map(exact, mean)
    points -= points.mean(axis=0)
    total = float((points**2).sum())
    if directions.shape[1] == 0 or total == 0.0:
        raise InputError(
            "all texts have the same features", where="text features", expected="texts that differ"
        )
    _, groups = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    counts = np.bincount(groups)
    sums = np.zeros((len(counts), points.shape[1]))
    np.add.at(sums, groups, points)
    between = float((sums**2).sum(axis=1) @ (1 / counts))
    return TextQuality(directions.shape[1], min(1.0, between / total))
