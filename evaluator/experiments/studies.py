"""The studies that experiments are run on, made of a source, its texts and its vectors; and single conditions scored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clay_eval.schemas.texts import ConditionTexts

from ..methods.support.inputs import checked_database
from ..methods.support.specs import Method, uses_texts
from ..pictures.labelled import Codes, ImageSource, Labelled
from ..retrieval.condition_sets import askable
from ..retrieval.engine import Settings, evaluate_study
from ..retrieval.results import GroupScores
from ..retrieval.splits import Split
from ..retrieval.study import Study, TextFeatures, check_texts
from ..retrieval.tasks import RetrievalGroup, RetrievalTask, relevance_codes
from ..retrieval.vectors import FeatureSource, condition_features, extras, needed_texts
from ..scoring import mean_over_groups
from ..vectors.arrays import Float64Array


@dataclass(frozen=True, eq=False)
class Needs:
    """What an experiment asks texts for.

    methods: all that it fits. conditions: entity -> those that are asked for, None for all. further: texts beyond those of
    the conditions, from an entity's labels and condition texts.
    """

    methods: Sequence[Method]
    conditions: Mapping[str, Collection[str]] | None = None
    further: Callable[[Labelled, ConditionTexts], Iterable[str]] = lambda labels, texts: ()

    def asked(self, labels: Labelled) -> list[str]:
        """The conditions of an entity whose texts or names methods may look at."""
        others = any("other_text_features" in method.asks for method in self.methods)
        if self.conditions is None or others:
            return list(labels.labels)
        return [name for name in labels.labels if name in self.conditions.get(labels.entity, ())]

    def texts(self, source: ImageSource, texts: Mapping[str, ConditionTexts]) -> list[str]:
        """All texts that are needed, each once, in order."""
        found = needed_texts(
            texts, {n: self.asked(labels) for n, labels in source.entities.items()}, self.methods
        )
        if uses_texts(self.methods):
            found += [
                t for name, labels in source.entities.items() for t in self.further(labels, texts[name])
            ]
        return list(dict.fromkeys(found))


def studies(
    source: ImageSource,
    texts: Mapping[str, ConditionTexts],
    feature_source: FeatureSource,
    weights: Mapping[str, float],
    needs: Needs | None = None,
) -> list[Study]:
    """Return a study an entity of `source`, on the vectors of `feature_source`; texts: entity -> its condition texts.

    needs: what texts are encoded for; None encodes all of all conditions.

    Raises InputError as `feature_source` does, and for features that are all equal.
    """
    found = []
    vectors = feature_source.images(source)
    for name, labels in source.entities.items():
        features = checked_database(vectors[name].matrix)
        asked = list(labels.labels) if needs is None else needs.asked(labels)
        if needs is not None and not uses_texts(needs.methods):
            asked = []
        found.append(
            Study(
                features,
                {
                    **check_texts(None, set(labels.labels), features.shape[1]),
                    **condition_features(texts[name], asked, labels.parents, feature_source),
                },
                extras(feature_source, weights),
                labelled=labels,
                items={c: texts[name].condition(c) for c in labels.labels},
                encode=feature_source.texts,
            )
        )
    return found


def answerable(
    studies: Sequence[Study], splits: Callable[[Study], Sequence[Split]]
) -> tuple[list[Study], list[str]]:
    """Return the studies with the conditions that their data can answer under `splits`, and what was left out.

    Raises InputError where nothing is left of any study.
    """
    by_name = {study.entity: study for study in studies}
    labelled = {name: study.labelled for name, study in by_name.items()}
    sets, notes = askable(labelled, lambda name: splits(by_name[name]), 1)
    asked = {name: tuple(name for (name,) in found) for name, found in sets.items()}
    return [replace(by_name[name], asked=conditions) for name, conditions in asked.items()], notes


def telling(studies: Sequence[Study]) -> tuple[list[Study], list[str]]:
    """Return the studies without conditions of one value, and what was left out."""
    found, notes = [], []
    for study in studies:
        asked = tuple(name for name in study.conditions if study.labelled.codes[name].any())
        found.append(replace(study, asked=asked))
        notes += [
            f"{study.entity}: {name} left out, all images have the same"
            for name in study.conditions
            if name not in asked
        ]
    return found, notes


@dataclass(frozen=True)
class Score:
    """A measure of one method on one condition under one seed, with the chance level; NaN where nothing could be scored."""

    method: str
    condition: str
    seed: int
    value: float
    chance: float
    learnt: int | None = None


def score_conditions(
    study: Study,
    methods: Sequence[Method],
    settings: Settings,
    texts: Mapping[str, TextFeatures] | None = None,
) -> tuple[list[Score], list[str]]:
    """Return the score of every method on every single condition under every seed, and what went wrong or is to be known.

    The measure is the first of `settings`; texts replace the study's own. learnt: the k in use (of the first database).
    """
    study = study if texts is None else replace(study, texts=texts)
    outcomes, failures = evaluate_study(study, methods, settings, [(name,) for name in study.conditions])
    measure = str(settings.measures[0])
    scores = [
        Score(
            outcome.method,
            outcome.conditions[0],
            seed,
            mean_over_groups([group.values[measure] for group in groups]),
            mean_over_groups([group.chances[measure] for group in groups]),
            _k(groups),
        )
        for outcome in outcomes
        for seed, groups in _by_seed(outcome.groups).items()
    ]
    notes = [f"{study.entity}: {warning}" for outcome in outcomes for warning in outcome.warnings]
    notes += [
        f"{study.entity}: {f.method} could not be scored on {' + '.join(f.conditions)}: {' '.join(f.error.split())}"
        for f in failures
    ]
    return scores, list(dict.fromkeys(notes))


def text_rows(texts: TextFeatures, rows: Sequence[int]) -> TextFeatures:
    """Return some of `texts`, by their row numbers."""

    def pick(given: Sequence[Any] | None) -> list[Any] | None:
        return None if given is None else [given[row] for row in rows]

    if not len(texts.features):
        return texts
    return TextFeatures(texts.features[list(rows)], pick(texts.parents), pick(texts.values))


def whole_task(labelled: Labelled, condition: str, queries: Codes, database: Codes) -> RetrievalTask:
    """Return the task of one condition on one database, whatever its parent: all its texts count.

    queries, database: row numbers.
    """
    codes = relevance_codes(labelled, [condition])
    group = RetrievalGroup(None, queries, database, {condition: None})
    return RetrievalTask((condition,), (group,), codes, (), {condition: codes})


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1) of `values` without NaN; NaN for none, a deviation of NaN for one."""
    array: Float64Array = np.array([value for value in values if not np.isnan(value)], np.float64)
    mean = float(array.mean()) if array.size else float("nan")
    return mean, float(array.std(ddof=1)) if array.size > 1 else float("nan")


def _by_seed(groups: Sequence[GroupScores]) -> dict[int, list[GroupScores]]:
    found: dict[int, list[GroupScores]] = {}
    for group in groups:
        found.setdefault(group.seed, []).append(group)
    return found


def _k(groups: Sequence[GroupScores]) -> int | None:
    k = groups[0].learnt.get("n_components_")
    return k if isinstance(k, int) else None
