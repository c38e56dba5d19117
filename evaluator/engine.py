"""Runs methods over retrieval tasks on fixed features.

    features, labels, texts --tasks--> (method, conditions, group) --fit, transform, rank--> results

Nothing is kept between calls. For each method, condition set and group the database is transformed once, and
queries use the fit of their database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from .arrays import (
    Float64Array,
    FloatArray,
    as_features,
    as_floats,
    require_distinct,
    require_finite,
    unit_rows,
)
from .methods import MethodFactory, describe
from .methods.protocol import FeatureMethod
from .metrics import Ties, chance_average_precision, mean_over_groups, retrieval_average_precision
from .protocol import Labelled, RetrievalGroup, RetrievalTask, condition_sets, make_task, split_queries
from .results import GroupResult, QueryScore, Result
from .statistics import bootstrap_interval
from .ties import Formula


@dataclass(frozen=True, eq=False)
class TextFeatures:
    """A condition's encoded texts: features (n, d), and for each text its parent's value, or None."""

    features: FloatArray
    parents: Sequence[str | None] | None = None


@dataclass(frozen=True)
class Settings:
    """What decides the numbers, beside data, texts and methods."""

    seed: int = 0
    query_share: float = 0.1
    formula: Formula = "standard"
    ties: Ties = "expected"
    draws: int = 1000
    confidence: float = 0.95


@dataclass(frozen=True, eq=False)
class ConditionalSpace:
    """A fitted method with its unit features of a group's queries (Q, k) and database (N, k)."""

    method: FeatureMethod
    queries: FloatArray
    database: FloatArray


def plan_tasks(
    labelled: Labelled,
    settings: Settings | None = None,
    conditions: Sequence[Sequence[str]] | None = None,
    *,
    is_query: npt.NDArray[np.bool_] | None = None,
) -> list[RetrievalTask]:
    """Return the task of each set of `conditions`; by default all attributes, one by one and in all combinations.

    is_query (N,) replaces the seeded split.

    Raises InputError where no query has a relevant database image: for a single condition, or for all sets.
    """
    settings = settings or Settings()
    if is_query is None:
        is_query = split_queries(labelled.keys, settings.seed, settings.query_share)
    wanted = condition_sets(labelled.labels) if conditions is None else conditions
    tasks = [make_task(labelled, names, is_query) for names in wanted]
    barren = [task for task in tasks if not any(task.relevant_counts(group).any() for group in task.groups)]
    for task in barren:
        if len(task.conditions) == 1 or len(barren) == len(tasks):
            raise InputError(
                f"no query has a relevant image in the database for {' + '.join(task.conditions)}",
                where="data",
                expected="images that share their values",
                found=f"{sum(len(group.queries) for group in task.groups)} queries, all without a match",
                hint="add images, or leave this condition out",
            )
    return tasks


