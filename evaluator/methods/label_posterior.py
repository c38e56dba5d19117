"""Images as zero-shot posteriors over the values of a condition, which it is told.

With one unit text t_j a value (the normalised mean of its texts) and tau the encoder's logit scale:

    p(v) = softmax(tau t_j.v over the values j),  similarity <p, q>:

the chance that both images show the same value, if the posteriors are right. It is an inner product and not a cosine,
which `similarity = "inner"` says. Several conditions meet by their product, the chance that the images agree in all of them.
One fit for several (fusion=stack) gives the mean over them of their <p_c, q_c>, weighted where weights are given: rows are
the posteriors side by side, each times sqrt(w_c / sum w).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from ..vectors.arrays import (
    Float64Array,
    FloatArray,
    as_features,
    as_floats,
    require_finite,
    require_width,
    unit_rows,
)
from .posteriors import condition_shares, require_two_values
from .support.inputs import Codes, checked_texts, value_means
from .support.linear import not_fitted
from .support.options import checked_number


class LabelPosterior:
    """Posteriors over a condition's values. Fitted: texts_ (values, d), n_values_, logit_scale_."""

    needs = "values"
    similarity = "inner"
    fusion = "product"
    n_values_: int
    logit_scale_: float

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        text_values: Sequence[str],
        text_conditions: Sequence[str] | None = None,
        text_weights: npt.ArrayLike | None = None,
        logit_scale: float = 100.0,
    ) -> Self:
        """Average `text_features` (n, d) value by value; of `database_features` (N, d) only the width is used.

        Raises InputError for NaN or infinity, rows of zeros, different widths, a condition with a single value, and a
        logit scale that is not above 0.
        """
        width = as_features(database_features, "database features").shape[1]
        means, conditions = value_means(
            checked_texts(text_features, width, text_weights), text_values, text_conditions
        )
        require_two_values(conditions)
        self.logit_scale_ = checked_number(logit_scale, "logit_scale", above=True)
        self.texts_, self.n_values_ = means.rows, len(means.rows)
        self._conditions: Codes = conditions
        self._scales: Float64Array = np.sqrt(condition_shares(conditions, means.weights))
        return self

    def transform(self, features: npt.ArrayLike) -> FloatArray:
        """Return the scaled posteriors (M, values) of `features` (M, d), in their own float type.

        Raises InputError before `fit`, for another width than d, and for NaN or infinity.
        """
        if not hasattr(self, "texts_"):
            raise not_fitted(self)
        array = as_floats(features, "features")
        require_width(array, "features", self.texts_.shape[1])
        require_finite(array, "features")
        logits = self.logit_scale_ * (unit_rows(array.astype(np.float64)) @ self.texts_.T)
        for condition, scale in enumerate(self._scales):
            columns = self._conditions == condition
            odds = np.exp(logits[:, columns] - logits[:, columns].max(axis=1, keepdims=True))
            logits[:, columns] = scale * odds / odds.sum(axis=1, keepdims=True)
        return logits.astype(array.dtype)

    def posterior(self, features: npt.ArrayLike) -> FloatArray:
        """Return the posteriors (M, values) of `features` (M, d) over a single condition's values, in order of the texts."""
        return self.transform(features)
