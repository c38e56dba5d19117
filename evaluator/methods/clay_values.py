"""CLAY on one text a value: ours, not the paper's.

Texts that name the same value are averaged and normalised first, as in zero-shot prompt ensembles:

    t_j = N(mean of the texts of value j),   z = S^p V_k^T (v - m)

with V_k and S from the SVD of log_mu of the t_j, mu their normalised mean, m the mean of the unit database features. What
wording adds is averaged out, and at most values - 1 directions are left. p = 0 counts them alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy.typing as npt

from .clay_spectrum import CLAYSpectrum
from .support.inputs import checked_database, checked_texts, value_means


class CLAYValues(CLAYSpectrum):
    """Directions of the values' mean texts. Parameters and what is fitted as in CLAYSpectrum, but power = 0 by default."""

    needs, ours = "values", True

    def __init__(self, n_components: int = 50, power: float = 0.0) -> None:
        super().__init__(n_components, power)

    def fit(  # type: ignore[override]
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        text_values: Sequence[str],
        text_conditions: Sequence[str] | None = None,
        text_weights: npt.ArrayLike | None = None,
    ) -> Self:
        """Average `text_features` (n, d) by `text_values` (n), and by condition where several are stacked, then fit.

        Raises InputError as `CLAY.fit`, for another number of values than of texts, and for a single value.
        """
        database = checked_database(database_features)
        texts = checked_texts(text_features, database.shape[1], text_weights)
        return self._span(value_means(texts, text_values, text_conditions)[0], database)
