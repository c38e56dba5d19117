"""How far a mean over queries can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from .arrays import Float64Array

_CHUNK_ENTRIES = 1 << 20


def bootstrap_means(values_by_group: Sequence[npt.ArrayLike], draws: int, seed: int) -> Float64Array:
    """Return (draws,) bootstrap replicates of the mean over groups of the mean within each group.

    Queries are drawn with replacement within their group, as many as it has, so every group keeps its weight.

    Raises InputError for empty groups, NaN, and draws below 1.
    """
    groups = [np.asarray(values, np.float64) for values in values_by_group]
    if not groups or any(not values.size or np.isnan(values).any() for values in groups) or draws < 1:
        raise InputError(
            "a bootstrap needs draws, and numbers in every group",
            where="bootstrap",
            expected="at least one draw, no empty group, no NaN",
            found=f"{draws} draws, groups of {[int(np.isfinite(values).sum()) for values in groups]} numbers",
        )
    generator = np.random.Generator(np.random.PCG64(seed))
    means = np.zeros(draws)
    for values in groups:
        step = max(1, _CHUNK_ENTRIES // len(values))
        for start in range(0, draws, step):
            size = (min(step, draws - start), len(values))
            means[start : start + step] += values[generator.integers(0, len(values), size)].mean(axis=1)
    return means / len(groups)


def bootstrap_interval(
    values_by_group: Sequence[npt.ArrayLike], draws: int = 1000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval (low, high) of the mean over groups, from `draws` bootstrap replicates.

    values_by_group: one array of per-query values a group, without NaN.

    Raises InputError as `bootstrap_means` does, and for a confidence outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise InputError(
            "the confidence must lie between 0 and 1",
            where="confidence",
            expected="0 < x < 1",
            found=confidence,
        )
    tail = (1 - confidence) / 2
    low, high = np.quantile(bootstrap_means(values_by_group, draws, seed), [tail, 1 - tail])
    return float(low), float(high)
