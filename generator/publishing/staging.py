"""Brings a run's shards into the folder that a release is made in, and checks there what is going to be published.

Tars are linked (or copied) as they are. Where samples carry lists that are empty in some and not in others (pictures that
were drawn again, decisions by hand), readers that infer types from the first few samples would fail on the later ones:
then all shards are packed anew with those lists as texts, and the manifest says the new sizes and digests.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import IntegrityError
from clay_eval.schemas.files import remove_file, storage_errors, write_sealed
from clay_eval.schemas.fingerprint import SEAL, file_sha256, fingerprint
from clay_eval.schemas.manifest import LABELS, MANIFEST
from clay_eval.schemas.planned import PLAN_LINES, AgainstPlan
from clay_eval.schemas.release import DATA, LABELS_TABLE, published_record
from clay_eval.schemas.shards import FileFacts, ShardSample, read_shard, write_shard
from clay_eval.schemas.verify import verify_shards

from .labels import LabelsTable
from .sources import Sources, is_accepted_by_hand

_LISTED = 5


@dataclass
class Seen:
    """What was seen in the shards: manifest as published, digests by key, extension of the pictures, first records."""

    manifest: dict[str, Any] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)
    extensions: Counter[str] = field(default_factory=Counter)
    accepted_by_hand: int = 0
    varying: bool = False
    examples: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, sample: ShardSample) -> None:
        """Look at a sample."""
        self.extensions[sample.extension] += 1
        self.accepted_by_hand += is_accepted_by_hand(sample.record)
        self.varying = self.varying or any(
            value and isinstance(value, list) for value in sample.record.values()
        )
        self.examples.setdefault(str(sample.record.get("entity")), sample.record)


def stage(
    sources: Sources, folder: Path, *, copy: bool = False, progress: Callable[[int], None] = lambda _: None
) -> Seen:
    """Fill `folder`/data and write `folder`/labels.parquet.

    progress: called with the bytes of each file done. Raises IntegrityError for shards that are not what their manifest
    says, with the first of the faults.
    """
    counts = sources.manifest["filter"]
    if counts["first_try"] == counts["accepted"]:
        _bring(sources, folder / DATA, copy)
        seen = _verified(sources, folder, progress)
        if not seen.varying:
            return seen
        shutil.rmtree(folder / DATA)
        remove_file(folder / LABELS_TABLE)
    by_hand = _pack(sources, folder / DATA)
    seen = _verified(sources, folder, progress)
    seen.accepted_by_hand = by_hand
    return seen


def _bring(sources: Sources, data: Path, copy: bool) -> None:
    for entry in sources.manifest["files"]:
        bring_file(
            _plain(sources.shards / entry["name"]), data / entry["name"], copy or entry["name"] == LABELS
        )
    bring_file(sources.shards / MANIFEST, data / MANIFEST, copy=True)


def _plain(path: Path) -> Path:
    if path.is_symlink() or not path.is_file():
        raise IntegrityError(
            "a shard is missing", where=path, expected="a plain file", hint="clay-eval render makes it again"
        )
    return path


def bring_file(source: Path, target: Path, copy: bool) -> None:
    """`target` as another name of `source`, or as a copy that is safe on the disk."""
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if not copy:
            try:
                os.link(source, target)
                return
            except OSError:
                pass  # another file system, or one without links
        shutil.copyfile(source, target)
        with target.open("rb") as stream:
            os.fsync(stream.fileno())


def _pack(sources: Sources, data: Path) -> int:
    """Write the shards anew with `published_record`s, and a manifest of them; how many were accepted by hand."""
    data.mkdir(parents=True, exist_ok=True)
    by_hand = 0

    def samples(path: Path) -> Iterator[ShardSample]:
        nonlocal by_hand
        for sample in read_shard(path):
            by_hand += is_accepted_by_hand(sample.record)
            yield replace(sample, record=published_record(sample.record))

    files = []
    for entry in sources.manifest["files"]:
        path = _plain(sources.shards / entry["name"])
        if file_sha256(path) != entry["sha256"]:
            raise _unverified(sources, [f"{path}: its sha256 is not the manifest's"])
        if entry["name"] == LABELS:
            bring_file(path, data / LABELS, copy=True)
            files.append(entry)
        else:
            files.append(_entry(entry, write_shard(data / entry["name"], samples(path))))
    body = {"plan": sources.manifest["plan"], "renderer": sources.manifest["renderer"], "files": files}
    manifest = {**sources.manifest, **body, "fingerprint": fingerprint(body)}
    write_sealed(data / MANIFEST, {name: value for name, value in manifest.items() if name != SEAL})
    return by_hand


def _entry(entry: Mapping[str, Any], facts: FileFacts) -> dict[str, Any]:
    return {**entry, "bytes": facts.bytes, "sha256": facts.sha256}


def _verified(sources: Sources, folder: Path, progress: Callable[[int], None]) -> Seen:
    """Verify what was brought, and gather what it holds on the way: one pass over the tars' samples."""
    from clay_eval.schemas.manifest import read_manifest

    seen = Seen(manifest=read_manifest(folder / DATA))
    plan = AgainstPlan(sources.plan / PLAN_LINES, sources.planned, seen.manifest, None)
    with LabelsTable(folder / LABELS_TABLE, seen.manifest["entities"]) as table:

        def look(shard: str, sample: ShardSample) -> None:
            seen.add(sample)
            table.add(shard, sample)
            plan.compare(folder / DATA / shard, sample)

        findings = verify_shards(folder / DATA, None, progress, quarantine=False, on_sample=look)
    findings.faults += plan.finish()
    if not findings.ok:
        raise _unverified(
            sources, [fault.replace(str(folder / DATA), str(sources.shards)) for fault in findings.faults]
        )
    seen.records = table.records
    return seen


def _unverified(sources: Sources, faults: list[str]) -> IntegrityError:
    more = f" (and {len(faults) - _LISTED} more)" if len(faults) > _LISTED else ""
    return IntegrityError(
        "the shards are not what their manifest says, so they cannot be published",
        where=sources.shards,
        found="; ".join(faults[:_LISTED]) + more,
        hint="clay-eval verify lists all; clay-eval render with the same options makes damaged shards again",
    )
