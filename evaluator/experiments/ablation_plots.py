"""Plots of an ablation: lines over numbers, dots for kinds of texts, differences for switches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..methods.support.specs import parse_spec
from ..report.findings import Drawing
from .ablation import Point
from .axis_methods import SWITCHES, without
from .compositions import COMPOSITIONS
from .plots import MARKERS, percent_axis, short, styles
from .studies import spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = {
    "k": ("dimensions of the subspace, k (at most)", "Score against the size of the subspace"),
    "texts": ("texts of a condition", "Score against the number of texts"),
    "database": ("images that give the database's mean", "Score against the images that give the mean"),
}
_TEXT_COLORS = ("#0072B2", "#56B4E9", "#E69F00", "#D55E00")


def drawings(points: Sequence[Point], axes: Sequence[str], measure: str) -> list[Drawing]:
    """The plots of the axes that were run; that of the texts' composition first."""
    found = []
    entities = list(dict.fromkeys(point.entity for point in points))
    if "composition" in axes:
        chosen = [point for point in points if point.axis == "composition"]
        methods = dict.fromkeys(point.method for point in chosen)
        found.append(
            Drawing(
                "composition",
                "What the texts say decides which method wins",
                f"Mean {measure} of each method for four compositions of the texts, a panel an entity. "
                + _said(chosen),
                partial(_composition, points=chosen, entities=entities, measure=measure),
                (7.5, 1.3 + len(entities) * (0.5 + 0.36 * len(methods))),
            )
        )
    for axis in (axis for axis in axes if axis in _LINES):
        chosen = [point for point in points if point.axis == axis]
        if not chosen:
            continue
        label, title = _LINES[axis]
        found.append(
            Drawing(
                axis,
                title,
                f"Mean {measure} (with its spread) over {label}, a line a method, a panel an entity and a kind of texts.",
                partial(_lines, points=chosen, entities=entities, label=label, measure=measure),
                (8.5, 0.8 + 2.7 * len(entities)),
            )
        )
    if chosen := [point for point in points if point.axis in SWITCHES]:
        plain = ", ".join(dict.fromkeys(_plain(point) for point in chosen))
        found.append(
            Drawing(
                "switches",
                "One step of CLAY changed at a time",
                f"Difference in {measure} from {plain} as it stands, a row a change, a dot a condition, a diamond the mean.",
                partial(_switches, points=chosen, entities=entities, measure=measure),
                (8.0, 1.0 + 1.6 * len(entities)),
            )
        )
    return found


def _said(points: Sequence[Point]) -> str:
    parts = []
    for texts in dict.fromkeys(point.texts for point in points):
        means = {
            m: spread([p.value for p in points if (p.method, p.texts) == (m, texts)])[0]
            for m in dict.fromkeys(point.method for point in points)
        }
        best = max(means, key=lambda name: means[name])
        parts.append(f"With the texts {texts!r} {best} is best, at {100 * means[best]:.1f} %.")
    return " ".join(parts)


def _runs(points: Sequence[Point]) -> tuple[float, float]:
    runs: dict[tuple[int, int], list[float]] = {}
    for point in points:
        runs.setdefault((point.draw, point.seed), []).append(point.value)
    mean, deviation = spread([spread(values)[0] for values in runs.values()])
    return mean, deviation if deviation == deviation else 0.0


def _composition(figure: Figure, points: Sequence[Point], entities: Sequence[str], measure: str) -> None:
    panels = figure.subplots(len(entities), 1, squeeze=False, sharex=True)[:, 0]
    for axes, entity in zip(panels, entities, strict=True):
        here = [point for point in points if point.entity == entity]
        methods = list(dict.fromkeys(point.method for point in here))
        for row, method in enumerate(methods):
            for turn, texts in enumerate(COMPOSITIONS):
                chosen = [p for p in here if (p.method, p.texts) == (method, texts)]
                if not chosen:
                    continue
                mean, deviation = _runs(chosen)
                axes.errorbar(
                    mean,
                    row + 0.2 * (turn - 1.5),
                    xerr=deviation,
                    fmt=MARKERS[turn],
                    color=_TEXT_COLORS[turn],
                    markersize=5,
                    linewidth=1,
                    label=f"{texts}: {COMPOSITIONS[texts]}" if row == 0 else None,
                )
        axes.axvline(spread([p.chance for p in here])[0], color="#7A7A7A", linestyle=":", linewidth=1)
        axes.set_yticks(range(len(methods)), [short(method) for method in methods])
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.set_title(entity, loc="left", fontsize=9)
        percent_axis(axes, f"mean {measure}, dotted: chance" if axes is panels[-1] else "", axis="x")
        if axes is not panels[-1]:
            axes.set_xlabel("")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize=8)


