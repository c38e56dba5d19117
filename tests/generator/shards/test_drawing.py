"""Encoding and judging run beside the drawing, and what comes of it is what would come of it one after the other."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_judges import FakeJudge, Picky, share_of
from PIL import Image

from clay_eval.cli.ending import interruptible
from clay_eval.generator.alignment.base import Judge, Verdict
from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.render.base import NothingShownError
from clay_eval.generator.render.metadata import xmp_packet
from clay_eval.generator.shards.attempts import Attempt, Drawn
from clay_eval.generator.shards.drawing import PictureMaker
from clay_eval.generator.shards.journal import Fate
from clay_eval.generator.shards.pictures import decoded, encode_image, single_color
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.shards import ShardSample

PATIENCE = 60
"""Seconds after which a thread that should have come is given up; nobody waits for them where all is well."""
COUNT = 17
Notes = list[tuple[str, Fate]]


@pytest.fixture(scope="module")
def samples() -> list[SampleSpec]:
    return list(Plan(load_entity("demo-object"), count=COUNT))


def shown_how(sample: SampleSpec) -> float:
    """What becomes of a picture by its key and seed: below .1 it cannot be drawn, below .3 it shows nothing."""
    return share_of(f"{sample.key} {sample.seed}")


class Moody(Picky):
    """Draws; now and then a picture of one color, an error about it, or about the first of several that show nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds: list[list[int]] = []

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        self.seeds.append([sample.seed for sample in samples])
        for sample in samples:
            if shown_how(sample) < 0.1:
                raise ClayEvalError("cannot draw this", where=sample.key)
            if shown_how(sample) < 0.15:
                raise NothingShownError("blacked out", where=f"the server: {sample.key}")
        images = super().render(samples)
        return [
            Image.new("RGB", (64, 64)) if shown_how(s) < 0.3 else i
            for s, i in zip(samples, images, strict=True)
        ]


class Noting(FakeJudge):
    """A fake judge that notes what it is asked, from which thread."""

    def __init__(self, rejects: float) -> None:
        super().__init__(rejects)
        self.prepared.append("demo-object")
        self.asked: list[list[tuple[str, int]]] = []
        self.threads: set[int] = set()

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        self.asked.append([(sample.key, sample.seed) for sample in samples])
        self.threads.add(threading.get_ident())
        return super().judge(samples, images)


class OneAfterTheOther:
    """The same by its definition, with nothing beside it: a batch is drawn, encoded, judged; then the next."""

    def __init__(self, renderer: Moody, judge: Judge | None, size: int, attempts: int) -> None:
        self.renderer, self.judge, self.size, self.attempts = renderer, judge, size, attempts
        self.packet = xmp_packet(renderer.identity)
        self.made, self.notes = Drawn(), Notes()

    def make(self, samples: Sequence[SampleSpec]) -> None:
        waiting = [Attempt(sample) for sample in samples]
        while waiting:
            batches = [waiting[start : start + self.size] for start in range(0, len(waiting), self.size)]
            waiting = [attempt for batch in batches for attempt in self.batch(batch)]

    def batch(self, batch: Sequence[Attempt]) -> list[Attempt]:
        shown: list[tuple[Attempt, bytes]] = []
        again: list[Attempt] = []
        dark: list[tuple[Attempt, str]] = []
        asked = {attempt.asked.key: attempt for attempt in batch}
        images: dict[str, Image.Image] = {}
        while asked:
            try:
                drawn = self.renderer.render([attempt.asked for attempt in asked.values()])
                images = dict(zip(asked, drawn, strict=True))
                break
            except NothingShownError as error:
                attempt = asked.pop(str(error.where).rpartition(" ")[2])
                dark.append((attempt, error.what))
            except ClayEvalError as error:
                self.made.failed[str(error.where)] = str(error)
                del asked[str(error.where)]
        for key, attempt in asked.items():
            if (nothing := single_color(attempt.asked, images[key])) is not None:
                dark.append((attempt, nothing.what))
            else:
                shown.append((attempt, encode_image(images[key], "jpg", self.packet)))
        for attempt, what in dark:
            if attempt.number == self.attempts:
                self.made.failed[attempt.sample.key] = what
            else:
                again.append(attempt.refused([what]).following())
        verdicts: list[Verdict | None] = [None] * len(shown)
        if shown and self.judge is not None:
            asked_for = [attempt.asked for attempt, _ in shown]
            verdicts = [*self.judge.judge(asked_for, [decoded(data) for _, data in shown])]
        for (attempt, data), verdict in zip(shown, verdicts, strict=True):
            key, place = attempt.sample.key, self.made.accepted
            if verdict is not None and not verdict.accepted:
                attempt, place = attempt.refused(verdict.reasons, verdict.failed), self.made.quarantined
                if attempt.number < self.attempts:
                    again.append(attempt.following())
                    continue
            record = attempt.record(verdict.scores if verdict else {}, self.renderer.identity)
            place[key] = ShardSample(key, "jpg", data, record)
        self.notes += self.made.fates([attempt.sample.key for attempt in batch], again)
        return again


