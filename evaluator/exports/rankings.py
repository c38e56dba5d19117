"""The rankings behind a report, made again from its inputs: nothing but scores is kept of an evaluation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..methods.support.protocol import NotApplicableError
from ..methods.support.specs import Method
from ..retrieval.engine import Settings, plan_tasks, rows_to_fit, seeded_splits
from ..retrieval.spaces import Space, make_space
from ..retrieval.study import Study
from ..retrieval.tasks import RetrievalGroup, RetrievalTask
from ..retrieval.vectors import FeatureSource
from ..trec.writing import Ranking, score_blocks

if TYPE_CHECKING:
    from ..evaluation.prepared import Evaluation

Failed = Collection[tuple[str, str, tuple[str, ...]]]
"""Entity, method and conditions that an evaluation has no scores of."""


def evaluation_rankings(
    evaluation: Evaluation, feature_source: FeatureSource, failed: Failed = ()
) -> Iterator[Ranking]:
    """Yield the rankings that `evaluate_source` scores, but for those that `failed`."""
    from ..evaluation.prepared import study_of

    features = feature_source.images(evaluation.source)
    for name, labels in evaluation.entities.items():
        yield from feature_rankings(
            study_of(evaluation, labels, features[name].matrix, feature_source),
            [method.of_entity(name) for method in evaluation.methods],
            evaluation.settings.engine(),
            evaluation.sets[name],
            failed,
        )


def feature_rankings(
    study: Study,
    methods: Sequence[Method],
    settings: Settings,
    conditions: Sequence[Sequence[str]] | None = None,
    failed: Failed = (),
) -> Iterator[Ranking]:
    """Yield the ranking of each set of conditions, seed, group and method, all as in `evaluate_study`.

    A method is fitted when its ranking is asked for. One that does not apply to a set of conditions has none.
    """
    entity = study.entity
    splits = seeded_splits(study.labelled, settings, study.split)
    tasks = {seed: plan_tasks(study.labelled, chosen, conditions) for seed, chosen in splits.items()}
    checked = study.checked(methods, next(iter(tasks.values())).conditions)
    for seed, of_seed in tasks.items():
        for task in of_seed:
            present = [m for m in methods if (entity, m.name, task.conditions) not in failed]
            for group in task.groups:
                rows = rows_to_fit(group, seed, settings.fit_images)
                for method in present:
                    try:
                        space = make_space(method, checked, task, group, rows)
                    except NotApplicableError:
                        continue
                    yield _ranking(entity, method.name, study.labelled.keys, task, group, seed, space)


def _ranking(
    entity: str,
    method: str,
    keys: Sequence[str],
    task: RetrievalTask,
    group: RetrievalGroup,
    seed: int,
    space: Space,
) -> Ranking:
    return Ranking(
        entity=entity,
        method=method,
        conditions=task.conditions,
        group=group.name,
        seed=seed,
        query_keys=[keys[row] for row in group.queries],
        database_keys=[keys[row] for row in group.database],
        query_codes=task.codes[group.queries],
        database_codes=task.codes[group.database],
        own=group.own if (group.own >= 0).any() else None,
        blocks=partial(score_blocks, space.pairs, space.combine),
    )
