"""What an evaluation finds, as plain records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .methods.protocol import Scalar


@dataclass(frozen=True, slots=True)
class QueryScore:
    """Average precision of one query in its group; None where nothing in the database is relevant."""

    key: str
    group: str | None
    average_precision: float | None


@dataclass(frozen=True, slots=True)
class GroupResult:
    """One database of a task: its mean over scored queries, chance, sizes, and what the method learnt on it.

    value and chance are None where no query of the group has a relevant image; `method` is as from `describe`.
    """

    name: str | None
    value: float | None
    chance: float | None
    queries: int
    queries_without_relevant: int
    database: int
    texts: int
    method: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Result:
    """One method on one set of conditions: the mean over groups of each group's mean average precision.

    value, ci_low, ci_high and chance lie in [0, 1], and are None where no query has a relevant image. `queries`
    are those scored; those without a relevant image are left out and counted apart.
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
    groups: tuple[GroupResult, ...] = ()
    per_query: tuple[QueryScore, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()

    def row(self) -> dict[str, object]:
        """The record as it stands in a report's `results`: without groups, queries and warnings."""
        return {
            "entity": self.entity,
            "method": self.method,
            "encoder": self.encoder,
            "conditions": list(self.conditions),
            "metric": self.metric,
            "value": self.value,
            "ci_low": self.ci_low,
            "ci_high": self.ci_high,
            "chance": self.chance,
            "queries": self.queries,
            "queries_without_relevant": self.queries_without_relevant,
        }
