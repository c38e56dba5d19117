"""CLAY's directions by how much the texts vary along them: ours, not the paper's.

    z = S^p V_k^T (v - m)

with V_k and S = diag(s) the first k right singular vectors and singular values of log_mu(T), as in CLAY, and m the mean of
the unit database features in place of the alignment. p = 0 is CLAY on centred images; p = 1, by full rank, is CRL on
log-mapped texts. Texts of a condition vary along a few strong directions, its values, and many weak ones, their wording:
p > 0 lets the weak ones count less where CLAY counts them all alike.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from ..vectors.arrays import FloatArray, mean_of_unit_rows
from .support.inputs import Texts, checked_database, checked_texts
from .support.linear import LinearMethod
from .support.options import checked_components, checked_number
from .support.tangent import tangent_basis


class CLAYSpectrum(LinearMethod):
    """Directions of the texts scaled by their singular values.

    n_components: k, clamped to the rank of log_mu(T). power: p, 0 or more. Fitted: n_components_ (the k in use),
    explained_ (the share of the texts' variance in the k directions), projection_ = V_k S^p (d, k), s relative to the
    largest, and shift_.
    """

    ours = True
    n_components_: int
    explained_: float

    def __init__(self, n_components: int = 50, power: float = 1.0) -> None:
        self.n_components = checked_components(n_components)
        self.power = checked_number(power, "power")

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        text_weights: npt.ArrayLike | None = None,
    ) -> Self:
        """Find the subspace of `text_features` (n, d), and the mean of `database_features` (N, d).

        Raises InputError as `CLAY.fit`.
        """
        database = checked_database(database_features)
        return self._span(checked_texts(text_features, database.shape[1], text_weights), database)

    def _span(self, texts: Texts, database: FloatArray) -> Self:
        basis = tangent_basis(texts, self.n_components)
        self.n_components_, self.explained_ = basis.columns.shape[1], basis.explained
        columns = basis.columns * (basis.singular / basis.singular[0]) ** self.power
        return self._fitted(np.ascontiguousarray(columns), columns.T @ mean_of_unit_rows(database))
