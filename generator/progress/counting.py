"""What a run's files say of its plan: every planned sample with what became of it, read while others write.

Nothing is locked and nothing written. Files appear whole, move and vanish meanwhile; one that is gone when it is opened
counts as not there, and the next look finds it where it went.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.failures import failures_name, read_failures
from clay_eval.schemas.manifest import FAILURES, MANIFEST, QUARANTINE, SETTINGS
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.validate import read_sealed

from ..shards.journal import DRAWN, FAILED, LOCK, QUARANTINED, Fate, fate_of, is_alive, journals, read_journal
from ..shards.rendering import PART_NAME, shard_tasks

_BEGUN = re.compile(r"\.(.+\.tar)\.begun\.[0-9a-f]{8}\.part")

Labels = tuple[tuple[str, str], ...]
"""(attribute, value) of a sample, core and diversity."""


@dataclass(frozen=True)
class PlannedShard:
    """A shard as it is planned: its samples' labels by key, all of one entity."""

    name: str
    entity: str
    samples: Mapping[str, Labels]


def planned_shards(plan: Path, shard_size: int) -> list[PlannedShard]:
    """The shards of a plan.jsonl in order; equal labels are held once."""
    once: dict[Labels, Labels] = {}

    def labels(*parts: Mapping[str, str]) -> Labels:
        found = tuple(item for part in parts for item in part.items())
        return once.setdefault(found, found)

    return [
        PlannedShard(
            task.name,
            task.samples[0].entity,
            {sample.key: labels(sample.labels, sample.diversity) for sample in task.samples},
        )
        for task in shard_tasks(plan, shard_size)
    ]


@dataclass
class ShardState:
    """What is known of one shard in one folder.

    fates: by key. unsaved: keys whose pictures lie in no tar yet. times: when those ended, in seconds. at: when the shard's
    last file was written, None before that. bytes: of its tars. drawing: how many are at work on it. begun: how often
    workers of a cluster began it, 0 if none is at it. sign: when anything was last written. damaged: unreadable files.
    """

    fates: dict[str, Fate] = field(default_factory=dict)
    unsaved: set[str] = field(default_factory=set)
    times: list[float] = field(default_factory=list)
    at: float | None = None
    bytes: int = 0
    drawing: int = 0
    begun: int = 0
    sign: float = 0.0
    damaged: list[str] = field(default_factory=list)


@dataclass
class FolderState:
    """What is known of a folder of shards.

    part: (i, n), None for all of the plan. settings: render.json, None before a run has begun. began: when drawing last
    began, in seconds. finished: whether there is a manifest.
    """

    folder: Path
    part: tuple[int, int] | None
    settings: Mapping[str, Any] | None
    began: float | None
    finished: bool
    shards: dict[str, ShardState] = field(default_factory=dict)

    @property
    def sign(self) -> float | None:
        """When something was last written for a picture, in seconds; None before the first."""
        return max((shard.sign for shard in self.shards.values()), default=0.0) or None

    def takes(self, number: int) -> bool:
        """Whether the shard of this number in the plan is drawn here."""
        return self.part is None or number % self.part[1] == self.part[0] - 1


