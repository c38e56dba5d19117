"""What there is to look at: every accepted and every quarantined sample of a shards folder, checked as it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import IntegrityError
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.manifest import QUARANTINE, check_record
from clay_eval.schemas.shards import ShardSample, read_shard


@dataclass(frozen=True)
class Seen:
    """A sample and where it lies."""

    sample: ShardSample
    shard: str
    quarantined: bool


def counted(manifest: Mapping[str, Any]) -> tuple[int, int]:
    """How many samples the manifest lists: (accepted, quarantined)."""
    return manifest["samples"], sum(entry["samples"] for entry in manifest[QUARANTINE])


def read_all(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Seen]:
    """Every accepted sample in the manifest's order, then every quarantined one.

    Raises IntegrityError for a file that is not the one the manifest lists, and for a record that lacks its labels.
    """
    tars = [entry for entry in manifest["files"] if entry["name"].endswith(".tar")]
    for place, entries in ((folder, tars), (folder / QUARANTINE, manifest[QUARANTINE])):
        for entry in entries:
            path = place / entry["name"]
            require_unchanged(path, entry["sha256"])
            for sample in read_shard(path):
                check_record(sample.record, sample.key, manifest["entities"], f"{path}: {sample.key}")
                yield Seen(sample, entry["name"], place != folder)


def require_unchanged(path: Path, sha256: str) -> None:
    """Raise IntegrityError if a file is not there or not what the manifest lists."""
    found = file_sha256(path) if path.is_file() else "no such file"
    if found != sha256:
        raise IntegrityError(
            "a file is not what the manifest says",
            where=path,
            expected=f"sha256 {sha256}",
            found=found,
            hint="run clay-eval render again: it makes damaged shards anew",
        )
