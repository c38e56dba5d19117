"""Reading tables of pictures: a CSV, or an object a line, with a column that names the picture's file or key."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import parse_json, read_text
from clay_eval.schemas.words import nfc

from .names import some

FILE_COLUMNS = ("file", "filename", "file_name", "image", "path")
KEY_COLUMN = "key"
JSON_LINES = ".jsonl"


@dataclass(frozen=True)
class TableRows:
    """A table as it was read: row i stands in line `lines[i]`."""

    path: Path
    header: Sequence[str]
    lines: Sequence[int]
    records: Sequence[Mapping[str, Any]]
    special: tuple[str | None, str | None]

    @staticmethod
    def read(path: Path) -> TableRows:
        """Raises InputError for what is no table, or has no column of files or keys."""
        header, lines, records = (_read_json_lines if path.suffix == JSON_LINES else _read_csv)(path)
        return TableRows(path, header, lines, records, _special_columns(header, path))


def _read_csv(path: Path) -> tuple[list[str], list[int], list[dict[str, str]]]:
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((reader.line_num, [cell.strip() for cell in row]))
    except csv.Error as error:
        raise InputError("not a readable CSV", where=f"{path} line {reader.line_num}", found=error) from error
    if len(rows) < 2:
        raise InputError(
            "there is no labelled picture in the table", where=path, expected="a header and rows"
        )
    (line, names), body = rows[0], rows[1:]
    header: dict[str, None] = {}
    for i, name in enumerate(map(nfc, names)):
        if not name or name in header:
            raise InputError(
                "a column has no name" if not name else "two columns have the same name",
                where=f"{path} line {line} column {i + 1}",
                found=repr(name[:200]),
            )
        header[name] = None
    for line, row in body:
        if len(row) != len(header):
            raise InputError(
                "a row has more or fewer cells than the header",
                where=f"{path} line {line}",
                expected=f"{len(header)} cells, separated by commas",
                found=len(row),
            )
    records = [dict(zip(header, row, strict=True)) for _, row in body]
    return list(header), [line for line, _ in body], records


def _read_json_lines(path: Path) -> tuple[list[str], list[int], list[dict[str, Any]]]:
    lines, records = [], []
    for line, text in enumerate(read_text(path).split("\n"), 1):
        if not text.strip():
            continue
        record = parse_json(text, f"{path} line {line}", numbers=float)
        if not isinstance(record, dict):
            raise InputError("not an object", where=f"{path} line {line}", found=type(record).__name__)
        lines.append(line)
        records.append(record)
    if not records:
        raise InputError("there is no labelled picture in the table", where=path, expected="an object a line")
    return list(dict.fromkeys(name for record in records for name in record)), lines, records


def _special_columns(header: Sequence[str], path: Path) -> tuple[str | None, str | None]:
    files = [name for name in header if name.lower() in FILE_COLUMNS]
    keys = [name for name in header if name.lower() == KEY_COLUMN]
    if len(files) > 1 or len(keys) > 1 or not (files or keys):
        raise InputError(
            "cannot tell which column names the picture's file",
            where=f"{path} line 1",
            expected=f"one column called one of {FILE_COLUMNS}",
            found=some(files or header, 20),
            hint="separate columns by commas"
            if len(header) == 1 and re.search(r"[;\t]", header[0])
            else None,
        )
    return (files[0] if files else None), (keys[0] if keys else None)


def first_row(path: Path) -> list[str]:
    """The first row of a CSV, empty if there is none that can be read."""
    try:
        return [nfc(cell.strip()) for cell in next(csv.reader(io.StringIO(read_text(path), newline="")), [])]
    except csv.Error:
        return []
