"""The life of a sample: drawn, judged, drawn again, accepted or set aside, or failed; whatever interrupts it."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_judges import FakeJudge, Picky, share_of
from PIL import Image

from clay_eval.generator.alignment.base import Verdict
from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.shards.rendering import render_plan, shard_tasks
from clay_eval.generator.shards.work import RenderOptions, ShardMaker, ShardOutcome, ShardTask
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import ClayEvalError, ConfigChangedError, InputError
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.samples import SampleSpec, attempt_seed, read_plan
from clay_eval.schemas.shards import ShardSample, read_shard
from clay_eval.schemas.verify import verify_shards

OPTIONS = RenderOptions(shard_size=4, batch_size=3)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planned") / "plan"
    specs = [load_entity(name) for name in ("demo-object", "demo-human")]
    write_plan(PlanRequest(specs, [None, None], 10, 0), folder)
    return folder


@pytest.fixture(scope="module")
def planned(plan: Path) -> dict[str, SampleSpec]:
    return {s.key: s for s in read_plan(plan / "plan.jsonl")}


@pytest.fixture(scope="module")
def whole(plan: Path) -> dict[str, str]:
    """sha256 of every file of an uninterrupted, judged run."""
    render_plan(plan, plan.parent / "whole", Picky(), OPTIONS, judge=FakeJudge())
    return hashes(plan.parent / "whole")


def hashes(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def stored(folder: Path) -> dict[str, ShardSample]:
    return {s.key: s for tar in sorted(folder.glob("*.tar")) for s in read_shard(tar)}


def test_seeds_of_attempts() -> None:
    assert attempt_seed(7, 1) == 7
    digest = hashlib.sha256(b"7|2").hexdigest()
    assert attempt_seed(7, 2) == int(digest, 16) >> (256 - 53)
    assert len({attempt_seed(s, k) for s in range(50) for k in range(1, 5)}) == 200


def test_every_sample_lives_as_its_verdicts_say(
    plan: Path, whole: dict[str, str], planned: dict[str, SampleSpec]
) -> None:
    """Against a plain replay of the rule, sample by sample."""
    folder, judge = plan.parent / "whole", FakeJudge()
    inside, outside = stored(folder), stored(folder / "quarantine")
    assert inside.keys() | outside.keys() == planned.keys()
    assert inside
    assert outside
    assert not inside.keys() & outside.keys()
    for key, sample in planned.items():
        seeds = [sample.seed, *(attempt_seed(sample.seed, k) for k in (2, 3))]
        accepted = next((k for k, s in enumerate(seeds, 1) if not judge.rejected(key, s)), None)
        attempts = accepted or 3
        found = inside[key] if accepted else outside[key]
        record = found.record
        assert (record["attempt"], record["seed"]) == (attempts, seeds[attempts - 1])
        attribute = next(iter(sample.labels))
        said, failed = [], []
        for number in range(1, (attempts - 1 if accepted else attempts) + 1):
            said.append(f"attempt {number}: {attribute} reads as something else")
            failed.append(attribute)
            if seeds[number - 1] % 3 == 0:
                said.append(f"attempt {number}: not what was asked for")
                failed.append("prompt")
        assert record["rejected"] == said
        assert record["failed"] == failed
        assert record["labels"] == sample.labels
        with Image.open(io.BytesIO(found.image)) as image:
            pixels = image.convert("RGB").tobytes()
        assert record["scores"][attribute] == share_of(pixels.hex()), "of the picture as it is stored"
    assert len({tuple(s.record) for s in (*inside.values(), *outside.values())}) == 1, "uniform"


def test_the_manifest_counts_what_happened(
    plan: Path, whole: dict[str, str], planned: dict[str, SampleSpec]
) -> None:
    folder = plan.parent / "whole"
    manifest = read_manifest(folder)
    inside, outside = stored(folder), stored(folder / "quarantine")
    rejections = Counter(f for s in (*inside.values(), *outside.values()) for f in s.record["failed"])
    assert manifest["filter"] == {
        "judge": FakeJudge().identity,
        "attempts": 3,
        "planned": 20,
        "accepted": len(inside),
        "first_try": sum(not s.record["rejected"] for s in inside.values()),
        "quarantined": len(outside),
        "by_hand": 0,
        "failed": 0,
        "rejections": dict(rejections),
    }
    assert manifest["samples"] == len(inside)
    assert manifest["part"] is None
    assert set(rejections) == {"category", "prompt", "action"} & set(rejections)
    balance: dict[str, Any] = {}
    for key, sample in planned.items():
        for name, value in {**sample.labels, **sample.diversity}.items():
            values = balance.setdefault(sample.entity, {}).setdefault(name, {})
            before, kept = values.get(value, [0, 0])
            values[value] = [before + 1, kept + (key in inside)]
    assert manifest["balance"] == balance
    for entry in manifest["quarantine"]:
        data = (folder / "quarantine" / entry["name"]).read_bytes()
        count = len(list(read_shard(folder / "quarantine" / entry["name"])))
        assert entry == {
            "name": entry["name"],
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "samples": count,
        }
    assert sum(e["samples"] for e in manifest["quarantine"]) == len(outside)
    assert verify_shards(folder).ok


def test_the_batch_size_changes_nothing_and_only_the_rejected_are_judged_again(
    plan: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    for size in (1, 4, 64):
        judge, renderer = FakeJudge(), Picky()
        folder = tmp_path / str(size)
        render_plan(plan, folder, renderer, replace(OPTIONS, batch_size=size), judge=judge)
        assert hashes(folder) == whole
        pictures = sum(
            s.record["attempt"] for place in (folder, folder / "quarantine") for s in stored(place).values()
        )
        assert sum(judge.batches) == len(renderer.asked) == pictures
        assert max(judge.batches) == min(size, 4)


@pytest.mark.parametrize(
    ("judge", "options", "named"),
    [
        (FakeJudge(0.6), OPTIONS, "judge.rejects: 0.5 -> 0.6"),
        (FakeJudge(name="other"), OPTIONS, "judge.type: 'fake' -> 'other'"),
        (None, OPTIONS, "judge: "),
        (FakeJudge(), replace(OPTIONS, attempts=4), "attempts: 3 -> 4"),
    ],
)
def test_another_judge_is_refused(
    plan: Path, whole: dict[str, str], judge: Any, options: RenderOptions, named: str
) -> None:
    folder = plan.parent / "whole"
    with pytest.raises(ConfigChangedError) as caught:
        render_plan(plan, folder, Picky(), options, judge=judge)
    assert named in caught.value.what
    assert hashes(folder) == whole


def test_a_judge_that_cannot_judge_an_entity_leaves_nothing(plan: Path, tmp_path: Path) -> None:
    class Ignorant(FakeJudge):
        def prepare(self, spec: Any) -> None:
            raise InputError("cannot judge this", where=spec.entity)

    with pytest.raises(InputError):
        render_plan(plan, tmp_path / "shards", Picky(), OPTIONS, judge=Ignorant())
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize(
    "verdicts",
    [
        [],
        [Verdict(True, {})] * 4,
        [Verdict(True, {"x": float("nan")})] * 3,
        [Verdict(True, {}, ("but",), ("x",))] * 3,
        [Verdict(False, {})] * 3,
    ],
)
def test_a_judge_that_breaks_its_word_stops_the_run(
    plan: Path, tmp_path: Path, verdicts: list[Verdict]
) -> None:
    class Broken(FakeJudge):
        def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
            return verdicts

    with pytest.raises(ClayEvalError) as caught:
        render_plan(plan, tmp_path, Picky(), OPTIONS, judge=Broken())
    assert str(caught.value.where).startswith("the judge")
    assert list(tmp_path.rglob("*.tar")) == []


def test_a_shard_of_which_all_is_rejected_is_no_shard(
    plan: Path, planned: dict[str, SampleSpec], tmp_path: Path
) -> None:
    tasks = list(shard_tasks(plan / "plan.jsonl", 4))
    doomed = {s.key for s in tasks[1].samples}

    class Harsh(FakeJudge):
        def rejected(self, key: str, seed: int) -> bool:
            return key in doomed

    manifest = render_plan(plan, tmp_path, Picky(), OPTIONS, judge=Harsh())
    assert not (tmp_path / tasks[1].name).exists()
    assert sorted(p.name for p in (tmp_path / "quarantine").iterdir()) == [tasks[1].name]
    assert stored(tmp_path / "quarantine").keys() == doomed
    assert all(len(s.record["rejected"]) >= 3 for s in stored(tmp_path / "quarantine").values())
    assert stored(tmp_path).keys() == planned.keys() - doomed
    assert [e["name"] for e in manifest["files"] if e["samples"]] == [
        task.name for task in tasks if task is not tasks[1]
    ]
    assert verify_shards(tmp_path).ok
    before, renderer = hashes(tmp_path), Picky()
    render_plan(plan, tmp_path, renderer, OPTIONS, judge=Harsh())
    assert (renderer.asked, hashes(tmp_path)) == ([], before)


def test_all_rejected_is_an_error(plan: Path, tmp_path: Path) -> None:
    with pytest.raises(ClayEvalError, match="not one picture is left"):
        render_plan(plan, tmp_path, Picky(), OPTIONS, judge=FakeJudge(1.0))
    assert len(stored(tmp_path / "quarantine")) == 20
    with pytest.raises(InputError, match="not finished"):
        read_manifest(tmp_path)


class Black(Picky):
    """Picky, with a black frame for the seeds that `is_black` names."""

    def __init__(self, is_black: Callable[[SampleSpec], bool]) -> None:
        super().__init__()
        self.is_black = is_black

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        drawn = super().render(samples)
        pairs = zip(samples, drawn, strict=True)
        return [Image.new("RGB", image.size) if self.is_black(s) else image for s, image in pairs]


@pytest.mark.parametrize("judge", [None, FakeJudge(0.0)], ids=["no judge", "a judge"])
def test_a_picture_of_one_color_is_a_failed_attempt(
    plan: Path, planned: dict[str, SampleSpec], tmp_path: Path, judge: FakeJudge | None
) -> None:
    firsts = {s.seed for s in planned.values() if s.seed % 2}
    render_plan(plan, tmp_path, Black(lambda s: s.seed in firsts), OPTIONS, judge=judge)
    found = stored(tmp_path)
    assert found.keys() == planned.keys()
    for key, sample in planned.items():
        record, again = found[key].record, sample.seed in firsts
        assert (record["attempt"], record["seed"]) == (1 + again, attempt_seed(sample.seed, 1 + again))
        said = ["attempt 1: a picture of a single color, (0, 0, 0)"] if again else []
        assert record["rejected"] == said
        with Image.open(io.BytesIO(found[key].image)) as image:
            assert any(low < high for low, high in image.convert("RGB").getextrema())
    assert verify_shards(tmp_path).ok
    before, renderer = hashes(tmp_path), Black(lambda s: s.seed in firsts)
    render_plan(plan, tmp_path, renderer, OPTIONS, judge=judge)
    assert (renderer.asked, hashes(tmp_path)) == ([], before)


def test_a_sample_without_anything_to_see_fails_alone(
    plan: Path, planned: dict[str, SampleSpec], tmp_path: Path
) -> None:
    doomed = next(iter(planned))
    render_plan(plan, tmp_path, Black(lambda s: s.key == doomed), OPTIONS)
    assert stored(tmp_path).keys() == planned.keys() - {doomed}
    assert read_manifest(tmp_path)["filter"]["failed"] == 1
    lines = [line for path in (tmp_path / "failures").iterdir() for line in path.read_text().splitlines()]
    assert len(lines) == 1
    assert "single color" in lines[0]


def test_only_black_frames_are_told_with_their_own_way_out(plan: Path, tmp_path: Path) -> None:
    renderer = Black(lambda _: True)
    with pytest.raises(ClayEvalError) as caught:
        render_plan(plan, tmp_path, renderer, RenderOptions(shard_size=4, batch_size=3, attempts=2))
    assert "single color" in f"{caught.value.what} {caught.value.found}"
    assert "safety checker" in str(caught.value.hint)
    assert "--margin" not in str(caught.value)
    assert len(renderer.asked) <= 40, "two attempts a sample"


def test_engines_may_finish_in_any_order_in_other_processes(
    plan: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    def engine(tasks: Iterable[ShardTask]) -> Iterator[ShardOutcome]:
        for packed in [pickle.dumps(task) for task in tasks][::-1]:
            judge = FakeJudge()
            judge.prepared += ["demo-object", "demo-human"]
            maker = ShardMaker(Picky(), judge, tmp_path, OPTIONS)
            outcome = maker.make(pickle.loads(packed))  # noqa: S301  # our own
            yield pickle.loads(pickle.dumps(outcome))  # noqa: S301

    done: list[int] = []
    render_plan(plan, tmp_path, Picky(), OPTIONS, done.append, judge=FakeJudge(), engine=engine)
    assert hashes(tmp_path) == whole
    assert done == [2, 4, 4, 2, 4, 4]


@pytest.mark.parametrize("taken", [0, 2, 6])
def test_an_engine_that_leaves_work_undone_is_an_error(plan: Path, tmp_path: Path, taken: int) -> None:
    def engine(tasks: Iterable[ShardTask]) -> Iterator[ShardOutcome]:
        for _, _task in zip(range(taken), tasks, strict=False):
            pass
        return iter(())

    with pytest.raises(ClayEvalError, match="some shards were not made"):
        render_plan(plan, tmp_path, Picky(), OPTIONS, engine=engine)
    assert not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize("options", [{"attempts": 0}, {"batch_size": 0}, {"shard_size": 0}])
def test_senseless_options(options: dict[str, int]) -> None:
    with pytest.raises(InputError):
        RenderOptions(**options)


@pytest.mark.parametrize(
    "options", [{"shard_size": 10**30}, {"shard_size": 1_000_001}, {"batch_size": 10**30}]
)
def test_no_shard_is_larger_than_what_can_be_read(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="more samples in a shard or a batch") as caught:
        RenderOptions(**options)
    assert str(1_000_000) in str(caught.value.expected)
