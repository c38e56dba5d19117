"""One shard's worth of work: draw its samples, have them judged, draw the rejected ones again, write what came of it.

A sample ends in one of three places. Accepted: in the shard. Rejected `attempts` times: in quarantine/, a tar of the same
name, with the last picture and the reasons. Not drawable (the renderer raised an error about it, or no attempt shows
anything): in failures/, a line of JSON. What is in neither tar is drawn when the work is done again, and nothing else is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.failures import failures_name, read_failures, write_failures
from clay_eval.schemas.files import remove_file, storage_errors
from clay_eval.schemas.fingerprint import canonical_json, file_sha256
from clay_eval.schemas.manifest import FAILURES, QUARANTINE
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.shards import FileFacts, Limits, ShardSample, read_shard, write_shard

from ..alignment.base import Judge
from ..render.base import Renderer
from .attempts import Attempt
from .drawing import PictureMaker
from .journal import shard_journal
from .pictures import IMAGE_FORMATS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RenderOptions:
    """How pictures are made and stored.

    shard_size: samples a shard. image_format: "jpg", "png", "webp". batch_size: pictures a renderer call. attempts: pictures
    that are made of a sample at most, where a judge rejects them or nothing is to be seen on them. previews: a folder of
    folders that were drawn before (see `drawn_before`); what they hold is not drawn again.
    """

    shard_size: int = 256
    image_format: str = "jpg"
    batch_size: int = 8
    attempts: int = 3
    previews: Path | None = None

    def __post_init__(self) -> None:
        if self.image_format not in IMAGE_FORMATS:
            raise InputError(
                "unknown image format",
                where="--format",
                expected=f"one of {list(IMAGE_FORMATS)}",
                found=self.image_format,
            )
        if self.shard_size < 1 or self.batch_size < 1:
            raise InputError(
                "shards and batches hold at least one sample", where="--shard-size, --batch-size"
            )
        most = Limits().samples
        if self.shard_size > most or self.batch_size > most:
            raise InputError(
                "more samples in a shard or a batch than can be read again",
                where="--shard-size, --batch-size",
                expected=f"at most {most}",
                found=f"{self.shard_size}, {self.batch_size}",
            )
        if self.attempts < 1:
            raise InputError("a sample takes at least one attempt", where="--attempts", found=self.attempts)


@dataclass(frozen=True)
class ShardTask:
    """One shard's worth of work; picklable."""

    name: str
    samples: tuple[SampleSpec, ...]


@dataclass(frozen=True)
class ShardOutcome:
    """What came of a task: how many samples are in the shard and in quarantine, and which failed, with the error.

    written: what the two tars are, by their path in the folder, as far as there are any.
    """

    name: str
    accepted: int
    quarantined: int
    failed: Mapping[str, str]
    written: Mapping[str, FileFacts] = field(default_factory=dict)


