"""Methods beside the reference: differences with their intervals, effect sizes, and how many conditions are won or lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .roles import RIVAL, ROLES, is_ours, method_title, primary, role
from .tables import ABSENT, mean, signed

_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
_INTERVALS = 6
_SHOWN = ("difference", "ci_low", "ci_high")
_WORDS = ((0.2, "negligible"), (0.5, "small"), (0.8, "medium"), (math.inf, "large"))
"""Cohen's words for an effect: below the number."""


@dataclass(frozen=True)
class Point:
    """One set of conditions on a method's line: its place from 0 to 100, what it says, and whether it is significant."""

    at: float
    text: str
    significant: bool


@dataclass(frozen=True)
class Line:
    """One method beside the reference, over all sets of conditions that both were scored on.

    at, low, high: places from 0 to 100 of the mean difference and of the mean of the intervals' ends, which is at least as
    wide as the interval of the mean; beyond: "left" or "right" where the mean lies off the axis; wins, losses: sets of
    conditions with a significant difference; better, worse: percent of queries.
    """

    method: str
    title: str
    role: str
    ours: bool
    difference: str
    interval: str
    effect: str
    word: str
    better: str
    worse: str
    wins: int
    losses: int
    conditions: int
    at: float
    low: float
    high: float
    beyond: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, shares, in steps of `step`; 0 is one of them."""

    low: float
    high: float
    step: float

    def place(self, value: float) -> float:
        """The place of a value from 0 to 100; values off the axis stand at its end."""
        return 100 * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)

    def beyond(self, value: float) -> str:
        """ "left" or "right" for a value off the axis, else nothing."""
        return "left" if value < self.low else "right" if value > self.high else ""

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """(place, label in points) of every step."""
        count = round((self.high - self.low) / self.step)
        values = [self.low + number * self.step for number in range(count + 1)]
        return tuple((self.place(value), _label(value)) for value in values)


@dataclass(frozen=True)
class Forest:
    """All methods of an entity beside the reference, best first within a role.

    ticks: (place, label) of the axis; zero: the place of no difference.
    """

    reference: str
    parts: tuple[tuple[str, tuple[Line, ...]], ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    several: bool

    @property
    def ours(self) -> bool:
        """Whether a method of this project's own is among them."""
        return any(line.ours for _, lines in self.parts for line in lines)


def build_forest(report: Mapping[str, Any], entity: str, *, several: bool) -> Forest | None:
    """The comparisons of an entity by the primary measure, on single conditions or combinations; None if there are none."""
    metric = primary(report)
    found = [
        c
        for c in report["comparisons"]
        if c["entity"] == entity and c["metric"] == metric and (len(c["conditions"]) > 1) == several
    ]
    if not found:
        return None
    by_method: dict[str, list[Mapping[str, Any]]] = {}
    for one in found:
        by_method.setdefault(one["method"], []).append(one)
    axis = _axis([c[name] for c in found if role(report, c["method"]) == RIVAL for name in _SHOWN])
    ordered = sorted(by_method, key=lambda method: -_average(by_method[method], "difference"))
    lines = [_line(report, method, by_method[method], axis) for method in ordered]
    return Forest(
        reference=method_title(report, found[0]["reference"]),
        parts=tuple(
            (heading, part)
            for name, heading in ROLES.items()
            if (part := tuple(line for line in lines if line.role == name))
        ),
        ticks=axis.ticks(),
        zero=axis.place(0.0),
        several=several,
    )


def effect_word(effect: float | None) -> str:
    """Cohen's word for an effect size d_z, whatever its sign; nothing where there is none."""
    if effect is None:
        return ""
    return next(word for below, word in _WORDS if abs(effect) < below)


def _line(report: Mapping[str, Any], method: str, found: Sequence[Mapping[str, Any]], axis: Axis) -> Line:
    difference, low, high = (_average(found, name) for name in ("difference", "ci_low", "ci_high"))
    known = [c["effect"] for c in found if c["effect"] is not None]
    effect = mean(known)
    return Line(
        method=method,
        title=method_title(report, method),
        role=role(report, method),
        ours=is_ours(report, method),
        difference=signed(difference),
        interval=f"{signed(low)} to {signed(high)}",
        effect=ABSENT if effect is None else f"{effect:.2f}".replace("-", "−"),
        word=effect_word(effect),
        better=f"{100 * _average(found, 'better'):.0f}",
        worse=f"{100 * _average(found, 'worse'):.0f}",
        wins=sum(c["significant"] and c["difference"] > 0 for c in found),
        losses=sum(c["significant"] and c["difference"] < 0 for c in found),
        conditions=len(found),
        at=axis.place(difference),
        low=axis.place(low),
        high=axis.place(high),
        beyond=axis.beyond(difference),
        points=tuple(
            Point(
                axis.place(c["difference"]),
                f"{' + '.join(c['conditions'])}: {signed(c['difference'])} "
                f"({signed(c['ci_low'])} to {signed(c['ci_high'])})",
                c["significant"],
            )
            for c in found
            if not axis.beyond(c["difference"])
        ),
    )


def best_rivals(report: Mapping[str, Any], left_out: Sequence[str], count: int) -> list[str]:
    """The `count` rivals of highest mean over all entities' single conditions (or all sets, without single ones).

    A method counts if it was scored wherever any rival was.
    """
    metric = primary(report)
    scored = [
        r
        for r in report["results"]
        if r["metric"] == metric and r["value"] is not None and role(report, r["method"]) == RIVAL
    ]
    results = [r for r in scored if len(r["conditions"]) == 1] or scored
    values: dict[str, dict[object, float]] = {}
    for r in results:
        values.setdefault(r["method"], {})[r["entity"], r["encoder"], tuple(r["conditions"])] = r["value"]
    places = {place for found in values.values() for place in found}
    means = {
        m: sum(v.values()) / len(v) for m, v in values.items() if v.keys() == places and m not in left_out
    }
    return sorted(means, key=lambda method: -means[method])[:count]


def _average(found: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(sum(c[name] for c in found)) / len(found)


def _axis(values: Sequence[float]) -> Axis:
    """An axis that holds `values` and 0 in round steps, as few as are needed of the finest that give _INTERVALS at most."""
    low, high = min(0.0, *values) if values else -0.01, max(0.0, *values) if values else 0.01
    for step in _STEPS:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= _INTERVALS and last > first:
            return Axis(first * step, last * step, step)
    return Axis(-1.0, 1.0, 0.5)


def _label(value: float) -> str:
    text = f"{abs(100 * value):.1f}".removesuffix(".0")
    return text if text == "0" else ("+" if value > 0 else "−") + text
