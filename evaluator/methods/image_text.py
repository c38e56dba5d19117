"""Image plus text: the query moved towards the condition's name, the database as it is (GeneCIS's simple baseline).

query:    N(v + t_c)
database: v

with unit v, N normalise, and t_c the normalised mean of the encoded names of the conditions asked for ("color"). For one
condition t_c is its encoded name. (Vaze et al., GeneCIS, CVPR 2023, arXiv 2306.07969, "Image + Text".)
"""

from __future__ import annotations

from typing import Self

import numpy.typing as npt

from ..vectors import subspace
from ..vectors.arrays import Float64Array, as_features
from ..vectors.projection import Projection
from .support.linear import QueryMethod


class ImageText(QueryMethod):
    """The sum of image and condition name as a query. Fitted: text_ = t_c (d,)."""

    uses_texts = False
    text_: Float64Array

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        condition_features: npt.ArrayLike,
    ) -> Self:
        """Keep the mean of `condition_features` (c, d); the texts (n, d) are ignored.

        Raises InputError for NaN or infinity, rows of zeros, different widths, and names that cancel each other.
        """
        width = as_features(database_features, "database features").shape[1]
        names = as_features(condition_features, "condition features", width=width)
        self.text_ = subspace.mean_direction(names, "condition features")
        return self._fitted_queries(Projection(None, -self.text_), width)
