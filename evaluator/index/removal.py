"""Regardless of conditions: the pictures without the subspaces of their texts.

Of conditions s with CLAY's projections P_s = W_s W_s^T and shares a_s in [0, 1], a picture v is compared as

    R v,   R = (I + sum_s b_s P_s)^(-1),   b_s = a_s / (1 - a_s).

Of one condition R = I - a P: a = 0 leaves the picture as it is, a = 1 leaves the complement (I - P) v. Of several the order
does not count, and shares of 1 take out all that their subspaces span together. R is smooth in the shares. With Q an
orthonormal basis of the subspaces together, R = I - Q S Q^T, which costs no more than Q has columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..vectors.arrays import Float64Array, FloatArray
from ..vectors.fusion import joint_basis

_WHOLE = 1e-8
"""Keeps b finite where a is 1: what then is left of the subspace is below the precision of float32."""


@dataclass(frozen=True, eq=False)
class Removal:
    """R above. basis: Q (d, r); strength: S (r, r)."""

    basis: Float64Array
    strength: Float64Array

    def rows(self, features: FloatArray) -> FloatArray:
        """Return R v for rows v of `features` (M, d), in their own float type."""
        taken = (features @ self.basis.astype(features.dtype)) @ (self.strength @ self.basis.T).astype(
            features.dtype
        )
        rest: FloatArray = features - taken
        return rest

    def columns(self, projection: Float64Array) -> Float64Array:
        """Return R W for W = projection (d, k): (R W)^T v = W^T (R v)."""
        return projection - self.basis @ (self.strength @ (self.basis.T @ projection))

    def squared_lengths(self, features: FloatArray, squares: FloatArray) -> FloatArray:
        """Return |R v|^2 (M,) for rows v of `features` (M, d) with |v|^2 = squares (M,)."""
        inside = features @ self.basis.astype(features.dtype)
        matrix = (2 * self.strength - self.strength @ self.strength).astype(features.dtype)
        rest: FloatArray = np.maximum(squares - np.vecdot(inside @ matrix, inside), 0)
        return rest


def make_removal(projections: Sequence[Float64Array], shares: Sequence[float]) -> Removal:
    """Return R for W_s = projections, each (d, k_s) with orthonormal columns, and their shares a_s in (0, 1]."""
    basis, _ = joint_basis(projections, [None] * len(projections))
    kept = np.eye(basis.shape[1])
    for projection, share in zip(projections, shares, strict=True):
        inside = basis.T @ projection
        kept += share / (1 - share + _WHOLE) * (inside @ inside.T)
    return Removal(basis, np.eye(len(kept)) - np.linalg.inv(kept))
