"""The lines of a reproduction as tables, numbers and a plot of ours against the paper's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..experiments.plots import percent_axis, short, styles
from ..report.findings import Column, Drawing, Findings, Table
from .lines import OWN
from .paper import TITLES, paper_tables
from .reproduce import ALONE, COMPARED, FOREIGN, NOT_RUN, UNEXPLAINED, Line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "reproduce"
_COLUMNS = (
    Column("row", "row"),
    Column("column", "column"),
    Column("value", "ours %", "percent"),
    Column("ci_low", "low %", "percent"),
    Column("ci_high", "high %", "percent"),
    Column("chance", "chance %", "percent"),
    Column("paper", "paper %", "percent"),
    Column("difference", "ours - paper", "percent"),
    Column("inside", "paper in interval"),
    Column("status", "status"),
)
_MORE = (
    Column("table", "table"),
    Column("encoder", "encoder"),
    Column("method", "method"),
    Column("measure", "measure"),
    Column("queries", "queries", "count"),
    Column("why", "why"),
)
_REASONS = (Column("why", "why"), Column("cells", "numbers", "count"))
CAPTION = (
    "The paper's protocol: queries and database 1 : 9, k = {k}, mAP over full rankings (recalls for GeneCIS). A number "
    "stands beside the paper's where benchmark and model are the paper's; the condition texts are ours, as the paper's are "
    "not published. Left open by the paper and chosen here: the split's seed, the part of a benchmark (all pictures unless "
    "a NAME@PART was given), and the patch size of CLIP-B. Intervals are 95 % bootstrap over queries."
)


def findings(lines: Sequence[Line], notes: Sequence[str] = ()) -> Findings:
    """The record's content; notes: warnings to be added."""
    tables = [
        Table(name, title, _COLUMNS, tuple(_row(line) for line in lines if line.table == name and _ran(line)))
        for name, title in (*TITLES.items(), (OWN, "Numbers that the paper does not have"))
        if any(line.table == name and _ran(line) for line in lines)
    ]
    left = Counter(line.why for line in lines if line.status == NOT_RUN)
    if left:
        tables.append(Table("not_run", "What was not run, and why", _REASONS, tuple(left.items())))
    compared = [line for line in lines if line.status == COMPARED]
    return Findings(
        title="The paper's numbers, and ours",
        caption=CAPTION.format(k=paper_tables()["protocol"]["k"]),
        numbers=Table("numbers", "Every number", (*_COLUMNS, *_MORE), tuple(_whole(line) for line in lines)),
        tables=tables,
        drawings=[_against(compared) if compared else _alone([line for line in lines if _ran(line)])],
        warnings=[*_warnings(lines), *notes],
    )


def summary(lines: Sequence[Line]) -> str:
    """How many cells of the paper were met, in a sentence."""
    counts = Counter(line.status for line in lines if line.table != OWN)
    compared = [line for line in lines if line.status == COMPARED]
    if not compared:
        alone = sum(line.status == ALONE for line in lines)
        return (
            f"No number here corresponds to one of the paper's {sum(counts.values())}: {counts[NOT_RUN]} were not run, "
            f"{counts[FOREIGN] + counts[UNEXPLAINED]} are about something else. Our own: {alone}."
        )
    far = max(compared, key=lambda line: abs(line.difference or 0))
    mean = sum(abs(line.difference or 0) for line in compared) / len(compared)
    return (
        f"{len(compared)} of {sum(counts.values())} numbers of the paper stand beside ours: mean distance "
        f"{100 * mean:.1f} points, the largest {100 * (far.difference or 0):+.1f} ({far.row}, {far.column}); "
        f"{sum(line.inside is True for line in compared)} lie within our interval."
    )


def _warnings(lines: Sequence[Line]) -> list[str]:
    found = [summary(lines)]
    if any(line.status == FOREIGN for line in lines):
        found.append(
            "clay-object and clay-human were drawn here after the same design: other pictures than the paper's, so no "
            "difference is given."
        )
    return found


def _ran(line: Line) -> bool:
    return line.value is not None


def _row(line: Line) -> tuple[Any, ...]:
    row = line.row if line.table != OWN else f"{line.method} ({line.row})"
    numbers = (line.value, line.low, line.high, line.chance, line.paper, line.difference, line.inside)
    return (row, _with_measure(line), *numbers, line.status)


def _whole(line: Line) -> tuple[Any, ...]:
    numbers = (line.value, line.low, line.high, line.chance, line.paper, line.difference, line.inside)
    more = (line.table, line.encoder, line.method, line.measure, line.queries, line.why)
    return (line.row, line.column, *numbers, line.status, *more)


def _with_measure(line: Line) -> str:
    several = line.table == OWN and line.measure.startswith("Hit")
    return f"{line.column} {line.measure}" if several else line.column


def _against(lines: Sequence[Line]) -> Drawing:
    differences = [100 * (line.difference or 0) for line in lines]
    alt = (
        f"Our number against the paper's for {len(lines)} cells, with 95 % intervals; the line is where both are equal. "
        f"Differences lie between {min(differences):+.1f} and {max(differences):+.1f} points."
    )
    return Drawing("reproduce", "Ours against the paper's", alt, partial(_scatter, lines=lines), (6.4, 6.0))


def _alone(lines: Sequence[Line]) -> Drawing:
    alt = (
        "Our numbers with 95 % intervals and chance; none corresponds to a number of the paper. "
        + " ".join(
            f"{line.row}, {line.method}, {line.column}: {100 * (line.value or 0):.1f} %."
            for line in lines[:20]
        )
    )
    size = (7.0, 1.5 + 0.24 * max(len(lines), 1))
    return Drawing("reproduce", "No number of the paper corresponds", alt, partial(_dots, lines=lines), size)


def _scatter(figure: Figure, lines: Sequence[Line]) -> None:
    axes = figure.subplots()
    rows = list(dict.fromkeys(line.row for line in lines))
    look: Mapping[str, Mapping[str, Any]] = styles(rows)
    for row in rows:
        mine = [line for line in lines if line.row == row]
        values = [line.value or 0 for line in mine]
        axes.errorbar(
            [line.paper or 0 for line in mine],
            values,
            yerr=[
                [max(v - (line.low or 0), 0) for v, line in zip(values, mine, strict=True)],
                [max((line.high or 0) - v, 0) for v, line in zip(values, mine, strict=True)],
            ],
            fmt=look[row]["marker"],
            color=look[row]["color"],
            markersize=5,
            linewidth=1,
            label=short(row, 40),
        )
    axes.plot([0, 1], [0, 1], color="#7A7A7A", linestyle=":")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    percent_axis(axes, "ours")
    percent_axis(axes, "the paper's", axis="x")
    axes.legend(fontsize=8)


def _dots(figure: Figure, lines: Sequence[Line]) -> None:
    axes = figure.subplots()
    names = [f"{short(line.method, 24)}, {short(_with_measure(line), 40)}" for line in lines]
    for place, line in enumerate(reversed(lines)):
        value = line.value or 0
        spread = [[max(value - (line.low or 0), 0)], [max((line.high or 0) - value, 0)]]
        axes.errorbar(value, place, xerr=spread, fmt="o", color="#0072B2", markersize=4, linewidth=1)
        if line.chance is not None:
            axes.plot([line.chance] * 2, [place - 0.35, place + 0.35], color="#7A7A7A", linestyle=":")
    axes.set_yticks(range(len(lines)), list(reversed(names)), fontsize=7)
    axes.set_xlim(0, 1)
    percent_axis(axes, "mean; dotted: chance", axis="x")
