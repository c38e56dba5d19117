"""What lies in a folder: shards made here or elsewhere, pictures with a table, folders of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.manifest import LABELS, MANIFEST
from clay_eval.schemas.release import DATA
from clay_eval.schemas.validate import parse_json, read_text

from .label_source import TABLES, LabelsOnly
from .labelled import ImageSource
from .layouts import METADATA, has_class_folders, names_pictures, tables_in
from .notes import said
from .sources import ClayShards, ForeignShards, ImageFolder
from .tars import other_data, tars_in


def open_folder(
    path: Path,
    entity: str | None = None,
    parents: Mapping[str, str] | None = None,
    conditions: Sequence[str] | None = None,
    *,
    vectors: bool = False,
) -> ImageSource:
    """Find out what lies at `path` and open it; what is left out of it is logged, and stands in the source's `notes`.

    That is a shards folder (or a run or release that holds one), pictures with a table, tars made elsewhere, or folders of
    classes.

    entity: which entity of our own shards (all of them if None), or the name to give to data made elsewhere.
    parents: child condition -> parent condition, e.g. {"subcategory": "category"}; for data made elsewhere only.
    conditions: the columns to take as conditions, all if None; for data made elsewhere only.
    vectors: those of the pictures are given, so that a table of labels will do: its file, or one in a folder that holds none
    of its pictures.
    """
    if (shards := shards_folder(path)) is not None:
        if parents or conditions:
            raise InputError(
                "conditions and their parents are fixed by the manifest of these shards", where=shards
            )
        return ClayShards(shards, entity)
    if path.suffix == ".tar" and path.is_file():
        return said(ForeignShards(path, entity, parents, conditions))
    if path.suffix in TABLES and path.is_file():
        if vectors:
            return said(LabelsOnly(path, entity, parents, conditions))
        raise InputError(
            "a table of labels alone, without pictures",
            where=path,
            expected="the folder that holds the pictures and the table",
            hint="vectors of the pictures, made elsewhere, need no pictures: give them with --features",
        )
    if not path.is_dir():
        raise InputError("no such folder of pictures", where=path)
    if vectors and len(tables := tables_in(path)) == 1 and not names_pictures(tables[0]):
        return said(LabelsOnly(tables[0], entity, parents, conditions))
    if tables_in(path):
        return said(ImageFolder(path, entity, parents, conditions))
    if tars_in(path):
        return said(ForeignShards(path, entity, parents, conditions))
    if has_class_folders(path):
        return said(ImageFolder(path, entity, parents, conditions))
    raise InputError(
        "no labelled pictures here",
        where=path,
        expected=f"{MANIFEST} (shards made by clay-eval), *.tar (webdataset shards), pictures with a {LABELS} or "
        f"{' or '.join(METADATA)}, or a folder of pictures for each class",
        hint=other_data(path),
    )


def shards_folder(path: Path) -> Path | None:
    """The folder of shards made by clay-eval that `path` is, or holds as a run or a release does; None if there is none."""
    places = (path, path / "shards", path / DATA)
    return next((folder for folder in places if _is_ours(folder / MANIFEST)), None)


def _is_ours(manifest: Path) -> bool:
    if not manifest.is_file():
        return False
    try:
        record = parse_json(read_text(manifest), manifest)
    except InputError as error:
        raise IntegrityError(error.what, where=error.where, found=error.found) from error
    return isinstance(record, dict) and str(record.get("schema", "")).startswith("clay-eval/manifest/")
