"""Unconditional similarity with the images' covariance evened out (ZCA whitening).

z = C^(-1/2) (v - m), with unit v, m the mean of the unit database features, and C their covariance + eps t I. t is their
mean variance, trace / d: eps is relative to it, so that the same eps means the same for every encoder. It bounds how far
a direction in which the database hardly varies is blown up, by 1 / sqrt(eps) times the average one at most, and keeps C
regular where the database has fewer images than columns.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from .support.inputs import checked_database
from .support.linear import LinearMethod
from .support.moments import covariance
from .support.options import checked_number


class Whitened(LinearMethod):
    """The cosine of the whitened features.

    eps: above 0, relative to the mean variance. Fitted: projection_ = C^(-1/2) (d, d) and shift_ = C^(-1/2) m.
    """

    uses_texts = False

    def __init__(self, eps: float = 0.01) -> None:
        self.eps = checked_number(eps, "eps", above=True)

    def fit(self, database_features: npt.ArrayLike, text_features: npt.ArrayLike) -> Self:
        """Find m and C from `database_features` (N, d); the texts (n, d) are ignored.

        Raises InputError for NaN or infinity, rows of zeros, and images that are all equal.
        """
        mean, spread = covariance(checked_database(database_features))
        values, vectors = np.linalg.eigh(spread)
        variances = np.maximum(values, 0) + self.eps * float(np.trace(spread)) / len(spread)
        root = (vectors / np.sqrt(variances)) @ vectors.T
        return self._fitted(root, root @ mean)
