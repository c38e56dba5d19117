"""The mathematics of conditional subspaces, as pure functions in float64.

Written for features v on the unit sphere of R^d and n texts T about a condition, as in Lim et al., *CLAY*,
CVPR 2026: a tangent space at the texts' mean, its principal directions, and an alignment of the images' mean
with the texts' mean.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from .arrays import Float64Array, FloatArray, as_floats, mean_of_unit_rows, require_finite, require_width

_SMALLEST_MEAN = 1e-6
_SUSPICIOUS_SHARE = 1e-3


def mean_direction(features: FloatArray, name: str) -> Float64Array:
    """Return mu = normalise(mean of the unit rows), shape (d,).

    Raises InputError where the mean is too short to have a direction.
    """
    mean = mean_of_unit_rows(features)
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
    texts: Float64Array, mean: Float64Array, eps: float
) -> tuple[Float64Array, Float64Array]:
    """Return the principal directions (d, rank) of log_mean(texts), orthogonal to mean, with singular values."""
    directions, singular = principal_directions(log_map(texts, mean), eps)
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


def project_rows(values: FloatArray, projection: Float64Array, name: str = "features") -> FloatArray:
    """Return normalise(W^T v) for each row v of `values` (M, d) and W = projection (d, k): (M, k) unit rows.

    float32 in, float32 out, else float64. Lengths of v cancel and are never computed; a row with nothing but
    rounding in the subspace gives a row of zeros.

    Raises InputError for another width than d, NaN or infinity.
    """
    features = as_floats(values, name)
    require_width(features, name, projection.shape[0])
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        projected = features @ projection.astype(features.dtype)
        squares = np.vecdot(projected, projected)
    if not len(features):
        return projected
    doubtful = _doubtful_rows(features, squares)
    if doubtful.size:
        require_finite(features, name)
        projected[doubtful] = 0
        squares[doubtful] = 1
    projected *= (1 / np.sqrt(squares))[:, None]
    if doubtful.size:
        projected[doubtful] = _project_with_care(features[doubtful], projection)
    return projected


def _doubtful_rows(features: FloatArray, squares: FloatArray) -> npt.NDArray[np.intp]:
    """Rows whose projection overflowed, or is short next to the features: rounding, or small numbers."""
    finite = np.isfinite(squares)
    top = int(np.argmax(np.where(finite, squares, -1)))
    length = np.linalg.norm(features[top].astype(np.float64)) if finite[top] else 0.0
    return np.flatnonzero(
        ~finite | (squares <= max((_SUSPICIOUS_SHARE * length) ** 2, np.finfo(np.float32).tiny))
    )


def _project_with_care(rows: FloatArray, projection: Float64Array) -> Float64Array:
    exact = rows.astype(np.float64)
    largest = np.abs(exact).max(axis=1, keepdims=True)
    exact /= np.where(largest > 0, largest, 1)
    projected = exact @ projection
    lengths = np.linalg.norm(projected, axis=1)
    rounding = 16 * float(np.finfo(rows.dtype).eps) * np.linalg.norm(exact, axis=1)
    return np.where(
        (lengths > rounding)[:, None], projected / np.where(lengths > 0, lengths, 1)[:, None], 0.0
    )
