"""CLAY: similarity in the subspace that a condition's texts span (Lim et al., CVPR 2026, arXiv 2604.11539).

With T the unit text features and mu, mu_v the normalised means of texts and of database images:

1. V_k = the first k right singular vectors of log_mu(T), log_mu(x) = (x - mu (x.mu)) theta / sin(theta);
2. H = I - 2 u u^T, u = normalise(mu_v - mu), the reflection with H mu_v = mu;
3. m(v) = V_k V_k^T log_mu(H v), compared by cosine.

V_k is orthogonal to mu, so on the image side the log map only multiplies each image by a positive number,
which the cosine cancels; V_k V_k^T may be replaced by V_k^T for the same reason. What remains is one product:

    m(v) ~ W^T v,  W = H V_k = V_k - 2 u (u^T V_k).

The switches take single steps out. Without the log map the texts are x - mu (x.mu), their flat projection onto the
tangent space: V_k stays orthogonal to mu, and so all of the above holds. With weights each text counts as if it were
repeated: in mu, and by sqrt(w) as a row of the tangent.
"""

from __future__ import annotations

from typing import Self

import numpy.typing as npt

from ..vectors.arrays import Float64Array
from .support.inputs import checked_database, checked_texts
from .support.linear import LinearMethod
from .support.options import checked_choice, checked_components, checked_flag
from .support.tangent import ALIGNMENTS, MEANS, Alignment, Mean, aligned, tangent_basis


class CLAY(LinearMethod):
    """Conditional features by projection onto the subspace of a condition's texts.

    Parameters
    ----------
    n_components: the k of the paper; clamped to the numerical rank of log_mu(T), which is below n.
    alignment: how the images' mean is brought to the texts' mean: "householder" (the paper's reflection),
        "rotation" (the smallest rotation), "none".
    log_map: whether the texts are log-mapped, or only projected onto the tangent space.
    mean: "normalised" (the paper's), or "karcher", the mean on the sphere; of texts and images alike.

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

    takes_components = True
    projection_: Float64Array
    n_components_: int
    explained_: float

    def __init__(
        self,
        n_components: int = 50,
        alignment: Alignment = "householder",
        log_map: bool = True,
        mean: Mean = "normalised",
    ) -> None:
        self.n_components = checked_components(n_components)
        self.alignment: Alignment = checked_choice(alignment, "alignment", ALIGNMENTS)
        self.log_map = checked_flag(log_map, "log_map")
        self.mean: Mean = checked_choice(mean, "mean", MEANS)

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        text_weights: npt.ArrayLike | None = None,
    ) -> Self:
        """Find the subspace of `text_features` (n, d) and align it with `database_features` (N, d).

        Rows of any length: they are normalised here. All arithmetic is in float64.

        Raises InputError for NaN or infinity, rows of zeros, different widths, fewer than two different
        texts, database features that are all equal, and means without a direction.
        """
        database = checked_database(database_features)
        texts = checked_texts(text_features, database.shape[1], text_weights)
        basis = tangent_basis(texts, self.n_components, self.mean, log_map=self.log_map)
        self.n_components_, self.explained_ = basis.columns.shape[1], basis.explained
        return self._fitted(aligned(basis, database, self.alignment, self.mean))
