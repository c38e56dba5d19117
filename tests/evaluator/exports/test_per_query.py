"""Scores of single queries as CSV and parquet."""

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clay_eval.evaluator.exports.per_query import write_csv, write_parquet
from clay_eval.schemas.errors import InputError

HEADER = ["entity", "method", "encoder", "conditions", "seed", "group", "query", "AP", "P@10"]
ROWS = [
    ["things", "raw", "embedded", "color", "0", "", "NA", "0.1", "0.30000000000000004"],
    ["things", "clay(fusion=sum, k=3)", "embedded", "color+shape", "1", "kind=a, b", 'say "x"', "", "1.0"],
    ["things", "raw", "embedded", "color", "0", "null", "two\nlines", "5e-324", "0.0"],
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with (tmp_path / "per_query.csv").open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([HEADER, *ROWS])
    return tmp_path


RECORD: dict[str, Any] = {
    "schema": "clay-eval/report/2",
    "fingerprint": "ab" * 32,
    "per_query": {"file": "per_query.csv", "sha256": "cd" * 32, "rows": 3},
}


def test_parquet_holds_every_number_with_its_type(folder: Path) -> None:
    assert write_parquet(RECORD, folder, folder / "out" / "p.parquet") == 3
    table = pq.read_table(folder / "out" / "p.parquet")
    assert table.column_names == HEADER
    assert table.schema.field("seed").type == pa.int64()
    assert {table.schema.field(name).type for name in ("AP", "P@10")} == {pa.float64()}
    assert all(pa.types.is_dictionary(table.schema.field(i).type) for i in (0, 1, 2, 3, 5, 6))
    assert [list(row.values()) for row in table.to_pylist()] == [
        ["things", "raw", "embedded", "color", 0, None, "NA", 0.1, 0.30000000000000004],
        ["things", "clay(fusion=sum, k=3)", "embedded", "color+shape", 1, "kind=a, b", 'say "x"', None, 1.0],
        ["things", "raw", "embedded", "color", 0, "null", "two\nlines", 5e-324, 0.0],
    ]
    assert table.schema.metadata[b"clay_eval.report"] == b"ab" * 32
    assert table.schema.metadata[b"clay_eval.per_query_sha256"] == b"cd" * 32


def test_csv_is_the_file_of_the_report(folder: Path) -> None:
    assert write_csv(RECORD, folder, folder / "out" / "p.csv") == 3
    assert (folder / "out" / "p.csv").read_bytes() == (folder / "per_query.csv").read_bytes()


def test_a_cell_that_is_no_number_leaves_no_file(folder: Path) -> None:
    path = folder / "per_query.csv"
    path.write_text(path.read_text().replace("0.30000000000000004", "many"))
    with pytest.raises(InputError, match="per-query") as caught:
        write_parquet(RECORD, folder, folder / "out.parquet")
    assert "many" in str(caught.value)
    assert not (folder / "out.parquet").exists()
