"""Labels of the user's own pictures, from tables or from JSON records, checked cell by cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import nfc

from .columns import Texts, check_lengths, left_out_notes, one_form, unusable
from .files import Folder
from .names import condition_name, listed, some, unique_keys
from .table_rows import JSON_LINES, TableRows

_NO_LABEL = "not a text, number or truth value of every picture"
_FRACTIONS = "numbers with fractions, measurements rather than labels; --condition takes them all the same"


@dataclass(frozen=True)
class LabelTable:
    """`labels[condition][i]` belongs to the picture `keys[i]`, `files[i]` (empty where pictures lie in tars).

    notes: what was left out or changed, a sentence each.
    """

    labels: Mapping[str, tuple[str, ...]]
    parents: Mapping[str, str]
    keys: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @staticmethod
    def from_records(
        records: Sequence[Mapping[str, Any]],
        wheres: Sequence[str],
        path: Path,
        parents: Mapping[str, str] | None = None,
        conditions: Sequence[str] | None = None,
    ) -> LabelTable:
        """Labels from the JSON of samples; `wheres[i]` names the sample of `records[i]` in errors.

        They are the object "labels" where every sample has one; else the top-level texts, whole numbers and truth values
        that every sample has, as far as they can be conditions.
        """
        if not records:
            raise InputError("there is no sample in these shards", where=path)
        nested = [isinstance(record.get("labels"), dict) for record in records]
        if any(nested) and not all(nested):
            raise InputError(
                "some samples have no labels",
                where=wheres[nested.index(False)],
                expected='an object "labels"',
            )
        rows = [_composed(record["labels"] if all(nested) else record) for record in records]
        guessed = not conditions and not all(nested)
        names = list(dict.fromkeys(name for row in rows for name in row))
        if not guessed:
            names = _asked(conditions, names, path) if conditions else list(rows[0])
        reasons = dict.fromkeys(_fractions(rows), _FRACTIONS) if guessed else {}
        columns = {
            name: [_scalar_text(row.get(name)) for row in rows] for name in names if name not in reasons
        }
        for name, column in columns.items():
            if not guessed and "" in column:
                place = column.index("")
                raise InputError(
                    "a label is missing",
                    where=f"{wheres[place]} label {name!r}",
                    expected="a text, number or boolean",
                    found=repr(rows[place].get(name))[:200],
                )
        if not guessed and not conditions:
            _no_other_labels(rows, wheres)
        return label_table(
            columns,
            lambda i, name: f"{wheres[i]} label {name!r}",
            path,
            parents,
            chosen=bool(conditions),
            guessed=guessed,
            reasons=reasons,
        )


def label_table(
    columns: Mapping[str, Texts],
    place: Callable[[int, str], str],
    where: Path,
    parents: Mapping[str, str] | None = None,
    *,
    chosen: bool = False,
    guessed: bool = False,
    reasons: Mapping[str, str] | None = None,
) -> LabelTable:
    """The conditions among `columns`, column -> the label of every picture, "" where it is missing.

    place: names row i of a column in errors. chosen: the user asked for these columns, so none is left out. Otherwise one
    that no picture could be found by is left out with a note, unless parents name it, or there is no other. guessed: nobody
    said that these are labels, so those that some picture lacks are left out, too, and there may be none in the end.
    reasons: column -> why it was left out before.
    """
    if guessed:
        lacking = {name: _NO_LABEL for name, column in columns.items() if "" in column}
        columns = {name: column for name, column in columns.items() if name not in lacking}
        reasons = {**(reasons or {}), **lacking}
    formed = {name: one_form(name, column) for name, column in columns.items()}
    named = {_name_or_none(name) for pair in (parents or {}).items() for name in pair}
    useless = {} if chosen else unusable({name: column for name, (column, _) in formed.items()})
    if named:
        useless = {name: reason for name, reason in useless.items() if _name_or_none(name) not in named}
    kept = [name for name in columns if name not in useless]
    if not kept and not guessed:
        kept, useless = list(columns), {}
    left_out = {**(reasons or {}), **useless}
    if not kept:
        raise InputError(
            "there is no condition in the labels: no column of labels can be one",
            where=where,
            expected="a column a condition, with two values or more that pictures share",
            found="; ".join(left_out_notes(left_out)) or None,
        )
    labels: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    for name in kept:
        condition = condition_name(name, where)
        if condition in labels:
            raise InputError("two conditions have the same name", where=where, found=repr(name))
        labels[condition], said = formed[name]
        notes += said
        _check_column(name, labels[condition], place, where)
    renamed = {name: new for name, new in zip(kept, labels, strict=True) if name != new}
    if renamed:
        pairs = [f"{name!r} is {new!r}" for name, new in renamed.items()]
        notes.append(f"columns whose names were made plain: {listed(pairs, 8)}")
    ours = {condition_name(c, where): condition_name(p, where) for c, p in (parents or {}).items()}
    _check_parents(ours, labels)
    return LabelTable(labels, ours, notes=(*left_out_notes(left_out), *notes))


def read_label_tables(
    folder: Path,
    tables: Sequence[Path],
    parents: Mapping[str, str] | None = None,
    conditions: Sequence[str] | None = None,
    *,
    pictures: bool = True,
) -> LabelTable:
    """The rows of several tables, in `folder` or below it, one after another; all of them have the same columns.

    pictures: each row's must be there; without them `files` holds what the table calls each row: its key, else its file.
    """
    read = [TableRows.read(table) for table in tables]
    for rows in read[1:]:
        if set(rows.header) != set(read[0].header):
            raise InputError(
                "another table has other columns",
                where=rows.path,
                expected=some(read[0].header, 20),
                found=some(rows.header, 20),
            )
    files: dict[str, str] = {}
    keys: dict[str, str] = {}
    for rows in read:
        (_locate if pictures else _name)(rows, folder, files, keys)
    file_column, key_column = read[0].special
    wheres = [f"{rows.path} line {line}" for rows in read for line in rows.lines]
    records = [record for rows in read for record in rows.records]
    special = {file_column, key_column}
    if tables[0].suffix == JSON_LINES:
        plain = [{n: v for n, v in record.items() if n not in special} for record in records]
        table = LabelTable.from_records(plain, wheres, tables[0], parents, conditions)
    else:
        header = [name for name in read[0].header if name not in special]
        wanted = _asked(conditions, header, tables[0]) if conditions else header
        columns = {name: [record[name] for record in records] for name in wanted}
        table = label_table(
            columns,
            lambda i, name: f"{wheres[i]} column {name!r}",
            tables[0],
            parents,
            chosen=bool(conditions),
        )
    stems = list(keys) or [str(PurePosixPath(name).with_suffix("")) for name in files]
    return replace(table, keys=tuple(unique_keys(stems, list(files))), files=tuple(files))


def _name(rows: TableRows, _: Path, files: dict[str, str], keys: dict[str, str]) -> None:
    """As `_locate`, where there are no pictures: of two columns, the key's counts alone."""
    file_column, key_column = rows.special
    column = str(key_column or file_column)
    for line, record in zip(rows.lines, rows.records, strict=True):
        where = f"{rows.path} line {line} column {column!r}"
        name = nfc(_scalar_text(record.get(column)))
        if not name:
            raise InputError("an empty cell", where=where)
        _once(files, name, line, where, "a key" if key_column else "a file")
        if key_column:
            keys[name] = files[name]