def evaluate_features(
    features: npt.ArrayLike,
    labelled: Labelled,
    texts: Mapping[str, TextFeatures],
    methods: Mapping[str, MethodFactory],
    *,
    entity: str,
    encoder: str,
    settings: Settings | None = None,
    conditions: Sequence[Sequence[str]] | None = None,
    is_query: npt.NDArray[np.bool_] | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Score every method on every set of conditions.

    features (N, d), row i of the image labelled.keys[i]; texts: condition -> its encoded texts; methods: name ->
    factory, as from `resolve_method`; conditions and is_query as in `plan_tasks`. `on_result` is called with each
    result as it is ready; there are len(methods) * len(plan_tasks(...)) of them.

    Raises InputError for features that are not finite, do not fit the labels or the texts, or are all equal, for
    conditions without texts, and where no query has a relevant image.
    """
    settings = settings or Settings()
    array = as_features(features, "image features")
    if len(array) != len(labelled.keys):
        raise InputError(
            "features and labels do not have the same number of images",
            where="image features",
            expected=f"{len(labelled.keys)} rows",
            found=f"{len(array)} rows",
        )
    require_distinct(array, "image features")
    tasks = plan_tasks(labelled, settings, conditions, is_query=is_query)
    checked = check_texts(texts, {name for task in tasks for name in task.conditions}, array.shape[1])
    results = []
    for task in tasks:
        for name, factory in methods.items():
            result = _evaluate(array, labelled, checked, task, name, factory, entity, encoder, settings)
            results.append(result)
            if on_result is not None:
                on_result(result)
    return results


def check_texts(
    texts: Mapping[str, TextFeatures], conditions: set[str], width: int
) -> dict[str, TextFeatures]:
    """Return the texts of `conditions` with checked features (n, width); raises InputError for what is missing."""
    checked = {}
    for name in sorted(conditions):
        if name not in texts:
            raise InputError(
                f"no texts for the condition {name!r}",
                where="texts",
                expected=sorted(conditions),
                found=sorted(texts),
            )
        features = as_features(texts[name].features, f"text features of {name!r}", width=width)
        parents = texts[name].parents
        if parents is not None and len(parents) != len(features):
            raise InputError(
                f"the texts of {name!r} and their parents differ in number",
                where="texts",
                expected=f"{len(features)} parents",
                found=len(parents),
            )
        checked[name] = TextFeatures(features, parents)
    return checked


def stack_texts(
    texts: Mapping[str, TextFeatures], task: RetrievalTask, group: RetrievalGroup
) -> tuple[FloatArray, list[str]]:
    """Return the texts (n, d) of all conditions of `task` for `group`, stacked, and warnings.

    Of a condition that is divided by its parent, the texts of the group's parent value count, and those
    without a parent; where there are none, all of them, with a warning.
    """
    stacked, warnings = [], []
    for name in task.conditions:
        wanted, parents = group.text_parents[name], texts[name].parents
        rows = texts[name].features
        if wanted is not None and parents is not None:
            chosen = [i for i, parent in enumerate(parents) if parent is None or parent == wanted]
            if chosen:
                rows = rows[chosen]
            else:
                warnings.append(
                    f"{name}: no texts for {group.name}, so the texts of all its values were used"
                )
        stacked.append(rows)
    return np.concatenate(stacked), warnings


def conditional_space(
    factory: MethodFactory, features: FloatArray, texts: FloatArray, group: RetrievalGroup
) -> ConditionalSpace:
    """Fit a new method on the group's database and `texts` (n, d), and transform database and queries.

    Rows are of unit length, or zeros. Raises InputError where the method returns something else than one row of
    finite numbers an image.
    """
    database = features[group.database]
    method = factory()
    method.fit(database, texts)
    return ConditionalSpace(method, _transform(method, features[group.queries]), _transform(method, database))


def _transform(method: FeatureMethod, features: FloatArray) -> FloatArray:
    name = f"{type(method).__name__}.transform"
    rows = as_floats(method.transform(features), name)
    if len(rows) != len(features):
        raise InputError(
            f"{name} does not return one row an image",
            where=name,
            expected=f"{len(features)} rows",
            found=f"{len(rows)} rows",
        )
    require_finite(rows, name)
    return unit_rows(rows)


def _evaluate(
    features: FloatArray,
    labelled: Labelled,
    texts: Mapping[str, TextFeatures],
    task: RetrievalTask,
    name: str,
    factory: MethodFactory,
    entity: str,
    encoder: str,
    settings: Settings,
) -> Result:
    warnings = list(task.warnings)
    groups, scores, precisions, chances = [], [], [], []
    for group in task.groups:
        stacked, missing = stack_texts(texts, task, group)
        warnings += missing
        space = conditional_space(factory, features, stacked, group)
        precision = retrieval_average_precision(
            space.queries,
            space.database,
            task.codes[group.queries],
            task.codes[group.database],
            settings.formula,
            settings.ties,
        )
        chance = chance_average_precision(len(group.database), task.relevant_counts(group), settings.formula)
        precisions.append(precision)
        chances.append(chance)
        without = int(np.isnan(precision).sum())
        if without == len(precision):
            warnings.append(
                f"{' + '.join(task.conditions)}: no query of {group.name or 'the data'} has a relevant image"
            )
        groups.append(
            GroupResult(
                name=group.name,
                value=_number(mean_over_groups([precision])),
                chance=_number(mean_over_groups([chance])),
                queries=len(precision) - without,
                queries_without_relevant=without,
                database=len(group.database),
                texts=len(stacked),
                method=describe(space.method),
            )
        )
        scores += list(_query_scores(labelled, group, precision))
    kept = [values[~np.isnan(values)] for values in precisions if not np.isnan(values).all()]
    low, high = (
        bootstrap_interval(kept, settings.draws, settings.confidence, settings.seed) if kept else (None, None)
    )
    return Result(
        entity=entity,
        method=name,
        encoder=encoder,
        conditions=task.conditions,
        metric="mAP",
        value=_number(mean_over_groups(precisions)),
        ci_low=low,
        ci_high=high,
        chance=_number(mean_over_groups(chances)),
        queries=sum(group.queries for group in groups),
        queries_without_relevant=sum(group.queries_without_relevant for group in groups),
        groups=tuple(groups),
        per_query=tuple(scores),
        warnings=tuple(warnings),
    )


def _query_scores(labelled: Labelled, group: RetrievalGroup, precision: Float64Array) -> Iterator[QueryScore]:
    for row, value in zip(group.queries.tolist(), precision.tolist(), strict=True):
        yield QueryScore(labelled.keys[row], group.name, _number(value))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else min(max(value, 0.0), 1.0)
