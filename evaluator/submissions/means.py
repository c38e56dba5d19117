"""Means over several sets of conditions, whose queries are the same pictures: one picture is one witness, however many sets.

With S sets, G_s groups of set s and n_sg queries with something to find in a group, the mean is

    (1/S) sum_s (1/G_s) sum_g (1/n_sg) sum_q v_sgq.

A picture (or a cluster of them) is one observation in intervals and randomisation, over all sets at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..statistics import percentile_intervals
from ..statistics.intervals import mean_interval
from ..statistics.scoreboard import Pooled
from ..statistics.significance import EQUAL, paired_randomisation_many
from ..vectors.arrays import Float64Array

Sets = Sequence[Sequence[Pooled]]
"""The scored groups of each set of conditions; sets without any are left out before."""
Rows = npt.NDArray[np.intp]

_CHUNK_ENTRIES = 1 << 20


def rows_of(sets: Sets) -> Rows:
    """Return the pictures that are queries in any of the sets, ascending."""
    return np.unique(np.concatenate([group.rows for groups in sets for group in groups]))


def mean_of(sets: Sets) -> float:
    """Return the mean over sets of the mean over groups of each group's mean."""
    return float(np.mean([np.mean([group.values.mean() for group in groups]) for groups in sets]))


def interval_of(
    sets: Sets,
    *,
    draws: int,
    confidence: float,
    seed: int = 0,
    clusters: npt.ArrayLike | None = None,
    percentiles: bool = False,
) -> tuple[float, float]:
    """Return the interval of `mean_of`, a picture one observation however many sets it is in.

    clusters: an integer for each of `rows_of(sets)`; pictures of equal ones are one observation. percentiles: of `draws`
    bootstrap draws of pictures, as records once had it; a group none of whose pictures is drawn does not count in that draw.
    """
    rows = rows_of(sets)
    unit = (
        np.arange(len(rows)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    )
    if not percentiles:
        return mean_interval([_influences(sets, rows, unit) + mean_of(sets)], confidence)
    places = [[np.searchsorted(rows, group.rows) for group in groups] for groups in sets]
    generator = np.random.Generator(np.random.PCG64(seed))
    units = int(unit.max()) + 1
    step = max(1, _CHUNK_ENTRIES // max(units, len(rows)))
    means = []
    for start in range(0, draws, step):
        size = min(step, draws - start)
        drawn = generator.multinomial(units, np.full(units, 1 / units), size)
        counts = drawn[:, unit].astype(np.float64)
        found = [
            [_weighted(counts[:, at], group.values) for at, group in zip(ats, groups, strict=True)]
            for ats, groups in zip(places, sets, strict=True)
        ]
        means.append(_mean([_mean(groups) for groups in found]))
    replicates = np.concatenate(means)
    low, high = percentile_intervals(replicates[~np.isnan(replicates)][None], confidence)[0]
    return float(low), float(high)


def _influences(sets: Sets, rows: Rows, unit: npt.NDArray[np.intp]) -> Float64Array:
    """(C,) what each of C units adds to `mean_of`, centred and times C: their mean's spread is that of `mean_of`.

    Each group's deviations are scaled by sqrt(n/(n - 1)); what groups of one unit cannot say, the others of the set say for
    them, or the spread between groups where there are no others.
    """
    units = int(unit.max()) + 1
    added = np.zeros(units)
    for groups in sets:
        at = [unit[np.searchsorted(rows, group.rows)] for group in groups]
        counts = np.array([len(np.unique(one)) for one in at])
        alone = bool((counts == 1).all()) and len(groups) > 1
        spare = len(groups) / max(len(groups) - int((counts == 1).sum()), 1)
        centre = np.mean([group.values.mean() for group in groups])
        for group, place, count in zip(groups, at, counts.tolist(), strict=True):
            size = len(groups) if alone else count
            scale = (size / max(size - 1, 1) * (1.0 if alone else spare)) ** 0.5
            apart = group.values - (centre if alone else group.values.mean())
            np.add.at(added, place, scale * apart / (len(sets) * len(groups) * len(group.values)))
    found: Float64Array = added * (units * max(units - 1, 1)) ** 0.5
    return found


def p_values(
    methods: Sequence[Sets],
    reference: Sets,
    *,
    draws: int,
    seed: int = 0,
    clusters: npt.ArrayLike | None = None,
) -> Float64Array:
    """Return (M,) two-sided p that a method's mean over the sets is the reference's, by paired randomisation.

    A flip exchanges the two methods' scores of a picture (or cluster) in all sets at once.

    Raises InputError unless all were scored on the same queries of the same sets.
    """
    if not methods:
        return np.empty(0)
    rows = rows_of(reference)
    parts = np.stack([_contributions(sets, reference, rows) for sets in methods])
    grouped = None if clusters is None else [np.asarray(clusters)]
    return paired_randomisation_many([parts * len(rows)], draws, seed, grouped)


def _contributions(sets: Sets, reference: Sets, rows: Rows) -> Float64Array:
    """What each picture (U,) adds to the difference of the means."""
    total = np.zeros(len(rows))
    if [len(groups) for groups in sets] != [len(groups) for groups in reference]:
        raise _unpaired()
    for groups, base in zip(sets, reference, strict=True):
        for group, other in zip(groups, base, strict=True):
            if not np.array_equal(group.rows, other.rows):
                raise _unpaired()
            differences = group.values - other.values
            differences[np.abs(differences) <= EQUAL] = 0
            total[np.searchsorted(rows, group.rows)] += differences / (
                len(sets) * len(groups) * len(group.rows)
            )
    return total


def _weighted(counts: Float64Array, values: Float64Array) -> Float64Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Float64Array = counts @ values / counts.sum(axis=1)
    return found


def _mean(columns: Sequence[Float64Array]) -> Float64Array:
    """The mean over columns without NaN."""
    stacked = np.stack(columns)
    present = ~np.isnan(stacked)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Float64Array = np.where(present, stacked, 0).sum(axis=0) / present.sum(axis=0)
    return found


def _unpaired() -> InputError:
    return InputError(
        "results of other queries cannot be compared",
        where="score records",
        expected="the same queries in all",
    )
