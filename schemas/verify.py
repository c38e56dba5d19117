"""Verification of a shards folder: rehash, recount, reread; every fault is listed, none is passed over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import ClayEvalError, InputError
from .failures import failures_name, read_failures
from .fingerprint import file_sha256, fingerprint
from .manifest import (
    FAILURES,
    LABELS,
    MANIFEST,
    QUARANTINE,
    SETTINGS,
    Recount,
    check_record,
    csv_lines,
    label_columns,
    label_row,
    provenance_of,
    read_manifest,
)
from .shards import ShardSample, read_shard
from .surroundings import is_litter, is_plain_file, litter_note
from .validate import read_sealed

_PART = re.compile(r"([0-9]+)-of-([0-9]+)")
_NUMBERED = re.compile(r"(.+)-([0-9]+)\.tar")
_OWN = {MANIFEST, SETTINGS, QUARANTINE, FAILURES, ".lock"}


@dataclass
class Findings:
    """What verification read and what it found wrong, one line a fault; `samples` are those in shards.

    notes: a line for everything that was not looked at, or not in full.
    """

    files: int = 0
    samples: int = 0
    bytes: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

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
    *,
    quarantine: bool = True,
    on_sample: Callable[[str, ShardSample], None] = lambda _, __: None,
) -> Findings:
    """Check a shards folder against its manifest; never raises for damage, lists it instead.

    check_image: called with each picture's bytes and its name, raises ClayEvalError if it cannot be decoded (None: only
    the hashes are checked). progress: called with the bytes of each file done. quarantine: whether the rejected pictures
    are to be here; without them (in a release) the counts of what they say are taken as the manifest has them.
    on_sample: called with the shard's name and each sample in it, in the order of labels.csv.
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
    for path in _without_litter(sorted(folder.iterdir()), findings):
        if path.name not in listed and path.name not in _OWN:
            findings.faults.append(f"{path}: not in the manifest")
    _check_origin(folder, manifest, findings)
    _check_part(folder, manifest, findings)
    seen: dict[str, str] = {}
    shards = []
    for entry in manifest["files"]:
        readable = _check_file(folder / entry["name"], entry, findings)
        if readable and entry["name"].endswith(".tar"):
            shards.append(entry)
        progress(entry["bytes"])
    found = Recount()
    rows = _rows(folder, shards, manifest, seen, found, findings, check_image, on_sample)
    if not _labels_agree(folder / LABELS, label_columns(manifest["entities"]), rows):
        findings.faults.append(f"{folder / LABELS}: does not say what the shards say")
    counts = Counter(seen.values())
    for entity, facts in manifest["entities"].items():
        if counts[entity] != facts["samples"]:
            findings.faults.append(f"{entity}: {facts['samples']} samples expected, {counts[entity]} found")
    findings.samples = len(seen)
    if findings.samples != manifest["samples"]:
        findings.faults.append(f"{folder}: {manifest['samples']} samples expected, {len(seen)} found")
    if quarantine:
        _check_quarantine(folder, manifest, seen, found, findings, check_image, progress)
    else:
        _without_quarantine(folder, manifest, found, findings)
    _check_failures(folder / FAILURES, seen, found, findings)
    _check_counts(folder, manifest, found, findings)
    return findings


def _check_origin(folder: Path, manifest: dict[str, Any], findings: Findings) -> None:
    """The manifest's own fingerprint, and the settings beside it."""
    body = {name: manifest[name] for name in ("plan", "renderer", "files")}
    if manifest["fingerprint"] != fingerprint(body):
        findings.faults.append(f"{folder / MANIFEST}: its fingerprint is not that of its content")
    if (folder / SETTINGS).exists():
        read_settings(folder / SETTINGS, manifest, findings)


def read_settings(path: Path, manifest: Mapping[str, Any], findings: Findings) -> dict[str, Any] | None:
    """The settings that shards were rendered with, held against their manifest; None if they cannot be read."""
    try:
        settings = read_sealed(path, "render-settings")
    except ClayEvalError as error:
        findings.add(error)
        return None
    told = {name: manifest[name] for name in ("plan", "renderer")}
    told |= {name: manifest["filter"][name] for name in ("judge", "attempts")}
    findings.faults += [
        f"{path}: another {name} than the manifest's" for name, said in told.items() if settings[name] != said
    ]
    return settings


