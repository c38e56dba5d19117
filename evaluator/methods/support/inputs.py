"""Checks what `fit` is given: images, texts with their weights and values, labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ...vectors.arrays import Float64Array, FloatArray, as_features, require_distinct, unit_rows
from .protocol import NotApplicableError

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Texts:
    """Checked texts: unit rows (n, d) float64, the eps of the type they came in, and, where weighted, weights (n,).

    weights: the largest is 1; None where all count alike. A text of weight 0 is left out. kept: (n,) the rows' numbers
    among the `given` texts.
    """

    rows: Float64Array
    eps: float
    weights: Float64Array | None
    kept: Codes
    given: int

    @property
    def shares(self) -> Float64Array:
        """The weights (n,), so scaled that their sum is 1."""
        weights: Float64Array = np.ones(len(self.rows)) if self.weights is None else self.weights
        shares: Float64Array = weights / weights.sum()
        return shares

    def weighted(self, rows: Float64Array) -> Float64Array:
        """`rows` (n, d) times the roots of the weights: what they add to a second moment is in proportion to them."""
        return rows if self.weights is None else np.sqrt(self.weights)[:, None] * rows


def checked_database(database_features: npt.ArrayLike) -> FloatArray:
    """Return the database's images (N, d), at least two of different direction; raises InputError."""
    database = as_features(database_features, "database features")
    require_distinct(database, "database features")
    return database


def checked_texts(
    text_features: npt.ArrayLike,
    width: int,
    text_weights: npt.ArrayLike | None = None,
    name: str = "text features",
) -> Texts:
    """Return texts that can span a subspace.

    Raises InputError for NaN, rows of zeros, another width, weights that are negative, not finite or all zero, and
    fewer than two different texts.
    """
    features = as_features(text_features, name, width=width)
    weights = None if text_weights is None else _checked_weights(text_weights, len(features))
    kept = np.arange(len(features)) if weights is None else np.flatnonzero(weights)
    rows = unit_rows(features[kept].astype(np.float64))
    eps = float(np.finfo(features.dtype).eps)
    if np.abs(rows - rows[0]).max() <= 16 * eps:
        raise InputError(
            "the texts span no subspace: a condition needs at least two different texts",
            where=name,
            expected="two or more texts that differ",
            found="one text" if len(rows) == 1 else f"{len(rows)} equal texts",
        )
    if weights is not None:
        weights = None if (weights == weights[0]).all() else weights[kept]
    return Texts(rows, eps, weights, kept, len(features))


def value_codes(
    texts: Texts, text_values: Sequence[str], text_conditions: Sequence[str] | None = None
) -> tuple[Codes, Codes]:
    """Return (value, condition) of each text as numbers from 0, each (n,); equal values of two conditions differ.

    Raises InputError for another number of values or conditions than of texts, and for fewer than two values.
    """
    conditions = [""] * len(text_values) if text_conditions is None else text_conditions
    if not len(text_values) == len(conditions) == texts.given:
        raise InputError(
            "every text names one value of one condition",
            where="text values",
            expected=f"{texts.given} values and conditions",
            found=f"{len(text_values)} values, {len(conditions)} conditions",
        )
    pairs = [(str(conditions[i]), str(text_values[i])) for i in texts.kept]
    values, named = (
        {item: code for code, item in enumerate(dict.fromkeys(items))}
        for items in (pairs, [c for c, _ in pairs])
    )
    if len(values) < 2:
        raise InputError(
            "all texts name the same value",
            where="text values",
            expected="texts of two values or more",
            found=repr(pairs[0][1]),
        )
    return np.array([values[pair] for pair in pairs]), np.array([named[c] for c, _ in pairs])


def value_means(
    texts: Texts, text_values: Sequence[str], text_conditions: Sequence[str] | None = None
) -> tuple[Texts, Codes]:
    """Return one text a value, the normalised mean of its texts, and the condition (values,) of each as a number.

    Values stand in the order in which they first occur. Weights: the mean weight of a value's texts.

    Raises InputError as `value_codes`, and where the texts of a value cancel or all values' means are equal.
    """
    values, conditions = value_codes(texts, text_values, text_conditions)
    first = np.unique(values, return_index=True)[1]
    sums = np.zeros((len(first), texts.rows.shape[1]))
    weights = np.ones(len(values)) if texts.weights is None else texts.weights
    np.add.at(sums, values, weights[:, None] * texts.rows)
    totals, counts = np.bincount(values, weights), np.bincount(values)
    short = np.flatnonzero(np.linalg.norm(sums, axis=1) < 1e-6 * totals)
    if short.size:
        raise InputError(
            "the texts of a value cancel each other: their mean has no direction",
            where="text features",
            found=repr(text_values[int(texts.kept[first[short[0]]])]),
        )
    means = checked_texts(unit_rows(sums), sums.shape[1], None, "the values' mean text features")
    weighted = None if texts.weights is None else totals / counts
    return Texts(means.rows, texts.eps, weighted, texts.kept[first], texts.given), conditions[first]


def label_codes(database_labels: npt.ArrayLike, images: int) -> Codes:
    """Return the labels of `images` database images as numbers from 0, (N,).

    Raises InputError for another number of them, NotApplicableError for a single label, and where no two images
    share one.
    """
    labels = np.asarray(database_labels)
    if labels.shape != (images,):
        raise InputError(
            "every database image has one label",
            where="database labels",
            expected=f"shape ({images},)",
            found=f"shape {labels.shape}",
        )
    found, codes = np.unique(labels, return_inverse=True)
    if len(found) < 2 or len(found) == images:
        raise NotApplicableError(
            "the labels tell no classes",
            where="database labels",
            expected="two labels or more, and one that two images share",
            found=f"{len(found)} labels of {images} images",
        )
    return codes.astype(np.intp)


def _checked_weights(text_weights: npt.ArrayLike, texts: int) -> Float64Array:
    weights = np.asarray(text_weights, dtype=np.float64)
    usable = weights.shape == (texts,) and np.isfinite(weights).all() and (weights >= 0).all()
    if not usable or not weights.any():
        raise InputError(
            "the texts' weights cannot be used",
            where="text weights",
            expected=f"{texts} finite numbers, none negative and one above 0",
            found=f"shape {weights.shape}, from {weights.min(initial=0):g} to {weights.max(initial=0):g}",
        )
    scaled: Float64Array = weights / weights.max()
    return scaled
