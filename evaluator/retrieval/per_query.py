"""The scores of every query, as a CSV beside the report."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clay_eval.schemas.files import atomic_file
from clay_eval.schemas.fingerprint import file_sha256

from .results import Outcome

PER_QUERY = "per_query.csv"
COLUMNS = ("entity", "method", "encoder", "conditions", "seed", "group", "query")


def write_per_query(
    path: Path, outcomes: Sequence[Outcome], keys: Mapping[str, Sequence[str]], measures: Sequence[str]
) -> dict[str, Any]:
    """Write a line a query and outcome: COLUMNS, then one column a measure, empty where nothing is relevant.

    keys: entity -> keys of its images, by row. Returns the report's `per_query`: file, sha256, rows, columns.
    """
    rows = 0
    with atomic_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*COLUMNS, *measures])
        for outcome in outcomes:
            lines = list(_lines(outcome, keys[outcome.entity], measures))
            writer.writerows(lines)
            rows += len(lines)
        text.flush()
        text.detach()
    return {"file": path.name, "sha256": file_sha256(path), "rows": rows, "measures": list(measures)}


def _lines(outcome: Outcome, keys: Sequence[str], measures: Sequence[str]) -> Iterator[list[str]]:
    what = [outcome.entity, outcome.method, outcome.encoder, "+".join(outcome.conditions)]
    for group in outcome.groups:
        columns = [group.values[measure].tolist() for measure in measures]
        for row, *values in zip(group.rows.tolist(), *columns, strict=True):
            numbers = ["" if math.isnan(value) else repr(value) for value in values]
            yield [*what, str(group.seed), group.name or "", keys[row], *numbers]