def _check_part(folder: Path, manifest: dict[str, Any], findings: Findings) -> None:
    """A part is the one that its folder's name says, and its shards are every n-th of an entity's."""
    part = manifest["part"]
    named = _PART.fullmatch(folder.resolve().name)
    if named and part != [int(named[1]), int(named[2])]:
        said = "all of a plan" if part is None else "part {} of {}".format(*part)
        findings.faults.append(
            f"{folder / MANIFEST}: is of {said}, not of the part that the folder is named for"
        )
    if part is None:
        return
    if part[0] > part[1]:
        findings.faults.append(f"{folder / MANIFEST}: there is no part {part[0]} of {part[1]}")
    places: dict[str, int] = {}
    for entry in (*manifest["files"], *manifest["quarantine"]):
        if numbered := _NUMBERED.fullmatch(entry["name"]):
            place = int(numbered[2]) % part[1]
            if places.setdefault(numbered[1], place) != place:
                findings.faults.append(f"{folder / entry['name']}: belongs to another part")


def _check_file(path: Path, entry: dict[str, Any], findings: Findings) -> bool:
    """Whether it is a file that can be read; whether it is the right one is noted in `findings`."""
    if not is_plain_file(path):
        findings.faults.append(f"{path}: missing, or not a plain file")
        return False
    size = path.stat().st_size
    findings.files += 1
    findings.bytes += size
    try:
        sha256 = file_sha256(path)
    except (InputError, OSError) as error:
        said = error.strerror if isinstance(error, OSError) else error.found or error.what
        findings.faults.append(f"{path}: cannot be read: {said}")
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
    found: Recount,
    findings: Findings,
    check_image: Callable[[bytes, str], Any] | None,
    on_sample: Callable[[str, ShardSample], None],
) -> Iterator[dict[str, str]]:
    """Rows of labels.csv as the shards say them; faults go to `findings`, keys with their entity to `seen`."""
    for entry in shards:
        path = folder / entry["name"]
        for sample in _samples(path, entry, seen, findings):
            where = f"{path}: {sample.key}"
            _check_sample(sample, where, manifest, found, True, findings, check_image)
            if sample.record.get("entity") != entry["entity"]:
                findings.faults.append(f"{where}: not of the entity {entry['entity']!r}")
            seen[sample.key] = str(sample.record.get("entity"))
            on_sample(path.name, sample)
            yield label_row(sample.key, path.name, {"labels": {}, "diversity": {}, **sample.record})


def _samples(
    path: Path, entry: dict[str, Any], seen: Container[str], findings: Findings
) -> Iterator[ShardSample]:
    """The samples of a tar as far as it can be read, counted against its entry in the manifest."""
    count = 0
    try:
        for sample in read_shard(path):
            count += 1
            if sample.key in seen:
                findings.faults.append(f"{path}: {sample.key}: this key stands in two shards")
            yield sample
    except ClayEvalError as error:
        findings.add(error)
    if count != entry["samples"]:
        findings.faults.append(f"{path}: {entry['samples']} samples expected, {count} found")


def _check_quarantine(
    folder: Path,
    manifest: dict[str, Any],
    seen: dict[str, str],
    found: Recount,
    findings: Findings,
    check_image: Callable[[bytes, str], Any] | None,
    progress: Callable[[int], None],
) -> None:
    """The tars of quarantine are those of the manifest, and what lies in them lies nowhere else."""
    listed = {entry["name"] for entry in manifest["quarantine"]}
    if len(listed) < len(manifest["quarantine"]):
        findings.faults.append(f"{folder / MANIFEST}: a file of {QUARANTINE} is listed twice")
    for path in _entries(folder / QUARANTINE, findings):
        if path.name not in listed:
            findings.faults.append(f"{path}: not in the manifest")
    for entry in manifest["quarantine"]:
        path = folder / QUARANTINE / entry["name"]
        if _check_file(path, entry, findings):
            for sample in _samples(path, entry, seen, findings):
                where = f"{path}: {sample.key}"
                _check_sample(sample, where, manifest, found, False, findings, check_image)
                seen[sample.key] = str(sample.record.get("entity"))
        progress(entry["bytes"])


