"""Whether similarity puts images in the order of their values: age, count and the like.

For a query, images of its own value should come first, then those one step away, then two. Measured:

    spearman         per query, between similarity and minus the distance of ranks; mean over queries. 0 by chance.
    others           the same among images of other values only: nothing but the order is asked
    other orders     spearman under every other order of the same values: is it this order that similarity follows?
    shuffled         spearman with the images' values shuffled: the control for the measure itself
    coordinate       |Spearman| between the first principal coordinate of the values' centroids and the order
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from clay_eval.schemas.errors import InputError

from ..evaluation.settings import EvaluationSettings
from ..methods.support.specs import Method, prepare_methods
from ..retrieval.engine import seeded_splits
from ..retrieval.spaces import Space, make_space
from ..retrieval.splits import combination_codes
from ..retrieval.study import Study
from ..retrieval.tasks import RetrievalGroup, RetrievalTask, make_task
from ..scoring import mean_over_groups
from ..statistics.intervals import mean_interval
from ..vectors.arrays import Float64Array, FloatArray
from .orders import (
    Ranks,
    RankSums,
    all_orders,
    order_of,
    order_scores,
    principal_coordinate,
    rank_sums,
    spearman,
)
from .studies import Needs, spread

SHUFFLES = 5


@dataclass(frozen=True)
class RankSettings:
    """orders: attribute -> its values from lowest to highest; attributes whose values are numbers need none."""

    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    methods: tuple[str, ...] = ("raw", "clay", "clay-values", "text-discriminant")
    seeds: tuple[int, ...] = (0, 1, 2)
    split: str = "image"
    query_share: float = 0.1
    draws: int = 1000
    resample: str = "queries"
    queries: int = 300

    def __post_init__(self) -> None:
        self.evaluation()
        prepare_methods(self.methods)
        if self.queries < 1:
            raise InputError("no queries", where="--queries", expected="1 or more", found=self.queries)

    def evaluation(self) -> EvaluationSettings:
        """The same as settings of an evaluation, checked."""
        return EvaluationSettings(
            methods=self.methods,
            seeds=self.seeds,
            split=self.split,
            query_share=self.query_share,
            bootstrap_draws=self.draws,
            resample=self.resample,
        )

    def needs(self, orders: Mapping[str, Collection[str]]) -> Needs:
        """What texts are needed for; orders: entity -> the attributes that have one."""
        return Needs(prepare_methods(self.methods), orders)

    def record(self) -> dict[str, Any]:
        """As it stands in a record."""
        names = [method.name for method in prepare_methods(self.methods)]
        return {
            **asdict(self),
            "methods": names,
            "orders": {k: list(v) for k, v in sorted(self.orders.items())},
        }


@dataclass(frozen=True, eq=False)
class Ordering:
    """One method on one ordered attribute; see the module for the measures.

    p: the share of all orders (reverses counted once) under which spearman is at least as high, the given one included;
    shuffled_sd: between shuffles; coordinate_chance: the mean |Spearman| of all orders; points, ranks: a map of the first
    database, and for each of its images the place of its value among `values`, those that it has, in order.
    """

    entity: str
    condition: str
    order: tuple[str, ...]
    method: str
    queries: int
    spearman: float
    ci_low: float
    ci_high: float
    others: float
    orders: int
    order_rank: int
    p: float
    shuffled: float
    shuffled_sd: float
    coordinate: float
    coordinate_chance: float
    explained: float
    points: FloatArray
    ranks: Ranks
    values: tuple[str, ...]


def require_orders(
    labels: Mapping[str, Mapping[str, Sequence[str]]], orders: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return entity -> attribute -> its values in order, of all that have one; labels: entity -> attribute -> values.

    Raises InputError where there is none, for orders of unknown attributes, and for fewer than three values.
    """
    known = {name for attributes in labels.values() for name in attributes}
    if unknown := sorted(set(orders) - known):
        raise InputError(
            "an order of an unknown attribute", where="--order", expected=sorted(known), found=unknown[0]
        )
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for entity, attributes in labels.items():
        for name, values in attributes.items():
            order = order_of(name, values, orders)
            if order is None:
                continue
            order = tuple(value for value in order if value in set(values))
            if len(order) >= 3:
                found.setdefault(entity, {})[name] = order
            elif name in orders:
                raise InputError(
                    f"an order of {name!r} says nothing with fewer than three values",
                    where=f"{entity}: {name}",
                    expected="three values or more in the data",
                    found=list(order),
                )
    if not found:
        raise InputError(
            "no attribute has an order",
            where="data",
            expected="attributes whose values are numbers (three or more), or --order",
            found="; ".join(f"{entity}: {', '.join(attributes)}" for entity, attributes in labels.items()),
            hint="say it, for example --order age=child,adult,elderly",
        )
    return found


