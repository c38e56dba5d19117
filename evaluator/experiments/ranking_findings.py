"""Tables, words and maps for ordered attributes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..report.findings import Column, Drawing, Findings, Table
from .plots import MARKERS, ORDERED, short
from .ranking import Ordering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

CAPTION = (
    "Spearman's correlation, per query, between similarity and minus the distance of the values in their order; its mean "
    "over queries with an interval. Chance is 0. Similarity that merely tells equal from unequal values is above 0 "
    "too: 'others only' leaves images of the query's own value out, and p (order) is the share of all orders of the same "
    "values that fit as well. An order and its reverse are one here."
)
_COLUMNS = (
    Column("entity", "entity"),
    Column("condition", "attribute"),
    Column("order", "order"),
    Column("method", "method"),
    Column("spearman", "Spearman", "number"),
    Column("ci_low", "low", "number"),
    Column("ci_high", "high", "number"),
    Column("others", "others only", "number"),
    Column("order_rank", "place among orders", "count"),
    Column("orders", "orders", "count"),
    Column("p", "p (order)", "number"),
    Column("shuffled", "shuffled", "number"),
    Column("shuffled_sd", "±", "number"),
    Column("coordinate", "coordinate", "number"),
    Column("coordinate_chance", "its chance", "number"),
    Column("explained", "variance on it %", "percent"),
    Column("queries", "queries", "count"),
)


def ranking_findings(found: Sequence[Ordering], notes: Sequence[str]) -> Findings:
    """A row a method and attribute, a map of raw and clay side by side, warnings."""
    rows = tuple(
        tuple(" < ".join(one.order) if c.name == "order" else getattr(one, c.name) for c in _COLUMNS)
        for one in found
    )
    few = sorted({f"{one.entity}: {one.condition}" for one in found if len(one.order) < 4})
    warnings = [
        f"{name} has three values, so only three orders differ: p cannot be below 0.333, and images of other values "
        "than the middle one are all that 'others' can count"
        for name in few
    ]
    maps = []
    for number, (entity, condition) in enumerate(dict.fromkeys((one.entity, one.condition) for one in found)):
        shown = shown_side_by_side(
            [one for one in found if (one.entity, one.condition) == (entity, condition)]
        )
        maps.append(
            Drawing(
                f"map-{number}",
                f"{entity}: {condition}, values in their order",
                f"Two-dimensional maps (principal components of the features) of the database of {entity}, points coloured "
                f"by {condition} from {shown[0].values[0]} (dark) to {shown[0].values[-1]} (bright), their centroids "
                "joined. " + " ".join(f"{one.method}: Spearman {one.spearman:.2f}." for one in shown),
                partial(_map, shown=shown),
                (4.2 * len(shown) + 0.4, 4.3),
            )
        )
    table = Table("orders", "How well similarity follows the order", _COLUMNS, rows)
    return Findings(
        title="Does similarity follow the order of values",
        caption=CAPTION,
        numbers=Table("numbers", "Every number", _COLUMNS, rows),
        tables=[table],
        drawings=[_dots(found), *maps],
        warnings=(*warnings, *notes),
    )


def shown_side_by_side(found: Sequence[Ordering]) -> list[Ordering]:
    """raw and clay if both are there, else the first two."""
    by_name = {one.method: one for one in found}
    return [by_name[name] for name in ("raw", "clay")] if {"raw", "clay"} <= set(by_name) else list(found)[:2]


def _dots(found: Sequence[Ordering]) -> Drawing:
    rows = [(one.entity, one.condition, one.method) for one in found]
    return Drawing(
        "orders",
        "How well similarity follows the order of values",
        "Mean Spearman correlation of each method with its interval, and the same among images of other values only. "
        + " ".join(f"{one.entity}, {one.condition}, {one.method}: {one.spearman:.2f}." for one in found),
        partial(_draw_dots, found=found),
        (7.0, 1.4 + 0.34 * len(rows)),
    )


def _draw_dots(figure: Figure, found: Sequence[Ordering]) -> None:
    axes = figure.subplots()
    for row, one in enumerate(found):
        first = row == 0
        # A percentile interval need not hold its estimate; error bars must not be negative.
        error = [[max(0.0, one.spearman - one.ci_low)], [max(0.0, one.ci_high - one.spearman)]]
        axes.errorbar(
            one.spearman,
            row - 0.12,
            xerr=error,
            fmt="o",
            color="#0072B2",
            label="all images" if first else None,
        )
        axes.plot(
            one.others,
            row + 0.12,
            "s",
            color="#D55E00",
            fillstyle="none",
            label="other values only" if first else None,
        )
        axes.plot(
            one.shuffled, row, "|", color="black", markersize=10, label="values shuffled" if first else None
        )
    axes.axvline(0, color="#7A7A7A", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(found)), [f"{one.condition}: {short(one.method)}" for one in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xlabel("Spearman's correlation, mean over queries (chance: 0)")
    figure.legend(loc="outside upper left", ncols=3, fontsize=8)


def _map(figure: Figure, shown: Sequence[Ordering]) -> None:
    import matplotlib as mpl

    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    colors = mpl.colormaps[ORDERED]
    for axes, one in zip(panels, shown, strict=True):
        _panel(axes, one, colors)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="outside upper left",
        ncols=6,
        fontsize=8,
        title=shown[0].condition,
        alignment="left",
    )


def _panel(axes: Axes, one: Ordering, colors: Colormap) -> None:
    count = len(one.values)
    centroids = []
    for rank, name in enumerate(one.values):
        points = one.points[one.ranks == rank]
        color = colors(0.05 + 0.85 * rank / max(count - 1, 1))
        axes.scatter(
            points[:, 0], points[:, 1], color=color, marker=MARKERS[rank % len(MARKERS)], s=14, alpha=0.7, linewidths=0,
            label=short(name),
        )  # fmt: skip
        centroids.append(points.mean(axis=0))
    line = np.array(centroids)
    axes.plot(
        line[:, 0],
        line[:, 1],
        color="black",
        linewidth=1.2,
        marker="o",
        markersize=4,
        markerfacecolor="white",
    )
    axes.set_title(f"{one.method}: Spearman {one.spearman:.2f}", loc="left", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_aspect("equal", adjustable="datalim")