@pytest.mark.parametrize(
    ("rejects", "size", "attempts"),
    [
        *itertools.product([0.3, 0.7], [1, 2, 3, 5, 8], [3]),
        *itertools.product([0.0, 0.9, 1.0, None], [4, 17, 30], [1, 4]),
    ],
)
def test_it_is_as_if_one_came_after_the_other(
    samples: list[SampleSpec], rejects: float | None, size: int, attempts: int
) -> None:
    """The same pictures, records, calls and notes, in the same order, however many are rejected."""
    renderers = Moody(), Moody()
    judges = [None, None] if rejects is None else [Noting(rejects), Noting(rejects)]
    plain = OneAfterTheOther(renderers[0], judges[0], size, attempts)
    plain.make(samples)
    notes: Notes = []
    made = PictureMaker(renderers[1], judges[1], "jpg", size, attempts).make(
        samples, frozenset(), notes.extend
    )
    assert made.accepted == plain.made.accepted
    assert made.quarantined == plain.made.quarantined
    assert made.failed.keys() == plain.made.failed.keys()
    assert made.accepted.keys() | made.quarantined.keys() | made.failed.keys() == {s.key for s in samples}
    assert notes == plain.notes
    assert (renderers[1].calls, renderers[1].seeds) == (renderers[0].calls, renderers[0].seeds)
    if judges[0] is not None and judges[1] is not None:
        assert judges[1].asked == judges[0].asked
        assert threading.get_ident() not in judges[1].threads


def quiet(fates: Iterable[tuple[str, Fate]]) -> None:
    list(fates)


class Pace(Picky):
    """A renderer of which a judge knows how far it is, and that knows how far the judge is."""

    def __init__(self) -> None:
        super().__init__()
        self.drawing = self.judged = 0
        self.came = threading.Condition()

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        with self.came:
            self.drawing += 1
            assert self.drawing <= self.judged + 2, "no more than one batch ahead of the judge"
            self.came.notify_all()
        return super().render(samples)


class Patient(Noting):
    """Judges the first `waits` batches only when the batch after has begun to be drawn."""

    def __init__(self, pace: Pace, waits: int, rejects: float) -> None:
        super().__init__(rejects)
        self.pace, self.waits = pace, waits

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        pace = self.pace
        with pace.came:
            if pace.judged < self.waits:
                came = pace.came.wait_for(lambda: pace.drawing > pace.judged + 1, PATIENCE)
                assert came, "nothing is drawn meanwhile"
            pace.judged += 1
        return super().judge(samples, images)


@pytest.mark.parametrize(
    ("rejects", "attempts", "batches", "waited_for"),
    [(0.0, 3, 5, 4), (1.0, 1, 5, 4), (1.0, 3, 15, 14), (None, 3, 5, 0)],
)
def test_the_next_batch_is_drawn_while_the_one_before_is_judged(
    samples: list[SampleSpec], rejects: float | None, attempts: int, batches: int, waited_for: int
) -> None:
    """Across the rounds of attempts, too: only the last batch of all has none that could be drawn meanwhile."""
    pace, before = Pace(), threading.active_count()
    pace.judged = 99 if rejects is None else 0
    judge = None if rejects is None else Patient(pace, waited_for, rejects)
    PictureMaker(pace, judge, "png", 4, attempts).make(samples, frozenset(), quiet)
    assert pace.drawing == batches
    assert judge is None or (pace.judged, len(judge.threads)) == (batches, 1)
    assert threading.active_count() == before


class Breaking(Noting):
    """Fails at its n-th batch, in whatever way."""

    def __init__(self, broken: int, fail: Callable[[], Any]) -> None:
        super().__init__(0.5)
        self.broken, self.fail = broken, fail

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        if len(self.asked) == self.broken:
            self.asked.append([])
            self.fail()
        return super().judge(samples, images)