class Reader:
    """Reads folders again and again; a tar that did not change is read once."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int, int], dict[str, tuple[Fate, int]]]] = {}

    def folders(self, shards: Path, parts: Path) -> list[FolderState]:
        """What is in `shards` and in each part in `parts`, as far as there is anything; shards first."""
        found = [(shards, None)] if shards.is_dir() else []
        named = [(path, PART_NAME.fullmatch(path.name)) for path in _listed(parts)]
        ordered = sorted((int(m[2]), int(m[1]), path) for path, m in named if m)
        places: list[tuple[Path, tuple[int, int] | None]] = [
            *found,
            *((path, (i, n)) for n, i, path in ordered),
        ]
        return [self._folder(path, part) for path, part in places]

    def _folder(self, folder: Path, part: tuple[int, int] | None) -> FolderState:
        settings = None
        settings = None
        with suppress(InputError):  # nobody has begun here
            settings = read_sealed(folder / SETTINGS, "render-settings")
        lock = _stat(folder / LOCK)
        state = FolderState(folder, part, settings, lock and lock.st_mtime, (folder / MANIFEST).is_file(), {})
        written = journals(folder)
        begun = _begun(folder)
        tars = {path.name for place in (folder, folder / QUARANTINE) for path in place.glob("[!.]*.tar")}
        listed = {path.name.removesuffix(".jsonl") for path in (folder / FAILURES).glob("[!.]*.tar.jsonl")}
        for name in sorted(tars | listed | written.keys() | begun.keys()):
            state.shards[name] = self._shard(folder, name, written.get(name, ()), begun.get(name, 0))
        return state

    def _shard(self, folder: Path, name: str, written: Sequence[Path], begun: int) -> ShardState:
        state = ShardState(begun=begun)
        listed = folder / FAILURES / failures_name(name)
        if (there := _stat(listed)) is not None:
            state.at = there.st_mtime
            try:
                state.fates |= dict.fromkeys(read_failures(listed), Fate(FAILED))
            except IntegrityError as error:
                state.damaged.append(f"{listed}: {error.what}")
            except (InputError, OSError):
                pass  # it has gone
        for path in written:
            stat = _stat(path)
            if stat is None:
                continue
            state.sign = max(state.sign, stat.st_mtime)
            if not is_alive(path):
                continue
            state.drawing += 1
            for key, (when, fate) in read_journal(path).items():
                state.fates[key] = fate
                if fate.end in (DRAWN, QUARANTINED, FAILED):
                    state.times.append(when)
                if fate.end in (DRAWN, QUARANTINED):
                    state.unsaved.add(key)
        moved: dict[str, int] = {}
        for path, accepted in ((folder / name, True), (folder / QUARANTINE / name, False)):
            stat = _stat(path)
            if stat is None:
                continue
            state.at = max(state.at or 0.0, stat.st_mtime)
            state.bytes += stat.st_size
            try:
                records = self._tar(path, accepted, (stat.st_mtime_ns, stat.st_size, stat.st_ino))
            except IntegrityError as error:
                state.damaged.append(f"{path}: {error.what}")
                continue
            for key, (fate, lines) in records.items():
                if (
                    moved.get(key, -1) < lines
                ):  # in both tars while it moves: the longer record is the later one
                    moved[key] = lines
                    state.fates[key] = fate
                    state.unsaved.discard(key)
        state.sign = max(state.sign, state.at or 0.0)
        return state

    def _tar(self, path: Path, accepted: bool, stamp: tuple[int, int, int]) -> dict[str, tuple[Fate, int]]:
        known = self._known.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        found: dict[str, tuple[Fate, int]] = {}
        try:
            for sample in read_shard(path, images=False):
                lines = sample.record.get("rejected")
                fate = fate_of(sample.record, accepted)
                found[sample.key] = fate, len(lines) if isinstance(lines, list) else 0
        except (InputError, OSError):  # it has gone
            return {}
        self._known[path] = stamp, found
        return found


def _listed(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return


def _stat(path: Path) -> Any:
    try:
        return path.stat()
    except OSError:
        return None


def _begun(folder: Path) -> dict[str, int]:
    """Shard -> how often a worker of the cluster has begun it, of those that one is at."""
    found: dict[str, int] = {}
    for path in folder.glob(".*.tar.begun.*.part"):
        match, stat = _BEGUN.fullmatch(path.name), _stat(path)
        if match and stat is not None:
            found[match[1]] = max(found.get(match[1], 0), stat.st_size)
    return found


@dataclass
class Tally:
    """Samples counted: planned, and of them those drawn, quarantined, failed.

    rejected: pictures that were rejected. unsaved: drawn or quarantined, in no tar yet.
    """

    planned: int = 0
    drawn: int = 0
    quarantined: int = 0
    failed: int = 0
    rejected: int = 0
    unsaved: int = 0

    def add(self, fate: Fate | None, unsaved: bool) -> None:
        """Count one planned sample."""
        self.planned += 1
        if fate is not None:
            self.drawn += fate.end == DRAWN
            self.quarantined += fate.end == QUARANTINED
            self.failed += fate.end == FAILED
            self.rejected += fate.rejected
            self.unsaved += unsaved

    @property
    def waiting(self) -> int:
        """Samples that no end is known of."""
        return self.planned - self.drawn - self.quarantined - self.failed


@dataclass
class ValueTally(Tally):
    """Samples of one value of an attribute.

    looked: samples of which a picture was drawn. missed: those of them of which one was rejected for this attribute.
    """

    looked: int = 0
    missed: int = 0


@dataclass
class Counts:
    """All samples, those of each entity, and those of each value of each of its attributes, in the order of the plan."""

    total: Tally = field(default_factory=Tally)
    entities: dict[str, Tally] = field(default_factory=dict)
    values: dict[str, dict[str, dict[str, ValueTally]]] = field(default_factory=dict)
    rejections: Counter[str] = field(default_factory=Counter)


def count(planned: Sequence[PlannedShard], states: Mapping[str, ShardState]) -> Counts:
    """Count every planned sample once. states: by the shard's name, of those of which there is anything."""
    counts = Counts()
    nothing = ShardState()
    for shard in planned:
        state = states.get(shard.name, nothing)
        entity = counts.entities.setdefault(shard.entity, Tally())
        attributes = counts.values.setdefault(shard.entity, {})
        for key, labels in shard.samples.items():
            fate, unsaved = state.fates.get(key), key in state.unsaved
            for tally in (counts.total, entity):
                tally.add(fate, unsaved)
            if fate is not None:
                counts.rejections.update(fate.failed)
            for name, value in labels:
                of_value = attributes.setdefault(name, {}).setdefault(value, ValueTally())
                of_value.add(fate, unsaved)
                if fate is not None and fate.end != FAILED:
                    of_value.looked += 1
                    of_value.missed += name in fate.failed
    return counts
