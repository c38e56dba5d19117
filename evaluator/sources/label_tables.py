"""Labels of the user's own pictures, from a labels.csv or from JSON records, checked cell by cell."""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.shards import IMAGE_EXTENSIONS
from clay_eval.schemas.validate import read_text

from .images import MAX_BYTES

log = logging.getLogger(__name__)

FILE_COLUMNS = ("file", "filename", "file_name", "image", "path")
KEY_COLUMN = "key"
_NAME = re.compile(r"^[a-z][a-z0-9_-]{0,62}$")
_KEY_LENGTH = 100


@dataclass(frozen=True)
class LabelTable:
    """`labels[condition][i]` belongs to the picture `keys[i]`, `files[i]` (empty where pictures lie in tars)."""

    labels: Mapping[str, tuple[str, ...]]
    parents: Mapping[str, str]
    keys: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @staticmethod
    def from_records(
        records: Sequence[Mapping[str, Any]],
        wheres: Sequence[str],
        path: Path,
        parents: Mapping[str, str] | None = None,
        conditions: Sequence[str] | None = None,
    ) -> LabelTable:
        """Labels from the JSON of webdataset samples; `wheres[i]` names the sample of `records[i]` in errors."""
        if not records:
            raise InputError("there is no sample in these shards", where=path)
        nested = [isinstance(record.get("labels"), dict) for record in records]
        if any(nested) and not all(nested):
            raise InputError(
                "some samples have no labels",
                where=wheres[nested.index(False)],
                expected='an object "labels"',
            )
        rows: list[Mapping[str, Any]] = [record["labels"] if all(nested) else record for record in records]
        names = list(conditions or (rows[0] if all(nested) else _shared_scalars(rows)))
        columns = {
            name: tuple(
                _scalar_text(row.get(name), f"{where} label {name!r}")
                for row, where in zip(rows, wheres, strict=True)
            )
            for name in names
        }
        if not all(nested) and not conditions:
            columns = dict(_telling(columns))
        if all(nested) and not conditions:
            _no_other_labels(rows, wheres, names)
        return _table(columns, path, parents)


def read_label_table(
    path: Path, parents: Mapping[str, str] | None = None, conditions: Sequence[str] | None = None
) -> LabelTable:
    """Read a labels.csv (UTF-8, commas) and check every cell and file; paths are relative to its folder."""
    header, rows = _read_csv(path)
    file_column, key_column = _special_columns(header, path)
    special = {file_column, key_column}
    wanted = [name for name in header if name not in special]
    if conditions:
        if unknown := [name for name in conditions if name not in wanted]:
            raise InputError("no such column", where=f"{path} line 1", expected=wanted, found=unknown)
        wanted = list(conditions)
    files: dict[str, int] = {}
    keys: dict[str, int] = {}
    columns: dict[str, list[str]] = {name: [] for name in wanted}
    for line, row in rows:
        cells = dict(zip(header, row, strict=True))
        for name in [*wanted, *(column for column in special if column)]:
            if not cells[name]:
                raise InputError("an empty cell", where=f"{path} line {line} column {name!r}")
        key = cells[key_column] if key_column else None
        where = f"{path} line {line} column {(file_column or key_column)!r}"
        name = cells[file_column] if file_column else _file_of_key(path.parent, str(key), where)
        name = _safe_file(path.parent, name, where)
        _once(files, name, line, where, "a file")
        if key is not None:
            _once(keys, key, line, f"{path} line {line} column {key_column!r}", "a key")
        for column in wanted:
            columns[column].append(cells[column])
    stems = list(keys) or [str(PurePosixPath(name).with_suffix("")) for name in files]
    table = _table({name: tuple(values) for name, values in columns.items()}, path, parents)
    return LabelTable(table.labels, table.parents, tuple(unique_keys(stems, list(files))), tuple(files))


def condition_name(name: str, where: str | Path) -> str:
    """A column's name as a condition's: lower case, other characters than letters, digits, - and _ become _."""
    cleaned = re.sub(r"[^a-z0-9_-]+", "_", name.strip().lower()).strip("_")
    if not _NAME.match(cleaned):
        raise InputError(
            "not usable as the name of a condition",
            where=where,
            expected="a name that begins with a letter a to z, at most 63 characters",
            found=repr(name),
        )
    return cleaned


def entity_name(name: str | None, path: Path) -> str:
    """The entity's name: as given (it must be a plain name), or made from the folder's, or "data"."""
    if name is not None:
        if not _NAME.match(name):
            raise InputError(
                "not usable as an entity's name", where="--entity", expected=_NAME.pattern, found=name
            )
        return name
    cleaned = re.sub(r"[^a-z0-9_-]+", "-", path.resolve().stem.lower()).strip("-_")[:60]
    return cleaned if _NAME.match(cleaned) else "data"


def unique_keys(names: Sequence[str], origins: Sequence[str]) -> list[str]:
    """Keys that match `^[a-z][A-Za-z0-9_-]*$`, one a name; names that would clash get a hash of their origin."""
    bases = []
    for name in names:
        cleaned = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_KEY_LENGTH]
        bases.append(cleaned if re.match(r"[a-z]", cleaned) else f"s{cleaned}")
    counts = Counter(bases)
    return [
        base if counts[base] == 1 else f"{base}-{hashlib.sha256(origin.encode()).hexdigest()[:16]}"
        for base, origin in zip(bases, origins, strict=True)
    ]


