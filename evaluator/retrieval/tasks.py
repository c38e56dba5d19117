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

from ..pictures.labelled import Codes, Labelled

Index = npt.NDArray[np.intp]

_SMALLEST_DATABASE = 2


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
    return labelled.joint_codes(conditions)


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
