"""Regardless of conditions: the pictures without the subspaces of their texts.

Of conditions s with CLAY's projections P_s = W_s W_s^T and shares a_s in [0, 1], a picture v is compared as

    R v,   R = (I + sum_s b_s P_s)^(-1),   b_s = a_s / (1 - a_s).

Of one condition R = I - a P: a = 0 leaves the picture as it is, a = 1 leaves the complement (I - P) v. Of several the order
does not count, and shares of 1 take out all that their subspaces span together. R is smooth in the shares. With Q an
orthonormal basis of the subspaces together, R = I - Q S Q^T: what pictures are in that basis, Q^T v, is computed once, and
other shares then cost nothing that grows with d.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..vectors.arrays import Float64Array, FloatArray
from ..vectors.fusion import joint_basis
from .passes import mapped_rows, over_blocks

_WHOLE = 1e-8
"""Keeps b finite where a is 1: what then is left of the subspace is below the precision of float32."""
_ROUNDING = 16 * float(np.finfo(np.float32).eps)
"""A vector that is shorter than this share of the picture's own is rounding."""


@dataclass(frozen=True, eq=False)
class Removal:
    """R above. basis: Q (d, r); strength: S (r, r)."""

    basis: Float64Array
    strength: Float64Array

    def rows(self, features: FloatArray) -> FloatArray:
        """Return R v for rows v of `features` (M, d), in their own float type."""
        back = (self.strength @ self.basis.T).astype(features.dtype)
        rest: FloatArray = features - (features @ self.basis.astype(features.dtype)) @ back
        return rest

    def columns(self, projection: Float64Array) -> Float64Array:
        """Return Q^T W - Q^T R W = S Q^T W (r, k) for W = projection (d, k): (R W)^T v = W^T v - that^T Q^T v."""
        return self.strength @ (self.basis.T @ projection)


class Subspaces:
    """The subspaces of some conditions together, and the pictures in them.

    features: (N, d), the pictures; projections: W_s (d, k_s) with orthonormal columns, one a condition.
    """

    def __init__(self, features: FloatArray, projections: Sequence[Float64Array]) -> None:
        self._features = features
        self._basis, _ = joint_basis(projections, [None] * len(projections))
        self._inside = [self._basis.T @ projection for projection in projections]

    def removal(self, shares: Sequence[float]) -> Removal:
        """Return R for the conditions' shares a_s in (0, 1]."""
        kept = np.eye(self._basis.shape[1])
        for inside, share in zip(self._inside, shares, strict=True):
            kept += share / (1 - share + _WHOLE) * (inside @ inside.T)
        return Removal(self._basis, np.eye(len(kept)) - np.linalg.inv(kept))

    @cached_property
    def coordinates(self) -> FloatArray:
        """Q^T v (N, r) of all pictures, float32: one pass over them."""
        basis = self._basis.astype(self._features.dtype)
        return mapped_rows(self._features, lambda block, _: block @ basis, basis.shape[1])

    def lengths(self, removal: Removal, before: FloatArray) -> FloatArray:
        """Return |R v| (N,) of all pictures, whose own lengths are `before` (N,); 0 where rounding is left."""
        matrix = (2 * removal.strength - removal.strength @ removal.strength).astype(np.float32)
        lengths = np.empty_like(before)

        def work(block: FloatArray, place: slice) -> None:
            squares = before[place] ** 2 - np.vecdot(block @ matrix, block)
            lengths[place] = np.sqrt(np.maximum(squares, 0))

        over_blocks(self.coordinates, work)
        lengths[lengths <= _ROUNDING * before] = 0
        return lengths

    def mapped(
        self,
        removal: Removal,
        projection: Float64Array,
        images: tuple[FloatArray, FloatArray],
        before: FloatArray,
    ) -> FloatArray:
        """Return unit rows (R W)^T v (N, k) of all pictures, float32; zeros where rounding is left.

        projection: W (d, k); images: unit rows of W^T v (N, k) with their lengths (N,), float32; before: |v| (N,).
        """
        columns = removal.columns(projection).astype(np.float32)
        units, own = images
        out = np.empty_like(units)
        coordinates = self.coordinates

        def work(block: FloatArray, place: slice) -> None:
            rows = block * own[place, None] - coordinates[place] @ columns
            lengths = np.sqrt(np.vecdot(rows, rows))
            lengths[lengths <= _ROUNDING * before[place]] = np.inf
            np.divide(rows, lengths[:, None], out=out[place])

        over_blocks(units, work)
        return out
