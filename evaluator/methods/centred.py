"""Unconditional similarity around the images' mean.

z = v - m, with unit v and m the mean of the unit database features. Raw cosines of a vision-language model crowd in a
narrow cone; this takes its axis out.
"""

from __future__ import annotations

from typing import Self

import numpy.typing as npt

from ..vectors.arrays import mean_of_unit_rows
from .support.inputs import checked_database
from .support.linear import LinearMethod


class Centred(LinearMethod):
    """The cosine of the centred features. Fitted: shift_ = m (d,)."""

    uses_texts = False

    def fit(self, database_features: npt.ArrayLike, text_features: npt.ArrayLike) -> Self:
        """Find m from `database_features` (N, d); the texts (n, d) are ignored.

        Raises InputError for NaN or infinity, rows of zeros, and images that are all equal.
        """
        return self._fitted(None, mean_of_unit_rows(checked_database(database_features)))
