"""From the scores of every query to means, intervals and comparisons.

With several seeds a value is the mean over their splits; intervals and tests are about images, each with its mean score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..retrieval.results import Compared, GroupScores, Outcome, Result
from ..scoring import mean_over_groups
from ..vectors.arrays import Float64Array
from . import bootstrap_means_many, percentile_intervals
from .clustering import intraclass_correlations
from .intervals import DIFFERENCES, mean_intervals
from .significance import EQUAL, compare_many, holm

Clusters = npt.NDArray[np.int64]
PERCENTILE, SKEWED_T = "percentile", "skewed-t"


@dataclass(frozen=True)
class Inference:
    """How means are judged.

    resample: "queries" or "combinations": what counts as one observation in intervals and tests; alpha: adjusted p-values
    below it are called significant; randomisations: of the sign-flip test; interval: `SKEWED_T` (see `intervals`), or
    `PERCENTILE` of as many bootstrap `draws`, which covers too seldom but is what earlier reports have.
    """

    draws: int = 1000
    confidence: float = 0.95
    resample: str = "queries"
    randomisations: int = 10_000
    alpha: float = 0.05
    seed: int = 0
    interval: str = SKEWED_T


def results_of(
    outcomes: Sequence[Outcome], measures: Sequence[str], inference: Inference, clusters: Clusters
) -> list[Result]:
    """Return one result an outcome and measure, in this order; outcomes without scores give none.

    outcomes: of one entity; clusters (N,): the combination of labels of every image of it. All outcomes and measures
    that have scores of the same queries get their intervals together.
    """
    scored = [
        (outcome, measure, pooled(outcome, measure))
        for outcome in outcomes
        if outcome.groups
        for measure in measures
    ]
    alike: dict[tuple[bytes, ...], list[int]] = {}
    for place, (_, _, groups) in enumerate(scored):
        alike.setdefault(tuple(part.tobytes() for group in groups for part in _witnesses(group)), []).append(
            place
        )
    intervals: dict[int, Float64Array] = {}
    correlations: dict[int, float] = {}
    for same, places in alike.items():
        if same:
            found = [scored[i][2] for i in places]
            intervals.update(zip(places, _intervals(found, inference, clusters), strict=True))
            correlations.update(zip(places, _correlations(found, clusters), strict=True))
    return [
        _result(outcome, measure, intervals.get(place), correlations.get(place))
        for place, (outcome, measure, _) in enumerate(scored)
    ]


def comparisons_of(
    outcomes: Sequence[Outcome], reference: str, measure: str, inference: Inference, clusters: Clusters
) -> list[Compared]:
    """Return every method beside `reference` on every set of conditions of one entity, p-values adjusted over all of them.

    outcomes: of one entity. Nothing is compared where the reference or the method has no scores.
    """
    by_conditions: dict[tuple[str, ...], dict[str, Outcome]] = {}
    for outcome in outcomes:
        by_conditions.setdefault(outcome.conditions, {})[outcome.method] = outcome
    found = []
    for methods in by_conditions.values():
        found += _compared(methods, reference, measure, inference, clusters)
    adjusted = holm([one.p for one in found])
    return [
        replace(one, p_adjusted=float(p), significant=bool(p < inference.alpha))
        for one, p in zip(found, adjusted, strict=True)
    ]


def _compared(
    methods: Mapping[str, Outcome], reference: str, measure: str, inference: Inference, clusters: Clusters
) -> list[Compared]:
    """All methods beside the reference on one set of conditions; p_adjusted is still p."""
    if reference not in methods:
        return []
    base = pooled(methods[reference], measure)
    values = {name: pooled(outcome, measure) for name, outcome in methods.items()}
    queries = [group.rows.tolist() for group in base]
    names = [n for n in methods if n != reference and [g.rows.tolist() for g in values[n]] == queries]
    if not base or not names:
        return []
    stacked = _stacked([values[name] for name in names])
    apart = [ours - group.values for ours, group in zip(stacked, base, strict=True)]
    correlations = intraclass_correlations(
        [np.where(np.abs(d) <= EQUAL, 0.0, d) for d in apart], [clusters[group.rows] for group in base]
    )
    pairs = compare_many(
        stacked,
        [group.values for group in base],
        draws=inference.draws,
        randomisations=inference.randomisations,
        confidence=inference.confidence,
        seed=inference.seed,
        clusters_by_group=_drawn(base, inference, clusters),
        percentiles=inference.interval == PERCENTILE,
    )
    first = methods[reference]
    return [
        Compared(
            entity=first.entity,
            conditions=first.conditions,
            metric=measure,
            method=name,
            reference=reference,
            difference=pair.difference,
            ci_low=max(pair.ci_low, DIFFERENCES[0]),
            ci_high=min(pair.ci_high, DIFFERENCES[1]),
            p=pair.p,
            p_adjusted=pair.p,
            effect=pair.effect,
            better=pair.better,
            worse=pair.worse,
            significant=False,
            icc=_known(float(correlation)),
        )
        for name, pair, correlation in zip(names, pairs, correlations, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class Pooled:
    """Scores of a group's queries, (Q,) each, without NaN: an image that several seeds made a query counts once.

    rows: its row; values: its score, the mean over those seeds; times: how many seeds those are, None for one each.
    """

    rows: npt.NDArray[np.intp]
    values: Float64Array
    times: npt.NDArray[np.intp] | None = None


def pooled(outcome: Outcome, measure: str) -> list[Pooled]:
    """Return the scores of every group that has any, seeds joined: the same image twice is not two witnesses."""
    found = []
    by_name: dict[str | None, list[GroupScores]] = {}
    for group in outcome.groups:
        by_name.setdefault(group.name, []).append(group)
    for parts in by_name.values():
        rows = np.concatenate([group.rows for group in parts])
        values = np.concatenate([group.values[measure] for group in parts])
        kept = ~np.isnan(values)
        if kept.any():
            images, place = np.unique(rows[kept], return_inverse=True)
            times = np.bincount(place)
            found.append(Pooled(images, np.bincount(place, values[kept]) / times, times))
    return found


def _witnesses(group: Pooled) -> tuple[npt.NDArray[np.intp], ...]:
    return (group.rows,) if group.times is None else (group.rows, group.times)


def _drawn(groups: Sequence[Pooled], inference: Inference, clusters: Clusters) -> list[Clusters] | None:
    return [clusters[group.rows] for group in groups] if inference.resample == "combinations" else None


def _intervals(same: Sequence[list[Pooled]], inference: Inference, clusters: Clusters) -> Float64Array:
    """(M, 2) distances of the interval's ends from the mean, for M outcomes scored on the same queries."""
    stacked = _stacked(same)
    drawn = _drawn(same[0], inference, clusters)
    percentiles = inference.interval == PERCENTILE
    if not percentiles and any(group.times is not None and (group.times > 1).any() for group in same[0]):
        # An image of several seeds weighs as often in the mean over seeds, and is one observation all the same.
        times = [group.times if group.times is not None else 1 for group in same[0]]
        observed = drawn or [group.rows.astype(np.int64) for group in same[0]]
        stacked = [np.repeat(values, t, axis=1) for values, t in zip(stacked, times, strict=True)]
        drawn = [np.repeat(rows, t) for rows, t in zip(observed, times, strict=True)]
    centre = np.mean([values.mean(axis=1) for values in stacked], axis=0)
    if percentiles:
        means = bootstrap_means_many(stacked, inference.draws, inference.seed, drawn)
        ends = percentile_intervals(means, inference.confidence)
    else:
        ends = mean_intervals(stacked, inference.confidence, drawn)
    distances: Float64Array = ends - centre[:, None]
    return distances


