"""Unconditional similarity in the principal subspace of the images.

z = V_r^T (v - m), with unit v, m the mean of the unit database features and V_r the first r eigenvectors of their
covariance: what varies most among the images, whatever the condition.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from .support.inputs import checked_database
from .support.linear import LinearMethod
from .support.moments import covariance
from .support.options import checked_components

_SMALLEST_VARIANCE = 1e-12


class PCA(LinearMethod):
    """Projection onto the database's principal components.

    n_components is the r above, clamped to the numerical rank of the covariance. Fitted: n_components_ (the r in use),
    projection_ = V_r (d, r), shift_ = V_r^T m, explained_ (the share of the images' variance in the r directions).
    """

    uses_texts = False

    n_components_: int
    explained_: float

    def __init__(self, n_components: int = 50) -> None:
        self.n_components = checked_components(n_components)

    def fit(self, database_features: npt.ArrayLike, text_features: npt.ArrayLike) -> Self:
        """Find the components of `database_features` (N, d); the texts (n, d) are ignored.

        Raises InputError for NaN or infinity, rows of zeros, and images that are all equal.
        """
        mean, spread = covariance(checked_database(database_features))
        values, vectors = np.linalg.eigh(spread)
        values, vectors = values[::-1], vectors[:, ::-1]
        rank = int(np.count_nonzero(values > _SMALLEST_VARIANCE * values[0]))
        self.n_components_ = min(self.n_components, rank)
        self.explained_ = float(values[: self.n_components_].sum() / values[:rank].sum())
        columns = np.ascontiguousarray(vectors[:, : self.n_components_])
        return self._fitted(columns, columns.T @ mean)
