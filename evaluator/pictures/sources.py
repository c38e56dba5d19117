"""Labelled pictures, wherever they come from: shards made here, shards made elsewhere, or a folder (see `layouts`).

>>> source = open_source(Path("runs/demo/shards"))                                 # doctest: +SKIP
>>> source.entities["demo-human"].labels["action"][:2]                             # doctest: +SKIP
('running', 'jumping')
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clay_eval.schemas.decoding import MAX_BYTES
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import file_sha256, fingerprint
from clay_eval.schemas.manifest import check_record, read_manifest
from clay_eval.schemas.reading import read_bytes
from clay_eval.schemas.shards import foreign_members, read_shard
from clay_eval.schemas.words import nfc

from .label_tables import LabelTable
from .labelled import UNIT_IMAGES, Labelled, Unit
from .layouts import read_class_folders, read_tables, tables_in
from .names import entity_name, some, unique_keys
from .notes import identical_pictures
from .own_data import OwnData
from .tars import beside_tars, members_note, tars_in


class ClayShards:
    """A shards folder made by clay-eval. Every tar's size and sha256 must be those in its manifest.

    Labels are read from the JSON in the tars; `manifest` is the manifest's fingerprint. Raises IntegrityError for anything
    that is not as the manifest says.
    """

    def __init__(self, folder: Path, entity: str | None = None) -> None:
        manifest = read_manifest(folder)
        self._folder = folder
        self._files: dict[str, Path] = {}
        self._units: list[Unit] = []
        self.entities: Mapping[str, Labelled] = {}
        self.manifest: str = manifest["fingerprint"]
        self.fingerprint: str = self.manifest
        self.renderer: str = ": ".join(
            str(manifest["renderer"][k]) for k in ("type", "model") if k in manifest["renderer"]
        )
        self.plan: str = manifest["plan"]
        self.judge: Mapping[str, Any] | None = manifest["filter"]["judge"]
        self.specs: Mapping[str, str] = {n: facts["spec"] for n, facts in manifest["entities"].items()}
        if entity is not None and entity not in manifest["entities"]:
            raise InputError(
                "no such entity", where=folder, expected=f"one of {list(manifest['entities'])}", found=entity
            )
        wanted = [name for name in manifest["entities"] if entity in (None, name)]
        self.entities = {
            name: self._read(name, manifest["entities"][name], manifest["files"]) for name in wanted
        }
        if entity is not None:
            self.fingerprint = fingerprint({"shards": manifest["fingerprint"], "entity": entity})

    def units(self) -> tuple[Unit, ...]:
        """One unit a tar."""
        return tuple(self._units)

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        """Stream (key, encoded picture) of one tar."""
        path = self._files[unit.name]
        _check_unchanged(path, unit)
        for sample in read_shard(path):
            yield sample.key, sample.image

    def tar(self, unit: Unit) -> tuple[Path, bool]:
        """The tar that holds a unit's pictures in the order of its keys, and whether it is written as ours are."""
        return self._files[unit.name], True

    def _read(self, entity: str, facts: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> Labelled:
        keys: list[str] = []
        columns: dict[str, list[str]] = {name: [] for name in facts["attributes"]}
        for file in files:
            if file["entity"] != entity or file["samples"] is None:
                continue
            path = self._folder / file["name"]
            check_listed(path, file)
            own = []
            for sample in read_shard(path):
                check_record(sample.record, sample.key, {entity: facts}, f"{path}: {sample.key}")
                own.append(sample.key)
                for name, column in columns.items():
                    column.append(nfc(sample.record["labels"][name]))
            unit = Unit(path.name.removesuffix(".tar"), file["sha256"], entity, tuple(own))
            self._files[unit.name] = path
            self._units.append(unit)
            keys += own
        if len(set(keys)) != len(keys) or len(keys) != facts["samples"]:
            raise IntegrityError(
                f"the shards of {entity} do not hold what the manifest says",
                where=self._folder,
                expected=f"{facts['samples']} different samples",
                found=f"{len(keys)} samples, {len(set(keys))} different",
            )
        labels = {name: tuple(column) for name, column in columns.items()}
        return Labelled(tuple(keys), labels, dict(facts["parents"]), entity)


def check_listed(path: Path, file: Mapping[str, Any], sha256: bool = True) -> None:
    """Raise IntegrityError unless a tar has the size, and with `sha256` the digest, that its manifest lists for it."""
    if not path.is_file():
        raise IntegrityError("a shard is missing", where=path)
    size = path.stat().st_size
    if size != file["bytes"] or (sha256 and file_sha256(path) != file["sha256"]):
        raise IntegrityError(
            "a shard is not the one in the manifest",
            where=path,
            expected=f"{file['bytes']} bytes, sha256 {file['sha256']}",
            found=f"{size} bytes" + (", another sha256" if size == file["bytes"] else ""),
            hint="render it again, or restore it",
        )


def _check_unchanged(path: Path, unit: Unit) -> None:
    if file_sha256(path) != unit.sha256:
        raise IntegrityError("a shard changed while it was in use", where=path, hint="run again")


class ForeignShards(OwnData):
    """Webdataset tars made elsewhere: an image and a .json a sample; other members are skipped, and counted in `notes`.

    Labels are the object under "labels" where every sample has one. Otherwise they are the top-level texts, whole numbers
    and booleans that every sample has; those with one value only, or another value for every picture, are left out.
    """

    def __init__(
        self,
        path: Path,
        entity: str | None = None,
        parents: Mapping[str, str] | None = None,
        conditions: Sequence[str] | None = None,
    ) -> None:
        tars = [path] if path.is_file() else tars_in(path)
        entity = entity_name(entity, path)
        wheres: list[str] = []
        records: list[Mapping[str, Any]] = []
        raw: list[list[str]] = []
        hashes: list[bytes] = []
        left_out: Counter[str] = Counter()
        for tar in tars:
            members = foreign_members(tar)
            left_out += members.left_out
            raw.append([])
            for sample in read_shard(tar, strict=False, members=members):
                raw[-1].append(sample.key)
                wheres.append(f"{tar}: {sample.key}")
                records.append(sample.record)
                hashes.append(hashlib.sha256(sample.image).digest())
        table = LabelTable.from_records(records, wheres, path, parents, conditions)
        names = unique_keys([tar.stem for tar in tars], [tar.name for tar in tars])
        keys = iter(
            unique_keys(
                [key for group in raw for key in group],
                [f"{name}/{key}" for name, group in zip(names, raw, strict=True) for key in group],
            )
        )
        units = [
            Unit(name, file_sha256(tar), entity, tuple(next(keys) for _ in group))
            for name, tar, group in zip(names, tars, raw, strict=True)
        ]
        self._files = dict(zip(names, tars, strict=True))
        same = identical_pictures([key for unit in units for key in unit.keys], hashes, table.labels)
        others = [] if path.is_file() else beside_tars(path)
        super().__init__(entity, table, units, [*same, *members_note(left_out), *others, *table.notes])

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        """Stream (key, encoded picture) of one tar."""
        path = self._files[unit.name]
        _check_unchanged(path, unit)
        for key, sample in zip(unit.keys, read_shard(path, strict=False), strict=True):
            yield key, sample.image

    def tar(self, unit: Unit) -> tuple[Path, bool]:
        """As of `ClayShards`."""
        return self._files[unit.name], False


class ImageFolder(OwnData):
    """A folder of pictures with a table of labels, or with a folder a class; `layouts` says how they may lie.

    labels.csv has a column `file` (or filename, file_name, image, path), then a column a condition. A column `key` names
    the pictures; alone, without `file`, it must be the files' stems. `names` maps each key to its file in the folder.

    Raises InputError with line and column for whatever is wrong in the table, and for files outside the folder.
    """

    def __init__(
        self,
        folder: Path,
        entity: str | None = None,
        parents: Mapping[str, str] | None = None,
        conditions: Sequence[str] | None = None,
    ) -> None:
        tables = tables_in(folder)
        table = (
            read_tables(folder, tables, parents, conditions)
            if tables
            else read_class_folders(folder, parents, conditions)
        )
        hashes = [file_sha256(folder / name) for name in table.files]
        stray_tars = tars_in(folder)
        stray = [f"tars left out, since pictures lie in the folder: {some(t.name for t in stray_tars)}"]
        self._take(folder, entity, table, hashes, stray if stray_tars else [])

    def _take(
        self, folder: Path, entity: str | None, table: LabelTable, hashes: Sequence[str], notes: Sequence[str]
    ) -> None:
        """Keep the pictures of `table`, whose files in `folder` have these sha256."""
        entity = entity_name(entity, folder)
        self.names: Mapping[str, str] = dict(zip(table.keys, table.files, strict=True))
        self._hashes = {
            key: (folder / name, digest)
            for key, name, digest in zip(table.keys, table.files, hashes, strict=True)
        }
        units = []
        for start in range(0, len(table.keys), UNIT_IMAGES):
            keys, files = table.keys[start : start + UNIT_IMAGES], table.files[start : start + UNIT_IMAGES]
            content = [[key, nfc(name), self._hashes[key][1]] for key, name in zip(keys, files, strict=True)]
            units.append(Unit(f"{entity}-{start // UNIT_IMAGES:05d}", fingerprint(content), entity, keys))
        same = identical_pictures(table.files, hashes, table.labels)
        super().__init__(entity, table, units, [*same, *notes, *table.notes])

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        """Stream (key, encoded picture); a file that changed since the folder was opened raises IntegrityError."""
        for key in unit.keys:
            path, expected = self._hashes[key]
            data = read_bytes(path, MAX_BYTES, "picture")
            if hashlib.sha256(data).hexdigest() != expected:
                raise IntegrityError("a picture changed while it was in use", where=path, hint="run again")
            yield key, data
