"""The tables of a report: methods as rows, conditions as columns, as the paper prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RAW, CLAY = "raw", "clay"
ABSENT = "–"


def percent(value: float | None) -> str:
    """A share as percent with one decimal; a dash where there is none."""
    return ABSENT if value is None else f"{100 * value:.1f}"


def factor(value: float | None) -> str:
    """A ratio with two digits after the point, or a dash."""
    return ABSENT if value is None else f"×{value:.2f}"


@dataclass(frozen=True)
class Cell:
    """A mean average precision (a share, not percent), its interval, and whether no method of the column is better."""

    value: float | None
    low: float | None = None
    high: float | None = None
    best: bool = False

    @property
    def text(self) -> str:
        """Percent with one decimal."""
        return percent(self.value)

    @property
    def interval(self) -> str:
        """ "low–high" in percent, or nothing."""
        return "" if self.low is None or self.high is None else f"{percent(self.low)}–{percent(self.high)}"


@dataclass(frozen=True)
class Row:
    """One method on one encoder; `mean` is over the columns, None if there is but one or a value is missing."""

    method: str
    title: str
    cells: tuple[Cell, ...]
    mean: Cell


@dataclass(frozen=True)
class Table:
    """Scores of one entity; `gain` is CLAY's value over raw's, for each column and for the means."""

    entity: str
    columns: tuple[tuple[str, ...], ...]
    rows: tuple[Row, ...]
    chance: tuple[float | None, ...]
    chance_mean: float | None
    gain: tuple[float | None, ...]
    gain_mean: float | None
    queries: tuple[int, ...]
    without_relevant: tuple[int, ...]


def mean(values: Sequence[float | None]) -> float | None:
    """The plain mean, or None if a value is missing or there are none."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present and len(present) == len(values) else None


def ratio(value: float | None, base: float | None) -> float | None:
    """`value` / `base`, or None where that has no meaning."""
    return value / base if value is not None and base else None


def build_table(report: Mapping[str, Any], entity: str, *, several: bool) -> Table | None:
    """The table of an entity's single conditions, or of its combinations (`several`); None if there are no results."""
    results = [
        r for r in report["results"] if r["entity"] == entity and (len(r["conditions"]) > 1) == several
    ]
    if not results:
        return None
    columns = tuple(dict.fromkeys(tuple(r["conditions"]) for r in results))
    found = {(r["method"], r["encoder"], tuple(r["conditions"])): r for r in results}
    series = _series(report, results)
    best = [
        max(
            (r["value"] for r in results if tuple(r["conditions"]) == c and r["value"] is not None),
            default=None,
        )
        for c in columns
    ]
    means = {s: mean([_value(found.get((*s, c))) for c in columns]) for s in series}
    best_mean = max((m for m in means.values() if m is not None), default=None)
    several_encoders = len({encoder for _, encoder in series}) > 1
    rows = tuple(
        Row(
            method,
            method_title(report, method) + (f" ({encoder})" if several_encoders else ""),
            tuple(_cell(found.get((method, encoder, c)), best[i]) for i, c in enumerate(columns)),
            Cell(
                means[method, encoder],
                best=means[method, encoder] is not None and means[method, encoder] == best_mean,
            ),
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
        columns=columns,
        rows=rows,
        chance=tuple(r["chance"] for r in first),
        chance_mean=mean([r["chance"] for r in first]),
        gain=gains,
        gain_mean=ratio(means.get((CLAY, encoder or "")), means.get((RAW, encoder or ""))),
        queries=tuple(r["queries"] for r in first),
        without_relevant=tuple(r["queries_without_relevant"] for r in first),
    )


def method_title(report: Mapping[str, Any], method: str) -> str:
    """A method's title, or its name if it has none."""
    title: str = report["methods"].get(method, {}).get("title", "") or method
    return title


def _series(report: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(method, encoder) of the rows: methods in the order they were asked for, then any others."""
    order = {name: place for place, name in enumerate(report["settings"]["methods"])}
    pairs = dict.fromkeys((r["method"], r["encoder"]) for r in results)
    return sorted(pairs, key=lambda pair: order.get(pair[0], len(order)))


def _value(result: Mapping[str, Any] | None) -> float | None:
    return None if result is None else result["value"]


def _cell(result: Mapping[str, Any] | None, best: float | None) -> Cell:
    if result is None:
        return Cell(None)
    value = result["value"]
    return Cell(value, result["ci_low"], result["ci_high"], value is not None and value == best)
