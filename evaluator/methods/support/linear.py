"""What most methods are under the cosine: one linear map of fixed features, z = W^T v - s for unit v."""

from __future__ import annotations

from typing import Self

import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ...vectors.arrays import Float64Array, FloatArray
from ...vectors.projection import Projection


class LinearMethod:
    """The base of methods whose `fit` finds W and s; a class of its own for maps that were found elsewhere.

    Attributes
    ----------
    projection_: W (d, k) float64, or None for the identity.
    shift_: s (k,) float64, which is W^T m where the images are centred on m; None for zero.
    """

    projection_: Float64Array | None
    shift_: Float64Array | None = None
    _width: int | None = None
    _kept: tuple[Float64Array | None, Float64Array | None, Projection] | None = None

    def transform(self, features: npt.ArrayLike, out: FloatArray | None = None) -> FloatArray:
        """Return conditional features (M, k) of `features` (M, d): unit rows, whose products are similarities.

        Rows of any length: it cancels. float32 in, float32 out. A row of which nothing is left becomes zeros. out: see
        `Projection.rows`.

        Raises InputError before `fit`, for another width than d, and for NaN or infinity.
        """
        kept = self._kept
        if kept is None or kept[0] is not self.projection_ or kept[1] is not self.shift_:
            kept = self._keep()
        return kept[2].rows(features, out=out)

    def _fitted(
        self, projection: Float64Array | None, shift: Float64Array | None = None, width: int | None = None
    ) -> Self:
        self.projection_, self.shift_, self._width, self._kept = projection, shift, width, None
        return self

    def _require_fit(self) -> None:
        if not hasattr(self, "projection_"):
            raise not_fitted(self)

    def _keep(self) -> tuple[Float64Array | None, Float64Array | None, Projection]:
        self._require_fit()
        projection = Projection(self.projection_, self.shift_, self._width)
        self._kept = (self.projection_, self.shift_, projection)
        return self._kept


class QueryMethod(LinearMethod):
    """The base of methods that compare changed queries with the database as it is."""

    _queries: Projection

    def transform_queries(self, features: npt.ArrayLike) -> FloatArray:
        """Return unit rows (M, d) for queries (M, d), in their own float type; zeros where nothing is left.

        Raises InputError before `fit`, for another width than d, and for NaN or infinity.
        """
        self._require_fit()
        return self._queries.rows(features)

    def _fitted_queries(self, queries: Projection, width: int) -> Self:
        self._queries = queries
        return self._fitted(None, width=width)


def not_fitted(method: object) -> InputError:
    """The error of a method that is asked to transform before `fit`."""
    return InputError(
        f"{type(method).__name__} is not fitted yet",
        hint="call fit(database_features, text_features) first",
    )
