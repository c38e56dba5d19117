"""Controls: what a subspace of CLAY's size does that is not the condition's.

    random-subspace:  z = W^T v, W a random k-dim subspace orthogonal to mu_v, the images' mean direction
    other-condition:  z = CLAY's of the texts of the entity's other conditions
    complement:       z = (I - W W^T) v, W CLAY's: all that CLAY throws away

CLAY's W = H V_k is orthogonal to mu_v as V_k is to mu, and H takes a random subspace orthogonal to mu to a random one
orthogonal to mu_v: the first is CLAY with directions drawn blindly, as many as CLAY would have.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from .clay import CLAY
from .support.inputs import checked_database, checked_texts
from .support.linear import LinearMethod
from .support.options import checked_choice, checked_components
from .support.tangent import ALIGNMENTS, Alignment, sphere_mean, tangent_basis


class RandomSubspace(LinearMethod):
    """Projection onto random directions. Fitted: n_components_ (CLAY's k for these texts), projection_ (d, k)."""

    role = "control"
    n_components_: int

    def __init__(self, n_components: int = 50, random_state: int = 0) -> None:
        self.n_components = checked_components(n_components)
        if isinstance(random_state, bool) or not isinstance(random_state, int) or random_state < 0:
            raise InputError(
                "random_state must be a whole number",
                where="random_state",
                expected="0 or more",
                found=repr(random_state),
            )
        self.random_state = random_state

    def fit(self, database_features: npt.ArrayLike, text_features: npt.ArrayLike) -> Self:
        """Draw directions orthogonal to the mean of `database_features` (N, d); of the texts (n, d) the rank is used.

        Raises InputError as `CLAY.fit`.
        """
        database = checked_database(database_features)
        basis = tangent_basis(checked_texts(text_features, database.shape[1]), self.n_components)
        self.n_components_ = basis.columns.shape[1]
        mean = sphere_mean(database, "database features")
        drawn = np.random.default_rng(self.random_state).standard_normal((len(mean), self.n_components_))
        directions = np.linalg.qr(np.column_stack([mean, drawn]))[0][:, 1:]
        return self._fitted(np.ascontiguousarray(directions))


class OtherCondition(CLAY):
    """CLAY on the texts of the conditions that are not asked for: how specific a subspace is. Parameters: CLAY's."""

    role = "control"

    def fit(  # type: ignore[override]
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        other_text_features: npt.ArrayLike,
    ) -> Self:
        """Fit CLAY on `other_text_features` (m, d) in place of `text_features` (n, d).

        Raises InputError as `CLAY.fit`, and where there is no other text.
        """
        if not len(np.asarray(other_text_features)):
            raise InputError(
                "there are no texts of other conditions",
                where="other text features",
                expected="an entity with conditions that are not asked for",
            )
        return super().fit(database_features, other_text_features)


class Complement(LinearMethod):
    """What is left of an image without the condition's subspace.

    n_components and alignment as in CLAY; with "none" W = V_k, and z is literally (I - P) v. Fitted: n_components_ (the
    dimensions taken out), projection_ = I - W W^T (d, d).
    """

    role = "control"
    n_components_: int

    def __init__(self, n_components: int = 50, alignment: Alignment = "none") -> None:
        self.n_components = checked_components(n_components)
        self.alignment: Alignment = checked_choice(alignment, "alignment", ALIGNMENTS)

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        text_weights: npt.ArrayLike | None = None,
    ) -> Self:
        """Find the subspace as `CLAY.fit` does, with its errors, and take it out."""
        clay = CLAY(self.n_components, self.alignment).fit(database_features, text_features, text_weights)
        self.n_components_ = clay.n_components_
        return self._fitted(np.eye(len(clay.projection_)) - clay.projection_ @ clay.projection_.T)
