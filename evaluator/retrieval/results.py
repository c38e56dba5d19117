"""What an evaluation finds, as plain records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from ..methods.support.protocol import Scalar
from ..vectors.arrays import Float64Array


@dataclass(frozen=True, eq=False)
class GroupScores:
    """One database of a task under one split: the scores of its queries, and what the method learnt on it.

    rows: the queries' row numbers (Q,); values, chances: measure -> (Q,) float64, NaN where nothing in the database
    is relevant; database, texts: how many there are; learnt: as from `describe`; hard, hard_chance: of each query, the share
    of hard negatives among the first and by chance (see `scoring.hard_negatives`), None where there can be none.
    """

    seed: int
    name: str | None
    rows: npt.NDArray[np.intp]
    values: Mapping[str, Float64Array]
    chances: Mapping[str, Float64Array]
    database: int
    texts: int
    learnt: Mapping[str, Scalar]
    hard: Float64Array | None = None
    hard_chance: Float64Array | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """One method on one set of conditions: the scores of every group under every split."""

    entity: str
    method: str
    encoder: str
    conditions: tuple[str, ...]
    groups: tuple[GroupScores, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A method that could not be scored on a set of conditions, and why."""

    entity: str
    method: str
    conditions: tuple[str, ...]
    error: str


@dataclass(frozen=True)
class Result:
    """A measure of one method on one set of conditions: the mean over groups (and seeds) of each group's mean over queries.

    Values lie in [0, 1], and are None where no query has a relevant image. `queries` are those scored, over all seeds; those
    without a relevant image are left out and counted apart. seeds_std: the standard deviation (n - 1) between the means of
    the seeds' splits, None for one seed. icc: their intraclass correlation by combination of labels, None where there
    is none. hard_negatives: of the first 10 images, the share that does not match what was asked, but another attribute;
    with its chance level; the same for all measures, None where no other attribute tells images apart.
    """

    entity: str
    method: str
    encoder: str
    conditions: tuple[str, ...]
    metric: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    chance: float | None
    queries: int
    queries_without_relevant: int
    seeds_std: float | None = None
    icc: float | None = None
    hard_negatives: float | None = None
    hard_negatives_chance: float | None = None

    def row(self) -> dict[str, object]:
        """The record as it stands in a report's `results`; what earlier ones lack only where there is one."""
        return _row(self)


@dataclass(frozen=True)
class Compared:
    """A method beside a reference on the same queries, by one measure.

    difference: method minus reference, with its interval by a paired bootstrap; p: of a paired randomisation test,
    two-sided; p_adjusted: after Holm's correction over the comparisons of an entity; effect: mean of the differences
    over their standard deviation (Cohen's d_z), None where all are equal; better, worse: shares of queries;
    icc: as of `Result`, of the differences.
    """

    entity: str
    conditions: tuple[str, ...]
    metric: str
    method: str
    reference: str
    difference: float
    ci_low: float
    ci_high: float
    p: float
    p_adjusted: float
    effect: float | None
    better: float
    worse: float
    significant: bool
    icc: float | None = None

    def row(self) -> dict[str, object]:
        """The record as it stands in a report's `comparisons`; icc only where there is one."""
        return _row(self)


_ADDED = ("icc", "hard_negatives", "hard_negatives_chance")
"""Fields that rows have only where there is a value."""


def _row(found: Result | Compared) -> dict[str, object]:
    row = {name: value for name, value in asdict(found).items() if value is not None or name not in _ADDED}
    return row | {"conditions": list(found.conditions)}
