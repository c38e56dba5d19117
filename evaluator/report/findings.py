"""What an experiment finds: numbers, tables for people, drawings, warnings."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | int | float | bool | None
Form = Literal["text", "count", "percent", "number", "seconds"]


@dataclass(frozen=True)
class Column:
    """name: in CSV and JSON; title: for people; form: how a cell is shown; the number itself is kept whole."""

    name: str
    title: str
    form: Form = "text"

    def show(self, cell: Cell) -> str:
        """The cell for people: shares in percent, times in s, ms or µs, a dash where there is nothing."""
        if cell is None:
            return "–"
        if isinstance(cell, bool) or self.form in ("text", "count") or not isinstance(cell, int | float):
            return {True: "yes", False: "no"}[cell] if isinstance(cell, bool) else str(cell)
        if self.form == "percent":
            return f"{100 * cell:.1f}"
        return shown_time(cell) if self.form == "seconds" else f"{cell:.3f}"


@dataclass(frozen=True)
class Table:
    """Rows of as many cells as there are columns; ValueError otherwise. Cells that are not finite become None."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"rows of {self.name} do not have {len(self.columns)} cells")
        rows = tuple(tuple(_plain(cell) for cell in row) for row in self.rows)
        object.__setattr__(self, "rows", rows)

    def csv(self) -> str:
        """As CSV with the columns' names; numbers whole, nothing where a cell is None."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows([["" if cell is None else _repr(cell) for cell in row] for row in self.rows])
        return stream.getvalue()

    def markdown(self) -> str:
        """As a Markdown table with the columns' titles; numbers are set right."""
        lines = [
            "| " + " | ".join(_escape(column.title) for column in self.columns) + " |",
            "|" + "|".join("---" if column.form == "text" else "---:" for column in self.columns) + "|",
        ]
        for row in self.rows:
            cells = [_escape(column.show(cell)) for column, cell in zip(self.columns, row, strict=True)]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def lines(self) -> list[str]:
        """For a terminal: the columns' titles, then a line a row, set in columns."""
        cells = [[column.title for column in self.columns]]
        cells += [[c.show(cell) for c, cell in zip(self.columns, row, strict=True)] for row in self.rows]
        widths = [max(len(row[place]) for row in cells) for place in range(len(self.columns))]
        sides = ["<" if column.form == "text" else ">" for column in self.columns]
        return [
            "  ".join(
                f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
            ).rstrip()
            for row in cells
        ]


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure that is drawn when it is written. alt: what it shows, for those who do not see it; size in inches."""

    name: str
    title: str
    alt: str
    draw: Callable[[Figure], None]
    size: tuple[float, float] = (7.0, 4.5)


@dataclass(frozen=True, eq=False)
class Findings:
    """numbers: every number, a row each; tables: what to read first; the first drawing stands for the experiment."""

    title: str
    caption: str
    numbers: Table
    tables: Sequence[Table]
    drawings: Sequence[Drawing]
    warnings: Sequence[str] = field(default_factory=tuple)


def shown_time(seconds: float) -> str:
    """A duration with its unit: 1.23 s, 4.56 ms, 7.89 µs."""
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _plain(cell: Any) -> Cell:
    """Python's own type, None for NaN and infinities."""
    plain: Cell = cell.item() if hasattr(cell, "item") else cell
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _repr(cell: Cell) -> str:
    return (
        repr(cell) if isinstance(cell, float) else str(cell).lower() if isinstance(cell, bool) else str(cell)
    )


def _escape(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())
