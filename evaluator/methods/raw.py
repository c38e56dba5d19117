"""The baseline that ignores the condition: the cosine of the features as they are.

z = v / |v|.
"""

from __future__ import annotations

from typing import Self

import numpy.typing as npt

from ..arrays import FloatArray, as_features, as_floats, require_finite, unit_rows


class Raw:
    """Unconditional similarity; `fit` checks its input and learns nothing."""

    def fit(self, database_features: npt.ArrayLike, text_features: npt.ArrayLike) -> Self:
        """Check the database features (N, d); the texts (n, d) are ignored."""
        as_features(database_features, "database features")
        return self

    def transform(self, features: npt.ArrayLike) -> FloatArray:
        """Return the rows of `features` (M, d) at unit length, in their own float type."""
        array = as_floats(features, "features")
        require_finite(array, "features")
        return unit_rows(array)
