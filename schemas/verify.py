"""Verification of a shards folder: rehash, recount, reread; every fault is listed, none is passed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import ClayEvalError
from .fingerprint import file_sha256, fingerprint
from .manifest import (
    LABELS,
    MANIFEST,
    SETTINGS,
    check_record,
    csv_lines,
    label_columns,
    label_row,
    read_manifest,
)
from .shards import ShardSample, read_shard
from .validate import read_sealed

_OWN = {MANIFEST, SETTINGS, ".lock"}


@dataclass
class Findings:
    """What verification read and what it found wrong, one line a fault."""

    files: int = 0
    samples: int = 0
    bytes: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def add(self, error: ClayEvalError) -> None:
        """Note an error as one line."""
        self.faults.append(" ".join(str(error).split()))


def verify_shards(
    folder: Path,
    check_image: Callable[[bytes, str], Any] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Findings:
    """Check a shards folder against its manifest; never raises for damage, lists it instead.

    check_image: called with each picture's bytes and its name, raises ClayEvalError if it cannot be decoded (None: only
    the hashes are checked). progress: called with the bytes of each file done.
    """
    findings = Findings()
    try:
        manifest = read_manifest(folder)
    except ClayEvalError as error:
        findings.add(error)
        return findings
    listed = {entry["name"]: entry for entry in manifest["files"]}
    if len(listed) < len(manifest["files"]):
        findings.faults.append(f"{folder / MANIFEST}: a file is listed twice")
    for path in sorted(folder.iterdir()):
        if path.name not in listed and path.name not in _OWN:
            findings.faults.append(f"{path}: not in the manifest")
    _check_origin(folder, manifest, findings)
    seen: dict[str, str] = {}
    shards = []
    for entry in manifest["files"]:
        readable = _check_file(folder / entry["name"], entry, findings)
        if readable and entry["name"].endswith(".tar"):
            shards.append(entry)
        progress(entry["bytes"])
    rows = _rows(folder, shards, manifest, seen, findings, check_image)
    if not _labels_agree(folder / LABELS, label_columns(manifest["entities"]), rows):
        findings.faults.append(f"{folder / LABELS}: does not say what the shards say")
    counts = Counter(seen.values())
    for entity, facts in manifest["entities"].items():
        if counts[entity] != facts["samples"]:
            findings.faults.append(f"{entity}: {facts['samples']} samples expected, {counts[entity]} found")
    findings.samples = len(seen)
    if findings.samples != manifest["samples"]:
        findings.faults.append(f"{folder}: {manifest['samples']} samples expected, {len(seen)} found")
    return findings


def _check_origin(folder: Path, manifest: dict[str, Any], findings: Findings) -> None:
    """The manifest's own fingerprint, and the settings beside it."""
    body = {name: manifest[name] for name in ("plan", "renderer", "files")}
    if manifest["fingerprint"] != fingerprint(body):
        findings.faults.append(f"{folder / MANIFEST}: its fingerprint is not that of its content")
    if not (folder / SETTINGS).exists():
        return
    try:
        settings = read_sealed(folder / SETTINGS, "render-settings")
    except ClayEvalError as error:
        findings.add(error)
        return
    for name in ("plan", "renderer"):
        if settings[name] != manifest[name]:
            findings.faults.append(f"{folder / SETTINGS}: another {name} than the manifest's")


def _check_file(path: Path, entry: dict[str, Any], findings: Findings) -> bool:
    """Whether it is a file that can be read; whether it is the right one is noted in `findings`."""
    if path.is_symlink() or not path.is_file():
        findings.faults.append(f"{path}: missing, or not a plain file")
        return False
    size = path.stat().st_size
    findings.files += 1
    findings.bytes += size
    try:
        sha256 = file_sha256(path)
    except OSError as error:
        findings.faults.append(f"{path}: cannot be read: {error.strerror}")
        return False
    if size != entry["bytes"]:
        findings.faults.append(f"{path}: {entry['bytes']} bytes expected, {size} found")
    elif sha256 != entry["sha256"]:
        findings.faults.append(f"{path}: its sha256 is not the manifest's")
    return True


def _rows(
    folder: Path,
    shards: list[dict[str, Any]],
    manifest: dict[str, Any],
    seen: dict[str, str],
    findings: Findings,
    check_image: Callable[[bytes, str], Any] | None,
) -> Iterator[dict[str, str]]:
    """Rows of labels.csv as the shards say them; faults go to `findings`, keys with their entity to `seen`."""
    for entry in shards:
        path = folder / entry["name"]
        count = 0
        try:
            for sample in read_shard(path):
                where = f"{path}: {sample.key}"
                count += 1
                if sample.key in seen:
                    findings.faults.append(f"{where}: this key stands in two shards")
                _check_sample(sample, where, manifest, findings, check_image)
                if sample.record.get("entity") != entry["entity"]:
                    findings.faults.append(f"{where}: not of the entity {entry['entity']!r}")
                seen[sample.key] = str(sample.record.get("entity"))
                yield label_row(sample.key, path.name, {"labels": {}, "diversity": {}, **sample.record})
        except ClayEvalError as error:
            findings.add(error)
        if count != entry["samples"]:
            findings.faults.append(f"{path}: {entry['samples']} samples expected, {count} found")


def _check_sample(
    sample: ShardSample,
    where: str,
    manifest: dict[str, Any],
    findings: Findings,
    check_image: Callable[[bytes, str], Any] | None,
) -> None:
    try:
        check_record(sample.record, sample.key, manifest["entities"], where)
        if check_image is not None:
            check_image(sample.image, where)
    except ClayEvalError as error:
        findings.add(error)


def _labels_agree(path: Path, columns: list[str], rows: Iterator[dict[str, str]]) -> bool:
    """Whether labels.csv holds exactly `rows`; consumes all of them either way."""
    agree = True
    if not path.is_file():
        for _ in rows:
            pass
        return False
    with path.open("rb") as stream:
        try:
            for line in csv_lines(columns, rows):
                agree = stream.read(len(line)) == line and agree
        except (ValueError, KeyError, TypeError):
            for _ in rows:
                pass
            return False
        return agree and not stream.read(1)
