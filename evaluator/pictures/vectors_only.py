"""Vectors whose pictures are not here: their keys, with the labels of a table or without any."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint

from .label_tables import LabelTable, label_table
from .labelled import Labelled, Unit
from .names import count, entity_name, some
from .table_rows import TableRows


class VectorsOnly:
    """Keys of vectors made elsewhere, as an `ImageSource` that has no picture to show.

    table: a CSV with a column `key` (or one of files, whose stems are the keys) and a column an attribute. Rows and keys
    that the other side has not are left out, and stand in `notes`.

    Raises InputError where no key of the table is one of `keys`, and for whatever is wrong in the table.
    """

    def __init__(
        self,
        keys: Sequence[str],
        where: Path,
        table: Path | None = None,
        entity: str | None = None,
        conditions: Sequence[str] | None = None,
    ) -> None:
        name = entity_name(entity, where)
        labels, parents, own, notes = {}, {}, tuple(keys), []
        if table is not None:
            read, own, notes = _read(table, set(keys), conditions)
            labels, parents = dict(read.labels), dict(read.parents)
            notes += read.notes
            if missing := len(keys) - len(own):
                notes.append(f"{count(missing, 'vector')} without a row in {table.name}, left out")
        self.notes = tuple(notes)
        self.entities: Mapping[str, Labelled] = {name: Labelled(own, labels, parents, name)}
        self.fingerprint = fingerprint(
            {"entity": name, "keys": list(own), "labels": {k: list(v) for k, v in labels.items()}}
        )

    def units(self) -> tuple[Unit, ...]:
        """None: there is nothing to embed."""
        return ()

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        """Raises InputError: there are no pictures."""
        raise InputError("these vectors came without pictures", where=unit.name)


def _read(
    path: Path, known: Collection[str], conditions: Sequence[str] | None
) -> tuple[LabelTable, tuple[str, ...], list[str]]:
    """The labels of the rows whose keys are `known`, those keys, and notes."""
    rows = TableRows.read(path)
    file_column, key_column = rows.special
    column = key_column or file_column
    assert column is not None
    named = [str(record.get(column, "")).strip() for record in rows.records]
    if key_column is None:
        named = [str(PurePosixPath(name).with_suffix("")) for name in named]
    places: dict[str, int] = {}
    for place, key in enumerate(named):
        if key in places:
            raise InputError(
                "a key stands twice", where=f"{path} line {rows.lines[place]}", found=repr(key[:200])
            )
        places[key] = place
    own = [key for key in places if key in known]
    if not own:
        raise InputError(
            "no key of the table is one of the vectors'",
            where=path,
            expected=f"keys such as {some(sorted(known)[:3])}",
            found=some(named),
        )
    notes = []
    if surplus := len(places) - len(own):
        notes.append(f"{count(surplus, 'row')} of {path.name} without a vector, left out")
    header = [name for name in rows.header if name not in rows.special]
    if conditions:
        header = [name for name in header if name in conditions]
    columns = {name: [str(rows.records[places[key]].get(name, "")) for key in own] for name in header}
    table = label_table(
        columns,
        lambda i, name: f"{path} line {rows.lines[places[own[i]]]} column {name!r}",
        path,
        chosen=bool(conditions),
    )
    return table, tuple(own), notes
