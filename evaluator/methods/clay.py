"""CLAY: similarity in the subspace that a condition's texts span (Lim et al., CVPR 2026, arXiv 2604.11539).

With T the unit text features and mu, mu_v the normalised means of texts and of database images:

1. V_k = the first k right singular vectors of log_mu(T), log_mu(x) = (x - mu (x.mu)) theta / sin(theta);
2. H = I - 2 u u^T, u = normalise(mu_v - mu), the reflection with H mu_v = mu;
3. m(v) = V_k V_k^T log_mu(H v), compared by cosine.

V_k is orthogonal to mu, so on the image side the log map only multiplies each image by a positive number,
which the cosine cancels; V_k V_k^T may be replaced by V_k^T for the same reason. What remains is one product:

    m(v) ~ W^T v,  W = H V_k = V_k - 2 u (u^T V_k).
"""

from __future__ import annotations

from typing import Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from .. import subspace
from ..arrays import Float64Array, FloatArray, as_features, require_distinct, unit_rows
from .protocol import checked_components

Alignment = Literal["householder", "rotation", "none"]


class CLAY:
    """Conditional features by projection onto the subspace of a condition's texts.

    Parameters
    ----------
    n_components: the k of the paper; clamped to the numerical rank of log_mu(T), which is below n.
    alignment: how the images' mean is brought to the texts' mean: "householder" (the paper's reflection),
        "rotation" (the smallest rotation), "none".

    Attributes
    ----------
    n_components_: the k in use.
    projection_: W (d, k), float64.
    explained_: the share of the texts' variance (squared singular values) that the k directions hold.

    >>> import numpy as np
    >>> images, texts = np.eye(8)[:5] + 0.1, np.eye(8)[5:] + 0.1
    >>> CLAY(n_components=50).fit(images, texts).transform(images).shape
    (5, 2)
    """

    n_components_: int
    projection_: Float64Array
    explained_: float

    def __init__(self, n_components: int = 50, alignment: Alignment = "householder") -> None:
        self.n_components = checked_components(n_components)
        if alignment not in get_args(Alignment):
            raise InputError(
                "unknown alignment",
                where="alignment",
                expected=f"one of {get_args(Alignment)}",
                found=repr(alignment),
            )
        self.alignment: Alignment = alignment

    def fit(self, database_features: npt.ArrayLike, text_features: npt.ArrayLike) -> Self:
        """Find the subspace of `text_features` (n, d) and align it with `database_features` (N, d).

        Rows of any length: they are normalised here. All arithmetic is in float64.

        Raises InputError for NaN or infinity, rows of zeros, different widths, fewer than two different
        texts, database features that are all equal, and means without a direction.
        """
        database = as_features(database_features, "database features")
        texts = as_features(text_features, "text features", width=database.shape[1])
        require_distinct(database, "database features")
        eps = float(np.finfo(texts.dtype).eps)
        mean = subspace.mean_direction(texts, "text features")
        directions, singular = subspace.tangent_directions(unit_rows(texts.astype(np.float64)), mean, eps)
        if not singular.size:
            raise InputError(
                "the texts span no subspace: a condition needs at least two different texts",
                where="text features",
                expected="two or more texts that differ",
                found="one text" if len(texts) == 1 else f"{len(texts)} equal texts",
            )
        k = min(self.n_components, singular.size)
        self.n_components_ = k
        self.explained_ = float(np.sum(singular[:k] ** 2) / np.sum(singular**2))
        self.projection_ = self._align(directions[:, :k], database, mean)
        return self

    def transform(self, features: npt.ArrayLike) -> FloatArray:
        """Return conditional features (M, k) of `features` (M, d): unit rows, whose products are similarities.

        float32 in, float32 out. A row without any part in the subspace becomes a row of zeros.

        Raises InputError before `fit`, for another width than d, and for NaN or infinity.
        """
        if not hasattr(self, "projection_"):
            raise InputError(
                "CLAY is not fitted yet", hint="call fit(database_features, text_features) first"
            )
        return subspace.project_rows(np.asarray(features), self.projection_)

    def _align(self, directions: Float64Array, database: FloatArray, mean: Float64Array) -> Float64Array:
        if self.alignment == "none":
            return np.ascontiguousarray(directions)
        align = subspace.householder if self.alignment == "householder" else subspace.rotation
        return align(directions, subspace.mean_direction(database, "database features"), mean)
