"""A condition-free text subspace: principal components of the names of everyday things.

z = V_k^T v, with V_k the first k right singular vectors of G - mean(G), G the unit features of generic texts ("a photo of
a X"), k = d / 2 by default: the half of the space in which names of things vary. (The generic-class PCA of a rival at
CVPR 2026, "pca-in".) The texts come from prompts/generic_names.txt.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from ..vectors import subspace
from ..vectors.arrays import as_features
from .support.inputs import checked_texts
from .support.linear import LinearMethod
from .support.options import checked_components


class PCAGeneric(LinearMethod):
    """Projection onto the components of generic texts.

    n_components: k, or None for d // 2; clamped to the numerical rank. Fitted: n_components_ (the k in use), projection_
    = V_k (d, k), explained_ (the share of the generic texts' variance in the k directions).
    """

    uses_texts = False

    n_components_: int
    explained_: float

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = None if n_components is None else checked_components(n_components)

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        generic_features: npt.ArrayLike,
    ) -> Self:
        """Find the components of `generic_features` (g, d); of images and texts only the width is used.

        Raises InputError for NaN or infinity, rows of zeros, different widths, and fewer than two different texts.
        """
        width = as_features(database_features, "database features").shape[1]
        texts = checked_texts(generic_features, width, name="generic features")
        directions, singular = subspace.principal_directions(texts.rows - texts.rows.mean(axis=0), texts.eps)
        wanted = max(1, width // 2) if self.n_components is None else self.n_components
        k = self.n_components_ = min(wanted, singular.size)
        self.explained_ = float(np.sum(singular[:k] ** 2) / np.sum(singular**2))
        return self._fitted(np.ascontiguousarray(directions[:, :k]))
