"""The scores of every query as CSV or parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.files import atomic_file

if TYPE_CHECKING:
    from ..trec.scores import RunScores

NAMES = ("entity", "method", "encoder", "conditions", "group", "query")
NUMBERS = ("seed",)


def write_csv(report: Mapping[str, Any], folder: Path, path: Path) -> int:
    """Copy the per-query file of the report in `folder` to `path`, and return its number of rows."""
    with (folder / report["per_query"]["file"]).open("rb") as source, atomic_file(path) as target:
        while block := source.read(1 << 20):
            target.write(block)
    return int(report["per_query"]["rows"])


def write_parquet(report: Mapping[str, Any], folder: Path, path: Path) -> int:
    """Write the per-query scores of the report in `folder` as parquet, and return the number of rows.

    Columns are those of the CSV: names as dictionaries of strings (group: null for the whole data), seed as int64, measures
    as float64, null where nothing is relevant. The file's metadata hold the report's fingerprint as clay_eval.report.

    Raises InputError where a cell is no number.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    source = folder / report["per_query"]["file"]
    with source.open("rb") as stream:
        header = next(csv.reader([stream.readline().decode()]))
    name, number = pa.dictionary(pa.int32(), pa.string()), pa.int64()
    types = {
        column: name if column in NAMES else number if column in NUMBERS else pa.float64()
        for column in header
    }
    try:
        table = arrow_csv.read_csv(
            source,
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types, null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        raise InputError("cannot read the per-query results", where=source, found=str(error)) from error
    metadata = {
        "clay_eval.report": report["fingerprint"],
        "clay_eval.schema": report["schema"],
        "clay_eval.per_query_sha256": report["per_query"]["sha256"],
    }
    with atomic_file(path) as target:
        parquet.write_table(table.replace_schema_metadata(metadata), target, compression="zstd")
    return int(table.num_rows)


def runs_csv(scored: Mapping[str, RunScores]) -> str:
    """Return the scores of run files, name -> scores, as CSV: run, query, then a column a measure."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["run", "query", *next(iter(scored.values())).values])
    for name, scores in scored.items():
        columns = [values.tolist() for values in scores.values.values()]
        for query, *values in zip(scores.queries, *columns, strict=True):
            writer.writerow([name, query, *map(repr, values)])
    return stream.getvalue()