def shard_files(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """Where the work of shard `name` puts things, as far as there are any: the shard, its quarantine, its failures."""
    return folder / name, folder / QUARANTINE / name, folder / FAILURES / failures_name(name)


class ShardMaker:
    """Makes shards in `folder` with a renderer and, if there is one, a judge.

    earlier: folders of shards of the same settings, of whatever shard size; what they hold of a task is taken from there.
    """

    def __init__(
        self,
        renderer: Renderer,
        judge: Judge | None,
        folder: Path,
        options: RenderOptions,
        earlier: Sequence[Path] = (),
    ) -> None:
        self._renderer = renderer
        self._folder = folder
        self._options = options
        self._pictures = PictureMaker(
            renderer, judge, options.image_format, options.batch_size, options.attempts
        )
        self._earlier = {
            sample.key: (sample, aside)
            for place in earlier
            for below, aside in ((place, False), (place / QUARANTINE, True))
            for path in sorted(below.glob("[!.]*.tar"))
            for sample in _readable(path)
        }

    def make(self, task: ShardTask) -> ShardOutcome:
        """Draw what is missing of a task and write its files, the shard last; what is there and valid is kept as it is."""
        held = self._taken(task)
        held |= {key: place for key, place in self._held(task) if place is not None}
        inner, outer, listed = shard_files(self._folder, task.name)
        missing = [sample for sample in task.samples if sample.key not in held]
        failed_before = _failed_keys(listed)
        with storage_errors(self._folder / task.name), shard_journal(self._folder, task.name) as note:
            made = self._pictures.make(missing, failed_before, note)
        inside = made.accepted | {k: sample for k, (sample, aside) in held.items() if not aside}
        outside = made.quarantined | {k: sample for k, (sample, aside) in held.items() if aside}
        order = [s.key for s in task.samples]
        aside = _write(outer, [outside[k] for k in order if k in outside])
        write_failures(listed, {k: made.failed[k] for k in order if k in made.failed})
        shard = _write(inner, [inside[k] for k in order if k in inside])
        files = {f"{QUARANTINE}/{task.name}": aside, task.name: shard}
        written = {path: facts for path, facts in files.items() if facts is not None}
        return ShardOutcome(task.name, len(inside), len(outside), made.failed, written)

    def _taken(self, task: ShardTask) -> dict[str, tuple[ShardSample, bool]]:
        """What earlier folders hold of a task, as the plan says: key -> (sample, whether in quarantine)."""
        return {
            spec.key: found
            for spec in task.samples
            if (found := self._earlier.get(spec.key)) and self._is_expected(spec, found[0])
        }

    def is_complete(self, task: ShardTask, digests: Mapping[str, str] | None = None) -> bool:
        """Whether every sample of the task lies where it belongs, once, in order, and is what the plan says; none failed.

        digests: sha256 by path in the folder of files as they were when they were finished, where that is known. A file
        that was changed or damaged since is reported, and its samples count as missing.
        """
        *tars, listed = shard_files(self._folder, task.name)
        for path in tars:
            known = (digests or {}).get(path.relative_to(self._folder).as_posix())
            if known is not None and path.exists() and file_sha256(path) != known:
                log.warning("%s was changed and is made again", path)
                remove_file(path)
        if listed.exists():
            return False
        keys: list[list[str]] = [[], []]
        for key, place in self._held(task):
            if place is None:
                return False
            keys[place[1]].append(key)
        return all(found == _keys(path) for found, path in zip(keys, tars, strict=True))

    def _held(self, task: ShardTask) -> Iterator[tuple[str, tuple[ShardSample, bool] | None]]:
        """(key, (sample, whether in quarantine), or None if it is not there or not what the plan says), in plan order.

        Work that was killed while a picture moved left it in both files; the record with more lines under "rejected" is
        the later one, because every move adds a line.
        """
        wanted = {sample.key: sample for sample in task.samples}
        found: dict[str, tuple[ShardSample, bool]] = {}
        inner, outer, _ = shard_files(self._folder, task.name)
        for path, aside in ((inner, False), (outer, True)):
            for sample in _readable(path):
                spec, other = wanted.get(sample.key), found.get(sample.key)
                if spec is None or not self._is_expected(spec, sample):
                    continue
                if other is None or len(other[0].record["rejected"]) < len(sample.record["rejected"]):
                    found[sample.key] = (sample, aside)
        for key in wanted:
            yield key, found.get(key)

    def _is_expected(self, spec: SampleSpec, sample: ShardSample) -> bool:
        record = sample.record
        attempt, scores = record.get("attempt"), record.get("scores")
        rejected, failed = record.get("rejected"), record.get("failed")
        if type(attempt) is not int or not 1 <= attempt <= self._options.attempts:
            return False
        if not (isinstance(scores, dict) and isinstance(rejected, list) and isinstance(failed, list)):
            return False
        expected = Attempt(spec, attempt, tuple(rejected), tuple(failed))
        return canonical_json(expected.record(scores, self._renderer.identity)) == canonical_json(record)


def _readable(path: Path, images: bool = True) -> Iterator[ShardSample]:
    """The samples of a shard; none if it is not there or damaged."""
    if not path.exists():
        return
    try:
        yield from list(read_shard(path, images=images))
    except IntegrityError as error:
        log.warning("%s is damaged and is made again: %s", path, error.what)


def _keys(path: Path) -> list[str] | None:
    """The keys in a tar: none if it is not there, None if it is damaged (a tar without samples is not written)."""
    return [sample.key for sample in _readable(path, images=False)] or (None if path.exists() else [])


def _failed_keys(path: Path) -> frozenset[str]:
    try:
        return frozenset(read_failures(path))
    except IntegrityError as error:
        log.warning("%s is damaged and is made again: %s", path, error.what)
        return frozenset()


def _write(path: Path, samples: Sequence[ShardSample]) -> FileFacts | None:
    """The tar with these samples; no file at all for none."""
    if samples:
        return write_shard(path, samples)
    remove_file(path)
    return None
