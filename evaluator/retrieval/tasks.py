"""Who is asked, against what, and what counts as found: condition sets and retrieval tasks.

A nested attribute (sub-category, whose parent is category) is retrieved parent value by parent value, each with
its own database, unless the parent is itself among the conditions. Several conditions are met together: an
image is relevant if it matches the query in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

Index = npt.NDArray[np.intp]
Codes = npt.NDArray[np.int64]

_SMALLEST_DATABASE = 2


@dataclass(frozen=True)
class Labelled:
    """Labels of images: row i of every list belongs to keys[i].

    keys: unique names of the N images; labels: attribute -> N values; parents: attribute -> the attribute
    that its values depend on.

    Raises InputError for duplicate keys, lists of other lengths, empty values, and parents that are unknown or
    form a cycle.
    """

    keys: Sequence[str]
    labels: Mapping[str, Sequence[str]]
    parents: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_unique(self.keys)
        if not self.labels:
            raise InputError("no attribute to retrieve by", where="labels", expected="one attribute or more")
        for name, values in self.labels.items():
            if len(values) != len(self.keys):
                raise InputError(
                    f"attribute {name!r} does not have one value an image",
                    where=f"labels.{name}",
                    expected=f"{len(self.keys)} values",
                    found=f"{len(values)} values",
                )
            if not all(values):
                row = next(i for i, value in enumerate(values) if not value)
                raise InputError(
                    f"an image has no value for {name!r}",
                    where=f"labels.{name}, key {self.keys[row]!r}",
                    expected="a value",
                    found=repr(values[row]),
                )
        for name, parent in self.parents.items():
            if name not in self.labels or parent not in self.labels:
                raise InputError(
                    "an attribute or its parent is unknown",
                    where=f"parents.{name}",
                    expected=f"two of {list(self.labels)}",
                    found=f"{name!r} in {parent!r}",
                )
            self.ancestors(name)

    def ancestors(self, attribute: str) -> list[str]:
        """The parent of `attribute`, the parent's parent, and so on."""
        chain = {attribute: None}
        parent = self.parents.get(attribute)
        while parent is not None:
            if parent in chain:
                raise InputError(
                    "attributes depend on each other in a circle", where="parents", found=[*chain, parent]
                )
            chain[parent] = None
            parent = self.parents.get(parent)
        return list(chain)[1:]

    @cached_property
    def codes(self) -> Mapping[str, Codes]:
        """Attribute -> integers (N,) that are equal for two images exactly where its values are."""
        return {
            name: np.unique(np.asarray(values), return_inverse=True)[1].astype(np.int64)
            for name, values in self.labels.items()
        }

    @cached_property
    def nested_codes(self) -> Mapping[str, Codes]:
        """As `codes`, but equal only where the values of the attribute's ancestors are equal as well."""
        return {
            name: relevance_codes(self, [name, *above]) if (above := self.ancestors(name)) else codes
            for name, codes in self.codes.items()
        }

    @cached_property
    def combinations(self) -> Codes:
        """Integers (N,) that are equal for two images exactly where all their labels are."""
        return relevance_codes(self, list(self.labels))


@dataclass(frozen=True, eq=False)
class RetrievalGroup:
    """A database of its own, and the queries put to it.

    name: such as "category=shoes", None for the whole data; queries, database: row numbers; text_parents:
    condition -> the parent's value that its texts must have, None where all texts count.
    """

    name: str | None
    queries: Index
    database: Index
    text_parents: Mapping[str, str | None]

    @cached_property
    def own(self) -> Index:
        """The place of each query in `database`, (queries,), or -1 where it is not in it."""
        order = np.argsort(self.database, kind="stable")
        place = np.minimum(np.searchsorted(self.database, self.queries, sorter=order), len(order) - 1)
        found = order[place]
        return np.where(self.database[found] == self.queries, found, -1)

    @property
    def sizes(self) -> Index:
        """How many images are ranked for each query, (queries,)."""
        return len(self.database) - (self.own >= 0)


@dataclass(frozen=True, eq=False)
class RetrievalTask:
    """Retrieval by `conditions`; images of equal `codes` (N,) are relevant to each other.

    single_codes: condition -> codes (N,) by that condition alone; other_codes: the same of the attributes that are not asked
    for, equal where their parents' values are as well; combinations: codes (N,) by all attributes.
    """

    conditions: tuple[str, ...]
    groups: tuple[RetrievalGroup, ...]
    codes: Codes
    warnings: tuple[str, ...] = ()
    single_codes: Mapping[str, Codes] = field(default_factory=dict)
    other_codes: Mapping[str, Codes] = field(default_factory=dict)
    combinations: Codes | None = None

    def relevant_counts(self, group: RetrievalGroup) -> Codes:
        """How many database images, without the query itself, are relevant to each query of `group`, (queries,)."""
        database = np.sort(self.codes[group.database])
        wanted = self.codes[group.queries]
        found = np.searchsorted(database, wanted, "right") - np.searchsorted(database, wanted, "left")
        return found - (group.own >= 0)