def find_orderings(
    studies: Sequence[Study], settings: RankSettings, progress: Callable[[int], None] = lambda _: None
) -> tuple[list[Ordering], list[str]]:
    """Return what all methods do with all ordered attributes, and warnings; raises InputError as `require_orders` does."""
    found, notes = [], []
    orders = require_orders({study.entity: study.labelled.labels for study in studies}, settings.orders)
    wanted = [
        (study, name, order) for study in studies for name, order in orders.get(study.entity, {}).items()
    ]
    for study, name, order in wanted:
        for method in prepare_methods(settings.methods):
            try:
                one, warnings = _ordering(study, name, order, method, settings)
                found.append(one)
                notes += warnings
            except InputError as error:
                notes.append(
                    f"{study.entity}: {method.name} failed on {name}: {' '.join(str(error).split())}"
                )
            progress(1)
    if not found:
        raise InputError("no method could be measured", where="rank", found="; ".join(notes))
    return found, list(dict.fromkeys(notes))


@dataclass(frozen=True, eq=False)
class _Database:
    """A group's similarities (Q, N), with the numbers of its values in their order; `rows` are the queries' row numbers.

    held: (V,) places in the whole order of the values that the group has, which are numbered from 0 without gaps here.
    """

    seed: int
    held: Ranks
    scores: FloatArray
    rows: Ranks
    query_values: Ranks
    database_values: Ranks
    own: Ranks
    features: FloatArray

    def ranked(self, *, others: bool = False, database_values: Ranks | None = None) -> RankSums:
        """The scores' ranks, summed by value."""
        given = self.database_values if database_values is None else database_values
        values = int(max(self.database_values.max(), self.query_values.max(initial=0))) + 1
        return rank_sums(self.scores, self.query_values, given, self.own, values, others=others)

    def places(self, order: Ranks) -> Ranks:
        """(V,): the places of the group's values among each other, where `order` has those of all values."""
        return np.argsort(np.argsort(order[self.held]))

    def shuffled(self, number: int) -> RankSums:
        """As `ranked`, with the values of the database's images shuffled."""
        generator = np.random.Generator(np.random.PCG64([self.seed, number]))
        return self.ranked(database_values=generator.permutation(self.database_values))


def _correlations(database: _Database, ranked: RankSums, order: Ranks | None = None) -> Float64Array:
    """Per query, NaN where it has none; `order`, of all values, puts the group's into another order."""
    places = np.arange(len(database.held)) if order is None else database.places(order)
    return order_scores(ranked, database.query_values, places)


