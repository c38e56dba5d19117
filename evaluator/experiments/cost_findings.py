"""Tables, words and the plot of costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from functools import partial
from typing import TYPE_CHECKING, Any

from ..report.findings import Cell, Column, Drawing, Findings, Form, Table, shown_time
from .cost import RE_ENCODING, Cost
from .plots import short, styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SECONDS = ("total", "quartile_low", "quartile_high", "encoding", "fit", "transform", "similarity")
_TITLES = {"quartile_low": "lower quartile", "quartile_high": "upper quartile"}


def cost_findings(found: Sequence[Cost], machine: Mapping[str, Any], notes: Sequence[str]) -> Findings:
    """All times, the cost of one more condition, a log-log plot, warnings."""
    entity = found[0].entity
    images = found[0].images
    hollow = [cost for cost in found if not cost.measured]
    warnings = [
        "Times are of this machine and what else ran on it: compare within a column, not between machines.",
        f"{RE_ENCODING} runs this encoder once a condition, and nothing else. Methods that really re-encode run larger "
        "models, so it is a lower bound for them.",
    ]
    if hollow:
        counts = ", ".join(map(str, sorted({cost.conditions for cost in hollow})))
        warnings.append(
            f"encoding again for {counts} conditions is computed in proportion to the most that was measured"
        )
    where = f"{machine.get('processor')}, {machine.get('cores')} cores, {machine.get('threads')} threads"
    if machine.get("gpu"):
        where += f", {machine['gpu']}"
    return Findings(
        title="What one more condition costs",
        caption=f"Seconds for all similarities among {images} images of {entity} under C conditions, on {where}: images are "
        "encoded once for feature methods, and for every condition otherwise. Median and quartiles of repeated runs.",
        numbers=_numbers(found, "numbers", "Every time"),
        tables=[_marginal(found), _numbers(found, "times", "All times")],
        drawings=[
            Drawing(
                "cost",
                f"Time against the number of conditions, {images} images",
                "Log-log lines of seconds over the number of conditions. " + _said(found),
                partial(_draw, found=found),
                (7.0, 4.6),
            )
        ],
        warnings=(*warnings, *notes),
    )


def _numbers(found: Sequence[Cost], name: str, title: str) -> Table:
    forms: dict[str, Form] = {**dict.fromkeys(_SECONDS, "seconds"), "conditions": "count", "images": "count"}
    columns = tuple(
        Column(f.name, _TITLES.get(f.name, f.name), forms.get(f.name, "text")) for f in fields(Cost)
    )
    return Table(name, title, columns, tuple(astuple(cost) for cost in found))


def _marginal(found: Sequence[Cost]) -> Table:
    """The slope between the fewest and the most conditions, and what one of the most costs on average."""
    rows: list[tuple[Cell, ...]] = []
    for method in dict.fromkeys(cost.method for cost in found):
        own = sorted((cost for cost in found if cost.method == method), key=lambda cost: cost.conditions)
        first, last = own[0], own[-1]
        more = last.conditions - first.conditions
        rows.append(
            (
                method,
                first.encoding / first.conditions if _encodes_anew(own) else first.encoding,
                (last.total - first.total) / more if more else None,
                last.fit / last.conditions,
                last.transform / last.conditions,
                last.similarity / last.conditions,
                last.conditions,
                last.total,
            )
        )
    columns = (
        Column("method", "method"),
        Column("encoding", "encoding the images", "seconds"),
        Column("marginal", "one more condition", "seconds"),
        Column("fit", "of it: fit", "seconds"),
        Column("transform", "transform", "seconds"),
        Column("similarity", "similarity", "seconds"),
        Column("conditions", "conditions", "count"),
        Column("total", "all of them", "seconds"),
    )
    return Table("marginal", "One more condition", columns, tuple(rows))


def _encodes_anew(own: Sequence[Cost]) -> bool:
    """Whether all the time of a method is encoding."""
    return all(cost.encoding == cost.total for cost in own)


def _said(found: Sequence[Cost]) -> str:
    most = max(cost.conditions for cost in found)
    return " ".join(f"{c.method}: {shown_time(c.total)} for {most}." for c in found if c.conditions == most)


def _draw(figure: Figure, found: Sequence[Cost]) -> None:
    axes = figure.subplots()
    methods = list(dict.fromkeys(cost.method for cost in found))
    looks = styles([m for m in methods if m != RE_ENCODING])
    looks[RE_ENCODING] = {"color": "black", "marker": "X", "linestyle": "--"}
    for method in methods:
        own = sorted((cost for cost in found if cost.method == method), key=lambda cost: cost.conditions)
        xs = [cost.conditions for cost in own]
        look = looks[method]
        axes.plot(xs, [c.total for c in own], label=short(method, 40), markersize=5, linewidth=1.4, **look)
        axes.fill_between(
            xs,
            [c.quartile_low for c in own],
            [c.quartile_high for c in own],
            color=look["color"],
            alpha=0.15,
            linewidth=0,
        )
        hollow = [cost for cost in own if not cost.measured]
        axes.plot(
            [c.conditions for c in hollow],
            [c.total for c in hollow],
            linestyle="none",
            marker="o",
            color="white",
            markeredgecolor=look["color"],
            markersize=8,
            label="computed from fewer" if hollow else None,
        )
    counts = sorted({cost.conditions for cost in found})
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel("conditions")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.set_ylabel(f"seconds for {found[0].images} images")
    figure.legend(loc="outside upper left", ncols=3, fontsize=8)
