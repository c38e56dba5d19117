"""Tables of hard negatives: how much of what is found first is there for another attribute's sake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .roles import method_title
from .tables import build_table, percent

TITLE = "Hard negatives among the first 10"
CAPTION = (
    "Of the first 10 images of a query, the share that does not match it in what was asked, but does in at least one other "
    "attribute, in percent; lower is better. Chance is the share of such images in the database. Where fewer than 10 images "
    "match what was asked, no method is at 0."
)


def hard_tables(report: Mapping[str, Any], entity: str) -> list[dict[str, Any]]:
    """A table of single conditions and one of combinations, as far as the report has such shares; columns, rows of text."""
    found = []
    for title, several in (("One condition at a time", False), ("Several conditions at once", True)):
        table = build_table(report, entity, several=several)
        if table is None:
            continue
        rows = {
            (r["method"], r["encoder"], tuple(r["conditions"])): r
            for r in report["results"]
            if r["entity"] == entity and r["metric"] == table.metric and "hard_negatives" in r
        }
        columns = [c for c in table.columns if any(conditions == c for _, _, conditions in rows)]
        if not columns:
            continue
        encoders = list(dict.fromkeys(encoder for _, encoder, _ in rows))
        lines = [
            [
                method_title(report, method) + (f" ({encoder})" if len(encoders) > 1 else ""),
                *(_cell(rows.get((method, encoder, c)), "hard_negatives") for c in columns),
            ]
            for method in dict.fromkeys(row.method for row in table.rows)
            for encoder in encoders
            if any((method, encoder, c) in rows for c in columns)
        ]
        chance = [
            _cell(
                next(r for (_, _, conditions), r in rows.items() if conditions == c), "hard_negatives_chance"
            )
            for c in columns
        ]
        found.append(
            {
                "title": title,
                "columns": [("method", False), *((" + ".join(c), True) for c in columns)],
                "rows": [*lines, ["chance", *chance]],
            }
        )
    return found


def _cell(row: Mapping[str, Any] | None, name: str) -> str:
    return percent(None if row is None else row.get(name))
