"""Clustering under a condition: whether groups that are found in a method's space are the condition's values.

For each set of conditions, k-means with K = the number of its values runs on a method's unit features of all images, and
the clusters are compared with the values (see `partitions`). Nothing is held out: no label is seen, and methods are fitted
on the images that are clustered. A condition with a parent is clustered within each of the parent's values, and the mean is
taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any

import numpy as np

from clay_eval.schemas.errors import InputError

from ..evaluation.settings import EvaluationSettings
from ..methods.support.specs import Method
from ..pictures.labelled import Codes
from ..retrieval.condition_sets import Conditions, askable
from ..retrieval.spaces import Space, make_space
from ..retrieval.splits import Split, everyone
from ..retrieval.study import Study
from ..retrieval.tasks import RetrievalGroup, RetrievalTask, make_task
from ..vectors.arrays import FloatArray, unit_rows
from ..vectors.fusion import gives_chances
from .partitions import agreement, chance_scores, contingency, k_means, majority

DEFAULT_METHODS = ("raw", "indirect", "clay", "clay-values", "label-posterior", "text-mixture")
_WIDEST = 1 << 14


@dataclass(frozen=True)
class ClusterSettings:
    """methods: specs, or "all"; seeds: of k-means; starts: of which each seed keeps the best; largest_set: the most
    conditions that are asked for together."""

    methods: tuple[str, ...] = DEFAULT_METHODS
    seeds: tuple[int, ...] = tuple(range(10))
    starts: int = 10
    largest_set: int = 1

    def __post_init__(self) -> None:
        self.evaluation()
        if self.starts < 1:
            raise InputError(
                "k-means needs a start", where="--starts", expected="1 or more", found=self.starts
            )

    def evaluation(self) -> EvaluationSettings:
        """The same as settings of an evaluation, checked."""
        return EvaluationSettings(methods=self.methods, seeds=self.seeds, largest_set=self.largest_set)

    def record(self, methods: Sequence[Method]) -> dict[str, Any]:
        """As it stands in a record, with methods by their canonical names, and what image methods depend on."""
        identities = {method.name: dict(method.identity) for method in methods if method.identity}
        return {
            **asdict(self),
            "methods": [method.name for method in methods],
            **({"identities": identities} if identities else {}),
        }


@dataclass(frozen=True)
class Partition:
    """K-means in one method's space under one seed, of one database; see `partitions` for the scores.

    group: such as "category=shoes", or nothing for all images; majority: the share of the most frequent value;
    acc_chance, nmi_chance: of clusters of the same sizes, filled by lot.
    """

    entity: str
    conditions: str
    method: str
    group: str
    seed: int
    images: int
    values: int
    acc: float
    nmi: float
    ami: float
    ari: float
    majority: float
    acc_chance: float
    nmi_chance: float


@dataclass(frozen=True, eq=False)
class Confusion:
    """Which values lie in which clusters, (values, clusters): the first seed's clustering of the first database."""

    entity: str
    conditions: str
    method: str
    group: str
    values: tuple[str, ...]
    table: Codes


@dataclass(frozen=True, eq=False)
class Clusterings:
    """All that was found, and what is to be known of it."""

    partitions: Sequence[Partition]
    confusions: Sequence[Confusion]
    notes: Sequence[str]


def find_clusterings(
    studies: Sequence[Study],
    methods: Sequence[Method],
    settings: ClusterSettings,
    progress: Callable[[int], None] = lambda _: None,
) -> Clusterings:
    """Cluster all studies under all conditions by all methods; progress: called with 1 for each method and conditions.

    Conditions that all images share, and such that no two share, are left out and noted; so are methods without features.

    Raises InputError where no condition is left, and where no method can be measured.
    """
    labelled = {study.entity: study.labelled for study in studies}
    sets, notes = askable(labelled, lambda name: [_whole(labelled[name].keys)], settings.largest_set)
    partitions: list[Partition] = []
    confusions: list[Confusion] = []
    for study in (study for study in studies if study.entity in sets):
        for conditions in sets[study.entity]:
            whole = _whole(study.labelled.keys)
            task = make_task(study.labelled, conditions, whole.is_query, whole.is_database)
            groups, left_out = _divisible(task)
            notes += [f"{study.entity}: {note}" for note in (*task.warnings, *left_out)]
            for method in methods if groups else ():
                what = f"{study.entity}: {method.name} on {' + '.join(conditions)}"
                try:
                    found, shown, warned = _clusterings(
                        study, conditions, method.of_entity(study.entity), task, groups, settings
                    )
                    partitions += found
                    confusions.append(shown)
                    notes += [f"{what}: {warning}" for warning in warned]
                except InputError as error:
                    notes.append(f"{what} left out: {' '.join(str(error).split())}")
                progress(1)
    if not partitions:
        raise InputError("no method could be measured", where="cluster", found="; ".join(notes))
    return Clusterings(partitions, confusions, list(dict.fromkeys(notes)))


