"""One shard and its quarantine: which sample belongs where, and the writes that bring it there.

A sample is never nowhere: what leaves the shard is written to quarantine before, what leaves quarantine is written to the
shard before. A run that was killed in between left it in both; then the record with the more lines under "rejected" is
the later one, because every move adds a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import IntegrityError
from clay_eval.schemas.files import remove_file
from clay_eval.schemas.manifest import QUARANTINE
from clay_eval.schemas.shards import ShardSample, read_shard, write_shard

from .decisions import ACCEPTED, marked


@dataclass(frozen=True)
class Held:
    """A sample of a shard's work as it is now, and whether it lies in quarantine."""

    sample: ShardSample
    quarantined: bool

    def decided(self, mark: str) -> Held:
        """The sample where `mark` puts it; one that bears it already stays as it is."""
        quarantined = mark != ACCEPTED
        if self.quarantined == quarantined:
            return self
        old = self.sample
        record = marked(old.record, mark)
        return Held(ShardSample(old.key, old.extension, old.image, record), quarantined)


def read_held(folder: Path, name: str) -> dict[str, Held]:
    """The samples of shard `name` and of its quarantine by key; a file that is not there holds none."""
    held: dict[str, Held] = {}
    for path, quarantined in ((folder / name, False), (folder / QUARANTINE / name, True)):
        for sample in read_shard(path) if path.exists() else ():
            other = held.get(sample.key)
            if other is None or _lines(other.sample.record) < _lines(sample.record):
                held[sample.key] = Held(sample, quarantined)
    return held


def _lines(record: Mapping[str, Any]) -> int:
    rejected = record.get("rejected")
    return len(rejected) if isinstance(rejected, list) else 0


def write_held(folder: Path, name: str, order: Sequence[str], marks: Mapping[str, str]) -> None:
    """Bring every sample of the shard's work to where `marks` (key -> line of the record) puts it.

    `order`: the keys of the shard's work in the order of the plan. Running it again after it was killed anywhere ends in
    the same files.
    """
    before = read_held(folder, name)
    unknown = before.keys() - set(order)
    if unknown:
        raise IntegrityError(
            "a sample is not in the plan", where=folder / name, found=", ".join(sorted(unknown)[:3])
        )
    keys = [key for key in order if key in before]
    after = {key: before[key].decided(marks[key]) if key in marks else before[key] for key in keys}
    inside = [after[key].sample for key in keys if not after[key].quarantined]
    outside = [after[key].sample for key in keys if after[key].quarantined]
    leaving = [key for key in keys if before[key].quarantined and not after[key].quarantined]
    still = {key: before[key].sample for key in leaving} | {s.key: s for s in outside}
    _write(folder / QUARANTINE / name, [still[key] for key in keys if key in still])
    _write(folder / name, inside)
    if leaving:
        _write(folder / QUARANTINE / name, outside)


def _write(path: Path, samples: Sequence[ShardSample]) -> None:
    """The shard with these samples; no shard at all for none."""
    if samples:
        write_shard(path, samples)
    else:
        remove_file(path)
