"""CRL: images described by their similarities to a condition's texts (NeurIPS 2025).

With T the n unit text features and N normalise:

    crl:          z = N(T v)
    crl-centred:  z = N((T - mean(T)) (v - m)),  m the mean of the unit database features.

Every text is an axis: no decomposition, no k.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from ..vectors.arrays import as_features, mean_of_unit_rows
from .support.inputs import checked_database, checked_texts
from .support.linear import LinearMethod


class CRL(LinearMethod):
    """Similarities to all texts as features. Fitted: projection_ = T^T (d, n), its columns times sqrt(w) where weighted."""

    centred = False

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        text_weights: npt.ArrayLike | None = None,
    ) -> Self:
        """Keep `text_features` (n, d), and where centred the mean of `database_features` (N, d).

        Raises InputError for NaN or infinity, rows of zeros, different widths, and fewer than two different texts.
        """
        check = checked_database if self.centred else lambda given: as_features(given, "database features")
        database = check(database_features)
        texts = checked_texts(text_features, database.shape[1], text_weights)
        rows = texts.rows - texts.shares @ texts.rows if self.centred else texts.rows
        columns = np.ascontiguousarray(texts.weighted(rows).T)
        return self._fitted(columns, columns.T @ mean_of_unit_rows(database) if self.centred else None)


class CRLCentred(CRL):
    """As CRL, on texts and images centred on their means. Fitted also: shift_ (n,)."""

    centred = True
