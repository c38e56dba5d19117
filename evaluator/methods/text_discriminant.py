"""Linear discriminants of the texts alone: ours, not CLAY's. No label of an image is seen.

On the log-mapped texts x = log_mu(t), S_b the covariance between the values they name and S_w within:

    S_b w = lambda (S_w + trace(S_w) / d I) w,   z = diag(sqrt(lambda)) W^T (v - m),

W^T (S_w + trace(S_w) / d I) W = I, m the mean of the unit database features. Directions along which only wording varies
lose what they have in CLAY; at most values - 1 are left. Of several conditions at once, values are compared within
theirs: S_b is around the mean of each condition's texts, so that what tells conditions apart is no direction.
One text a value leaves no S_w: then it is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from ..vectors import subspace
from ..vectors.arrays import Float64Array, mean_of_unit_rows
from .support.discriminants import discriminants
from .support.inputs import Codes, checked_database, checked_texts, value_codes
from .support.linear import LinearMethod
from .support.options import checked_number
from .support.tangent import sphere_mean


class TextDiscriminant(LinearMethod):
    """Discriminants of the values that the texts name.

    ridge: the factor of trace(S_w) / d I, above 0. Fitted: n_components_, projection_ = W sqrt(lambda) (d, k), shift_.
    """

    needs, ours = "values", True
    n_components_: int

    def __init__(self, ridge: float = 1.0) -> None:
        self.ridge = checked_number(ridge, "ridge", above=True)

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        text_values: Sequence[str],
        text_conditions: Sequence[str] | None = None,
        text_weights: npt.ArrayLike | None = None,
    ) -> Self:
        """Find what parts the values of `text_features` (n, d), and the mean of `database_features` (N, d).

        Raises InputError as `CLAY.fit`, for another number of values than of texts, and for a single value.
        """
        database = checked_database(database_features)
        texts = checked_texts(text_features, database.shape[1], text_weights)
        values, conditions = value_codes(texts, text_values, text_conditions)
        mean = sphere_mean(texts.rows, "text features", texts.weights)
        points = subspace.log_map(texts.rows, mean)
        shares = texts.shares
        value_mean = _means(points, values, shares)[values]
        between = np.sqrt(shares)[:, None] * (value_mean - _means(points, conditions, shares)[conditions])
        spread = np.sqrt(shares)[:, None] * (points - value_mean)
        level = float((spread**2).sum()) / points.shape[1]
        if np.abs(spread).max() <= 16 * texts.eps:
            within = np.eye(points.shape[1])
        else:
            within = spread.T @ spread + self.ridge * level * np.eye(points.shape[1])
        columns, eigenvalues = discriminants(between, within)
        self.n_components_ = eigenvalues.size
        columns = np.ascontiguousarray(columns * np.sqrt(eigenvalues))
        return self._fitted(columns, columns.T @ mean_of_unit_rows(database))


def _means(points: Float64Array, groups: Codes, shares: Float64Array) -> Float64Array:
    totals = np.bincount(groups, shares)
    sums = np.zeros((len(totals), points.shape[1]))
    np.add.at(sums, groups, shares[:, None] * points)
    return sums / totals[:, None]