def relevance_codes(labelled: Labelled, conditions: Sequence[str]) -> Codes:
    """Return integers (N,) that are equal for two images exactly where all labels of `conditions` are."""
    codes = np.zeros(len(labelled.keys), np.int64)
    for name in conditions:
        values = labelled.codes[name]
        _, codes = np.unique(codes * (values.max(initial=0) + 1) + values, return_inverse=True)
    return codes.astype(np.int64)


def make_task(
    labelled: Labelled,
    conditions: Sequence[str],
    is_query: npt.NDArray[np.bool_],
    is_database: npt.NDArray[np.bool_] | None = None,
) -> RetrievalTask:
    """Return the task of retrieving by all `conditions`; is_query and is_database (N,) are as in a `Split`.

    is_database None: all that are no queries.

    The data is divided by the values of every ancestor of a condition that is not a condition itself. Groups
    with no query, fewer than two database images, or only one value are left out, and a warning says so.

    Raises InputError for unknown or repeated conditions, and where no group is left.
    """
    unknown = [name for name in conditions if name not in labelled.labels]
    if unknown or not conditions or len(set(conditions)) < len(conditions):
        raise InputError(
            "conditions must be different attributes of the data",
            where="conditions",
            expected=f"some of {list(labelled.labels)}",
            found=list(conditions),
        )
    above = {parent for name in conditions for parent in labelled.ancestors(name)} - set(conditions)
    divided_by = [name for name in labelled.labels if name in above]
    codes = relevance_codes(labelled, conditions)
    if len(conditions) == 1 and len(labelled.keys) > 1 and not codes.any():
        raise InputError(
            f"all images have the same {conditions[0]}: there is nothing to tell apart",
            where=f"labels.{conditions[0]}",
            expected="two values or more",
            found=repr(labelled.labels[conditions[0]][0]),
            hint="leave this condition out",
        )
    groups, warnings = [], []
    sides = (is_query, ~is_query if is_database is None else is_database)
    for group in _groups(labelled, conditions, divided_by, sides):
        left_out = _reason_to_leave_out(group, codes)
        if left_out is None:
            groups.append(group)
        else:
            warnings.append(f"{' + '.join(conditions)}: {group.name or 'the data'} left out, {left_out}")
    if not groups:
        raise InputError(
            f"too few images to retrieve by {' + '.join(conditions)}",
            where="data",
            expected=f"a query and {_SMALLEST_DATABASE} database images in one group at least",
            found="; ".join(warnings),
        )
    single = {name: relevance_codes(labelled, [name]) for name in conditions}
    others = {name: codes for name, codes in labelled.nested_codes.items() if name not in conditions}
    return RetrievalTask(
        tuple(conditions), tuple(groups), codes, tuple(warnings), single, others, labelled.combinations
    )


def _reason_to_leave_out(group: RetrievalGroup, codes: Codes) -> str | None:
    if not len(group.queries) or len(group.database) < _SMALLEST_DATABASE:
        return f"with {len(group.queries)} queries and {len(group.database)} database images"
    everyone = np.concatenate([group.queries, group.database])
    if group.name is not None and len(np.unique(codes[everyone])) < 2:
        return "with one value only: there is nothing to tell apart"
    return None


def _groups(
    labelled: Labelled,
    conditions: Sequence[str],
    divided_by: list[str],
    sides: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
) -> Iterable[RetrievalGroup]:
    codes = relevance_codes(labelled, divided_by)
    by_code = np.argsort(codes, kind="stable")
    for members in np.split(by_code, np.flatnonzero(np.diff(codes[by_code])) + 1):
        here = {name: labelled.labels[name][int(members[0])] for name in divided_by}
        yield RetrievalGroup(
            name=", ".join(f"{name}={value}" for name, value in here.items()) or None,
            queries=members[sides[0][members]],
            database=members[sides[1][members]],
            text_parents={name: here.get(labelled.parents.get(name, "")) for name in conditions},
        )


def require_unique(keys: Sequence[str]) -> None:
    """Raise InputError naming a key that stands twice."""
    if len(set(keys)) < len(keys):
        seen: set[str] = set()
        twice = next(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InputError(
            "a key stands twice", where="keys", expected="a key of its own for every image", found=repr(twice)
        )