def _lines(
    figure: Figure, points: Sequence[Point], entities: Sequence[str], label: str, measure: str
) -> None:
    texts = list(dict.fromkeys(point.texts for point in points))
    methods = list(dict.fromkeys(point.method for point in points))
    looks = styles(methods)
    panels = figure.subplots(len(entities), len(texts), squeeze=False, sharey="row")
    for row, entity in enumerate(entities):
        for column, kind in enumerate(texts):
            axes: Axes = panels[row, column]
            here = [p for p in points if (p.entity, p.texts) == (entity, kind)]
            for method in methods:
                own = [p for p in here if p.method == method]
                if own and all(point.x is None for point in own):
                    axes.axhline(
                        _runs(own)[0], color=looks[method]["color"], linestyle="--", linewidth=1, label=method
                    )
                    continue
                settings = dict.fromkeys(point.setting for point in own)
                groups = [[p for p in own if p.setting == setting] for setting in settings]
                xs = [spread([p.x for p in group if p.x is not None])[0] for group in groups]
                means = [_runs(group) for group in groups]
                ys, errors = [mean for mean, _ in means], [deviation for _, deviation in means]
                axes.errorbar(
                    xs,
                    ys,
                    yerr=errors,
                    label=method,
                    markersize=4,
                    linewidth=1.3,
                    elinewidth=0.7,
                    **looks[method],
                )
            axes.axhline(
                spread([p.chance for p in here])[0],
                color="#7A7A7A",
                linestyle=":",
                linewidth=1,
                label="chance",
            )
            axes.set_xscale("log")
            axes.set_xticks(*_ticks({point.x for point in here if point.x is not None}))
            axes.set_xticks([], minor=True)
            axes.set_title(f"{entity}, texts: {kind}", loc="left", fontsize=9)
            if row == len(entities) - 1:
                axes.set_xlabel(label)
            if column == 0:
                percent_axis(axes, f"mean {measure}")
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=4, fontsize=8)


def _ticks(values: set[float]) -> tuple[list[float], list[str]]:
    """Some of `values`, far enough apart on a logarithmic axis to be read, with their labels."""
    chosen: list[float] = []
    for value in sorted(values):
        if not chosen or value >= 1.4 * chosen[-1]:
            chosen.append(value)
    return chosen, [f"{value:g}" for value in chosen]


def _switches(figure: Figure, points: Sequence[Point], entities: Sequence[str], measure: str) -> None:
    texts = list(dict.fromkeys(point.texts for point in points))
    changes = list(dict.fromkeys(point.method for point in points if point.method != _plain(point)))
    several = len({_plain(point) for point in points}) > 1
    conditions = list(dict.fromkeys((point.entity, point.condition) for point in points))
    looks = styles([condition for _, condition in conditions])
    panels = figure.subplots(len(entities), len(texts), squeeze=False, sharex=True, sharey=True)
    for row, entity in enumerate(entities):
        for column, kind in enumerate(texts):
            axes: Axes = panels[row, column]
            here = [p for p in points if (p.entity, p.texts) == (entity, kind)]
            for place, method in enumerate(changes):
                found = []
                for _, condition in (pair for pair in conditions if pair[0] == entity):
                    difference = 100 * _difference([p for p in here if p.condition == condition], method)
                    found.append(difference)
                    look = looks[condition]
                    axes.plot(
                        difference,
                        place,
                        marker=look["marker"],
                        color=look["color"],
                        linestyle="none",
                        markersize=5,
                        alpha=0.85,
                        label=condition if place == 0 else None,
                    )
                axes.plot(
                    spread(found)[0],
                    place,
                    marker="d",
                    color="black",
                    linestyle="none",
                    markersize=8,
                    fillstyle="none",
                )
            axes.axvline(0, color="black", linewidth=0.8)
            axes.set_yticks(
                range(len(changes)), [m if several else m.partition("(")[2].rstrip(")") for m in changes]
            )
            axes.set_ylim(len(changes) - 0.5, -0.5)
            axes.set_title(f"{entity}, texts: {kind}", loc="left", fontsize=9)
            if row == len(entities) - 1:
                axes.set_xlabel(f"{measure} less the plain method's, in points")
            if column == len(texts) - 1:
                axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)


def _plain(point: Point) -> str:
    """The method of a switch's point with the switch at its default."""
    return str(without(parse_spec(point.method), point.axis))


def _difference(points: Sequence[Point], method: str) -> float:
    """The mean over splits and draws of the score less that of the plain method under the same split, draw and axis."""
    base = {(p.axis, p.draw, p.seed, p.method): p.value for p in points if p.method == _plain(p)}
    own = [p for p in points if p.method == method]
    return spread([p.value - base[p.axis, p.draw, p.seed, _plain(p)] for p in own])[0]
