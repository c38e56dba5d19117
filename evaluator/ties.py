"""Sums of precisions over a group of tied items, in closed form (McSherry and Najork, ECIR 2008).

A tie group of n items, r of them relevant, follows c items with R relevant ones among them. In a random order
of the group, position i is relevant with probability r/n, and then (i - 1) b relevant ones of the group are
expected before it, b = (r - 1)/(n - 1). With H the harmonic numbers, the expected sum of precisions is

    (r/n) sum_i (R + 1 + (i - 1) b) / (c + i) = (r/n) [(R + 1 - b (c + 1)) (H_{c+n} - H_c) + b n].

The trapezoid of the Oxford Buildings tools averages this with the precision just before each relevant item,
(R + (i - 1) b) / (c + i - 1), and 1 at the very top; its expected sum follows in the same way.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from .arrays import Float64Array

Formula = Literal["standard", "trapezoid"]
Counts = npt.NDArray[np.int64]


def harmonic_numbers(n: int) -> Float64Array:
    """Return H_0, ..., H_n, shape (n + 1,)."""
    return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n + 1))])


def expected_precision_sum(
    n: Counts, r: Counts, before: Counts, found: Counts, harmonic: Float64Array, formula: Formula
) -> Float64Array:
    """Return the expected sum of precisions over tie groups.

    n, r: items and relevant items of each group, 1 <= r <= n; before, found: the items, and the relevant
    items, ranked above it (c and R of the module's formulas); harmonic: H_0 to at least max(before + n).
    """
    b = (r - 1) / np.maximum(n - 1, 1)
    precisions: Float64Array = (found + 1 - b * (before + 1)) * (
        harmonic[before + n] - harmonic[before]
    ) + b * n
    if formula == "trapezoid":
        above = (found - b * before) * (
            harmonic[before + n - 1] - harmonic[np.maximum(before - 1, 0)]
        ) + b * n
        precisions = 0.5 * (precisions + np.where(before > 0, above, 1 + b * (n - 1)))
    precisions *= r / n
    return precisions
