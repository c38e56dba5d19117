"""Tables, words and plots for clustering under conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..report.findings import Cell, Column, Drawing, Findings, Form, Table
from ..statistics.intervals import DIFFERENCES, SHARES, Bounds, mean_interval
from .clustering import Clusterings, Confusion, Partition
from .partitions import in_matched_order
from .plots import HEAT, percent_axis, short, styles
from .studies import spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = (
    "K-means with K = the number of values, on a method's unit features of all images. ACC: the share of images in the "
    "cluster that is matched with their value; NMI, AMI, ARI: agreement of clusters and values, the last two 0 by chance. "
    "Means over the seeds of k-means, each the best of several starts, with 95 % intervals of that mean: they say how much "
    "hangs on the starts, not on the images. Of a condition that is clustered within each value of its parent, the mean "
    "over those values, all of the same weight."
)
KNOWN = (
    "K is taken from the labels, and methods are fitted on the very images that are clustered: nothing is held out, as in "
    "the papers on clustering under conditions"
)
SCORES = ("acc", "nmi", "ami", "ari")
_BOUNDS: dict[str, Bounds] = {"acc": SHARES, "nmi": SHARES, "ami": DIFFERENCES, "ari": DIFFERENCES}
_CHANCE = {"acc": "acc_chance", "nmi": "nmi_chance"}
_MOST_VALUES = 24
_MOST_CONFUSIONS = 6
Key = tuple[str, str, str]


def clustering_findings(found: Clusterings) -> Findings:
    """A row a method and set of conditions, every score with its interval, plots, warnings."""
    partitions = found.partitions
    entities = list(dict.fromkeys(one.entity for one in partitions))
    return Findings(
        title="Clustering under a condition",
        caption=CAPTION,
        numbers=_numbers(partitions),
        tables=[
            _summary(partitions),
            *(_grid(partitions, entity, n) for n, entity in enumerate(entities)),
            _intervals(partitions),
        ],
        drawings=[
            *(_dots(partitions, entity, number) for number, entity in enumerate(entities)),
            *_confusions(found),
        ],
        warnings=(KNOWN, *found.notes),
    )


def by_seed(partitions: Sequence[Partition], score: str) -> list[float]:
    """The mean of a score over databases under each seed."""
    seeds: dict[int, list[float]] = {}
    for one in partitions:
        seeds.setdefault(one.seed, []).append(getattr(one, score))
    return [float(np.mean(values)) for values in seeds.values()]


def mean_and_interval(
    partitions: Sequence[Partition], score: str
) -> tuple[float, float | None, float | None]:
    """Mean of a score over databases and seeds, and the interval of the mean over seeds; no interval of one seed."""
    values = by_seed(partitions, score)
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None, None
    low, high = mean_interval([values], bounds=_BOUNDS[score])
    return mean, low, high


def _grouped(partitions: Sequence[Partition]) -> dict[Key, list[Partition]]:
    groups: dict[Key, list[Partition]] = {}
    for one in partitions:
        groups.setdefault((one.entity, one.conditions, one.method), []).append(one)
    return groups


def _numbers(partitions: Sequence[Partition]) -> Table:
    forms: dict[str, Form] = dict.fromkeys(("seed", "images", "values"), "count")
    forms |= dict.fromkeys((*SCORES, "majority", *_CHANCE.values()), "percent")
    columns = tuple(Column(f.name, f.name, forms.get(f.name, "text")) for f in fields(Partition))
    return Table("numbers", "Every clustering", columns, tuple(astuple(one) for one in partitions))


def _summary(partitions: Sequence[Partition]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for key, group in _grouped(partitions).items():
        databases = {one.group: one for one in group}.values()
        rows.append(
            (
                *key,
                *mean_and_interval(group, "acc"),
                *mean_and_interval(group, "nmi"),
                mean_and_interval(group, "ami")[0],
                mean_and_interval(group, "ari")[0],
                spread([one.majority for one in group])[0],
                spread(by_seed(group, "acc_chance"))[0],
                spread(by_seed(group, "nmi_chance"))[0],
                _range([one.values for one in databases]),
                sum(one.images for one in databases),
            )
        )
    columns = (
        Column("entity", "entity"),
        Column("conditions", "condition"),
        Column("method", "method"),
        Column("acc", "ACC %", "percent"),
        Column("acc_low", "low", "percent"),
        Column("acc_high", "high", "percent"),
        Column("nmi", "NMI %", "percent"),
        Column("nmi_low", "low", "percent"),
        Column("nmi_high", "high", "percent"),
        Column("ami", "AMI %", "percent"),
        Column("ari", "ARI %", "percent"),
        Column("majority", "one cluster's ACC", "percent"),
        Column("acc_chance", "ACC by lot", "percent"),
        Column("nmi_chance", "NMI by lot", "percent"),
        Column("values", "K"),
        Column("images", "images", "count"),
    )
    return Table("clusters", "How well clusters are the values", columns, tuple(rows))


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _intervals(partitions: Sequence[Partition]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for key, group in _grouped(partitions).items():
        for score in SCORES:
            values = by_seed(group, score)
            chance = spread(by_seed(group, _CHANCE[score]))[0] if score in _CHANCE else 0.0
            rows.append(
                (
                    *key,
                    score.upper(),
                    *mean_and_interval(group, score),
                    spread(values)[1],
                    len(values),
                    chance,
                )
            )
    columns = (
        Column("entity", "entity"),
        Column("conditions", "condition"),
        Column("method", "method"),
        Column("score", "score"),
        Column("mean", "mean %", "percent"),
        Column("low", "low", "percent"),
        Column("high", "high", "percent"),
        Column("sd", "± between seeds", "percent"),
        Column("seeds", "seeds", "count"),
        Column("chance", "by lot", "percent"),
    )
    return Table("intervals", "Every score with its interval over seeds", columns, tuple(rows))


def _grid(partitions: Sequence[Partition], entity: str, number: int) -> Table:
    """As papers print it: a row a method, ACC and NMI of every condition; last what one cluster and a lottery get."""
    here = _grouped([one for one in partitions if one.entity == entity])
    names = list(dict.fromkeys(conditions for _, conditions, _ in here))
    methods = list(dict.fromkeys(method for _, _, method in here))
    columns = [Column("method", "method")]
    for place, name in enumerate(names):
        columns += [
            Column(f"acc_{place}", f"{name}: ACC", "percent"),
            Column(f"nmi_{place}", f"{name}: NMI", "percent"),
        ]
    rows: list[tuple[Cell, ...]] = []
    for method in methods:
        row: list[Cell] = [method]
        for name in names:
            group = here.get((entity, name, method))
            row += [None, None] if group is None else [mean_and_interval(group, s)[0] for s in ("acc", "nmi")]
        rows.append(tuple(row))
    for title, scores in (("(one cluster)", ("majority", None)), ("(by lot)", ("acc_chance", "nmi_chance"))):
        floor: list[Cell] = [title]
        for name in names:
            group = [one for (_, conditions, _), found in here.items() if conditions == name for one in found]
            floor += [
                0.0 if score is None else spread([getattr(one, score) for one in group])[0]
                for score in scores
            ]
        rows.append(tuple(floor))
    return Table(f"grid-{number}", f"{entity}: ACC and NMI in %", tuple(columns), tuple(rows))


def _dots(partitions: Sequence[Partition], entity: str, number: int) -> Drawing:
    here = _grouped([one for one in partitions if one.entity == entity])
    names = list(dict.fromkeys(conditions for _, conditions, _ in here))
    methods = list(dict.fromkeys(method for _, _, method in here))
    said = " ".join(
        f"{name}, {method}: ACC {100 * mean_and_interval(group, 'acc')[0]:.0f} %, "
        f"NMI {100 * mean_and_interval(group, 'nmi')[0]:.0f} %."
        for (_, name, method), group in here.items()
    )
    return Drawing(
        f"clusters-{number}",
        f"{entity}: ACC and NMI of k-means under each condition",
        "Dots with intervals over seeds, a row a condition and a mark a method, ACC left and NMI right; short strokes are "
        f"what clusters filled by lot get, and dotted ones the ACC of one cluster. {said}",
        partial(_draw_dots, here=here, names=names, methods=methods, entity=entity),
        (8.0, 1.3 + len(names) * (0.35 + 0.13 * len(methods)) + 0.16 * len(methods) / 3),
    )


def _draw_dots(
    figure: Figure,
    here: dict[Key, list[Partition]],
    names: Sequence[str],
    methods: Sequence[str],
    entity: str,
) -> None:
    looks = styles(methods)
    panels = figure.subplots(1, 2, sharey=True)
    step = 0.76 / max(len(methods), 1)
    for axes, score, title in zip(
        panels, ("acc", "nmi"), ("ACC (line: by lot; dotted: one cluster)", "NMI (line: by lot)"), strict=True
    ):
        for row, name in enumerate(names):
            whole = [one for (_, conditions, _), found in here.items() if conditions == name for one in found]
            chance = spread([getattr(one, _CHANCE[score]) for one in whole])[0]
            axes.plot([chance] * 2, [row - 0.42, row + 0.42], color="#7A7A7A", linewidth=1.5)
            if score == "acc":
                one_cluster = spread([one.majority for one in whole])[0]
                axes.plot(
                    [one_cluster] * 2, [row - 0.42, row + 0.42], color="#7A7A7A", linestyle=":", linewidth=1.5
                )
            for place, method in enumerate(methods):
                if (group := here.get((entity, name, method))) is None:
                    continue
                mean, low, high = mean_and_interval(group, score)
                error = [
                    [max(0.0, mean - (mean if low is None else low))],
                    [max(0.0, (mean if high is None else high) - mean)],
                ]
                axes.errorbar(
                    mean,
                    row + step * (place - (len(methods) - 1) / 2),
                    xerr=error,
                    fmt=looks[method]["marker"],
                    color=looks[method]["color"],
                    markersize=5,
                    label=short(method) if row == 0 else None,
                )
        axes.set_xlim(-0.02, 1.02)
        percent_axis(axes, title, axis="x")
    panels[0].set_yticks(range(len(names)), [short(name) for name in names])
    panels[0].set_ylim(len(names) - 0.45, -0.55)
    handles, titles = panels[0].get_legend_handles_labels()
    figure.legend(handles, titles, loc="outside upper left", ncols=min(4, len(methods)), fontsize=8)


def _confusions(found: Clusterings) -> list[Drawing]:
    """Of the first conditions, raw beside the method of the highest ACC."""
    drawings: list[Drawing] = []
    pairs: dict[tuple[str, str], list[Confusion]] = {}
    for one in found.confusions:
        if len(one.values) <= _MOST_VALUES:
            pairs.setdefault((one.entity, one.conditions), []).append(one)
    groups = _grouped(found.partitions)
    for number, ((entity, name), here) in enumerate(list(pairs.items())[:_MOST_CONFUSIONS]):
        best = max(
            here, key=lambda one: mean_and_interval(groups[one.entity, one.conditions, one.method], "acc")[0]
        )
        first = next((one for one in here if one.method == "raw"), here[0])
        shown = [first] if first is best else [first, best]
        width = max(3.2, 0.34 * len(best.values) + 1.6)
        drawings.append(
            Drawing(
                f"confusion-{number}",
                f"{entity}: which values lie in which clusters, by {name}",
                f"A heat map a method: row, a value of {name}; column, the cluster matched with that value; each cell the "
                "share of the value's images. " + " ".join(_said(one) for one in shown),
                partial(_draw_confusions, shown=shown),
                (width * len(shown), 1.2 + max(1.6, 0.3 * len(best.values))),
            )
        )
    return drawings


def _said(one: Confusion) -> str:
    table = in_matched_order(one.table)
    shares = np.diagonal(table) / table.sum(axis=1)[: min(table.shape)]
    return (
        f"{one.method}: "
        + ", ".join(f"{value} {100 * share:.0f} %" for value, share in zip(one.values, shares, strict=False))
        + "."
    )


def _draw_confusions(figure: Figure, shown: Sequence[Confusion]) -> None:
    panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    image = None
    for axes, one in zip(panels, shown, strict=True):
        table = in_matched_order(one.table)
        shares = table / table.sum(axis=1, keepdims=True)
        axes.grid(visible=False)
        image = axes.imshow(shares, vmin=0, vmax=1, cmap=HEAT, aspect="auto")
        if len(one.values) <= 12:
            for row, column in np.ndindex(*shares.shape):
                if table[row, column]:
                    color = "white" if shares[row, column] < 0.55 else "black"
                    axes.text(
                        column,
                        row,
                        f"{100 * shares[row, column]:.0f}",
                        ha="center",
                        va="center",
                        fontsize=7,
                        color=color,
                    )
        axes.set_xticks([])
        axes.set_xlabel("cluster")
        axes.set_yticks(range(len(one.values)), [short(value, 18) for value in one.values])
        title = f"{short(one.method)}, {one.group}" if one.group else short(one.method)
        axes.set_title(title, loc="left", fontsize=9)
    if image is not None:
        bar = figure.colorbar(image, ax=panels, shrink=0.8)
        bar.set_ticks([0, 0.5, 1], labels=["0", "50", "100 %"])
