"""Results as grids of cells, methods by conditions, with what is best, second and significant, before any markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from clay_eval.schemas.errors import InputError

from ..report.protocol import protocol
from ..report.roles import PRIVILEGED, RIVAL, ROLES, method_title, role
from ..scoring.measures import measure_title

ABSENT = "–"
MOST_COLUMNS = 8

Rank = Literal["", "best", "second"]
Sign = Literal["", "better", "worse"]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """A value in percent as text, its interval or "", its place in the column, and how it stands to the reference."""

    text: str
    interval: str = ""
    rank: Rank = ""
    sign: Sign = ""


@dataclass(frozen=True)
class Line:
    """One method; its role is as in `report.roles`: only rivals can be best and second."""

    title: str
    cells: tuple[Cell, ...]
    role: str = RIVAL


@dataclass(frozen=True)
class Grid:
    """A table: `name` for labels; `columns` and `caption` as plain text, no word of markup; `chance` a text a column."""

    name: str
    caption: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    chance: tuple[str, ...]


def build_grids(report: Record, *, measure: str | None = None, reference: str | None = None) -> list[Grid]:
    """Return the tables of every entity, single conditions and combinations apart, at most MOST_COLUMNS conditions each.

    measure: a column of the report, by default its first; reference: whose comparisons are marked, by default the report's.
    The last table of an entity's conditions ends with their mean.

    Raises InputError for a measure or a reference that the report does not have.
    """
    measures = list(dict.fromkeys(row["metric"] for row in report["results"]))
    measure = _one_of("measure", measure, measures)
    references = list(dict.fromkeys(row["reference"] for row in report.get("comparisons", ())))
    if references or reference is not None:
        reference = _one_of("reference", reference, references)
    grids = []
    for entity in report["entities"]:
        for kind, several in (("single", False), ("combinations", True)):
            rows = [
                row
                for row in report["results"]
                if (row["entity"], row["metric"]) == (entity, measure)
                and (len(row["conditions"]) > 1) == several
            ]
            if rows:
                signs = _signs(report, entity, measure, reference)
                caption = _caption(report, entity, measure, reference if signs else None)
                grids += _grids(report, f"{entity}-{kind}", caption, rows, signs)
    return grids


def _one_of(what: str, asked: str | None, known: Sequence[str]) -> str:
    if asked is None and known:
        return known[0]
    if asked not in known or asked is None:
        raise InputError(
            f"the report has no such {what}",
            where=f"--{what}",
            expected=f"one of {', '.join(known)}" if known else f"no --{what}: the report has none",
            found=repr(asked),
        )
    return asked


def _grids(
    report: Record,
    name: str,
    caption: str,
    rows: Sequence[Record],
    signs: Mapping[tuple[str, tuple[str, ...]], Sign],
) -> list[Grid]:
    conditions = list(dict.fromkeys(tuple(row["conditions"]) for row in rows))
    found = {(row["method"], row["encoder"], tuple(row["conditions"])): row for row in rows}
    order = {method: place for place, method in enumerate(report["settings"]["methods"])}
    series = sorted(
        dict.fromkeys((row["method"], row["encoder"]) for row in rows),
        key=lambda pair: (list(ROLES).index(role(report, pair[0])), order.get(pair[0], len(order))),
    )
    chance = {tuple(row["conditions"]): row["chance"] for row in reversed(rows)}
    columns: list[str] = [" + ".join(names) for names in conditions]
    values = [[_value(found.get((*pair, names))) for names in conditions] for pair in series]
    floor = [chance[names] for names in conditions]
    cells = [
        [_cell(found.get((*pair, names)), signs.get((pair[0], names), "")) for names in conditions]
        for pair in series
    ]
    means = [_mean(line) for line in values]
    if len(conditions) > 1 and any(mean is not None for mean in means):
        columns.append("mean")
        floor.append(_mean(floor))
        for line, mean in zip(cells, means, strict=True):
            line.append(Cell(_percent(mean)))
    several = len({encoder for _, encoder in series}) > 1
    roles = [role(report, method) for method, _ in series]
    rivals = [line for line, what in zip(cells, roles, strict=True) if what == RIVAL]
    for column in range(len(columns)):
        ranks = _ranks([line[column].text for line in rivals])
        for line in rivals:
            line[column] = replace(line[column], rank=ranks.get(line[column].text, ""))
    parts = [range(s, min(s + MOST_COLUMNS, len(columns))) for s in range(0, len(columns), MOST_COLUMNS)]
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [range(parts[-2].start, len(columns))]
    return [
        Grid(
            name if len(parts) == 1 else f"{name}-{number}",
            caption if len(parts) == 1 else f"{caption} Part {number} of {len(parts)}.",
            tuple(columns[i] for i in part),
            tuple(
                Line(
                    method_title(report, method) + (f" ({encoder})" if several else ""),
                    tuple(line[i] for i in part),
                    what,
                )
                for (method, encoder), line, what in zip(series, cells, roles, strict=True)
            ),
            tuple(_percent(floor[i]) for i in part),
        )
        for number, part in enumerate(parts, 1)
    ]


def _ranks(texts: Sequence[str]) -> dict[str, Rank]:
    """The texts of the best and the second best numbers: methods that print alike rank alike."""
    numbers = sorted({text for text in texts if text != ABSENT}, key=float, reverse=True)
    if len(numbers) < 2:
        return {}
    return {numbers[0]: "best", numbers[1]: "second"}


def _signs(
    report: Record, entity: str, measure: str, reference: str | None
) -> dict[tuple[str, tuple[str, ...]], Sign]:
    return {
        (row["method"], tuple(row["conditions"])): "better" if row["difference"] > 0 else "worse"
        for row in report.get("comparisons", ())
        if (row["entity"], row["metric"], row["reference"]) == (entity, measure, reference)
        and row["significant"]
    }


def _caption(report: Record, entity: str, measure: str, reference: str | None) -> str:
    """What was done, in sentences."""
    about, said = report["entities"][entity], dict(protocol(report))
    encoder = report["inputs"]["encoder"]["name"]
    parts = [
        f"{about['title']}: {measure_title(measure)} in %, encoder {encoder}, {about['images']} images.",
        *(said[what] for what in ("Split", "Ties") if what in said),
    ]
    if any(role(report, method) == PRIVILEGED for method in report["methods"]):
        parts.append("* is told labels or the values' names, and is no rival.")
    if reference is not None:
        alpha = report["settings"]["alpha"]
        whole = " of combinations of labels" if report["settings"]["resample"] == "combinations" else ""
        parts.append(
            f"† significantly better and ‡ worse than {method_title(report, reference)}: "
            f"paired randomisation{whole}, Holm's correction, p < {alpha}."
        )
    return " ".join(parts)


def _cell(row: Record | None, sign: Sign) -> Cell:
    if row is None or row["value"] is None:
        return Cell(ABSENT)
    ends = (row["ci_low"], row["ci_high"])
    interval = "" if None in ends else f"{_percent(ends[0])}–{_percent(ends[1])}"
    return Cell(_percent(row["value"]), interval, "", sign)


def _value(row: Record | None) -> float | None:
    return None if row is None else row["value"]


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if len(present) == len(values) else None


def _percent(value: float | None) -> str:
    return ABSENT if value is None else f"{100 * value:.1f}"