@pytest.mark.parametrize("batch", range(6))
@pytest.mark.parametrize("error", [ClayEvalError("no", where="the judge"), ZeroDivisionError("no")])
def test_an_error_of_the_judge_is_raised_where_the_shard_is_made(
    samples: list[SampleSpec], batch: int, error: Exception
) -> None:
    def fail() -> None:
        raise error

    judge, renderer, before = Breaking(batch, fail), Moody(), threading.active_count()
    with pytest.raises(type(error)) as caught:
        PictureMaker(renderer, judge, "jpg", 3, 3).make(samples, frozenset(), quiet)
    assert caught.value is error
    assert threading.active_count() == before
    plain = OneAfterTheOther(Moody(), Breaking(batch, fail), 3, 3)
    with pytest.raises(type(error)):
        plain.make(samples)
    drawn = [key for call in renderer.calls for key in call]
    known = [key for call in plain.renderer.calls for key in call]
    assert drawn[: len(known)] == known
    assert len(drawn) <= len(known) + 3, "one batch more than was judged, at most"


class Ending(Picky):
    """Fails for good at its n-th call."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.most = calls

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        if len(self.calls) == self.most:
            raise ClayEvalError("the renderer is broken", where="the renderer")
        return super().render(samples)


def test_of_two_errors_the_earlier_batch_has_its_say(samples: list[SampleSpec]) -> None:
    def fail() -> None:
        time.sleep(0.05)
        raise ClayEvalError("the judge is broken", where="the judge")

    with pytest.raises(ClayEvalError, match="the judge is broken"):
        PictureMaker(Ending(2), Breaking(1, fail), "jpg", 3, 3).make(samples, frozenset(), quiet)


def test_what_was_drawn_before_an_error_of_the_renderer_is_judged(samples: list[SampleSpec]) -> None:
    judge, notes = Noting(0.0), Notes()
    with pytest.raises(ClayEvalError, match="the renderer is broken"):
        PictureMaker(Ending(3), judge, "jpg", 3, 3).make(samples, frozenset(), notes.extend)
    assert [len(batch) for batch in judge.asked] == [3, 3, 3]
    assert len(notes) == 9


@pytest.mark.parametrize("batch", [0, 2, 6])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_a_picture_is_judged(tmp_path: Path, batch: int, number: signal.Signals) -> None:
    """Nothing of it is left but whole shards, the judge's thread has ended, and the same call goes on from there."""
    plan, options = tmp_path / "plan", RenderOptions(shard_size=6, batch_size=2)
    write_plan(PlanRequest([load_entity("demo-object")], [None], COUNT, 0), plan)
    render_plan(plan, tmp_path / "whole", Picky(), options, judge=Noting(0.5))
    whole = {p.relative_to(tmp_path / "whole"): p.read_bytes() for p in files(tmp_path / "whole")}
    folder, before = tmp_path / "shards", threading.active_count()
    ended: list[bool] = []

    def interrupt() -> None:
        os.kill(os.getpid(), number)
        time.sleep(0.1)
        ended.append(True)

    with pytest.raises(KeyboardInterrupt), interruptible():
        render_plan(plan, folder, Picky(), options, judge=Breaking(batch, interrupt))
    assert ended == [True]
    assert threading.active_count() == before
    left = {p.relative_to(folder): p.read_bytes() for p in files(folder)}
    assert not [path for path in left if path.suffix == ".part"]
    assert all(whole[path] == data for path, data in left.items())
    render_plan(plan, folder, Picky(), options, judge=Noting(0.5))
    assert {p.relative_to(folder): p.read_bytes() for p in files(folder)} == whole


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")


def test_nothing_more_is_judged_once_it_was_interrupted(samples: list[SampleSpec]) -> None:
    """The batch that waits to be encoded is given up: nobody waits for a judge that may take minutes."""
    encoding, going_on = threading.Event(), threading.Event()
    judge = Noting(0.0)

    class Interrupted(Picky):
        def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
            if self.calls:
                assert encoding.wait(PATIENCE)
                going_on.set()
                raise KeyboardInterrupt
            return [Slow(image) for image in super().render(samples)]

    class Slow(Image.Image):
        """A picture whose pixels come when the renderer has been interrupted."""

        def __init__(self, image: Image.Image) -> None:
            super().__init__()
            self.__dict__.update(image.__dict__)

        def tobytes(self, *arguments: Any) -> bytes:
            encoding.set()
            assert going_on.wait(PATIENCE)
            time.sleep(0.2)
            return super().tobytes(*arguments)

    with pytest.raises(KeyboardInterrupt):
        PictureMaker(Interrupted(), judge, "jpg", 4, 3).make(samples, frozenset(), quiet)
    assert judge.asked == []