def _stacked(same: Sequence[list[Pooled]]) -> list[Float64Array]:
    """One array (M, Q) a group."""
    return [np.stack([groups[i].values for groups in same]) for i in range(len(same[0]))]


def _correlations(same: Sequence[list[Pooled]], clusters: Clusters) -> list[float]:
    """The intraclass correlation of each of M outcomes, by combination of labels."""
    found = intraclass_correlations(_stacked(same), [clusters[group.rows] for group in same[0]])
    return [float(one) for one in found]


def _result(
    outcome: Outcome, measure: str, interval: Float64Array | None, correlation: float | None
) -> Result:
    """interval: distances of its ends from the value. Where one seed was drawn, the value is their centre exactly."""
    values = [group.values[measure] for group in outcome.groups]
    scored = sum(int((~np.isnan(found)).sum()) for found in values)
    means = _seed_means(outcome.groups, lambda group: group.values[measure])
    value = _mean(means)
    low, high = (None, None) if interval is None else (number(value + end) for end in interval.tolist())
    return Result(
        entity=outcome.entity,
        method=outcome.method,
        encoder=outcome.encoder,
        conditions=outcome.conditions,
        metric=measure,
        value=number(value),
        ci_low=low,
        ci_high=high,
        chance=number(_mean(_seed_means(outcome.groups, lambda group: group.chances[measure]))),
        queries=scored,
        queries_without_relevant=sum(len(found) for found in values) - scored,
        seeds_std=_deviation(means),
        icc=_known(correlation),
        hard_negatives=_mean_share(outcome.groups, lambda group: group.hard),
        hard_negatives_chance=_mean_share(outcome.groups, lambda group: group.hard_chance),
    )


def _mean_share(
    groups: Sequence[GroupScores], values: Callable[[GroupScores], Float64Array | None]
) -> float | None:
    """The mean over seeds of the mean over the groups that have values; None where none has."""
    known = [group for group in groups if values(group) is not None]
    means = _seed_means(known, lambda group: np.asarray(values(group)))
    return number(_mean(means)) if means else None


def _known(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value


def _seed_means(groups: Sequence[GroupScores], values: Callable[[GroupScores], Float64Array]) -> list[float]:
    """The mean over groups under each seed, without NaN."""
    by_seed: dict[int, list[Float64Array]] = {}
    for group in groups:
        by_seed.setdefault(group.seed, []).append(values(group))
    means = [mean_over_groups(found) for found in by_seed.values()]
    return [mean for mean in means if not np.isnan(mean)]


def _mean(means: Sequence[float]) -> float:
    return float(np.mean(means)) if means else float("nan")


def _deviation(means: Sequence[float]) -> float | None:
    return float(np.std(means, ddof=1)) if len(means) > 1 else None


def number(value: float) -> float | None:
    """A share as it stands in a report: within [0, 1], None for NaN."""
    return None if np.isnan(value) else min(max(value, 0.0), 1.0)
