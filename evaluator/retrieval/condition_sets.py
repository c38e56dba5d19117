"""Sets of conditions that are asked for together: how large, how many, and which of them the data can answer.

Subsets double with every condition: 40 of them have 10^12. Up to FEW_CONDITIONS all subsets are asked for; beyond that,
unless a size is given, each condition and each pair. More than MOST_SETS are refused before any is made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from math import comb

from clay_eval.schemas.errors import InputError

from ..pictures.labelled import Labelled
from .splits import Split
from .tasks import RetrievalTask, make_task

Conditions = tuple[str, ...]

FEW_CONDITIONS = 4
MOST_SETS = 5_000
EVERY_SIZE = sys.maxsize
"""A largest set that leaves none out."""
_PAIRS = 2


def condition_sets(attributes: Iterable[str], largest: int | None = None) -> list[Conditions]:
    """All non-empty subsets of `attributes`, each in their order: singles first, then pairs, up to `largest`.

    Raises InputError, before any is made, for more than MOST_SETS.
    """
    names = tuple(attributes)
    sizes = range(1, (len(names) if largest is None else min(largest, len(names))) + 1)
    count = 0
    for size in sizes:
        count += comb(len(names), size)
        if count > MOST_SETS:
            raise InputError(
                "too many sets of conditions to score",
                where="--largest-set",
                expected=f"at most {MOST_SETS:,} sets",
                found=f"{len(names):,} conditions, {count:,} sets of at most {size}"
                + ("" if size == sizes[-1] else ", and larger ones"),
                hint="choose conditions with --condition"
                + (", or take smaller sets with --largest-set" if size > 1 else ""),
            )
    return [subset for size in sizes for subset in combinations(names, size)]


def default_largest(count: int) -> int:
    """The most conditions of a set where nobody said: all of a few, else two."""
    return EVERY_SIZE if count <= FEW_CONDITIONS else _PAIRS


def largest_for(attributes: Mapping[str, Collection[str]], asked: int | None) -> int:
    """Return the most conditions of a set, EVERY_SIZE where that leaves no set out; attributes: entity -> its own.

    Raises InputError as `condition_sets`.
    """
    most = max(map(len, attributes.values()), default=0)
    largest = default_largest(most) if asked is None else asked
    for entity, names in attributes.items():
        with entity_named(entity):
            condition_sets(names, largest)
    return EVERY_SIZE if largest >= most else largest


@dataclass(frozen=True)
class Askable:
    """The sets of conditions of an entity that its data can answer under every split; notes: what was left out, and why."""

    sets: tuple[Conditions, ...]
    notes: tuple[str, ...]


def askable_sets(
    labelled: Labelled, splits: Sequence[Split], largest: int | None, *, chosen: bool = False
) -> Askable:
    """Return the sets of at most `largest` conditions that can be scored on `labelled` under all `splits`.

    A condition that tells nothing apart, or that no query shares with a database image, is left out of all sets; a set of
    several, where too few images are left in each database. largest None: `default_largest`; chosen: the user named the
    conditions, so that none is left out.

    Raises InputError where no condition is left, for a condition left out if `chosen`, and as `condition_sets`.
    """
    names = list(labelled.labels)
    size = default_largest(len(names)) if largest is None else largest
    condition_sets(names, size)
    reasons = {name: _reason(labelled, (name,), splits) for name in names}
    faults = [error for error in reasons.values() if error is not None]
    if faults and (chosen or len(faults) == len(names)):
        raise faults[0]
    usable = [name for name in names if reasons[name] is None]
    notes = [f"{name} left out: {error.what}" for name, error in reasons.items() if error is not None]
    sets: list[Conditions] = []
    for conditions in condition_sets(usable, size):
        fault = _reason(labelled, conditions, splits) if len(conditions) > 1 and labelled.parents else None
        if fault is None:
            sets.append(conditions)
        else:
            notes.append(f"{' + '.join(conditions)} left out: {fault.what}")
    return Askable(tuple(sets), tuple(notes))


def askable(
    labelled: Mapping[str, Labelled],
    splits: Callable[[str], Sequence[Split]],
    largest: int | None,
    *,
    chosen: bool = False,
) -> tuple[dict[str, Sequence[Conditions]], list[str]]:
    """Return entity -> its `askable_sets`, and notes of what is left out.

    An entity of which nothing is left is left out, too, if there are others. splits: makes an entity's. Raises InputError
    where nothing is left at all, and as `condition_sets`.
    """
    sets: dict[str, Sequence[Conditions]] = {}
    notes: list[str] = []
    faults: list[InputError] = []
    for entity, labels in labelled.items():
        with entity_named(entity):
            labels.require_attributes()
            condition_sets(labels.labels, largest)
        try:
            with entity_named(entity):
                found = askable_sets(labels, splits(entity), largest, chosen=chosen)
        except InputError as error:
            faults.append(error)
            notes.append(f"{entity} left out: {error.what}")
            continue
        sets[entity] = found.sets
        notes += [f"{entity}: {note}" for note in found.notes]
    if faults and not sets:
        raise faults[0]
    return sets, notes


def only_entity(entities: Collection[str], what: str, where: str) -> str:
    """The one of `entities`; raises InputError, with `what` such as "galleries are", where there are several or none."""
    if len(entities) != 1:
        raise InputError(
            f"{what} of one entity",
            where=where,
            expected="one entity",
            found=sorted(entities),
            hint="choose one with --entity",
        )
    return next(iter(entities))


@contextmanager
def entity_named(entity: str) -> Iterator[None]:
    """Say in an InputError which entity it is about."""
    try:
        yield
    except InputError as error:
        where = entity if error.where is None else f"{entity}: {error.where}"
        raise InputError(
            error.what, where=where, expected=error.expected, found=error.found, hint=error.hint
        ) from error


def require_relevant(task: RetrievalTask) -> None:
    """Raise InputError where no query of `task` has a relevant database image."""
    if any(task.relevant_counts(group).any() for group in task.groups):
        return
    raise InputError(
        f"no query has a relevant image in the database for {' + '.join(task.conditions)}",
        where="data",
        expected="images that share their values",
        found=f"{sum(len(group.queries) for group in task.groups)} queries, all without a match",
        hint="add images, or leave this condition out",
    )


def _reason(labelled: Labelled, conditions: Conditions, splits: Sequence[Split]) -> InputError | None:
    """Why the data cannot answer `conditions`, None if they can."""
    try:
        for split in splits:
            task = make_task(labelled, conditions, split.is_query, split.is_database)
            if len(conditions) == 1:
                require_relevant(task)
    except InputError as error:
        return error
    return None


def bounded_note(attributes: Mapping[str, Collection[str]], largest: int) -> str | None:
    """What is to be said where `largest` leaves sets out; attributes: entity -> its own."""
    if largest == EVERY_SIZE:
        return None
    said = ", ".join(
        f"{len(names)} conditions of {entity}" for entity, names in attributes.items() if len(names) > largest
    )
    kind = {1: "one by one", 2: "one by one and in pairs"}.get(largest, f"in sets of at most {largest}")
    return f"{said}: scored {kind}; --largest-set N asks for sets of up to N, --condition chooses conditions"
