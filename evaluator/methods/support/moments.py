"""Second moments of many rows, chunk by chunk, in float64."""

from __future__ import annotations

import numpy as np

from ...vectors.arrays import Float64Array, FloatArray, mean_of_unit_rows, unit_rows
from .inputs import Codes

_CHUNK_ROWS = 4096


def covariance(features: FloatArray) -> tuple[Float64Array, Float64Array]:
    """Return the mean m (d,) and the covariance (d, d) of the unit rows of `features` (N, d), divided by N."""
    mean = mean_of_unit_rows(features)
    return mean, _scatter(features, mean[None], np.zeros(len(features), np.intp)) / len(features)


def within_covariance(features: FloatArray, groups: Codes, means: Float64Array) -> Float64Array:
    """Return the covariance (d, d) of the unit rows of `features` (N, d) around the means (g, d) of their groups."""
    return _scatter(features, means, groups) / len(features)


def group_means(features: FloatArray, groups: Codes) -> tuple[Float64Array, Float64Array]:
    """Return the means (g, d) of the unit rows of each group, and the groups' shares (g,) of the rows."""
    counts = np.bincount(groups).astype(np.float64)
    sums = np.zeros((len(counts), features.shape[1]))
    for start in range(0, len(features), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        np.add.at(sums, groups[part], unit_rows(features[part].astype(np.float64)))
    return sums / counts[:, None], counts / counts.sum()


def _scatter(features: FloatArray, means: Float64Array, groups: Codes) -> Float64Array:
    total = np.zeros((features.shape[1],) * 2)
    for start in range(0, len(features), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        rows = unit_rows(features[part].astype(np.float64)) - means[groups[part]]
        total += rows.T @ rows
    return total
