"""Tables and words for an ablation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, fields

from ..report.findings import Cell, Column, Findings, Form, Table
from ..retrieval.study import Study
from ..vectors.text_directions import direction_share
from ..vectors.text_quality import text_quality
from .ablation import AXES, AblationSettings, Point, Sweep, composed
from .ablation_plots import drawings
from .compositions import COMPOSITIONS, GIVEN
from .studies import spread

HINDSIGHT = (
    "k, like every other choice here, was tried on the very conditions and pictures that are scored. The best of a curve is "
    "hindsight: fix a choice on other conditions, or other data, before you report it."
)
CAPTION = (
    "Each axis changes one choice and leaves the others at their default. Values are means over the single conditions of "
    "the mean over queries, with the standard deviation between splits (and draws of texts)."
)
_NOTABLE = 0.0005
_MOSTLY = 0.6
_TITLES = {
    "k": "Size of the subspace",
    "alignment": "Alignment of images with texts",
    "log-map": "Log map of the texts",
    "mean": "Mean on the sphere",
    "texts": "Number of texts",
    "composition": "What the texts say",
    "database": "Images that give the database's mean",
}


def ablation_findings(studies: Sequence[Study], settings: AblationSettings, found: Sweep) -> Findings:
    """All points, a table an axis, plots, warnings."""
    tables = [_table(axis, found.points, settings.measure) for axis in AXES if axis in settings.axes]
    wordy: list[str] = []
    if "composition" in settings.axes:
        tables.insert(0, _study_table(found.points, settings))
    if "composition" in settings.axes and any(study.has_texts for study in studies):
        tables.append(_quality(studies, found.points))
        wordy = _wordy(tables[-1])
    return Findings(
        title="What CLAY's choices do",
        caption=CAPTION,
        numbers=_numbers(found.points),
        tables=tables,
        drawings=drawings(found.points, settings.axes, settings.measure),
        warnings=(HINDSIGHT, *wordy, *_losses(found.points), *found.notes),
    )


def _numbers(points: Sequence[Point]) -> Table:
    forms: dict[str, Form] = {
        "value": "percent",
        "chance": "percent",
        "x": "number",
        "draw": "count",
        "seed": "count",
        "k": "count",
    }
    columns = tuple(Column(f.name, f.name, forms.get(f.name, "text")) for f in fields(Point))
    return Table("numbers", "Every score", columns, tuple(astuple(point) for point in points))


def over_conditions(points: Sequence[Point], value: Callable[[Point], float]) -> tuple[float, float]:
    """Mean over conditions under each split and draw; then mean and standard deviation of these."""
    runs: dict[tuple[int, int], list[float]] = {}
    for point in points:
        runs.setdefault((point.draw, point.seed), []).append(value(point))
    return spread([spread(values)[0] for values in runs.values()])


def _study_table(points: Sequence[Point], settings: AblationSettings) -> Table:
    """The study: a row a method, a column a composition, over all entities."""
    chosen = [point for point in points if point.axis == "composition"]
    methods = list(dict.fromkeys(point.method for point in chosen))
    columns = [Column("method", "method")]
    for name, words in COMPOSITIONS.items():
        columns += [Column(name, f"{name}: {words}", "percent"), Column(f"{name}_sd", "±", "percent")]
    rows: list[tuple[Cell, ...]] = []
    for method in methods:
        row: list[Cell] = [method]
        for name in COMPOSITIONS:
            row += over_conditions(
                [p for p in chosen if (p.method, p.texts) == (method, name)], lambda p: p.value
            )
        rows.append(tuple(row))
    chance: list[Cell] = ["(chance)"]
    for name in COMPOSITIONS:
        chance += [over_conditions([p for p in chosen if p.texts == name], lambda p: p.chance)[0], None]
    title = f"{settings.measure} in %, mean over all conditions, by what the texts say"
    return Table("study", title, tuple(columns), (*rows, tuple(chance)))


def _table(axis: str, points: Sequence[Point], measure: str) -> Table:
    chosen = [point for point in points if point.axis == axis]
    groups: dict[tuple[str, str, str, str], list[Point]] = {}
    for point in chosen:
        groups.setdefault((point.entity, point.texts, point.method, point.setting), []).append(point)
    rows = [
        (
            *key,
            *over_conditions(group, lambda p: p.value),
            over_conditions(group, lambda p: p.chance)[0],
            _k(group),
        )
        for key, group in groups.items()
    ]
    columns = (
        Column("entity", "entity"),
        Column("texts", "texts"),
        Column("method", "method"),
        Column("setting", {"k": "k", "texts": "texts", "database": "images"}.get(axis, "setting")),
        Column("value", f"{measure} %", "percent"),
        Column("sd", "±", "percent"),
        Column("chance", "chance", "percent"),
        Column("k", "k in use", "text"),
    )
    return Table(axis, _TITLES[axis], columns, tuple(rows))


def _k(points: Sequence[Point]) -> str | None:
    used = sorted({point.k for point in points if point.k is not None})
    return None if not used else str(used[0]) if len(used) == 1 else f"{used[0]} to {used[-1]}"


def _quality(studies: Sequence[Study], points: Sequence[Point]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for study in studies:
        scored = {
            point.texts for point in points if (point.axis, point.entity) == ("composition", study.entity)
        }
        for name in (name for name in COMPOSITIONS if name in scored):
            texts = composed(study, name, 0)
            for condition, encoded in texts.texts.items():
                named = list(encoded.values or ())
                quality = text_quality(encoded.features, named)
                rows.append(
                    (
                        study.entity,
                        name,
                        condition,
                        len(encoded.features),
                        quality.rank,
                        quality.between_share,
                        direction_share(encoded.features, named),
                        texts.items[condition][-1].text,
                    )
                )
    columns = (
        Column("entity", "entity"),
        Column("texts", "texts"),
        Column("condition", "condition"),
        Column("count", "texts", "count"),
        Column("rank", "rank", "count"),
        Column("between_share", "variance between values %", "percent"),
        Column("direction_share", "CLAY's directions about values %", "percent"),
        Column("example", "for example"),
    )
    return Table("text-quality", "How much of the texts is about the values", columns, tuple(rows))


def _wordy(quality: Table) -> list[str]:
    """Given texts whose directions are more about wording than about values."""
    places = [
        [c.name for c in quality.columns].index(n)
        for n in ("entity", "texts", "condition", "direction_share")
    ]
    rows = [[row[place] for place in places] for row in quality.rows]
    return [
        f"{entity}: {100 * share:.0f} % of the directions of the texts of {condition} are about its values, the rest about "
        "wording; CLAY counts them all alike"
        for entity, texts, condition, share in rows
        if texts == GIVEN and isinstance(share, float) and share < _MOSTLY
    ]


def _losses(points: Sequence[Point]) -> list[str]:
    """Where CLAY, or one of our variants, does not beat raw or CLAY, in words."""
    said = []
    keys = dict.fromkeys((p.entity, p.texts) for p in points if p.axis == "composition")
    for entity, texts in keys:
        means = {
            method: over_conditions(
                [
                    p
                    for p in points
                    if (p.axis, p.entity, p.texts, p.method) == ("composition", entity, texts, method)
                ],
                lambda p: p.value,
            )[0]
            for method in dict.fromkeys(p.method for p in points if p.axis == "composition")
        }
        base = means.get("clay")
        if base is None:
            continue
        if (raw := means.get("raw")) is not None and base <= raw:
            said.append(
                f"{entity}, texts {texts}: clay ({100 * base:.1f}) does not beat raw ({100 * raw:.1f})"
            )
        ours = [name for name in means if name.startswith(("clay-", "text-discriminant"))]
        if behind := [f"{name} ({100 * means[name]:.1f})" for name in ours if means[name] < base - _NOTABLE]:
            said.append(f"{entity}, texts {texts}: behind clay ({100 * base:.1f}) are {', '.join(behind)}")
    return said
