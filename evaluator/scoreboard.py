"""From the scores of every query to means, intervals and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .arrays import Float64Array
from .metrics import mean_over_groups
from .results import Compared, GroupScores, Outcome, Result
from .significance import compare_many, holm
from .statistics import bootstrap_interval

Clusters = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Inference:
    """How means are judged.

    resample: "queries" or "combinations": what the bootstrap and the randomisation draw; alpha: adjusted p-values
    below it are called significant; randomisations: of the sign-flip test.
    """

    draws: int = 1000
    confidence: float = 0.95
    resample: str = "queries"
    randomisations: int = 10_000
    alpha: float = 0.05
    seed: int = 0


def results_of(
    outcome: Outcome, measures: Sequence[str], inference: Inference, clusters: Clusters
) -> list[Result]:
    """Return one result a measure; clusters (N,): the combination of labels of every image of the entity."""
    return [_result(outcome, measure, inference, clusters) for measure in measures]


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
    base, drawn = scored_values(methods[reference], measure, clusters)
    values = {name: scored_values(outcome, measure, clusters)[0] for name, outcome in methods.items()}
    shapes = [part.shape for part in base]
    names = [n for n in methods if n != reference and [part.shape for part in values[n]] == shapes]
    if not base or not names:
        return []
    pairs = compare_many(
        [np.stack([values[name][i] for name in names]) for i in range(len(base))],
        base,
        draws=inference.draws,
        randomisations=inference.randomisations,
        confidence=inference.confidence,
        seed=inference.seed,
        clusters_by_group=drawn if inference.resample == "combinations" else None,
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
            ci_low=pair.ci_low,
            ci_high=pair.ci_high,
            p=pair.p,
            p_adjusted=pair.p,
            effect=pair.effect,
            better=pair.better,
            worse=pair.worse,
            significant=False,
        )
        for name, pair in zip(names, pairs, strict=True)
    ]


def scored_values(
    outcome: Outcome, measure: str, clusters: Clusters
) -> tuple[list[Float64Array], list[Clusters]]:
    """Return, for every group with scored queries, their values and their combinations of labels, without NaN."""
    values, drawn = [], []
    for group in outcome.groups:
        found = group.values[measure]
        kept = ~np.isnan(found)
        if kept.any():
            values.append(found[kept])
            drawn.append(clusters[group.rows[kept]])
    return values, drawn


def _result(outcome: Outcome, measure: str, inference: Inference, clusters: Clusters) -> Result:
    values, drawn = scored_values(outcome, measure, clusters)
    low, high = (
        bootstrap_interval(
            values,
            inference.draws,
            inference.confidence,
            inference.seed,
            drawn if inference.resample == "combinations" else None,
        )
        if values
        else (None, None)
    )
    scored = sum(len(found) for found in values)
    return Result(
        entity=outcome.entity,
        method=outcome.method,
        encoder=outcome.encoder,
        conditions=outcome.conditions,
        metric=measure,
        value=number(_mean(_seed_means(outcome.groups, lambda group: group.values[measure]))),
        ci_low=low,
        ci_high=high,
        chance=number(_mean(_seed_means(outcome.groups, lambda group: group.chances[measure]))),
        queries=scored,
        queries_without_relevant=sum(len(group.rows) for group in outcome.groups) - scored,
        seeds_std=_deviation(_seed_means(outcome.groups, lambda group: group.values[measure])),
    )


def _seed_means(groups: Sequence[GroupScores], values: Callable[[GroupScores], Float64Array]) -> list[float]:
    """The mean over groups under each seed, without NaN."""
    means = [
        mean_over_groups([values(group) for group in groups if group.seed == seed])
        for seed in dict.fromkeys(group.seed for group in groups)
    ]
    return [mean for mean in means if not np.isnan(mean)]


def _mean(means: Sequence[float]) -> float:
    return float(np.mean(means)) if means else float("nan")


def _deviation(means: Sequence[float]) -> float | None:
    return float(np.std(means, ddof=1)) if len(means) > 1 else None


def number(value: float) -> float | None:
    """A share as it stands in a report: within [0, 1], None for NaN."""
    return None if np.isnan(value) else min(max(value, 0.0), 1.0)
