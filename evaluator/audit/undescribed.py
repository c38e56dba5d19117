"""Pictures that no value of a condition describes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..methods.support.inputs import checked_texts, value_means
from ..vectors.arrays import Float64Array, FloatArray, unit_rows

_FAR = 10.0
_TO_DEVIATIONS = 1.4826
_MANY = 10
_BLOCK_NUMBERS = 1 << 22


def oddness(
    features: FloatArray, texts: FloatArray, values: Sequence[str], unnamed: Float64Array
) -> Float64Array:
    """Return how far each picture (n,) is from what texts describe: above 1 where no value describes it.

    The larger of two: twice the chance `unnamed` (n,) that it shows what no text names; and by how many robust standard
    deviations, of ten, its cosine with the nearest value's texts is below the median of pictures nearest to that value (of
    all pictures, for a value that is nearest to few).
    """
    means = value_means(checked_texts(texts, features.shape[1]), values)[0].rows
    best, near = np.empty(len(features)), np.empty(len(features), np.intp)
    step = max(1, _BLOCK_NUMBERS // max(len(means), features.shape[1]))
    for start in range(0, len(features), step):
        block = slice(start, start + step)
        cosines = unit_rows(features[block].astype(np.float64)) @ means.T
        near[block] = cosines.argmax(axis=1)
        best[block] = cosines.max(axis=1)
    below = _below(best)
    order = np.argsort(near, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(near[order])) + 1):
        if len(members) >= _MANY:
            below[members] = _below(best[members])
    found: Float64Array = np.maximum(2 * unnamed, below / _FAR)
    return found


def _below(cosines: Float64Array) -> Float64Array:
    """Robust standard deviations below the median."""
    median = float(np.median(cosines))
    spread = _TO_DEVIATIONS * float(np.median(np.abs(cosines - median)))
    found: Float64Array = (median - cosines) / max(spread, 1e-6)
    return found
