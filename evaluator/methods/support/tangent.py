"""The subspace of CLAY's steps 1 to 3: principal directions of the texts on the tangent space at their mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...vectors import subspace
from ...vectors.arrays import Float64Array, FloatArray
from .inputs import Texts

Mean = Literal["normalised", "karcher"]
MEANS: tuple[Mean, ...] = ("normalised", "karcher")
Alignment = Literal["householder", "rotation", "none"]
ALIGNMENTS: tuple[Alignment, ...] = ("householder", "rotation", "none")


@dataclass(frozen=True, eq=False)
class TangentBasis:
    """columns: V_k (d, k), orthonormal and orthogonal to mean (d,), with the singular values (k,).

    explained: the share of the texts' variance (squared singular values) that the k directions hold.
    """

    columns: Float64Array
    singular: Float64Array
    mean: Float64Array
    explained: float


def sphere_mean(
    features: FloatArray, name: str, weights: Float64Array | None = None, mean: Mean = "normalised"
) -> Float64Array:
    """Return the mean direction (d,) of rows: normalised, or Karcher's; raises InputError where there is none."""
    find = subspace.karcher_mean if mean == "karcher" else subspace.mean_direction
    return find(features, name, weights)


def tangent_basis(
    texts: Texts, n_components: int, mean: Mean = "normalised", *, log_map: bool = True
) -> TangentBasis:
    """Return the first n_components principal directions of the log-mapped texts, at most as many as their rank.

    log_map=False leaves out the factor theta / sin(theta): x - mu (x.mu), still orthogonal to mu.
    """
    centre = sphere_mean(texts.rows, "text features", texts.weights, mean)
    directions, singular = subspace.tangent_directions(
        texts.rows, centre, texts.eps, texts.weights, stretched=log_map
    )
    k = min(n_components, singular.size)
    explained = float(np.sum(singular[:k] ** 2) / np.sum(singular**2))
    return TangentBasis(np.ascontiguousarray(directions[:, :k]), singular[:k], centre, explained)


def aligned(
    basis: TangentBasis, database: FloatArray, alignment: Alignment, mean: Mean = "normalised"
) -> Float64Array:
    """Return W = H V_k (d, k), H bringing the mean of the images (N, d) to the mean of the texts."""
    if alignment == "none":
        return basis.columns
    align = subspace.householder if alignment == "householder" else subspace.rotation
    return align(basis.columns, sphere_mean(database, "database features", None, mean), basis.mean)
