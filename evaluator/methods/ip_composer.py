"""IP-Composer's concept subspace as a similarity (Dorfman et al., SIGGRAPH 2025, arXiv 2502.13951).

With V_r the first r right singular vectors of the unit text features T, neither centred nor aligned:

    z = V_r^T v,  compared by cosine.

The paper edits images with r = 30; here the same subspace serves retrieval.
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


class IPComposer(LinearMethod):
    """Projection onto the uncentred principal directions of a condition's texts.

    n_components is the r above, clamped to the numerical rank of T. Fitted: n_components_ (the r in use) and
    projection_ = V_r (d, r), float64.
    """

    n_components_: int

    def __init__(self, n_components: int = 30) -> None:
        self.n_components = checked_components(n_components)

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        text_weights: npt.ArrayLike | None = None,
    ) -> Self:
        """Find the subspace of `text_features` (n, d); of `database_features` (N, d) only the width is used.

        Raises InputError for NaN or infinity, rows of zeros, different widths, and fewer than two different texts.
        """
        width = as_features(database_features, "database features").shape[1]
        texts = checked_texts(text_features, width, text_weights)
        directions, singular = subspace.principal_directions(texts.weighted(texts.rows), texts.eps)
        self.n_components_ = min(self.n_components, singular.size)
        return self._fitted(np.ascontiguousarray(directions[:, : self.n_components_]))
