"""What methods share whose features are posteriors over the values of conditions."""

from __future__ import annotations

import numpy as np

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import Float64Array
from .support.inputs import Codes


def require_two_values(conditions: Codes) -> None:
    """Raise InputError where a condition has a single value; conditions (values,): the condition of each, from 0."""
    if np.bincount(conditions).min() < 2:
        raise InputError(
            "a condition of a single value has no posterior",
            where="text values",
            expected="two values or more of every condition",
        )


def condition_shares(conditions: Codes, weights: Float64Array | None) -> Float64Array:
    """Return w_c / sum w of every condition, from the condition and the weight of its texts, each (n,)."""
    first = np.unique(conditions, return_index=True)[1]
    chosen: Float64Array = np.ones(len(first)) if weights is None else weights[first]
    shares: Float64Array = chosen / chosen.sum()
    return shares
