"""Image plus text: the query moved towards the condition's name, the database as it is (GeneCIS's simple baseline).

query:    N(v + t_c)
database: v

with unit v, N normalise, and t_c the normalised mean of the encoded names of the conditions asked for ("color"). For one
condition t_c is its encoded name. (Vaze et al., GeneCIS, CVPR 2023, arXiv 2306.07969, "Image + Text".)
"""

from __future__ import annotations

from typing import Self

import numpy.typing as npt

from .. import subspace
from ..arrays import FloatArray, as_features
from ..projection import Projection
from .raw import Raw


class ImageText(Raw):
    """The sum of image and condition name as a query. Fitted: text_ = t_c (d,)."""

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        condition_features: npt.ArrayLike,
    ) -> Self:
        """Keep the mean of `condition_features` (c, d); the texts (n, d) are ignored.

        Raises InputError for NaN or infinity, rows of zeros, different widths, and names that cancel each other.
        """
        super().fit(database_features, text_features)
        names = as_features(condition_features, "condition features", width=self._width)
        self.text_ = subspace.mean_direction(names, "condition features")
        self._queries = Projection(None, -self.text_)
        return self

    def transform_queries(self, features: npt.ArrayLike) -> FloatArray:
        """Return N(v + t_c) (M, d) for queries (M, d), in their own float type; zeros where v = -t_c.

        Raises InputError before `fit`, for another width than d, and for NaN or infinity.
        """
        self._require_fit()
        return self._queries.rows(features)
