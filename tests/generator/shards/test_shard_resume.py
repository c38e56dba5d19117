"""Interrupted, damaged, moved by hand or failed: the same command goes on, and draws what is missing and nothing else."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_judges import FakeJudge, Picky, share_of
from PIL import Image

from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.shards.drawing import FAILED_IN_A_ROW
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.samples import SampleSpec, read_plan
from clay_eval.schemas.shards import ShardSample, read_shard, write_shard
from clay_eval.schemas.verify import verify_shards

OPTIONS = RenderOptions(shard_size=4, batch_size=3)
OBJECT = "demo-object-test-0000{}.tar"


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


def fails_now_and_then(key: str) -> bool:
    return share_of(key) < 0.3


CODE = """
import sys, time
from pathlib import Path
from fake_judges import FakeJudge, Picky
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas import files

class Slow(Picky):
    def render(self, samples):
        time.sleep(0.01)
        return super().render(samples)

move = Path.replace
def slowly(self, target):
    time.sleep(0.02)
    result = move(self, target)
    time.sleep(0.02)
    return result
Path.replace = slowly

judge = FakeJudge()
print("ready", flush=True)
render_plan(Path(sys.argv[1]), Path(sys.argv[2]), Slow(), RenderOptions(4, batch_size=3), judge=judge)
"""


def test_killed_at_random_moments(plan: Path, whole: dict[str, str], tmp_path: Path) -> None:
    """Kill -9 again and again, until it is done: no moment leaves anything behind."""
    draw = random.Random(5)
    path = [str(Path(__file__).parents[2]), *sys.path]
    code = f"import sys; sys.path[:] = {path!r}\n{CODE}"
    kills = 0
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(plan), str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        time.sleep(draw.uniform(0.02, 0.4))
        process.kill()
        process.communicate(timeout=60)
        kills += process.returncode != 0
        for name, sha in hashes(tmp_path).items():
            assert name.endswith(".part") or name not in whole or whole[name] == sha
        if (tmp_path / "manifest.json").exists():
            break
    assert kills
    render_plan(plan, tmp_path, Picky(), OPTIONS, judge=FakeJudge())
    assert hashes(tmp_path) == whole


@pytest.mark.parametrize("stop", range(12))
def test_stopped_at_every_write(
    plan: Path, whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """As kill -9 just before the n-th file appears, and just after."""
    written = 0
    move = Path.replace

    def replace_file(self: Path, target: Any) -> Path:
        nonlocal written
        written += 1
        if written == stop // 2 + 2:
            if stop % 2:
                move(self, target)
            raise KeyboardInterrupt
        return move(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace_file)
        with pytest.raises(KeyboardInterrupt):
            render_plan(plan, tmp_path, Picky(), OPTIONS, judge=FakeJudge())
    render_plan(plan, tmp_path, Picky(), OPTIONS, judge=FakeJudge())
    assert hashes(tmp_path) == whole


@pytest.mark.parametrize("name", ["quarantine", OBJECT.format(1), "manifest.json"])
@pytest.mark.parametrize("how", ["flip", "delete", "cut"])
def test_damage_is_made_again(plan: Path, whole: dict[str, str], tmp_path: Path, name: str, how: str) -> None:
    name = next(found for found in whole if found.startswith(name))
    render_plan(plan, tmp_path, Picky(), OPTIONS, judge=FakeJudge())
    path = tmp_path / name
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data if how == "flip" else data[: len(data) // 2])
    if how == "delete":
        path.unlink()
    assert not verify_shards(tmp_path).ok
    render_plan(plan, tmp_path, Picky(), OPTIONS, judge=FakeJudge())
    assert hashes(tmp_path) == whole


def test_a_finished_run_is_left_alone(plan: Path, tmp_path: Path) -> None:
    render_plan(plan, tmp_path, Picky(), OPTIONS, judge=FakeJudge())
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.*")}
    renderer, judge = Picky(), FakeJudge()
    render_plan(plan, tmp_path, renderer, OPTIONS, judge=judge)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.*")} == times
    assert (renderer.asked, judge.batches) == ([], [])


@pytest.mark.parametrize("judge", [None, FakeJudge()])
def test_failures_are_listed_the_others_done_and_only_they_are_drawn_again(
    plan: Path, planned: dict[str, SampleSpec], tmp_path: Path, judge: FakeJudge | None
) -> None:
    failing = {key for key in planned if fails_now_and_then(key)}
    assert 1 < len(failing) < FAILED_IN_A_ROW
    manifest = render_plan(plan, tmp_path, Picky(fails_now_and_then), OPTIONS, judge=judge)
    lines = [
        json.loads(line)
        for path in sorted((tmp_path / "failures").glob("*.tar.jsonl"))
        for line in path.read_text().splitlines()
    ]
    assert {line["key"] for line in lines} == failing
    assert all("cannot draw this" in line["error"] and set(line) == {"key", "error"} for line in lines)
    there = stored(tmp_path).keys() | stored(tmp_path / "quarantine").keys()
    assert there == planned.keys() - failing
    assert manifest["filter"]["failed"] == len(failing)
    assert verify_shards(tmp_path).ok

    still = sorted(failing)[0]
    renderer = Picky(lambda key: key == still)
    manifest = render_plan(plan, tmp_path, renderer, OPTIONS, judge=judge)
    assert set(renderer.asked) == failing
    assert manifest["filter"]["failed"] == 1
    assert len(list((tmp_path / "failures").iterdir())) == 1

    renderer = Picky()
    render_plan(plan, tmp_path, renderer, OPTIONS, judge=judge)
    assert set(renderer.asked) == {still}
    assert list((tmp_path / "failures").iterdir()) == []
    render_plan(plan, tmp_path / "other", Picky(), OPTIONS, judge=judge)
    assert hashes(tmp_path / "other") == {
        name: sha for name, sha in hashes(tmp_path).items() if not name.startswith("other/")
    }


def test_a_batch_whose_error_names_only_the_batch_is_drawn_one_by_one(
    plan: Path, planned: dict[str, SampleSpec], tmp_path: Path
) -> None:
    bad = list(planned)[5]

    class Vague(Picky):
        def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
            if any(s.key == bad for s in samples):
                raise ClayEvalError("NaN", where=f"{samples[0].key} to {samples[-1].key}")
            return super().render(samples)

    manifest = render_plan(plan, tmp_path, Vague(), replace(OPTIONS, batch_size=4))
    assert manifest["filter"]["failed"] == 1
    assert stored(tmp_path).keys() == planned.keys() - {bad}


@pytest.mark.parametrize(
    "error",
    [
        InputError("no", where="demo-object-000001"),
        ClayEvalError("no", where="the whole server"),
        ClayEvalError("no"),
        RuntimeError("no"),
    ],
)
def test_any_other_error_stops_the_run(plan: Path, tmp_path: Path, error: Exception) -> None:
    class Ill(Picky):
        def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
            raise error

    with pytest.raises(type(error)) as caught:
        render_plan(plan, tmp_path, Ill(), OPTIONS)
    assert caught.value is error
    assert not (tmp_path / "failures").exists()


@pytest.fixture(scope="module")
def long_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long") / "plan"
    write_plan(PlanRequest([load_entity("demo-object")], [None], 60, 0), folder)
    return folder


def test_twenty_failures_in_a_row_stop_the_run(long_plan: Path, tmp_path: Path) -> None:
    keys = [s.key for s in read_plan(long_plan / "plan.jsonl")]
    renderer = Picky(lambda key: key not in keys[:10])
    with pytest.raises(ClayEvalError) as caught:
        render_plan(long_plan, tmp_path, renderer, RenderOptions(10, batch_size=5))
    assert "20 samples in a row failed" in caught.value.what
    assert caught.value.where == keys[29]
    assert keys[30] not in renderer.asked or keys[35] not in renderer.asked
    assert stored(tmp_path).keys() == set(keys[:10])
    assert not (tmp_path / "manifest.json").exists()
    render_plan(long_plan, tmp_path, Picky(), RenderOptions(10, batch_size=5))
    assert stored(tmp_path).keys() == set(keys)


def test_failures_with_successes_between_them_never_stop_it_nor_do_those_that_failed_before(
    long_plan: Path, tmp_path: Path
) -> None:
    keys = [s.key for s in read_plan(long_plan / "plan.jsonl")]
    failing = {key for number, key in enumerate(keys) if number % 2}
    assert len(failing) > FAILED_IN_A_ROW
    for _ in range(2):
        renderer = Picky(lambda key: key in failing)
        manifest = render_plan(long_plan, tmp_path, renderer, RenderOptions(10, batch_size=2))
        assert manifest["filter"]["failed"] == 30
        assert stored(tmp_path).keys() == set(keys) - failing
    assert set(renderer.asked) == failing


def by_hand(folder: Path, name: str, key: str, reason: str) -> None:
    """Move a picture from a shard to its quarantine as a review does, and leave no manifest."""
    inside = {s.key: s for s in read_shard(folder / name)}
    aside = folder / "quarantine" / name
    outside = {s.key: s for s in read_shard(aside)} if aside.exists() else {}
    moved = inside.pop(key)
    record = {**moved.record, "rejected": [*moved.record["rejected"], f"by hand: {reason}"]}
    everything = outside | {key: replace(moved, record=record)}
    write_shard(aside, [everything[k] for k in sorted(everything)])
    write_shard(folder / name, list(inside.values()))
    (folder / "manifest.json").unlink()


def test_what_was_removed_by_hand_is_never_drawn_again(plan: Path, tmp_path: Path) -> None:
    render_plan(plan, tmp_path, Picky(), OPTIONS, judge=FakeJudge())
    name = OBJECT.format(0)
    key = next(read_shard(tmp_path / name)).key
    by_hand(tmp_path, name, key, "ugly")
    renderer = Picky()
    manifest = render_plan(plan, tmp_path, renderer, OPTIONS, judge=FakeJudge())
    assert renderer.asked == []
    assert manifest["filter"]["by_hand"] == 1
    assert stored(tmp_path / "quarantine")[key].record["rejected"][-1] == "by hand: ugly"
    assert key not in stored(tmp_path)
    assert verify_shards(tmp_path).ok


def test_a_move_that_was_killed_halfway_is_finished_by_the_later_record(plan: Path, tmp_path: Path) -> None:
    render_plan(plan, tmp_path, Picky(), OPTIONS, judge=FakeJudge())
    name = OBJECT.format(0)
    shard = (tmp_path / name).read_bytes()
    key = next(read_shard(tmp_path / name)).key
    by_hand(tmp_path, name, key, "ugly")
    after = hashes(tmp_path)[name]
    (tmp_path / name).write_bytes(shard)
    renderer = Picky()
    render_plan(plan, tmp_path, renderer, OPTIONS, judge=FakeJudge())
    assert renderer.asked == []
    assert hashes(tmp_path)[name] == after


@pytest.mark.parametrize(
    "change",
    [
        {"attempt": 9},
        {"attempt": "1"},
        {"attempt": True},
        {"seed": 1},
        {"scores": None},
        {"rejected": None},
        {"prompt": "another"},
        {"renderer": {"type": "other"}},
        {"more": 1},
    ],
)
def test_a_record_that_is_not_what_the_plan_says_is_drawn_again(
    plan: Path, whole: dict[str, str], tmp_path: Path, change: dict[str, Any]
) -> None:
    render_plan(plan, tmp_path, Picky(), OPTIONS, judge=FakeJudge())
    name = OBJECT.format(0)
    first, *rest = read_shard(tmp_path / name)
    write_shard(tmp_path / name, [replace(first, record={**first.record, **change}), *rest])
    (tmp_path / "manifest.json").unlink()
    renderer = Picky()
    render_plan(plan, tmp_path, renderer, OPTIONS, judge=FakeJudge())
    assert set(renderer.asked) == {first.key}
    assert hashes(tmp_path) == whole
