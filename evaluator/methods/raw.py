"""The baseline that ignores the condition: the cosine of the features as they are.

z = v / |v|.
"""

from __future__ import annotations

from typing import Self

import numpy.typing as npt

from ..vectors.arrays import as_features
from .support.linear import LinearMethod


class Raw(LinearMethod):
    """Unconditional similarity; `fit` checks its input and learns nothing but the width."""

    uses_texts = False

    def fit(self, database_features: npt.ArrayLike, text_features: npt.ArrayLike) -> Self:
        """Check the database features (N, d); the texts (n, d) are ignored."""
        return self._fitted(None, width=as_features(database_features, "database features").shape[1])
