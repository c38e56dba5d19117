"""Tables, words and heat maps for leaks between attributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, fields
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..report.findings import Cell, Column, Drawing, Findings, Form, Table
from .leak import Leak
from .plots import HEAT, short
from .studies import spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = (
    "Balanced accuracy of a linear probe that reads the attribute of the column from features conditioned on the attribute "
    "of the row, tested on combinations of labels that it did not see; beside it what the row's label alone would tell. A "
    "method that conditions well is high on the diagonal and near 'label only' off it."
)
NOT_A_BOUND = (
    "A probe finds what is linearly there, however little of the similarity it makes up; the retrieval columns say how much "
    "of it similarity shows. A low probe on few images does not prove that nothing is left."
)


def leak_findings(found: Sequence[Leak], notes: Sequence[str]) -> Findings:
    """A summary a method, all pairs, a heat map a method and entity, warnings."""
    entities = list(dict.fromkeys(leak.entity for leak in found))
    drawings = []
    for number, entity in enumerate(entities):
        here = [leak for leak in found if leak.entity == entity]
        methods = list(dict.fromkeys(leak.method for leak in here))
        names = list(dict.fromkeys(leak.space for leak in here))
        columns = min(3, len(methods))
        rows = -(-len(methods) // columns)
        drawings.append(
            Drawing(
                f"leak-{number}",
                f"{entity}: what can be read in whose space",
                "A heat map a method: row, the attribute of the space; column, the attribute that is read; each cell the "
                "balanced accuracy of the probe with what the label alone tells below it. "
                + _said(here, methods),
                partial(
                    _heat_maps, found=here, methods=methods, names=names, entity=entity, grid=(rows, columns)
                ),
                (1.2 + columns * max(2.3, 0.85 * len(names)), 0.9 + rows * max(1.9, 0.75 * len(names))),
            )
        )
    return Findings(
        title="What leaks from one attribute into the space of another",
        caption=CAPTION,
        numbers=_numbers(found),
        tables=[_summary(found), _pairs(found)],
        drawings=drawings,
        warnings=(NOT_A_BOUND, *notes),
    )


def mean_of(found: Sequence[Leak], value: Callable[[Leak], float]) -> tuple[float, float]:
    """Mean over pairs under each seed; then mean and standard deviation over seeds."""
    by_seed: dict[int, list[float]] = {}
    for leak in found:
        by_seed.setdefault(leak.seed, []).append(value(leak))
    return spread([spread(values)[0] for values in by_seed.values()])


def _numbers(found: Sequence[Leak]) -> Table:
    forms: dict[str, Form] = {"seed": "count"}
    columns = tuple(
        Column(
            f.name,
            f.name,
            forms.get(f.name, "text" if f.name in ("entity", "method", "space", "read") else "percent"),
        )
        for f in fields(Leak)
    )
    return Table("numbers", "Every pair under every seed", columns, tuple(astuple(leak) for leak in found))


def _summary(found: Sequence[Leak]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for entity, method in dict.fromkeys((leak.entity, leak.method) for leak in found):
        here = [leak for leak in found if (leak.entity, leak.method) == (entity, method)]
        own = [leak for leak in here if leak.space == leak.read]
        others = [leak for leak in here if leak.space != leak.read]
        probe, deviation = mean_of(others, lambda leak: leak.probe)
        rows.append(
            (
                entity,
                method,
                mean_of(own, lambda leak: leak.probe)[0],
                probe,
                deviation,
                mean_of(others, lambda leak: leak.label_only)[0],
                mean_of(others, lambda leak: leak.chance)[0],
                mean_of(others, lambda leak: leak.probe - max(leak.label_only, leak.chance))[0],
                mean_of(own, lambda leak: leak.average_precision)[0],
                mean_of(others, lambda leak: leak.average_precision)[0],
                mean_of(others, lambda leak: leak.average_precision_chance)[0],
            )
        )
    columns = (
        Column("entity", "entity"),
        Column("method", "method"),
        Column("own", "own attribute read %", "percent"),
        Column("others", "other attributes read %", "percent"),
        Column("others_sd", "±", "percent"),
        Column("label_only", "label only %", "percent"),
        Column("chance", "chance %", "percent"),
        Column("excess", "above both", "percent"),
        Column("own_map", "own mAP %", "percent"),
        Column("others_map", "others' mAP %", "percent"),
        Column("others_map_chance", "its chance %", "percent"),
    )
    return Table("summary", "Own attribute and others, mean over pairs", columns, tuple(rows))


def _pairs(found: Sequence[Leak]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    keys = dict.fromkeys((leak.entity, leak.method, leak.space, leak.read) for leak in found)
    for key in keys:
        here = [leak for leak in found if (leak.entity, leak.method, leak.space, leak.read) == key]
        probe, deviation = mean_of(here, lambda leak: leak.probe)
        rest = [
            mean_of(here, value)[0]
            for value in (
                lambda leak: leak.label_only,
                lambda leak: leak.chance,
                lambda leak: leak.average_precision,
                lambda leak: leak.average_precision_chance,
            )
        ]
        rows.append((*key, probe, deviation, *rest))
    columns = (
        Column("entity", "entity"),
        Column("method", "method"),
        Column("space", "in the space of"),
        Column("read", "read"),
        Column("probe", "probe %", "percent"),
        Column("sd", "±", "percent"),
        Column("label_only", "label only %", "percent"),
        Column("chance", "chance %", "percent"),
        Column("map", "mAP %", "percent"),
        Column("map_chance", "its chance %", "percent"),
    )
    return Table("pairs", "All pairs, mean over seeds", columns, tuple(rows))


def _said(found: Sequence[Leak], methods: Sequence[str]) -> str:
    parts = []
    for method in methods:
        own = [leak for leak in found if leak.method == method and leak.space == leak.read]
        others = [leak for leak in found if leak.method == method and leak.space != leak.read]
        parts.append(
            f"{method}: own {100 * mean_of(own, lambda leak: leak.probe)[0]:.0f} %, "
            f"others {100 * mean_of(others, lambda leak: leak.probe)[0]:.0f} %."
        )
    return " ".join(parts)


def _heat_maps(
    figure: Figure,
    found: Sequence[Leak],
    methods: Sequence[str],
    names: Sequence[str],
    entity: str,
    grid: tuple[int, int],
) -> None:
    panels = figure.subplots(*grid, squeeze=False, sharex=True, sharey=True)
    image = None
    for axes in panels.flat:
        axes.grid(visible=False)
        axes.set_axis_off()
    for axes, method in zip(panels.flat, methods, strict=False):
        axes.set_axis_on()
        here = [leak for leak in found if leak.method == method]
        cells = np.full((len(names), len(names)), np.nan)
        for row, space in enumerate(names):
            for column, read in enumerate(names):
                pair = [leak for leak in here if (leak.space, leak.read) == (space, read)]
                if not pair:
                    continue
                cells[row, column] = mean_of(pair, lambda leak: leak.probe)[0]
                label = mean_of(pair, lambda leak: leak.label_only)[0]
                dark = cells[row, column] < 0.55
                axes.text(
                    column,
                    row,
                    f"{100 * cells[row, column]:.0f}\n({100 * label:.0f})",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if dark else "black",
                )
        image = axes.imshow(cells, vmin=0, vmax=1, cmap=HEAT, aspect="auto")
        axes.set_xticks(range(len(names)), [short(name, 14) for name in names], rotation=30, ha="right")
        axes.set_yticks(range(len(names)), [short(name, 14) for name in names])
        axes.tick_params(labelbottom=True)
        axes.set_title(short(method), loc="left", fontsize=9)
    figure.supylabel("in the space of", fontsize=9)
    figure.supxlabel("what is read", fontsize=9)
    figure.suptitle(
        f"{entity}: balanced accuracy in % (what the label alone tells)", x=0.01, ha="left", fontsize=9
    )
    if image is not None:
        bar = figure.colorbar(image, ax=panels, shrink=0.8)
        bar.set_ticks([0, 0.5, 1], labels=["0", "50", "100 %"])
