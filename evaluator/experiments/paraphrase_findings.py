"""Tables, words and plots for scores over resampled texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..report.findings import Cell, Column, Drawing, Findings, Form, Table
from ..scoring.measures import measure_title
from .paraphrase import ALL_TEXTS, EACH, SHARE, Draw, ParaphraseSettings
from .plots import percent_axis, short
from .studies import spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONFIDENCE = 0.95
_WORDS = {EACH: "so many of each value", SHARE: "a share of all"}
_COLORS = {EACH: "#0072B2", SHARE: "#D55E00"}
Key = tuple[str, str, str, str]


def caption(measure: str) -> str:
    """What the experiment did, in words."""
    return (
        f"{measure_title(measure)} with some of a condition's texts, drawn anew on the same splits: so many texts of each "
        "value, or a share of all. Spread: the standard deviation between draws, with a 95 % interval (chi-square, which "
        "takes draws as normal); low and high: the middle 95 % of the draws. Beside them the score with all texts. Only "
        "given texts are drawn: another author's may differ more."
    )


@dataclass(frozen=True)
class Spread:
    """Scores of a method on a condition over the draws of one way: `values` (draws,), each a mean over splits.

    draw: what a draw keeps, in words; all_texts: the score with all texts.
    """

    key: Key
    draw: str
    values: tuple[float, ...]
    all_texts: float
    chance: float

    @property
    def sd(self) -> float:
        """The standard deviation (n - 1) between draws."""
        return spread(self.values)[1]

    @property
    def middle(self) -> tuple[float, float]:
        """The ends of the middle 95 % of the draws."""
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(self.values, [tail, 1 - tail])
        return float(low), float(high)

    @property
    def sd_interval(self) -> tuple[float, float]:
        """The interval of `sd`: (n - 1) sd^2 over the quantiles of chi-square of n - 1 degrees of freedom."""
        from scipy.stats import chi2

        free = len(self.values) - 1
        tails = chi2.ppf([(1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2], free)
        low, high = self.sd * np.sqrt(free / tails)
        return float(low), float(high)


def paraphrase_findings(
    found: Sequence[Draw], notes: Sequence[str], settings: ParaphraseSettings
) -> Findings:
    """A row a method, condition and way of drawing; a strip of all draws a condition; warnings."""
    measure, spreads = settings.measure, spreads_of(found, settings)
    rows = tuple(_row(one) for one in spreads)
    columns = (
        Column("entity", "entity"),
        Column("condition", "condition"),
        Column("method", "method"),
        Column("way", "texts a draw"),
        Column("mean", "mean %", "percent"),
        Column("sd", "spread", "percent"),
        Column("sd_low", "from", "percent"),
        Column("sd_high", "to", "percent"),
        Column("low", "low", "percent"),
        Column("high", "high", "percent"),
        Column("lowest", "lowest", "percent"),
        Column("highest", "highest", "percent"),
        Column("all_texts", "all texts", "percent"),
        Column("chance", "chance", "percent"),
        Column("draws", "draws", "count"),
    )
    title = f"{measure_title(measure)} over resampled texts"
    return Findings(
        title="What other texts would give",
        caption=caption(measure),
        numbers=_numbers(found),
        tables=[Table("spread", title, columns, rows)],
        drawings=_strips(spreads, measure),
        warnings=notes,
    )


def spreads_of(found: Sequence[Draw], settings: ParaphraseSettings) -> list[Spread]:
    """The draws of each method, condition and way together, seeds averaged; scores that are NaN are left out."""
    whole: dict[tuple[str, str, str], list[float]] = {}
    groups: dict[Key, dict[int, list[Draw]]] = {}
    for one in found:
        if one.way == ALL_TEXTS:
            whole.setdefault((one.entity, one.condition, one.method), []).append(one.value)
        else:
            key = (one.entity, one.condition, one.method, one.way)
            groups.setdefault(key, {}).setdefault(one.draw, []).append(one)
    order = list(whole)
    spreads = []
    for key in sorted(groups, key=lambda key: (order.index(key[:3]), key[3])):
        scores = [spread([one.value for one in ones])[0] for ones in groups[key].values()]
        values = tuple(score for score in scores if not np.isnan(score))
        if len(values) > 1:
            first = next(iter(groups[key].values()))
            chance = spread([one.chance for one in first])[0]
            spreads.append(Spread(key, _words(first[0], settings), values, spread(whole[key[:3]])[0], chance))
    return spreads


def _row(one: Spread) -> tuple[Cell, ...]:
    entity, condition, method, _ = one.key
    return (
        entity,
        condition,
        method,
        one.draw,
        float(np.mean(one.values)),
        one.sd,
        *one.sd_interval,
        *one.middle,
        min(one.values),
        max(one.values),
        one.all_texts,
        one.chance,
        len(one.values),
    )


def _words(one: Draw, settings: ParaphraseSettings) -> str:
    """What a draw keeps."""
    kept = f"{one.kept} of {one.texts}"
    return f"{settings.per_value} a value: {kept}" if one.way == EACH else kept


def _numbers(found: Sequence[Draw]) -> Table:
    forms: dict[str, Form] = dict.fromkeys(("kept", "texts", "draw", "seed"), "count")
    forms |= {"value": "percent", "chance": "percent"}
    columns = tuple(Column(f.name, f.name, forms.get(f.name, "text")) for f in fields(Draw))
    return Table("numbers", "Every score", columns, tuple(astuple(one) for one in found))


def _strips(spreads: Sequence[Spread], measure: str) -> list[Drawing]:
    groups: dict[tuple[str, str], list[Spread]] = {}
    for one in spreads:
        groups.setdefault((one.key[0], one.key[1]), []).append(one)
    return [
        Drawing(
            f"texts-{number}",
            f"{entity}: {condition}, {measure_title(measure)} over draws of texts",
            "A row a method and way of drawing texts, a dot a draw, a stroke for all texts. "
            + " ".join(
                f"{one.key[2]}, {one.draw}: {100 * min(one.values):.0f} to {100 * max(one.values):.0f} %, "
                f"all texts {100 * one.all_texts:.0f} %."
                for one in own
            ),
            partial(_draw_strip, own=own, measure=measure),
            (7.0, 1.3 + 0.3 * len(own)),
        )
        for number, ((entity, condition), own) in enumerate(groups.items())
    ]


def _draw_strip(figure: Figure, own: Sequence[Spread], measure: str) -> None:
    axes = figure.subplots()
    seen: set[str] = set()
    for row, one in enumerate(own):
        way = one.key[3]
        axes.plot(
            one.values,
            np.full(len(one.values), row),
            "o",
            color=_COLORS[way],
            alpha=0.45,
            markersize=4,
            label=None if way in seen else _WORDS[way],
        )
        label = None if seen else "all texts"
        axes.plot([one.all_texts] * 2, [row - 0.35, row + 0.35], color="black", linewidth=1.6, label=label)
        seen.add(way)
    axes.axvline(own[0].chance, color="#7A7A7A", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(own)), [f"{short(one.key[2], 22)}, {one.draw}" for one in own])
    axes.set_ylim(len(own) - 0.5, -0.5)
    percent_axis(axes, f"{measure_title(measure)}; dotted: chance", axis="x")
    figure.legend(loc="outside upper left", ncols=3, fontsize=8)
