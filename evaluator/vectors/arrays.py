"""Checks and normalises arrays of features: one row an image or a text, d columns."""

from __future__ import annotations

from typing import Any, TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

FloatArray = npt.NDArray[np.floating[Any]]
Float64Array = npt.NDArray[np.float64]

_Float = TypeVar("_Float", bound=np.floating[Any])

_CHUNK_ROWS = 4096
_FEW_ROWS = 16
"""Enough to see that rows differ, as nearly all do."""
_SMALLEST_SQUARE = 1e-200
"""Below it, and above its inverse, squared lengths are too near to the ends of float64."""


class Surveyed(np.ndarray[Any, Any]):
    """Features (N, d) that `survey` has read: what is asked of all of them is known, and is not read again.

    unit_mean: the mean (d,) of the rows, each of unit length; None for parts and copies, of which nothing is known.
    """

    unit_mean: Float64Array | None = None


def survey(features: npt.ArrayLike, name: str) -> Surveyed:
    """Return `features` (N, d) as they are, checked and with their mean; a file mapped into memory is not copied.

    Fits on what comes back cost nothing that grows with N, where a method needs no more of a database than its mean.

    Raises InputError as `as_features` and `require_distinct`.
    """
    array = as_features(features, name)
    require_distinct(array, name)
    known: Surveyed = np.asarray(array).view(Surveyed)
    known.unit_mean = mean_of_unit_rows(array)
    return known


def _is_surveyed(values: object) -> TypeGuard[Surveyed]:
    return isinstance(values, Surveyed) and values.unit_mean is not None


def as_floats(values: npt.ArrayLike, name: str) -> FloatArray:
    """Return `values` as a 2-D array (M, d) of float32 or float64, without a look at each number.

    float32 and float64 pass as they are, float16 becomes float32, integers become float64.

    Raises InputError, naming the array `name`, for other types, other numbers of axes, and d = 0.
    """
    array = np.asarray(values)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    elif array.dtype.kind in "iu":
        array = array.astype(np.float64)
    elif array.dtype not in (np.float32, np.float64):
        raise InputError(
            f"{name} must be an array of real numbers",
            where=name,
            expected="float32 or float64",
            found=array.dtype,
        )
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError(
            f"{name} must have two axes, rows and features",
            where=name,
            expected="shape (M, d), d > 0",
            found=f"shape {array.shape}",
            hint="for a single vector v pass v[None, :]" if array.ndim == 1 else None,
        )
    return array


def as_features(values: npt.ArrayLike, name: str, *, width: int | None = None) -> FloatArray:
    """Return `values` as a checked feature array (M, d): M > 0, finite, no zero row, d = `width` if given.

    Raises InputError, naming the array and the first row at fault.
    """
    if _is_surveyed(values):
        require_width(values, name, width)
        return values
    array = as_floats(values, name)
    require_width(array, name, width)
    if not len(array):
        raise InputError(f"{name} is empty", where=name, expected="at least one row", found="none")
    for start in range(0, len(array), _CHUNK_ROWS):
        chunk = array[start : start + _CHUNK_ROWS]
        require_finite(chunk, name, first_row=start)
        zero = np.flatnonzero(~chunk.any(axis=1))
        if zero.size:
            raise InputError(
                f"{name} holds a row of zeros, which has no direction",
                where=f"{name}, row {start + int(zero[0])}",
                expected="a vector of positive length",
                found="zeros",
            )
    return array


def require_width(array: FloatArray, name: str, width: int | None) -> None:
    """Raise InputError unless `array` (M, d) has d = `width`; None lets every width pass."""
    if width is not None and array.shape[1] != width:
        raise InputError(
            f"{name} has another width than the features it goes with",
            where=name,
            expected=f"{width} columns",
            found=f"{array.shape[1]} columns",
            hint="images and texts must come from one and the same encoder",
        )


def require_finite(array: FloatArray, name: str, *, first_row: int = 0) -> None:
    """Raise InputError naming the first row of `array` that holds NaN or infinity."""
    finite = np.isfinite(array)
    if finite.all():
        return
    row = int(np.flatnonzero(~finite.all(axis=1))[0])
    column = int(np.flatnonzero(~finite[row])[0])
    raise InputError(
        f"{name} holds a value that is not a finite number",
        where=f"{name}, row {first_row + row}, column {column}",
        expected="finite numbers",
        found=array[row, column],
    )


def take_rows(array: FloatArray, rows: npt.NDArray[np.intp]) -> FloatArray:
    """Return `array[rows]`; rows that follow each other give a view, so a mapped file is not copied, all of them itself."""
    if len(rows) == len(array) and np.array_equal(rows, np.arange(len(array))):
        return array
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows) and (np.diff(rows) == 1).all():
        return array[int(rows[0]) : int(rows[-1]) + 1]
    return array[rows]


def unit_rows(array: npt.NDArray[_Float]) -> npt.NDArray[_Float]:
    """Return the rows of `array` (M, d), finite, divided by their lengths; rows of zeros stay zeros.

    Dividing by the largest entry first keeps rows of any magnitude from over- or underflowing.
    """
    largest = np.abs(array).max(axis=1, keepdims=True)
    scaled: npt.NDArray[_Float] = np.divide(array, np.where(largest > 0, largest, 1), dtype=array.dtype)
    lengths = np.sqrt(np.vecdot(scaled, scaled))[:, None]
    scaled /= np.where(lengths > 0, lengths, 1)
    return scaled


def mean_of_unit_rows(features: FloatArray) -> Float64Array:
    """Return the mean (d,) of the rows of `features` (M, d), each of unit length, in float64, chunk by chunk."""
    if _is_surveyed(features):
        assert features.unit_mean is not None
        return features.unit_mean
    total = np.zeros(features.shape[1])
    for start in range(0, len(features), _CHUNK_ROWS):
        rows = features[start : start + _CHUNK_ROWS].astype(np.float64)
        squares = np.vecdot(rows, rows)
        plain = squares.min() > _SMALLEST_SQUARE and squares.max() < 1 / _SMALLEST_SQUARE
        total += (1 / np.sqrt(squares)) @ rows if plain else unit_rows(rows).sum(axis=0)
    return total / len(features)


def require_distinct(features: FloatArray, name: str) -> None:
    """Raise InputError if all rows of `features` (M, d) point the same way, within rounding."""
    if _is_surveyed(features):
        return
    tolerance = 16 * float(np.finfo(features.dtype).eps)
    first = unit_rows(features[:1].astype(np.float64))
    for start in (0, *range(_FEW_ROWS, len(features), _CHUNK_ROWS)):
        stop = start + _CHUNK_ROWS if start else _FEW_ROWS
        chunk = unit_rows(features[start:stop].astype(np.float64))
        if np.abs(chunk - first).max() > tolerance:
            return
    raise InputError(
        f"all rows of {name} are equal: no similarity can tell them apart",
        where=name,
        expected="at least two rows of different direction",
        found=f"{len(features)} equal rows",
    )