def _ordering(
    study: Study, name: str, order: Sequence[str], method: Method, settings: RankSettings
) -> tuple[Ordering, list[str]]:
    databases, notes = _databases(study, name, order, method, settings)
    ranked = [database.ranked() for database in databases]
    pairs = list(zip(databases, ranked, strict=True))
    values = [_correlations(database, sums) for database, sums in pairs]
    clusters = combination_codes(study.labelled)
    kept = [(v[~np.isnan(v)], clusters[d.rows][~np.isnan(v)]) for v, d in zip(values, databases, strict=True)]
    kept = [(v, c) for v, c in kept if v.size]
    if not kept:
        raise InputError("no query has images at different distances", where=f"{study.entity}: {name}")
    low, high = mean_interval(
        [v for v, _ in kept],
        bounds=(-1.0, 1.0),
        clusters_by_group=[c for _, c in kept] if settings.resample == "combinations" else None,
    )
    observed = mean_over_groups(values)
    orders, complete = all_orders(len(order), settings.seeds[0])
    under = np.array([mean_over_groups([_correlations(d, sums, one) for d, sums in pairs]) for one in orders])
    at_least = int(np.count_nonzero(under >= observed - 1e-12)) + (not complete)
    total = len(orders) + (not complete)
    shuffled = [
        mean_over_groups([_correlations(d, d.shuffled(number)) for d in databases])
        for number in range(SHUFFLES)
    ]
    coordinates = [principal_coordinate(d.features, d.database_values) for d in databases]
    steps = np.arange(len(order))
    ordering = Ordering(
        entity=study.entity,
        condition=name,
        order=tuple(order),
        method=method.name,
        queries=sum(v.size for v, _ in kept),
        spearman=observed,
        ci_low=low,
        ci_high=high,
        others=mean_over_groups([_correlations(d, d.ranked(others=True)) for d in databases]),
        orders=total,
        order_rank=at_least,
        p=at_least / total,
        shuffled=spread(shuffled)[0],
        shuffled_sd=spread(shuffled)[1],
        coordinate=spread([abs(spearman(c, steps[: len(c)])) for c, _ in coordinates])[0],
        coordinate_chance=float(np.mean([_coordinate_chance(d, orders) for d in databases])),
        explained=spread([share for _, share in coordinates])[0],
        points=plane(databases[0].features),
        ranks=databases[0].database_values,
        values=tuple(order[place] for place in databases[0].held),
    )
    return ordering, notes


def _coordinate_chance(database: _Database, orders: Ranks) -> float:
    """The mean |Spearman| of the group's values in every order with their own."""
    steps = np.arange(len(database.held))
    return float(np.mean([abs(spearman(database.places(order), steps)) for order in orders]))


def _databases(
    study: Study, name: str, order: Sequence[str], method: Method, settings: RankSettings
) -> tuple[list[_Database], list[str]]:
    place = {value: rank for rank, value in enumerate(order)}
    ranks = np.array([place[value] for value in study.labelled.labels[name]], np.int64)
    found: list[_Database] = []
    notes: list[str] = []
    for seed, split in seeded_splits(study.labelled, settings.evaluation().engine()).items():
        task = make_task(study.labelled, (name,), split.is_query, split.is_database)
        notes += task.warnings
        for group in task.groups:
            own_values = np.unique(ranks[group.database])
            if len(own_values) < 3:
                notes.append(f"{name}: {group.name or 'the data'} left out, with fewer than three values")
                continue
            space = make_space(method, study, task, group)
            notes += space.warnings
            found.append(
                _database(
                    space, task, group, own_values, np.searchsorted(own_values, ranks), seed, settings.queries
                )
            )
    if not found:
        raise InputError("no database with three values", where=f"{study.entity}: {name}")
    return found, [f"{study.entity}: {note}" for note in notes]


def _database(
    space: Space,
    task: RetrievalTask,
    group: RetrievalGroup,
    held: Ranks,
    ranks: Ranks,
    seed: int,
    most: int,
) -> _Database:
    """At most `most` queries, drawn by the seed; held, ranks: of the group's values in the whole order, and of all images
    among those."""
    generator = np.random.Generator(np.random.PCG64(seed))
    chosen = np.sort(generator.permutation(len(group.queries))[:most])
    known = np.isin(task.codes[group.queries[chosen]], task.codes[group.database])
    chosen = chosen[known]
    return _Database(
        seed,
        held,
        np.stack([space.scores(int(query)) for query in chosen])
        if chosen.size
        else np.empty((0, len(group.database))),
        group.queries[chosen],
        ranks[group.queries[chosen]],
        ranks[group.database],
        group.own[chosen],
        space.pairs[0][1],
    )


def plane(features: FloatArray) -> FloatArray:
    """Return the first two principal coordinates (N, 2) of rows (N, k); zeros where there are fewer."""
    exact = features.astype(np.float64)
    left, singular, right = np.linalg.svd(exact - exact.mean(axis=0), full_matrices=False)
    points = np.zeros((len(exact), 2))
    for axis in range(min(2, len(singular))):
        sign = 1.0 if right[axis, np.argmax(np.abs(right[axis]))] >= 0 else -1.0
        points[:, axis] = sign * left[:, axis] * singular[axis]
    return points