def _without_quarantine(folder: Path, manifest: dict[str, Any], found: Recount, findings: Findings) -> None:
    """Count what is not here as the manifest says it, as far as that agrees with what is here."""
    for path in _entries(folder / QUARANTINE, findings):
        findings.faults.append(f"{path}: rejected pictures have no place here")
    said = manifest["filter"]
    found.quarantined = sum(entry["samples"] for entry in manifest["quarantine"])
    found.by_hand = min(said["by_hand"], found.quarantined)
    found.rejections |= Counter(said["rejections"])


def _check_failures(folder: Path, seen: Container[str], found: Recount, findings: Findings) -> None:
    """The lists of failures can be read, and what failed was not made after all."""
    listed: set[str] = set()
    for path in _entries(folder, findings):
        if not path.name.endswith(failures_name(".tar")) or path.is_symlink() or not path.is_file():
            findings.faults.append(f"{path}: not a list of failures")
            continue
        try:
            failures = read_failures(path)
        except ClayEvalError as error:
            findings.add(error)
            continue
        for key in failures:
            if key in seen or key in listed:
                findings.faults.append(f"{path}: {key}: this sample is elsewhere, too")
        listed |= failures.keys()
        found.failed += len(failures)


def _entries(folder: Path, findings: Findings) -> list[Path]:
    """What lies in a folder that need not be there."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        findings.faults.append(f"{folder}: not a folder")
        return []
    return _without_litter(sorted(folder.iterdir()), findings) if folder.exists() else []


def _without_litter(paths: Iterable[Path], findings: Findings) -> list[Path]:
    """Those that operating systems did not leave there by themselves; a note names the others."""
    kept = []
    for path in paths:
        if is_litter(path):
            findings.notes.append(litter_note(path))
        else:
            kept.append(path)
    return kept


def _check_counts(folder: Path, manifest: dict[str, Any], found: Recount, findings: Findings) -> None:
    """The numbers of the filter and of the balance are those of a recount, and add up to what was planned."""
    provenance = provenance_of(manifest)
    counted = found.filter_record(provenance)
    for name, value in counted.items():
        if manifest["filter"][name] != value:
            findings.faults.append(
                f"{folder / MANIFEST}: filter: {manifest['filter'][name]} {name} expected, {value} found"
            )
    if manifest["balance"] != found.balance(provenance.planned):
        findings.faults.append(f"{folder / MANIFEST}: the balance is not that of the shards")
    there = counted["accepted"] + counted["quarantined"] + counted["failed"]
    if there != counted["planned"]:
        findings.faults.append(
            f"{folder}: {counted['planned']} samples were planned, {there} are accounted for"
        )
    by_attribute = [
        (entity, name, sum(planned.values()))
        for entity, attributes in provenance.planned.counts.items()
        for name, planned in attributes.items()
    ]
    for entity, facts in manifest["entities"].items():
        totals = {name: total for of, name, total in by_attribute if of == entity}
        if len(set(totals.values())) > 1 or (
            totals and totals.keys() != {*facts["attributes"], *facts["diversity"]}
        ):
            findings.faults.append(f"{folder / MANIFEST}: the balance of {entity} does not add up")
    if sum({of: total for of, _, total in by_attribute}.values()) != counted["planned"]:
        findings.faults.append(
            f"{folder / MANIFEST}: the balance is not that of {counted['planned']} planned samples"
        )


def _check_sample(
    sample: ShardSample,
    where: str,
    manifest: dict[str, Any],
    found: Recount,
    accepted: bool,
    findings: Findings,
    check_image: Callable[[bytes, str], Any] | None,
) -> None:
    try:
        check_record(sample.record, sample.key, manifest["entities"], where)
        found.add(sample.record, accepted)
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
        except InputError:
            raise
        except (ValueError, KeyError, TypeError):
            for _ in rows:
                pass
            return False
        return agree and not stream.read(1)
