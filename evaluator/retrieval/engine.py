"""Runs methods over retrieval tasks on fixed features.

    study --tasks--> (method, conditions, seed, group) --fit, map, rank--> scores of every query

Nothing is kept between calls. For each method, condition set and group the database is mapped once, and queries use the fit
of their database. A method that fails costs its own scores and no other's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..methods.support.protocol import NotApplicableError
from ..methods.support.specs import Method
from ..pictures.labelled import Codes, Labelled
from ..scoring import Ties, retrieval_scores
from ..scoring.chance import retrieval_chance
from ..scoring.hard_negatives import HARD_NEGATIVES
from ..scoring.measures import Measure, parse_measure
from ..vectors.arrays import Float64Array
from .condition_sets import Conditions, condition_sets, default_largest, require_relevant
from .hard_negatives import hard_chance, other_pairs
from .results import Failure, GroupScores, Outcome
from .spaces import Space, make_space
from .split_kinds import draw_split
from .splits import Split
from .study import Extras, Study, TextFeatures
from .tasks import Index, RetrievalGroup, RetrievalTask, make_task


@dataclass(frozen=True)
class Settings:
    """What decides the scores, beside data, texts and methods.

    split: a name of `SPLITS`; one split a seed. fit_images: a method is fitted on that many images of each database,
    drawn by the seed, instead of on all; all are ranked. backend: as `retrieval_scores` takes it.
    """

    measures: tuple[Measure, ...] = (parse_measure("AP"),)
    ties: Ties = "expected"
    split: str = "image"
    seeds: tuple[int, ...] = (0,)
    query_share: float = 0.1
    fit_images: int | None = None
    backend: str = "numpy"


class Tasks(Sequence[RetrievalTask]):
    """The task of each of `sets`, made anew whenever it is asked for: together they would hold (sets, N) row numbers."""

    def __init__(self, labelled: Labelled, split: Split, sets: Sequence[Conditions]) -> None:
        self.sets = tuple(sets)
        self._labelled, self._split = labelled, split

    def __len__(self) -> int:
        return len(self.sets)

    @overload
    def __getitem__(self, number: int) -> RetrievalTask: ...
    @overload
    def __getitem__(self, number: slice) -> Tasks: ...
    def __getitem__(self, number: int | slice) -> RetrievalTask | Tasks:
        if isinstance(number, slice):
            return Tasks(self._labelled, self._split, self.sets[number])
        split = self._split
        return make_task(self._labelled, self.sets[number], split.is_query, split.is_database)

    @property
    def conditions(self) -> set[str]:
        """All conditions of the sets."""
        return {name for conditions in self.sets for name in conditions}


def plan_tasks(labelled: Labelled, split: Split, conditions: Sequence[Sequence[str]] | None = None) -> Tasks:
    """Return the task of each set of `conditions`; by default all attributes, in sets of at most `default_largest`.

    Raises InputError where no query has a relevant database image: for a single condition, or for all sets; and as
    `condition_sets` and `make_task`.
    """
    if conditions is None:
        conditions = condition_sets(labelled.labels, default_largest(len(labelled.labels)))
    tasks = Tasks(labelled, split, [tuple(names) for names in conditions])
    first: InputError | None = None
    barren = 0
    for task in tasks:
        try:
            require_relevant(task)
        except InputError as error:
            if len(task.conditions) == 1:
                raise
            first = first or error
            barren += 1
    if first is not None and barren == len(tasks):
        raise first
    return tasks


def seeded_splits(labelled: Labelled, settings: Settings, given: Split | None = None) -> dict[int, Split]:
    """Return seed -> split; a `given` split stands for every seed."""
    return {
        seed: given or draw_split(labelled, settings.split, seed, settings.query_share)
        for seed in settings.seeds
    }


class Facts(TypedDict, total=False):
    """What a study may be told beside arrays, labels and texts."""

    entity: str
    encoder: str
    split: Split | None
    extras: Extras | None


def evaluate_features(
    features: npt.ArrayLike,
    labelled: Labelled,
    texts: Mapping[str, TextFeatures],
    methods: Sequence[Method],
    *,
    settings: Settings | None = None,
    conditions: Sequence[Sequence[str]] | None = None,
    on_outcome: Callable[[Outcome | Failure], None] | None = None,
    **facts: Unpack[Facts],
) -> tuple[list[Outcome], list[Failure]]:
    """Score every method on plain arrays: `evaluate_study` on the study that these make.

    features (N, d), row i of the image labelled.keys[i]; texts: condition -> its encoded texts; facts: entity and encoder,
    the names in outcomes; split and extras of the study.
    """
    entity = facts.get("entity", labelled.entity)
    labelled = labelled if entity == labelled.entity else replace(labelled, entity=entity)
    study = Study(
        np.asarray(features),
        texts,
        facts.get("extras") or Extras(),
        labelled=labelled,
        encoder=facts.get("encoder", ""),
        split=facts.get("split"),
    )
    return evaluate_study(study, methods, settings, conditions, on_outcome)


def evaluate_study(
    study: Study,
    methods: Sequence[Method],
    settings: Settings | None = None,
    conditions: Sequence[Sequence[str]] | None = None,
    on_outcome: Callable[[Outcome | Failure], None] | None = None,
) -> tuple[list[Outcome], list[Failure]]:
    """Score every method on every set of conditions.

    methods: from `prepare_methods`; conditions as in `plan_tasks`. `on_outcome` is called with each outcome or failure as it
    is ready. A set of conditions that a method does not apply to gives an outcome without groups.

    Raises InputError for features that are not finite, do not fit the labels or the texts, or are all equal, for
    conditions without texts (unless no method uses texts), and where no query has a relevant image; and what a method
    raised if all methods failed.
    """
    outcomes, failures, faults = score_methods(study, methods, settings, conditions, on_outcome)
    if faults and not any(outcome.groups for outcome in outcomes):
        raise faults[0]
    return outcomes, failures


def score_methods(
    study: Study,
    methods: Sequence[Method],
    settings: Settings | None = None,
    conditions: Sequence[Sequence[str]] | None = None,
    on_outcome: Callable[[Outcome | Failure], None] | None = None,
) -> tuple[list[Outcome], list[Failure], list[InputError]]:
    """As `evaluate_study`, but what the methods raised is returned, the error of each failure, even if all failed."""
    settings = settings or Settings()
    splits = seeded_splits(study.labelled, settings, study.split)
    tasks = {seed: plan_tasks(study.labelled, chosen, conditions) for seed, chosen in splits.items()}
    one = next(iter(tasks.values()))
    study = study.checked(methods, one.conditions)
    outcomes: list[Outcome] = []
    failures: list[Failure] = []
    faults: list[InputError] = []
    for number in range(len(one)):
        planned = {seed: of_seed[number] for seed, of_seed in tasks.items()}
        task = next(iter(planned.values()))
        parts = _parts(planned, settings)
        for method in methods:
            try:
                groups, warnings = _score(method, study, parts, settings)
                outcome = Outcome(study.entity, method.name, study.encoder, task.conditions, groups, warnings)
                outcomes.append(outcome)
                done: Outcome | Failure = outcome
            except NotApplicableError as reason:
                note = f"{method.name} left out for {' + '.join(task.conditions)}: {reason.what}"
                done = Outcome(study.entity, method.name, study.encoder, task.conditions, (), (note,))
                outcomes.append(done)
            except InputError as error:
                faults.append(error)
                done = Failure(study.entity, method.name, task.conditions, str(error))
                failures.append(done)
            if on_outcome is not None:
                on_outcome(done)
    return outcomes, failures, faults


def _score(
    method: Method, study: Study, parts: Sequence[_Part], settings: Settings
) -> tuple[tuple[GroupScores, ...], tuple[str, ...]]:
    """The scores of all groups under all seeds, and warnings."""
    groups, warnings = [], []
    for part in parts:
        space = make_space(method, study, part.task, part.group, part.fit_rows)
        warnings += [*part.task.warnings, *space.warnings]
        if all(np.isnan(values).all() for values in part.chances.values()):
            name = " + ".join(part.task.conditions)
            warnings.append(f"{name}: no query of {part.group.name or 'the data'} has a relevant image")
        groups.append(_score_part(space, part, settings))
    return tuple(groups), tuple(dict.fromkeys(warnings))


@dataclass(frozen=True, eq=False)
class _Part:
    """A group of a task under one seed, with what does not depend on the method."""

    seed: int
    task: RetrievalTask
    group: RetrievalGroup
    fit_rows: Index | None
    graded: list[tuple[Codes, Codes]]
    others: list[tuple[Codes, Codes]]
    chances: Mapping[str, Float64Array]
    hard_chance: Float64Array | None = None

    @property
    def codes(self) -> tuple[Codes, Codes]:
        """Of the queries and of the database."""
        return self.task.codes[self.group.queries], self.task.codes[self.group.database]

    @property
    def own(self) -> Index | None:
        """Where each query stands in the database, None where no query does."""
        return self.group.own if (self.group.own >= 0).any() else None


def _parts(tasks: Mapping[int, RetrievalTask], settings: Settings) -> list[_Part]:
    return [_part(task, group, seed, settings) for seed, task in tasks.items() for group in task.groups]


def _part(task: RetrievalTask, group: RetrievalGroup, seed: int, settings: Settings) -> _Part:
    graded = [(c[group.queries], c[group.database]) for c in task.single_codes.values()]
    others = other_pairs(task, group)
    part = _Part(seed, task, group, rows_to_fit(group, seed, settings.fit_images), graded, others, {})
    chances = retrieval_chance(*part.codes, settings.measures, own=part.own, graded_codes=graded)
    return replace(part, chances=chances, hard_chance=hard_chance(task, group))


def score_group(
    space: Space, task: RetrievalTask, group: RetrievalGroup, seed: int, settings: Settings
) -> GroupScores:
    """Return every measure of the queries of `group` in a `space` that was made for it, or for other conditions."""
    return _score_part(space, _part(task, group, seed, settings), settings)


def _score_part(space: Space, part: _Part, settings: Settings) -> GroupScores:
    values = retrieval_scores(
        space.pairs,
        *part.codes,
        settings.measures,
        ties=settings.ties,
        own=part.own,
        combine=space.combine,
        graded_codes=part.graded,
        other_codes=part.others,
        backend=settings.backend,
    )
    group = part.group
    hard = values.pop(HARD_NEGATIVES, None)
    return GroupScores(
        part.seed,
        group.name,
        group.queries,
        values,
        part.chances,
        len(group.database),
        space.texts,
        space.learnt,
        None
        if hard is None or part.hard_chance is None
        else np.where(np.isnan(part.hard_chance), np.nan, hard),
        part.hard_chance,
    )


def rows_to_fit(group: RetrievalGroup, seed: int, count: int | None) -> Index | None:
    """Return `count` rows of the group's database, drawn by `seed`; None for all, where it has no more."""
    if count is None or count >= len(group.database):
        return None
    chosen = np.random.Generator(np.random.PCG64(seed)).permutation(len(group.database))[:count]
    return group.database[np.sort(chosen)]