def _table(
    columns: Mapping[str, tuple[str, ...]], where: Path, parents: Mapping[str, str] | None
) -> LabelTable:
    if not columns:
        raise InputError("there is no condition in the labels", where=where, expected="a column a condition")
    labels: dict[str, tuple[str, ...]] = {}
    for name, column in columns.items():
        condition = condition_name(name, where)
        if condition in labels:
            raise InputError("two conditions have the same name", where=where, found=repr(name))
        if len(set(column)) < 2:
            raise InputError(
                f"all pictures have the same value for {name!r}, so it is no condition",
                where=f"{where} column {name!r}",
                expected="two values or more",
                found=sorted(set(column)),
                hint="remove the column, or choose the conditions",
            )
        labels[condition] = column
    ours = {condition_name(c, where): condition_name(p, where) for c, p in (parents or {}).items()}
    for child, parent in ours.items():
        for name in (child, parent):
            if name not in labels:
                raise InputError("no such condition", where="parents", expected=list(labels), found=name)
        seen, step = [child], parent
        while True:
            if step in seen:
                raise InputError(
                    "conditions depend on each other in a circle", found=" -> ".join([*seen, step])
                )
            if step not in ours:
                break
            seen.append(step)
            step = ours[step]
    return LabelTable(labels, ours)


def _read_csv(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
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
    (line, header), body = rows[0], rows[1:]
    seen: set[str] = set()
    for i, name in enumerate(header):
        if not name or name in seen:
            raise InputError(
                "a column has no name" if not name else "two columns have the same name",
                where=f"{path} line {line} column {i + 1}",
                found=repr(name),
            )
        seen.add(name)
    for line, row in body:
        if len(row) != len(header):
            raise InputError(
                "a row has more or fewer cells than the header",
                where=f"{path} line {line}",
                expected=f"{len(header)} cells, separated by commas",
                found=len(row),
            )
    return header, body


def _special_columns(header: Sequence[str], path: Path) -> tuple[str | None, str | None]:
    files = [name for name in header if name.lower() in FILE_COLUMNS]
    keys = [name for name in header if name.lower() == KEY_COLUMN]
    if len(files) > 1 or len(keys) > 1 or not (files or keys):
        raise InputError(
            "cannot tell which column names the picture's file",
            where=f"{path} line 1",
            expected=f"one column called one of {FILE_COLUMNS}",
            found=files or list(header),
            hint="separate columns by commas"
            if len(header) == 1 and re.search(r"[;\t]", header[0])
            else None,
        )
    return (files[0] if files else None), (keys[0] if keys else None)


def _safe_file(folder: Path, name: str, where: str) -> str:
    """`name` as a normal relative path; it must be a plain picture file that lies in `folder`, links resolved."""
    relative = PurePosixPath(name)
    if "\0" in name or relative.is_absolute() or ".." in relative.parts:
        raise InputError(
            "a path leads out of the folder",
            where=where,
            expected="a path below the folder",
            found=repr(name),
        )
    path = folder / relative
    if not _is_file(path):
        raise InputError(
            "a picture is missing",
            where=where,
            found=repr(name),
            hint="write paths with /" if "\\" in name else None,
        )
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError("a link leads out of the folder", where=where, found=repr(name))
    if path.suffix.lower().removeprefix(".") not in IMAGE_EXTENSIONS:
        raise InputError("not a picture's name", where=where, expected=IMAGE_EXTENSIONS, found=repr(name))
    if (size := path.stat().st_size) > MAX_BYTES:
        raise InputError("a picture has too many bytes", where=where, expected=MAX_BYTES, found=size)
    return str(relative)


def _file_of_key(folder: Path, key: str, where: str) -> str:
    names = [f"{key}.{extension}" for extension in IMAGE_EXTENSIONS]
    found = [name for name in names if "\0" not in name and _is_file(folder / name)]
    if len(found) != 1:
        raise InputError(
            "not one picture for a key" if found else "a picture is missing",
            where=where,
            expected=f"one of {names}",
            found=found or None,
            hint=f"name the files in a column {FILE_COLUMNS[0]!r}",
        )
    return found[0]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for the file system
        return False


def _once(seen: dict[str, int], name: str, line: int, where: str, what: str) -> None:
    if name in seen:
        raise InputError(f"{what} stands twice", where=where, found=f"{name!r}, also in line {seen[name]}")
    seen[name] = line


def _scalar_text(value: object, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value).strip() if isinstance(value, (str, int, float)) else ""
    if not text:
        raise InputError(
            "a label is missing", where=where, expected="a text, number or boolean", found=repr(value)
        )
    return text


def _shared_scalars(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for name in rows[0]:
        values = [row.get(name) for row in rows]
        if all(isinstance(value, (str, int)) and str(value).strip() for value in values):
            yield name


def _telling(columns: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, column in columns.items():
        if 1 < len(set(column)) < len(column):
            yield name, column
        else:
            log.warning(
                "not taken as a condition: %r has %d values in %d pictures",
                name,
                len(set(column)),
                len(column),
            )


def _no_other_labels(rows: Sequence[Mapping[str, Any]], wheres: Sequence[str], names: Sequence[str]) -> None:
    for row, where in zip(rows, wheres, strict=True):
        if extra := sorted(set(row) - set(names)):
            raise InputError(
                "a label that other samples do not have", where=where, expected=names, found=extra
            )