def _whole(keys: Sequence[str]) -> Split:
    mask = everyone(keys)
    return Split(mask, mask)


def _divisible(task: RetrievalTask) -> tuple[list[RetrievalGroup], list[str]]:
    """The groups with fewer values than images, and what was left out."""
    kept, notes = [], []
    for group in task.groups:
        if len(np.unique(task.codes[group.database])) < len(group.database):
            kept.append(group)
        else:
            notes.append(
                f"{' + '.join(task.conditions)}: {group.name or 'the data'} left out, every image has a value of its own"
            )
    return kept, notes


def _clusterings(
    study: Study,
    conditions: Conditions,
    method: Method,
    task: RetrievalTask,
    groups: Sequence[RetrievalGroup],
    settings: ClusterSettings,
) -> tuple[list[Partition], Confusion, list[str]]:
    """Of all groups under all seeds."""
    if method.privileged:
        raise InputError("it is told the labels of the images that are to be clustered")
    name = " + ".join(conditions)
    found: list[Partition] = []
    shown: list[Confusion] = []
    notes: list[str] = []
    for group in groups:
        space = make_space(method, study, task, group)
        values = task.codes[group.database]
        count = len(np.unique(values))
        clusterings, complete = k_means(unit_features(method, space), count, settings.seeds, settings.starts)
        notes += space.warnings
        if not complete:
            notes.append(
                f"{group.name or 'the data'}: fewer than {count} different features, so fewer clusters"
            )
        found += [
            _partition((study.entity, name, method.name, group.name or ""), values, clusters, seed)
            for seed, clusters in zip(settings.seeds, clusterings, strict=True)
        ]
        shown.append(
            Confusion(
                study.entity,
                name,
                method.name,
                group.name or "",
                _names(study.labelled.labels, conditions, group, values),
                contingency(values, clusterings[0]),
            )
        )
    return found, shown[0], list(dict.fromkeys(notes))


def _partition(what: tuple[str, str, str, str], values: Codes, clusters: Codes, seed: int) -> Partition:
    acc_chance, nmi_chance = chance_scores(values, clusters, seed)
    return Partition(
        *what,
        seed,
        len(values),
        len(np.unique(values)),
        **asdict(agreement(values, clusters)),
        majority=majority(values),
        acc_chance=acc_chance,
        nmi_chance=nmi_chance,
    )


def _names(
    labels: Mapping[str, Sequence[str]], conditions: Conditions, group: RetrievalGroup, values: Codes
) -> tuple[str, ...]:
    """What the values of `conditions` are called, in the order of their codes (N,)."""
    first = group.database[np.unique(values, return_index=True)[1]]
    return tuple(", ".join(labels[name][int(row)] for name in conditions) for row in first)


def unit_features(method: Method, space: Space) -> FloatArray:
    """Return the unit rows (N, k) of a space whose queries are its database: one place for an image.

    Posteriors of several conditions, which meet by product, give the posterior of every combination of values: inner
    products are then the products of the conditions' own.

    Raises InputError where there is no such place: similarities joined by rank or minimum, and queries that are mapped in
    another way than the database.
    """
    if any(
        queries is not database and not np.array_equal(queries, database) for queries, database in space.pairs
    ):
        raise InputError("it has no one feature an image: queries and database are mapped in two ways")
    parts = [unit_rows(database) for _, database in space.pairs]
    if len(parts) == 1:
        return parts[0]
    if method.fusion != "product" or not gives_chances(method.factory()):
        raise InputError(
            f"it has no features for several conditions: fusion={method.fusion} joins similarities"
        )
    if (width := int(np.prod([part.shape[1] for part in parts]))) > _WIDEST:
        raise InputError(
            f"too many combinations of values: {width:,}, and at most {_WIDEST:,} can be clustered"
        )
    return reduce(_outer, parts)


def _outer(one: FloatArray, other: FloatArray) -> FloatArray:
    """(N, k) and (N, l) -> (N, k l)."""
    joined: FloatArray = (one[:, :, None] * other[:, None, :]).reshape(len(one), -1)
    return joined
