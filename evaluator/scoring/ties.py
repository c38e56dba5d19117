"""Sums of precisions over a group of tied items, in closed form (McSherry and Najork, ECIR 2008).

A tie group of n items, r of them relevant, follows c items with R relevant ones among them. In a random order
of the group, position i is relevant with probability r/n, and then (i - 1) b relevant ones of the group are
expected before it, b = (r - 1)/(n - 1). With H the harmonic numbers, the expected sum of precisions is

    (r/n) sum_i (R + 1 + (i - 1) b) / (c + i) = (r/n) [(R + 1 - b (c + 1)) (H_{c+n} - H_c) + b n].

The trapezoid of the Oxford Buildings tools averages this with the precision just before each relevant item,
(R + (i - 1) b) / (c + i - 1), and 1 at the very top; its expected sum follows in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import Float64Array

Formula = Literal["standard", "trapezoid"]
Ties = Literal["expected", "pessimistic"]
Counts = npt.NDArray[np.int64]
Weight = Callable[[Float64Array], Float64Array]
"""What a relevant item is worth by its rank: ranks 1, 2, ... float64 (n,) -> weights (n,). A named function, it is a key."""


def check_ties(ties: str) -> None:
    """Raise InputError unless `ties` is one of `Ties`."""
    if ties not in get_args(Ties):
        raise InputError("unknown ties", where="ties", expected=f"one of {get_args(Ties)}", found=repr(ties))


def harmonic_numbers(n: int) -> Float64Array:
    """Return H_0, ..., H_n, shape (n + 1,)."""
    return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n + 1))])


def log_discount(ranks: Float64Array) -> Float64Array:
    """Return 1 / log2(1 + rank)."""
    return 1 / np.log2(ranks + 1)


def weight_sums(weight: Weight, n: int, k: int | None = None) -> Float64Array:
    """Return S_0, ..., S_n, shape (n + 1,): S_i sums weight(rank) over the first min(i, k) ranks."""
    weights = weight(np.arange(1.0, n + 1))
    if k is not None:
        weights[k:] = 0
    return np.concatenate([[0.0], np.cumsum(weights)])


def miss_probability(n: Counts, r: Counts, t: Counts) -> Float64Array:
    """Return the probability that the first t of n items in random order hold none of the r relevant ones.

    It is C(n - r, t) / C(n, t), a product of min(r, t) factors. The three broadcast; 0 <= r, t <= n, n >= 1.
    """
    few, many = np.minimum(r, t), np.maximum(r, t)
    result = np.ones(np.broadcast(n, few).shape)
    for i in range(int(few.max(initial=0))):
        factor = np.maximum(n - many - i, 0) / np.maximum(n - i, 1)
        result *= np.where(i < few, factor, 1.0)
        if not result.any():
            break
    return result


def expected_precision_sum(
    n: Counts,
    r: Counts,
    before: Counts,
    found: Counts,
    harmonic: Float64Array,
    formula: Formula,
    upto: Counts | None = None,
) -> Float64Array:
    """Return the expected sum of precisions over tie groups.

    n, r: items and relevant items of each group, 1 <= r <= n; before, found: the items, and the relevant
    items, ranked above it (c and R of the module's formulas); harmonic: H_0 to at least max(before + n). upto
    (standard formula only): the number t of each group's ranks that count, 0 <= t <= n; by default all.
    """
    b = (r - 1) / np.maximum(n - 1, 1)
    t = n if upto is None else upto
    precisions: Float64Array = (found + 1 - b * (before + 1)) * (
        harmonic[before + t] - harmonic[before]
    ) + b * t
    if formula == "trapezoid":
        above = (found - b * before) * (
            harmonic[before + n - 1] - harmonic[np.maximum(before - 1, 0)]
        ) + b * n
        precisions = 0.5 * (precisions + np.where(before > 0, above, 1 + b * (n - 1)))
    precisions *= r / n
    return precisions
