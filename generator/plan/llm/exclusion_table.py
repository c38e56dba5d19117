"""Exclusions as a table that a person edits and that is read back: a column an attribute, then the reason.

A cell holds a value, several apart by " | ", or nothing: any value. Delete a line and the combination is drawn; add one
and it is not; one with a diversity value, and that value goes to other combinations.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import read_text

REASON = "reason"
_SEPARATOR = " | "


def exclusions_csv(attributes: Sequence[str], exclusions: Sequence[Mapping[str, Any]]) -> str:
    """The table as CSV. Raises InputError for an attribute called "reason", whose column would stand twice."""
    if REASON in attributes:
        raise InputError(f"an attribute called {REASON!r} cannot stand in a table of exclusions")
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow([*attributes, REASON])
    for exclusion in exclusions:
        when = exclusion["when"]
        table.writerow([*(_SEPARATOR.join(when.get(name, ())) for name in attributes), exclusion[REASON]])
    return stream.getvalue()


def exclusions_markdown(attributes: Sequence[str], exclusions: Sequence[Mapping[str, Any]]) -> str:
    """The same for reading."""
    lines = ["| " + " | ".join([*attributes, REASON]) + " |", "|" + "---|" * (len(attributes) + 1)]
    for exclusion in exclusions:
        cells = [", ".join(exclusion["when"].get(name, ())) for name in attributes]
        lines.append(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in [*cells, exclusion[REASON]]) + " |"
        )
    return "\n".join(lines) + "\n"


def read_exclusions(path: Path, attributes: Sequence[str]) -> list[dict[str, Any]]:
    """The exclusions in the table at `path`.

    Raises InputError with the line for an unknown column, a line of the wrong width, no value, or no reason. Values are
    checked with the entity spec that takes the exclusions.
    """
    text = read_text(path)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise InputError("not a CSV table", where=path, found=str(error)) from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    if (
        REASON not in header
        or len(set(header)) < len(header)
        or not set(header) - {REASON} <= set(attributes)
    ):
        raise InputError(
            "the first line is not that of a table of exclusions",
            where=f"{path} line 1",
            expected=f"columns among {[*attributes, REASON]}, {REASON!r} among them",
            found=header,
        )
    exclusions = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        where = f"{path} row {number}"
        if len(row) != len(header):
            raise InputError(
                "a line of the wrong width", where=where, expected=f"{len(header)} cells", found=len(row)
            )
        cells = dict(zip(header, row, strict=True))
        reason = cells.pop(REASON).strip()
        when = {
            name: list(dict.fromkeys(v.strip() for v in cell.split("|") if v.strip()))
            for name, cell in cells.items()
            if cell.strip(" |")
        }
        if not when or not reason:
            lacking = "value" if not when else "reason"
            raise InputError(
                f"an exclusion without a {lacking}", where=where, expected=f"a {lacking} in every line"
            )
        exclusions.append({"when": when, "reason": reason})
    return exclusions
