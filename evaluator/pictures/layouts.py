"""How pictures with labels lie in a folder: beside a table, or each in the folder of its class.

labels.csv                          a column `file`, then a column a condition
metadata.csv, metadata.jsonl        as Hugging Face's imagefolder: a column `file_name`; also in folders of splits
red/0.png, blue/1.png               as torchvision's ImageFolder: the folder's name is the value
train/red/0.png, test/blue/1.png    the same in folders of splits, which are read together
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.foreign_members import CONVERT
from clay_eval.schemas.manifest import LABELS
from clay_eval.schemas.words import nfc

from .files import Folder, is_file, picture_files, visible_folders
from .label_tables import LabelTable, label_table, read_label_tables
from .names import count, some, unique_keys
from .table_rows import TableRows, first_row

METADATA = ("metadata.csv", "metadata.jsonl")
CLASS = "class"
SPLIT_NAMES = ("train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval")
_OF_SHARDS = {"key", "entity", "shard"}


def tables_in(folder: Path) -> list[Path]:
    """The tables that label pictures in `folder`: labels.csv, or else metadata files, in it or in folders of splits.

    The labels.csv that lies beside shards made here labels no files, and is none.
    """
    if (folder / LABELS).is_file() and not _OF_SHARDS.issubset(first_row(folder / LABELS)):
        return [folder / LABELS]
    for name in METADATA:
        if (folder / name).is_file():
            return [folder / name]
    for name in METADATA:
        found = [place / name for place in visible_folders(folder) if (place / name).is_file()]
        if found and all(table.parent.name.casefold() in SPLIT_NAMES for table in found):
            return found
    return []


def read_tables(
    folder: Path,
    tables: Sequence[Path],
    parents: Mapping[str, str] | None = None,
    conditions: Sequence[str] | None = None,
) -> LabelTable:
    """The labels in `tables`, with notes on tables and pictures of the folder that are not read."""
    table = read_label_tables(folder, tables, parents, conditions)
    notes = list(table.notes)
    others = [folder / name for name in (LABELS, *METADATA) if (folder / name).is_file()]
    if unused := [path.name for path in others if path not in tables]:
        notes.append(f"tables left out, as {tables[0].name} has the labels: {some(unused)}")
    if len(tables) > 1:
        notes.append(f"splits read together: {some([place.parent.name for place in tables], 10)}")
    pictures, unread = picture_files(folder)
    known = set(table.files)
    if unlisted := [name for name in pictures if name not in known]:
        notes.append(
            f"{count(len(unlisted), 'picture')} of the folder in no table, left out: {some(unlisted)}"
        )
    return replace(table, notes=(*notes, *_unread_notes(unread)))


def names_pictures(table: Path) -> bool:
    """Whether any row of a table names a picture that is there, by its file or as its key, in whatever Unicode form."""
    rows = TableRows.read(table)
    read, unread = picture_files(table.parent)
    known = {nfc(name) for name in (*read, *unread)}
    known |= {str(PurePosixPath(name).with_suffix("")) for name in known}
    named = (str(record.get(column, "")) for record in rows.records for column in rows.special if column)
    return any(nfc(name) in known or is_file(table.parent / name) for name in named)


def has_class_folders(folder: Path) -> bool:
    """Whether pictures that can be read lie in folders of `folder`."""
    return any(picture_files(place)[0] for place in visible_folders(folder))


def read_class_folders(
    folder: Path, parents: Mapping[str, str] | None = None, conditions: Sequence[str] | None = None
) -> LabelTable:
    """One condition, called `class` or as `conditions` say: a picture's value is the name of the folder it lies in.

    Folders within a class's are read, too. Raises InputError for several conditions, and as `label_table`.
    """
    if conditions and len(conditions) > 1:
        raise InputError(
            "folders of classes make one condition",
            where="--condition",
            expected="one name",
            found=conditions,
        )
    places = [place for place in visible_folders(folder) if picture_files(place) != ([], [])]
    splits = [place for place in places if place.name.casefold() in SPLIT_NAMES]
    nested = bool(splits) and splits == places and all(any(visible_folders(place)) for place in places)
    depth = 1 if nested else 0
    disk = Folder(folder)
    found, unread = picture_files(folder)
    files = [name for name in found if len(PurePosixPath(name).parts) > depth + 1]
    for name in files:
        disk.find(name, str(folder / name))
    name = conditions[0] if conditions else CLASS
    values = [PurePosixPath(file).parts[depth].strip() for file in files]
    table = label_table({name: values}, lambda i, _: str(folder / files[i]), folder, parents, chosen=True)
    notes = list(table.notes)
    if nested:
        notes.append(f"splits read together: {some([place.name for place in places], 10)}")
    if loose := [name for name in found if len(PurePosixPath(name).parts) <= depth + 1]:
        notes.append(f"{count(len(loose), 'picture')} in no folder of a class, left out: {some(loose)}")
    keys = unique_keys([str(PurePosixPath(file).with_suffix("")) for file in files], files)
    return LabelTable(
        table.labels, table.parents, tuple(keys), tuple(files), (*notes, *_unread_notes(unread))
    )


def _unread_notes(unread: Sequence[str]) -> list[str]:
    if not unread:
        return []
    said = f"{count(len(unread), 'picture')} of formats that are not read, left out: {some(unread)}"
    return [f"{said}; {CONVERT}"]
