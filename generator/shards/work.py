"""One shard's worth of work: draw its samples, have them judged, draw the rejected ones again, write what came of it.

A sample ends in one of three places. Accepted: in the shard. Rejected `attempts` times: in quarantine/, a tar of the same
name, with the last picture and the reasons. Not drawable (the renderer raised an error about it, or no attempt shows
anything): in failures/, a line of JSON. What is in neither tar is drawn when the work is done again, and nothing else is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.schemas.failures import failures_name, read_failures, write_failures
from clay_eval.schemas.files import remove_file, storage_errors
from clay_eval.schemas.fingerprint import canonical_json, file_sha256
from clay_eval.schemas.manifest import FAILURES, QUARANTINE
from clay_eval.schemas.samples import SampleSpec, attempt_seed
from clay_eval.schemas.shards import FileFacts, ShardSample, read_shard, write_shard

from ..alignment.base import Judge, check_verdicts
from ..render.base import NothingShownError, Renderer
from ..render.metadata import xmp_packet
from .journal import AGAIN, FAILED, Fate, fate_of, rejections, shard_journal
from .pictures import IMAGE_FORMATS, decoded, encode_image, single_color

log = logging.getLogger(__name__)

FAILED_IN_A_ROW = 20
"""After so many failed samples with no success between them it is the renderer that fails, not the samples."""
_OF_ONE_SAMPLE = (ClayEvalError, IntegrityError, NothingShownError)
"""Kinds of error that may be about one sample (a broken picture, say); others are about options, storage and the like."""


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


@dataclass
class _Drawn:
    """Samples by key, as far as they were drawn."""

    accepted: dict[str, ShardSample] = field(default_factory=dict)
    quarantined: dict[str, ShardSample] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Attempt:
    """A sample that waits for its next picture: the number of that, and why the earlier ones were rejected."""

    sample: SampleSpec
    number: int = 1
    rejected: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def asked(self) -> SampleSpec:
        """The sample spec with the seed of this attempt."""
        return replace(self.sample, seed=attempt_seed(self.sample.seed, self.number))


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
        self._judge = judge
        self._folder = folder
        self._options = options
        self._packet = xmp_packet(renderer.identity)
        self._failed_in_a_row = 0
        self._failed_before: frozenset[str] = frozenset()
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
        self._failed_before = _failed_keys(listed)
        with storage_errors(self._folder / task.name):
            made = self._draw(task.name, [s for s in task.samples if s.key not in held])
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
        expected = self._record(_Attempt(spec, attempt, tuple(rejected), tuple(failed)), scores)
        return canonical_json(expected) == canonical_json(record)

    def _record(self, attempt: _Attempt, scores: Mapping[str, float]) -> dict[str, Any]:
        """The JSON beside a picture: uniform keys and types within an entity."""
        sample = attempt.sample
        return {
            "key": sample.key,
            "entity": sample.entity,
            "combination": sample.combination,
            "index": sample.index,
            "labels": dict(sample.labels),
            "diversity": dict(sample.diversity),
            "prompt": sample.prompt,
            "negative_prompt": sample.negative_prompt,
            "seed": attempt.asked.seed,
            "attempt": attempt.number,
            "scores": dict(scores),
            "rejected": list(attempt.rejected),
            "failed": list(attempt.failed),
            "renderer": self._renderer.identity,
        }

    def _draw(self, shard: str, samples: Sequence[SampleSpec]) -> _Drawn:
        made = _Drawn()
        waiting = [_Attempt(sample) for sample in samples]
        with shard_journal(self._folder, shard) as note:
            while waiting:
                again: list[_Attempt] = []
                for start in range(0, len(waiting), self._options.batch_size):
                    batch = waiting[start : start + self._options.batch_size]
                    rejected = self._batch(batch, made)
                    note(_fates([attempt.sample.key for attempt in batch], made, rejected))
                    again += rejected
                waiting = again
        return made

    def _batch(self, batch: Sequence[_Attempt], made: _Drawn) -> list[_Attempt]:
        """Draw and judge a batch into `made`; return what must be drawn again."""
        by_key = {attempt.sample.key: attempt for attempt in batch}
        blank: dict[str, NothingShownError] = {}
        drawn = self._pictures([attempt.asked for attempt in batch], made.failed, blank)
        after = [self._after_blank(by_key[key], error, made.failed) for key, error in blank.items()]
        again = [attempt for attempt in after if attempt is not None]
        if not drawn:
            return again
        samples = [sample for sample, _ in drawn]
        verdicts = None
        if self._judge is not None:
            verdicts = self._judge.judge(samples, [decoded(data) for _, data in drawn])
            check_verdicts(samples, verdicts)
        for number, (sample, data) in enumerate(drawn):
            attempt = by_key[sample.key]
            verdict = verdicts[number] if verdicts is not None else None
            scores = verdict.scores if verdict is not None else {}
            if verdict is not None and not verdict.accepted:
                said = tuple(f"attempt {attempt.number}: {reason}" for reason in verdict.reasons)
                attempt = replace(
                    attempt, rejected=attempt.rejected + said, failed=attempt.failed + verdict.failed
                )
                if attempt.number < self._options.attempts:
                    again.append(replace(attempt, number=attempt.number + 1))
                    continue
            place = made.accepted if verdict is None or verdict.accepted else made.quarantined
            record = self._record(attempt, scores)
            place[sample.key] = ShardSample(sample.key, self._options.image_format, data, record)
        return again

    def _after_blank(
        self, attempt: _Attempt, error: NothingShownError, failed: dict[str, str]
    ) -> _Attempt | None:
        """The attempt that follows one on which nothing is to be seen; after the last one the sample has failed."""
        said = f"attempt {attempt.number}: {error.what}"
        if attempt.number < self._options.attempts:
            return replace(attempt, number=attempt.number + 1, rejected=(*attempt.rejected, said))
        self._count_failure(attempt.sample, error)
        failed[attempt.sample.key] = str(error)
        return None

    def _pictures(
        self, batch: Sequence[SampleSpec], failed: dict[str, str], blank: dict[str, NothingShownError]
    ) -> list[tuple[SampleSpec, bytes]]:
        """(sample, encoded picture) of those that can be drawn; the others go to `failed` or `blank` with their error.

        Errors of another kind (see _OF_ONE_SAMPLE) pass through, as do those that name no sample of the batch.
        """
        if not batch:
            return []
        try:
            images = self._renderer.render(batch)
            self._check_pictures(batch, images)
            for sample, image in zip(batch, images, strict=True):
                if (nothing := single_color(sample, image)) is not None:
                    blank[sample.key] = nothing
            pictures = [
                (sample, encode_image(image, self._options.image_format, self._packet))
                for sample, image in zip(batch, images, strict=True)
                if sample.key not in blank
            ]
        except ClayEvalError as error:
            where = str(error.where)
            named = [s for s in batch if where == s.key or where.endswith(f": {s.key}")]
            if type(error) not in _OF_ONE_SAMPLE or not (named or any(s.key in where for s in batch)):
                raise
            if not named and len(batch) > 1:  # something in this batch, it cannot say what
                return [p for sample in batch for p in self._pictures([sample], failed, blank)]
            for sample in named or batch:
                if isinstance(error, NothingShownError):
                    blank[sample.key] = error
                else:
                    self._count_failure(sample, error)
                    failed[sample.key] = str(error)
            return self._pictures([s for s in batch if s.key not in {*failed, *blank}], failed, blank)
        if pictures:
            self._failed_in_a_row = 0
        return pictures

    def _count_failure(self, sample: SampleSpec, error: ClayEvalError) -> None:
        log.warning("%s failed: %s", sample.key, error.what)
        if sample.key in self._failed_before:  # it says nothing new of the renderer
            return
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= FAILED_IN_A_ROW:
            raise ClayEvalError(
                f"{self._failed_in_a_row} samples in a row failed; the last one: {error.what}",
                where=sample.key,
                expected=error.expected,
                found=error.found,
                hint=error.hint or "see to the renderer, then run the same command again",
            ) from error

    def _check_pictures(self, batch: Sequence[SampleSpec], images: Sequence[Image.Image]) -> None:
        if len(images) != len(batch):
            raise ClayEvalError(
                "the renderer returned another number of pictures than it was asked for",
                where="the renderer",
                expected=len(batch),
                found=len(images),
            )
        for sample, image in zip(batch, images, strict=True):
            if image.mode != "RGB":
                raise ClayEvalError(
                    "the renderer returned a picture of another kind than it should",
                    where=sample.key,
                    expected="RGB",
                    found=image.mode,
                )


def _fates(keys: Sequence[str], made: _Drawn, again: Sequence[_Attempt]) -> Iterator[tuple[str, Fate]]:
    """What became of the samples of a batch."""
    waiting = {attempt.sample.key: attempt for attempt in again}
    for key in keys:
        if key in waiting:
            yield key, Fate(AGAIN, rejections(waiting[key].rejected), waiting[key].failed)
        elif key in made.failed:
            yield key, Fate(FAILED)
        else:
            drawn = key in made.accepted
            yield key, fate_of((made.accepted if drawn else made.quarantined)[key].record, drawn)


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