def _locate(rows: TableRows, folder: Path, files: dict[str, str], keys: dict[str, str]) -> None:
    """Add the files of some rows, relative to `folder`, and their keys; the values say where they stood."""
    place = Folder(rows.path.parent)
    base = PurePosixPath(rows.path.parent.relative_to(folder).as_posix())
    file_column, key_column = rows.special
    for line, record in zip(rows.lines, rows.records, strict=True):
        at = f"{rows.path} line {line}"
        named = {column: _scalar_text(record.get(column)) for column in rows.special if column}
        for column, text in named.items():
            if not text:
                raise InputError("an empty cell", where=f"{at} column {column!r}")
        where = f"{at} column {(file_column or key_column)!r}"
        name = (
            place.find(named[file_column], where)
            if file_column
            else place.of_key(named[str(key_column)], where)
        )
        _once(files, str(base / name), line, where, "a file")
        if key_column:
            _once(keys, nfc(named[key_column]), line, f"{at} column {key_column!r}", "a key")


def _check_column(name: str, column: Texts, place: Callable[[int, str], str], where: Path) -> None:
    if "" in column:
        raise InputError("an empty cell, so a label is missing", where=place(column.index(""), name))
    check_lengths(name, column, place)
    if len(set(column)) < 2:
        raise InputError(
            f"all pictures have the same value for {name!r}, so it is no condition",
            where=f"{where} column {name!r}",
            expected="two values or more",
            found=sorted(set(column)),
            hint="remove the column, or choose the conditions",
        )


def _check_parents(parents: Mapping[str, str], labels: Mapping[str, Texts]) -> None:
    for child, parent in parents.items():
        for name in (child, parent):
            if name not in labels:
                raise InputError("no such condition", where="parents", expected=some(labels, 20), found=name)
        seen, step = [child], parent
        while True:
            if step in seen:
                raise InputError(
                    "conditions depend on each other in a circle", found=" -> ".join([*seen, step])
                )
            if step not in parents:
                break
            seen.append(step)
            step = parents[step]


def _asked(conditions: Sequence[str], names: Iterable[str], where: Path) -> list[str]:
    """The columns that `conditions` name, as they are or as conditions are named."""
    names = list(names)
    known = {nfc(name): name for name in names}
    plain = {condition: name for name in names if (condition := _name_or_none(name)) is not None}
    found = [known.get(nfc(asked), plain.get(nfc(asked))) for asked in conditions]
    if unknown := [asked for asked, name in zip(conditions, found, strict=True) if name is None]:
        raise InputError(
            "no such column", where=where, expected=f"some of {some(names, 20)}", found=some(unknown, 20)
        )
    return [name for name in found if name is not None]


def _name_or_none(name: str) -> str | None:
    with suppress(InputError):
        return condition_name(name, "")
    return None


def _once(seen: dict[str, str], name: str, line: int, where: str, what: str) -> None:
    if name in seen:
        raise InputError(f"{what} stands twice", where=where, found=f"{name!r}, also in {seen[name]}")
    seen[name] = f"line {line}"


def _is_label(value: object) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _scalar_text(value: object) -> str:
    """A label as text, "" for what is none."""
    if not _is_label(value):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _composed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {nfc(name): value for name, value in row.items()}


def _fractions(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names under which some row has a number that is not whole."""
    return {
        name
        for row in rows
        for name, value in row.items()
        if isinstance(value, float) and not value.is_integer() and math.isfinite(value)
    }


def _no_other_labels(rows: Sequence[Mapping[str, Any]], wheres: Sequence[str]) -> None:
    known = rows[0].keys()
    for row, where in zip(rows, wheres, strict=True):
        if extra := sorted(row.keys() - known):
            raise InputError(
                "a label that other samples do not have",
                where=where,
                expected=some(known, 20),
                found=some(extra, 20),
            )
