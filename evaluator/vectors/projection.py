"""Maps rows of features by one matrix to unit rows, at little more than the cost of the product.

    z = normalise(W^T v - |v| s)

The cosine cancels the length of v and any common factor of W and s, so neither is computed: W is kept at spectral
norm 1, once for each float type. Rows of which the float type would leave only rounding are done again in float64.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .arrays import Float64Array, FloatArray, as_floats, require_finite, require_width

_SUSPICIOUS_SHARE = 1e-3
_LARGE = 1 << 26
_SMALLEST_SQUARE = 16 * float(np.finfo(np.float32).tiny)


class Projection:
    """The map above. matrix: W (d, k), or None for the identity; shift: s (k,), or None for zero.

    width: d, where matrix and shift do not tell.
    """

    def __init__(
        self, matrix: Float64Array | None, shift: Float64Array | None = None, width: int | None = None
    ) -> None:
        scale = 1.0 if matrix is None else float(np.linalg.norm(matrix, ord=2)) or 1.0
        self._matrix = None if matrix is None else matrix / scale
        self._shift = None if shift is None else shift / scale
        known = [len(array) for array in (matrix, shift) if array is not None]
        self._width = known[0] if known else width
        self._casts: dict[np.dtype[np.generic], tuple[FloatArray | None, FloatArray | None]] = {}

    @np.errstate(all="ignore")  # as a decorator it costs half of what it costs as a context
    def rows(
        self, values: npt.ArrayLike, name: str = "features", out: FloatArray | None = None
    ) -> FloatArray:
        """Return unit rows (M, k) for `values` (M, d); a row of which only rounding is left becomes zeros.

        out: where the product may be made, (M, k) of the rows' float type; what comes back need not lie there.

        float32 in, float32 out, else float64. A large array in which nothing is to be done comes back as a
        view that cannot be written to: a file that is mapped into memory is not copied.

        Raises InputError, naming the array `name`, for another width than d, NaN or infinity.
        """
        features = values
        cast = self._casts.get(features.dtype) if isinstance(features, np.ndarray) else None
        if cast is None or not isinstance(features, np.ndarray) or features.ndim != 2:
            features = as_floats(values, name)
            cast = self._casts.setdefault(features.dtype, self._cast(features.dtype))
        if features.shape[1] != self._width:
            require_width(features, name, self._width)
        matrix, shift = cast
        z = features if matrix is None else np.matmul(features, matrix, out=out)
        if not len(features):
            return z.copy()
        if shift is not None:
            z = z - np.sqrt(np.vecdot(features, features))[:, None] * shift
        squares = np.vecdot(z, z)
        longest = squares.argmax()
        like = features[longest]
        floor = max(_SUSPICIOUS_SHARE**2 * float(like.dot(like)), _SMALLEST_SQUARE)
        # Not finite anywhere: one of the comparisons is false, since argmax and argmin both stop at NaN.
        if squares[squares.argmin()] > floor and squares[longest] < np.inf:
            if z is features and features.nbytes > _LARGE and _are_unit(squares):
                return _read_only(features)
            unit: FloatArray = np.divide(z, np.sqrt(squares)[:, None], out=None if z is features else z)
            return unit
        require_finite(features, name)
        return self._careful(features, z, squares)

    def _cast(self, dtype: np.dtype[np.generic]) -> tuple[FloatArray | None, FloatArray | None]:
        matrix, shift = self._matrix, self._shift
        return (
            None if matrix is None else np.ascontiguousarray(matrix, dtype=dtype),
            None if shift is None else shift.astype(dtype),
        )

    def _careful(self, features: FloatArray, z: FloatArray, squares: FloatArray) -> FloatArray:
        """Rows that overflowed, or are short next to the features (rounding, or small numbers), in float64."""
        finite = np.isfinite(squares)
        longest = int(np.argmax(np.where(finite, squares, -1)))
        length = float(np.linalg.norm(features[longest].astype(np.float64))) if finite[longest] else 0.0
        doubtful = ~finite | (squares <= max((_SUSPICIOUS_SHARE * length) ** 2, _SMALLEST_SQUARE))
        rows = np.where(doubtful[:, None], 0, z) / np.sqrt(np.where(doubtful, 1, squares))[:, None]
        rows = rows.astype(features.dtype, copy=False)
        rows[doubtful] = self._exact(features[doubtful])
        return rows

    def _exact(self, features: FloatArray) -> Float64Array:
        exact = features.astype(np.float64)
        largest = np.abs(exact).max(axis=1, keepdims=True, initial=0)
        exact /= np.where(largest > 0, largest, 1)
        before = np.linalg.norm(exact, axis=1)
        z = exact if self._matrix is None else exact @ self._matrix
        if self._shift is not None:
            z = z - before[:, None] * self._shift
        after = np.linalg.norm(z, axis=1)
        rounding = 16 * float(np.finfo(features.dtype).eps) * before
        return np.where((after > rounding)[:, None], z / np.where(after > 0, after, 1)[:, None], 0.0)


def _are_unit(squares: FloatArray) -> bool:
    """Whether rows of these squared lengths (M,) are of unit length already, but for rounding."""
    rounding = 8 * float(np.finfo(squares.dtype).eps)
    return abs(float(squares.max()) - 1) <= rounding and abs(float(squares.min()) - 1) <= rounding


def _read_only(array: FloatArray) -> FloatArray:
    view = array.view()
    view.flags.writeable = False
    return view
