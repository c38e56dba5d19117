"""The tables of a report: methods as rows, conditions as columns, as the paper prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..scoring.measures import measure_title
from .roles import CLAY, RAW, RIVAL, ROLES, is_ours, method_title, primary, role

ABSENT = "–"
MARKS = {"better": "▲", "worse": "▼", "": ""}
Condition = tuple[str, ...]


def percent(value: float | None) -> str:
    """A share as percent with one decimal; a dash where there is none."""
    return ABSENT if value is None else f"{100 * value:.1f}"


def signed(value: float | None) -> str:
    """A difference of shares in points with its sign, one decimal; a dash where there is none."""
    if value is None:
        return ABSENT
    text = f"{abs(100 * value):.1f}"
    return text if float(text) == 0 else ("+" if value > 0 else "−") + text


def factor(value: float | None) -> str:
    """A ratio with two digits after the point, or a dash."""
    return ABSENT if value is None else f"×{value:.2f}"


@dataclass(frozen=True)
class Cell:
    """A mean (a share, not percent), its interval, its deviation between seeds, and how it stands to the others.

    best: no rival of the column is better; mark: "better" or "worse" than the reference after Holm's correction, or "".
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    best: bool = False
    std: float | None = None
    mark: str = ""

    @property
    def text(self) -> str:
        """Percent with one decimal."""
        return percent(self.value)

    @property
    def sign(self) -> str:
        """▲, ▼ or nothing."""
        return MARKS[self.mark]

    @property
    def interval(self) -> str:
        """ "low–high" in percent, or nothing."""
        return "" if self.low is None or self.high is None else f"{percent(self.low)}–{percent(self.high)}"

    @property
    def between_seeds(self) -> str:
        """ "±" and the deviation between seeds in percent, or nothing."""
        return "" if self.std is None else f"±{percent(self.std)}"


@dataclass(frozen=True)
class Row:
    """One method on one encoder; `mean` is over the columns, None if there is but one or a value is missing."""

    method: str
    title: str
    cells: tuple[Cell, ...]
    mean: Cell
    role: str = RIVAL
    ours: bool = False
    reference: bool = False


@dataclass(frozen=True)
class Table:
    """Scores of one entity by one measure; `gain` is CLAY's value over raw's, for each column and for the means."""

    entity: str
    metric: str
    columns: tuple[Condition, ...]
    rows: tuple[Row, ...]
    chance: tuple[float | None, ...]
    chance_mean: float | None
    gain: tuple[float | None, ...]
    gain_mean: float | None
    queries: tuple[int, ...]
    without_relevant: tuple[int, ...]
    parts: tuple[tuple[str, tuple[Row, ...]], ...] = field(default=())

    @property
    def title(self) -> str:
        """The measure as one reads it."""
        return measure_title(self.metric)

    @property
    def marked(self) -> bool:
        """Whether any cell is significantly better or worse than the reference."""
        return any(cell.mark for row in self.rows for cell in row.cells)

    @property
    def ours(self) -> bool:
        """Whether a method of this project's own stands in it."""
        return any(row.ours for row in self.rows)

    @property
    def seeds(self) -> bool:
        """Whether deviations between seeds are shown."""
        return any(cell.std is not None for row in self.rows for cell in row.cells)


def mean(values: Sequence[float | None]) -> float | None:
    """The plain mean, or None if a value is missing or there are none."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present and len(present) == len(values) else None


def ratio(value: float | None, base: float | None) -> float | None:
    """`value` / `base`, or None where that has no meaning."""
    return value / base if value is not None and base else None


def build_table(
    report: Mapping[str, Any], entity: str, *, several: bool, metric: str | None = None
) -> Table | None:
    """The table of an entity's single conditions, or of its combinations (`several`); None if there are no results.

    metric: a measure's name, the primary one by default. Rivals come first, then controls, then privileged methods, each in
    the order they were asked for; only rivals can be best.
    """
    metric = metric or primary(report)
    results = [
        r
        for r in report["results"]
        if r["entity"] == entity and (len(r["conditions"]) > 1) == several and r["metric"] == metric
    ]
    if not results:
        return None
    columns = tuple(dict.fromkeys(tuple(r["conditions"]) for r in results))
    found = {(r["method"], r["encoder"], tuple(r["conditions"])): r for r in results}
    series = _series(report, results)
    rivals = [s for s in series if role(report, s[0]) == RIVAL]
    best = [_highest(_value(found.get((*s, c))) for s in rivals) for c in columns]
    means = {s: mean([_value(found.get((*s, c))) for c in columns]) for s in series}
    best_mean = _highest(means[s] for s in rivals)
    several_encoders = len({encoder for _, encoder in series}) > 1
    marks = {} if several_encoders else _marks(report, entity, metric)
    reference = report["settings"].get("reference")
    rows = tuple(
        Row(
            method,
            method_title(report, method) + (f" ({encoder})" if several_encoders else ""),
            tuple(
                _cell(
                    found.get((method, encoder, c)),
                    best[i] if (method, encoder) in rivals else None,
                    marks.get((method, c), ""),
                )
                for i, c in enumerate(columns)
            ),
            Cell(
                means[method, encoder],
                best=(method, encoder) in rivals
                and means[method, encoder] is not None
                and means[method, encoder] == best_mean,
            ),
            role(report, method),
            is_ours(report, method),
            method == reference,
        )
        for method, encoder in series
    )
    first = [next(r for r in results if tuple(r["conditions"]) == c) for c in columns]
    encoder = next((e for m, e in series if m == CLAY and (RAW, e) in series), None)
    gains = tuple(
        ratio(_value(found.get((CLAY, encoder, c))), _value(found.get((RAW, encoder, c)))) for c in columns
    )
    return Table(
        entity=entity,
        metric=metric,
        columns=columns,
        rows=rows,
        chance=tuple(r["chance"] for r in first),
        chance_mean=mean([r["chance"] for r in first]),
        gain=gains,
        gain_mean=ratio(means.get((CLAY, encoder or "")), means.get((RAW, encoder or ""))),
        queries=tuple(r["queries"] for r in first),
        without_relevant=tuple(r["queries_without_relevant"] for r in first),
        parts=tuple(
            (heading, part)
            for name, heading in ROLES.items()
            if (part := tuple(row for row in rows if row.role == name))
        ),
    )


def _marks(report: Mapping[str, Any], entity: str, metric: str) -> dict[tuple[str, Condition], str]:
    """(method, conditions) -> "better" or "worse", where the report found it significant."""
    return {
        (c["method"], tuple(c["conditions"])): "better" if c["difference"] > 0 else "worse"
        for c in report["comparisons"]
        if c["entity"] == entity and c["metric"] == metric and c["significant"]
    }


def _series(report: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(method, encoder) of the rows: by role, then in the order the methods were asked for, then any others."""
    order = {name: place for place, name in enumerate(report["settings"]["methods"])}
    roles = list(ROLES)
    pairs = dict.fromkeys((r["method"], r["encoder"]) for r in results)
    return sorted(
        pairs, key=lambda pair: (roles.index(role(report, pair[0])), order.get(pair[0], len(order)))
    )


def _highest(values: Any) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _value(result: Mapping[str, Any] | None) -> float | None:
    return None if result is None else result["value"]


def _cell(result: Mapping[str, Any] | None, best: float | None, mark: str) -> Cell:
    if result is None:
        return Cell(None)
    value = result["value"]
    return Cell(
        value,
        result["ci_low"],
        result["ci_high"],
        value is not None and value == best,
        result.get("seeds_std"),
        mark,
    )
