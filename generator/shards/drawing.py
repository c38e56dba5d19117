"""Pictures of samples: drawn a batch at a time, encoded and judged while the next batch is drawn, the rejected drawn again.

The renderer works in the thread that asks for the pictures, encoder and judge in a thread of their own, one batch behind
it. What comes of that is what would come of it one after the other: the same batches in the same order, the same errors. An
attempt is made when all samples had the one before; a batch waits for the judge only where it may still grow.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, takewhile
from threading import Event

from PIL import Image

from clay_eval.schemas.errors import ClayEvalError, IntegrityError
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.shards import ShardSample

from ..alignment.base import Judge, Verdict, check_verdicts
from ..render.base import NothingShownError, Renderer
from ..render.metadata import xmp_packet
from .attempts import Attempt, Drawn
from .journal import Note
from .pictures import check_pictures, decoded, encode_image, single_color

log = logging.getLogger(__name__)

FAILED_IN_A_ROW = 20
"""After so many failed samples with no success between them it is the renderer that fails, not the samples."""
_OF_ONE_SAMPLE = (ClayEvalError, IntegrityError, NothingShownError)
"""Kinds of error that may be about one sample (a broken picture, say); others are about options, storage and the like."""

_Shown = tuple[Attempt, Image.Image]
_Finished = list[tuple[bytes, Verdict | None]]


@dataclass(frozen=True)
class _Batch:
    """A batch that was drawn: its attempts, those of which there are pictures, those to make again, and what is awaited."""

    attempts: Sequence[Attempt]
    shown: Sequence[Attempt]
    again: Sequence[Attempt]
    finished: Future[_Finished]


class PictureMaker:
    """Makes pictures of samples with a renderer and, if there is one, a judge.

    image_format, batch_size, attempts: see `RenderOptions`.
    """

    def __init__(
        self, renderer: Renderer, judge: Judge | None, image_format: str, batch_size: int, attempts: int
    ) -> None:
        self._renderer = renderer
        self._judge = judge
        self._format = image_format
        self._size = batch_size
        self._attempts = attempts
        self._packet = xmp_packet(renderer.identity)
        self._failed_in_a_row = 0
        self._failed_before: frozenset[str] = frozenset()

    def make(self, samples: Sequence[SampleSpec], failed_before: frozenset[str], note: Note) -> Drawn:
        """What comes of all samples; each batch is noted when it has been judged.

        failed_before: keys that failed in an earlier run, so that their failing says nothing new of the renderer. Errors of
        renderer and judge that are about no sample alone pass through, when what was drawn before has been judged.
        """
        self._failed_before = failed_before
        made = Drawn()
        waiting = deque(Attempt(sample) for sample in samples)
        behind: _Batch | None = None
        given_up = Event()

        def settle(batch: _Batch) -> None:
            again = self._settled(batch, made)
            note(made.fates([attempt.sample.key for attempt in batch.attempts], again))
            waiting.extend(again)

        with ThreadPoolExecutor(1, "judge") as aside:
            aside.submit(int).result()  # a thread that is interrupted while it begins would not be waited for
            try:
                while waiting or behind:
                    attempts = _taken(waiting, self._size, behind)
                    try:
                        shown, again = self._drawn(attempts, made)
                    except Exception:
                        if behind:  # the judge's error came first
                            settle(behind)
                        raise
                    if behind:
                        settle(behind)
                        behind = None
                    if attempts:
                        finished = aside.submit(self._finished, shown, given_up)
                        behind = _Batch(attempts, [attempt for attempt, _ in shown], again, finished)
            except BaseException:
                given_up.set()
                raise
        return made

    def _drawn(self, batch: Sequence[Attempt], made: Drawn) -> tuple[list[_Shown], list[Attempt]]:
        """(attempts with a picture that shows something, attempts to make after the others); failures go to `made`."""
        by_key = {attempt.sample.key: attempt for attempt in batch}
        blank: dict[str, NothingShownError] = {}
        drawn = self._pictures([attempt.asked for attempt in batch], made.failed, blank)
        after = [self._after_blank(by_key[key], error, made.failed) for key, error in blank.items()]
        shown = [(by_key[sample.key], image) for sample, image in drawn]
        return shown, [attempt for attempt in after if attempt is not None]

    def _finished(self, shown: Sequence[_Shown], given_up: Event) -> _Finished:
        """(encoded picture, its verdict if there is a judge) of every picture; it is judged as its readers will see it."""
        encoded = []
        for _, image in shown:
            if given_up.is_set():
                return []
            encoded.append(encode_image(image, self._format, self._packet))
        if self._judge is None or not shown:
            return [(data, None) for data in encoded]
        samples = [attempt.asked for attempt, _ in shown]
        verdicts = self._judge.judge(samples, [decoded(data) for data in encoded])
        check_verdicts(samples, verdicts)
        return list(zip(encoded, verdicts, strict=True))

    def _settled(self, batch: _Batch, made: Drawn) -> list[Attempt]:
        """Put what was judged where it belongs in `made`; return what must be drawn again."""
        again = list(batch.again)
        for attempt, (data, verdict) in zip(batch.shown, batch.finished.result(), strict=True):
            rejected = verdict is not None and not verdict.accepted
            scores = {} if verdict is None else verdict.scores
            if verdict is not None and rejected:
                attempt = attempt.refused(verdict.reasons, verdict.failed)
                if attempt.number < self._attempts:
                    again.append(attempt.following())
                    continue
            key, place = attempt.sample.key, made.quarantined if rejected else made.accepted
            place[key] = ShardSample(key, self._format, data, attempt.record(scores, self._renderer.identity))
        return again

    def _after_blank(
        self, attempt: Attempt, error: NothingShownError, failed: dict[str, str]
    ) -> Attempt | None:
        """The attempt that follows one on which nothing is to be seen; after the last one the sample has failed."""
        if attempt.number < self._attempts:
            return attempt.refused([error.what]).following()
        self._count_failure(attempt.sample, error)
        failed[attempt.sample.key] = str(error)
        return None

    def _pictures(
        self, batch: Sequence[SampleSpec], failed: dict[str, str], blank: dict[str, NothingShownError]
    ) -> list[tuple[SampleSpec, Image.Image]]:
        """(sample, picture) of those that can be drawn; the others go to `failed` or `blank` with their error.

        Errors of another kind (see _OF_ONE_SAMPLE) pass through, as do those that name no sample of the batch.
        """
        if not batch:
            return []
        try:
            images = self._renderer.render(batch)
            check_pictures(batch, images)
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
        pictures = []
        for sample, image in zip(batch, images, strict=True):
            if (nothing := single_color(sample, image)) is not None:
                blank[sample.key] = nothing
            else:
                pictures.append((sample, image))
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


def _taken(waiting: deque[Attempt], size: int, behind: _Batch | None) -> list[Attempt]:
    """The next `size` attempts of one number, taken away; none where what is judged now may yet add to them."""
    first = waiting[0].number if waiting else 0
    batch = list(islice(takewhile(lambda attempt: attempt.number == first, waiting), size))
    if behind and len(batch) < size and first > behind.attempts[0].number:
        return []
    for _ in batch:
        waiting.popleft()
    return batch
