"""Principal components of a condition's texts, without CLAY's sphere and alignment.

With V_k the first k right singular vectors of T - mean(T), T the unit text features:

    text-pca:          z = V_k^T v
    text-pca-centred:  z = V_k^T (v - m),  m the mean of the unit database features.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from ..vectors import subspace
from ..vectors.arrays import as_features, mean_of_unit_rows
from .support.inputs import checked_database, checked_texts
from .support.linear import LinearMethod
from .support.options import checked_components


class TextPCA(LinearMethod):
    """Projection onto the centred principal directions of the texts.

    n_components is the k above, clamped to the numerical rank. Fitted: n_components_ (the k in use), projection_ = V_k
    (d, k), explained_ (the share of the texts' variance in the k directions). Weighted texts count as if repeated.
    """

    centred = False
    n_components_: int
    explained_: float

    def __init__(self, n_components: int = 50) -> None:
        self.n_components = checked_components(n_components)

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        text_weights: npt.ArrayLike | None = None,
    ) -> Self:
        """Find the components of `text_features` (n, d), and where centred the mean of `database_features` (N, d).

        Raises InputError for NaN or infinity, rows of zeros, different widths, and fewer than two different texts.
        """
        check = checked_database if self.centred else lambda given: as_features(given, "database features")
        database = check(database_features)
        texts = checked_texts(text_features, database.shape[1], text_weights)
        spread = texts.weighted(texts.rows - texts.shares @ texts.rows)
        directions, singular = subspace.principal_directions(spread, texts.eps)
        k = self.n_components_ = min(self.n_components, singular.size)
        self.explained_ = float(np.sum(singular[:k] ** 2) / np.sum(singular**2))
        columns = np.ascontiguousarray(directions[:, :k])
        return self._fitted(columns, columns.T @ mean_of_unit_rows(database) if self.centred else None)


class TextPCACentred(TextPCA):
    """As TextPCA, on images centred on the database's mean. Fitted also: shift_ = V_k^T m."""

    centred = True
