"""Semantic versions of a data set: what changed since the previous release decides what the next version is.

major: a record was changed or removed, or what a label means may have changed (attributes, the licence).
minor: records were added, and all that were there are as they were.
patch: the records are the same; texts, packaging, baselines or provenance changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.release import DATA, DIGESTS, LABELS_TABLE, RELEASE, read_release

FIRST, PATCH, MINOR, MAJOR = "first", "patch", "minor", "major"
_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
_BATCH = 8192


@dataclass(frozen=True)
class Changes:
    """What is new in a release: its kind, and a line for each thing that changed."""

    kind: str
    lines: tuple[str, ...]


def parse_version(text: str) -> tuple[int, int, int]:
    """(major, minor, patch); InputError for anything but three whole numbers."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise InputError(
            "this is no version", where="--version", expected="MAJOR.MINOR.PATCH, such as 1.0.0", found=text
        )
    return int(match[1]), int(match[2]), int(match[3])


def next_version(previous: str, kind: str) -> str:
    """The version that follows `previous` after a change of this kind."""
    major, minor, patch = parse_version(previous)
    if kind == MAJOR:
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if kind == MINOR else f"{major}.{minor}.{patch + 1}"


def require_version(version: str, previous: str | None, changes: Changes) -> None:
    """Raise InputError unless `version` is the one that follows `previous` (None: any version may be the first)."""
    parse_version(version)
    if previous is None:
        return
    right = next_version(previous, changes.kind)
    if version != right:
        raise InputError(
            f"the version does not say what changed: a {changes.kind} change\n    "
            + "\n    ".join(changes.lines),
            where="--version",
            expected=f"{right} after {previous}",
            found=version,
            hint=f"--version {right}",
        )


def read_records(path: Path) -> dict[str, bytes]:
    """Key -> digests of its picture and JSON (64 bytes), from a release's labels.parquet; IntegrityError if it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    records: dict[str, bytes] = {}
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(_BATCH, columns=["key", *DIGESTS]):
                columns = [batch.column(name).to_pylist() for name in ("key", *DIGESTS)]
                for key, image, record in zip(*columns, strict=True):
                    records[key] = bytes.fromhex(image) + bytes.fromhex(record)
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise IntegrityError(
            "this is no table of labels of a release", where=path, found=str(error)
        ) from error
    return records


def previous_records(folder: Path, release: Mapping[str, Any]) -> dict[str, bytes]:
    """`read_records` of an earlier release, once the file is known to be the one that was published."""
    path = folder / LABELS_TABLE
    listed = next((entry["sha256"] for entry in release["files"] if entry["path"] == LABELS_TABLE), None)
    if not path.is_file() or file_sha256(path) != listed:
        raise IntegrityError(
            "a file of the previous release is missing or was changed",
            where=path,
            hint="fetch that release again; clay-eval verify says what is wrong with it",
        )
    return read_records(path)


def changes_since(
    folder: Path, manifest: Mapping[str, Any], licence: str, records: Mapping[str, bytes]
) -> Changes:
    """What the release in `folder` had otherwise: manifest, licence (SPDX) and `records` (as `read_records`) are new."""
    release = read_release(folder)
    before = previous_records(folder, release)
    old = read_manifest(folder / DATA)
    if old["fingerprint"] != release["manifest"]:
        raise IntegrityError("the manifest is not that of its release", where=folder / RELEASE)
    removed = len(before.keys() - records.keys())
    changed = sum(before[key] != records[key] for key in before.keys() & records.keys())
    added = len(records.keys() - before.keys())
    breaking = list(_schema_changes(old["entities"], manifest["entities"]))
    if release["licence"]["id"] != licence:
        breaking.append(f"the licence changed from {release['licence']['id']} to {licence}")
    if removed:
        breaking.append(f"{removed} records removed")
    if changed:
        breaking.append(f"{changed} records changed (picture, labels or provenance)")
    growth = [f"{added} records added"] if added else []
    if breaking:
        return Changes(MAJOR, (*breaking, *growth))
    if growth:
        return Changes(MINOR, tuple(growth))
    return Changes(PATCH, ("no record was added, changed or removed",))


def _schema_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for entity, facts in before.items():
        if entity not in now:
            yield f"the entity {entity} was removed"
            continue
        for part in ("attributes", "parents", "diversity"):
            if facts[part] != now[entity][part]:
                yield f"{entity}: {part} changed from {_said(facts[part])} to {_said(now[entity][part])}"


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} of {parent}" for name, parent in value.items()) or "none"
    return ", ".join(value) or "none"
