"""A ceiling that sees the labels: linear discriminant analysis of the database. Privileged, and not a rival.

With unit v, m the mean of the unit database features, S_b and S_w the covariance between and within the classes, that is
the database images that are alike in the asked conditions:

    S_b w = lambda ((1 - a) S_w + a trace(S_w) / d I) w,   z = W^T (v - m),

the columns of W scaled to unit variance within the classes, as in scikit-learn. The shrinkage a keeps it defined where
classes have fewer images than the features have columns. Queries are not seen.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from .support.discriminants import discriminants
from .support.inputs import checked_database, label_codes
from .support.linear import LinearMethod
from .support.moments import group_means, within_covariance
from .support.options import checked_components, checked_number


class SupervisedLDA(LinearMethod):
    """Discriminants of the database's labels.

    shrinkage: a, in (0, 1]. n_components: None for all, at most classes - 1. Fitted: n_components_ (the number in use),
    n_classes_, projection_ = W (d, k), shift_ = W^T m.
    """

    uses_texts = False
    needs = "labels"
    n_components_: int
    n_classes_: int

    def __init__(self, n_components: int | None = None, shrinkage: float = 0.1) -> None:
        self.n_components = None if n_components is None else checked_components(n_components)
        self.shrinkage = checked_number(shrinkage, "shrinkage", most=1.0, above=True)

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        database_labels: npt.ArrayLike,
    ) -> Self:
        """Learn from `database_features` (N, d) and their labels (N,); the texts (n, d) are ignored.

        Raises InputError for NaN or infinity, rows of zeros, images that are all equal, a number of labels other than N,
        a single label, and labels of which no two images share one.
        """
        database = checked_database(database_features)
        labels = label_codes(database_labels, len(database))
        means, shares = group_means(database, labels)
        mean = shares @ means
        spread = within_covariance(database, labels, means)
        level = float(np.trace(spread)) / len(spread)
        if (
            level <= float(np.finfo(database.dtype).eps) ** 2
        ):  # classes of equal images: their means alone decide
            spread, level = np.zeros_like(spread), 1.0
        within = (1 - self.shrinkage) * spread + self.shrinkage * level * np.eye(len(spread))
        columns, eigenvalues = discriminants(np.sqrt(shares)[:, None] * (means - mean), within)
        wanted = len(shares) - 1 if self.n_components is None else self.n_components
        self.n_components_ = min(wanted, len(shares) - 1, eigenvalues.size)
        self.n_classes_ = len(shares)
        columns = np.ascontiguousarray(columns[:, : self.n_components_])
        return self._fitted(columns, columns.T @ mean)
