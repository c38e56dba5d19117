"""The mathematics of conditional subspaces, as pure functions in float64.

Written for features v on the unit sphere of R^d and n texts T about a condition, as in Lim et al., *CLAY*,
CVPR 2026: a tangent space at the texts' mean, its principal directions, and an alignment of the images' mean
with the texts' mean.
"""

from __future__ import annotations

import numpy as np

from clay_eval.schemas.errors import InputError

from .arrays import Float64Array, FloatArray, mean_of_unit_rows, unit_rows

_SMALLEST_MEAN = 1e-6
_KARCHER_TOLERANCE = 1e-12
_KARCHER_STEPS = 200
_CHUNK_ROWS = 4096


def mean_direction(features: FloatArray, name: str, weights: Float64Array | None = None) -> Float64Array:
    """Return mu = normalise(weighted mean of the unit rows), shape (d,); weights (n,) or None for equal ones.

    Raises InputError where the mean is too short to have a direction.
    """
    if weights is None:
        mean = mean_of_unit_rows(features)
    else:
        mean = weights @ unit_rows(features.astype(np.float64)) / weights.sum()
    length = float(np.linalg.norm(mean))
    if length < _SMALLEST_MEAN:
        raise InputError(
            f"the mean of {name} has no direction: the rows cancel each other",
            where=name,
            expected=f"a mean of length {_SMALLEST_MEAN:g} or more",
            found=f"{length:.3g}",
            hint="pass the encoder's features as they are, neither centred nor whitened",
        )
    return mean / length


def karcher_mean(features: FloatArray, name: str, weights: Float64Array | None = None) -> Float64Array:
    """Return the Karcher mean (d,) of the unit rows: the point mu of the sphere where the mean of log_mu(x) is 0.

    Found by walking from `mean_direction` along the mean of the log-mapped rows until that is shorter than 1e-12.

    Raises InputError where the mean has no direction, where a row lies opposite to it, and where the walk does not
    settle (rows spread over more than half a sphere).
    """
    mean = mean_direction(features, name, weights)
    for _ in range(_KARCHER_STEPS):
        step = _mean_log(features, mean, weights)
        length = float(np.linalg.norm(step))
        if length < _KARCHER_TOLERANCE:
            return mean
        mean = np.cos(length) * mean + np.sin(length) / length * step
        mean /= np.linalg.norm(mean)
    raise InputError(
        f"the Karcher mean of {name} does not settle: the rows spread too widely over the sphere",
        where=name,
        expected=f"a step below {_KARCHER_TOLERANCE:g} within {_KARCHER_STEPS} steps",
        found=f"{length:.3g}",
        hint="use mean=normalised",
    )


def _mean_log(features: FloatArray, base: Float64Array, weights: Float64Array | None) -> Float64Array:
    shares = np.full(len(features), 1 / len(features)) if weights is None else weights / weights.sum()
    total = np.zeros(features.shape[1])
    for start in range(0, len(features), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        total += shares[part] @ log_map(unit_rows(features[part].astype(np.float64)), base)
    return total


def log_map(points: Float64Array, base: Float64Array) -> Float64Array:
    """Return log_base(x) = (x - base (x.base)) theta / sin(theta), theta = arccos(x.base), row by row.

    points (n, d) and base (d,) are of unit length; the result (n, d) is orthogonal to base and theta long.

    Raises InputError where a point lies opposite to the base, to which every direction leads.
    """
    cosine = points @ base
    tangent = points - cosine[:, None] * base
    # Once more: what rounding left along the base would be blown up for points close to it.
    tangent -= (tangent @ base)[:, None] * base
    sine = np.linalg.norm(tangent, axis=1)
    opposite = np.flatnonzero((cosine < 0) & (sine < _SMALLEST_MEAN))
    if opposite.size:
        raise InputError(
            "a point lies opposite to the mean direction, where the log map is undefined",
            where=f"row {int(opposite[0])}",
            expected="points less than half a turn from their mean",
        )
    stretch = np.divide(np.arctan2(sine, cosine), sine, out=np.ones_like(sine), where=sine > 0)
    tangent *= stretch[:, None]
    return tangent


def principal_directions(rows: Float64Array, eps: float) -> tuple[Float64Array, Float64Array]:
    """Return the right singular vectors of `rows` (n, d) as columns (d, rank), and their singular values (rank,).

    `rows` come from unit vectors that were rounded to a relative eps. The numerical rank counts the singular
    values above eps * max(max(n, d) s_1, 16 sqrt(n)): the rounding of the decomposition, and of the vectors.
    """
    _, singular, right = np.linalg.svd(rows, full_matrices=False)
    rounding = eps * max(max(rows.shape) * float(singular[0]), 16 * float(np.sqrt(len(rows))))
    rank = int(np.count_nonzero(singular > rounding))
    return np.ascontiguousarray(right[:rank].T), singular[:rank]


def tangent_directions(
    texts: Float64Array,
    mean: Float64Array,
    eps: float,
    weights: Float64Array | None = None,
    *,
    stretched: bool = True,
) -> tuple[Float64Array, Float64Array]:
    """Return the principal directions (d, rank) of log_mean(texts), orthogonal to mean, with singular values.

    weights (n,), the largest 1: rows count by them, as if repeated. stretched=False: the rows x - mean (x.mean), the log
    map without its factor theta / sin(theta).
    """
    tangent = log_map(texts, mean) if stretched else texts - np.outer(texts @ mean, mean)
    if weights is not None:
        tangent = np.sqrt(weights)[:, None] * tangent
    directions, singular = principal_directions(tangent, eps)
    # Exact in theory; in floating point the weakest directions lean towards the mean.
    return directions - np.outer(mean, mean @ directions), singular


def householder(columns: Float64Array, source: Float64Array, target: Float64Array) -> Float64Array:
    """Return H V = V - 2 u (u^T V) for V = columns (d, k), u = normalise(source - target).

    H is the reflection (its own transpose) with H source = target; the identity where the two are equal.
    """
    difference = source - target
    length = np.linalg.norm(difference)
    if length < 1e-12:
        return columns.copy()
    normal = difference / length
    return columns - 2.0 * np.outer(normal, normal @ columns)


def rotation(columns: Float64Array, source: Float64Array, target: Float64Array) -> Float64Array:
    """Return R^T V for V = columns (d, k) and R the smallest rotation with R source = target.

    R = I - (a + b)(a + b)^T / (1 + a.b) + 2 b a^T with a = source, b = target.

    Raises InputError where source = -target, between which no rotation is the smallest.
    """
    total = source + target
    if np.linalg.norm(total) < _SMALLEST_MEAN:
        raise InputError(
            "the images' mean lies opposite to the texts' mean: the smallest rotation between them is not unique",
            hint='use alignment="householder"',
        )
    shared = 0.5 * (total @ total)
    return columns - np.outer(total, total @ columns) / shared + 2.0 * np.outer(source, target @ columns)
