"""IP-Composer's concept subspace as a similarity (Dorfman et al., SIGGRAPH 2025, arXiv 2502.13951).

With V_r the first r right singular vectors of the unit text features T, neither centred nor aligned:

    z = V_r^T v,  compared by cosine.

The paper edits images with r = 30; here the same subspace serves retrieval.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from .. import subspace
from ..arrays import Float64Array, FloatArray, as_features, unit_rows
from .protocol import checked_components


class IPComposer:
    """Projection onto the uncentred principal directions of a condition's texts.

    n_components is the r above, clamped to the numerical rank of T. Fitted: n_components_ (the r in use) and
    projection_ = V_r (d, r), float64.
    """

    n_components_: int
    projection_: Float64Array

    def __init__(self, n_components: int = 30) -> None:
        self.n_components = checked_components(n_components)

    def fit(self, database_features: npt.ArrayLike, text_features: npt.ArrayLike) -> Self:
        """Find the subspace of `text_features` (n, d); of `database_features` (N, d) only the width is used.

        Raises InputError for NaN or infinity, rows of zeros, and different widths.
        """
        database = as_features(database_features, "database features")
        texts = as_features(text_features, "text features", width=database.shape[1])
        eps = float(np.finfo(texts.dtype).eps)
        directions, singular = subspace.principal_directions(unit_rows(texts.astype(np.float64)), eps)
        self.n_components_ = min(self.n_components, singular.size)
        self.projection_ = np.ascontiguousarray(directions[:, : self.n_components_])
        return self

    def transform(self, features: npt.ArrayLike) -> FloatArray:
        """Return unit rows (M, r) for `features` (M, d), in their own float type; zeros where nothing is left.

        Raises InputError before `fit`, for another width than d, and for NaN or infinity.
        """
        if not hasattr(self, "projection_"):
            raise InputError(
                "IPComposer is not fitted yet", hint="call fit(database_features, text_features) first"
            )
        return subspace.project_rows(np.asarray(features), self.projection_)
