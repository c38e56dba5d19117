"""CLAY's projection of the query alone, against the database as it is.

query:    P v,  P = W W^T
database: v

with W = V_k, CLAY's tangent directions of the texts, as P v says; with an alignment W = H V_k. The length of P v cancels
within a query, so its ranking is that of <W^T v, W^T v'>: images of the database whose part in the subspace is long win.
"""

from __future__ import annotations

from typing import Self

import numpy.typing as npt

from ..vectors.projection import Projection
from .clay import CLAY
from .support.linear import QueryMethod
from .support.options import checked_choice, checked_components
from .support.tangent import ALIGNMENTS, Alignment


class Asymmetric(QueryMethod):
    """Projected queries, plain database. n_components and alignment as in CLAY. Fitted: n_components_."""

    n_components_: int

    def __init__(self, n_components: int = 50, alignment: Alignment = "none") -> None:
        self.n_components = checked_components(n_components)
        self.alignment: Alignment = checked_choice(alignment, "alignment", ALIGNMENTS)

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        text_weights: npt.ArrayLike | None = None,
    ) -> Self:
        """Find the subspace as `CLAY.fit` does, with its errors."""
        clay = CLAY(self.n_components, self.alignment).fit(database_features, text_features, text_weights)
        self.n_components_ = clay.n_components_
        project = clay.projection_ @ clay.projection_.T
        return self._fitted_queries(Projection(project), len(project))
