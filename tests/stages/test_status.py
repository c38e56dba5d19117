"""Status read while a run works, after it was killed, continued and finished: it counts what the manifest counts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_judges import FakeJudge, Picky
from PIL import Image

from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.progress.counting import FolderState, ShardState, ValueTally
from clay_eval.generator.progress.outliers import outliers
from clay_eval.generator.progress.rates import samples_a_second
from clay_eval.generator.shards.journal import DRAWN, Fate, read_journal, rejections, shard_journal
from clay_eval.generator.shards.parts import merge_parts, part_folder
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.samples import SampleSpec, read_plan
from clay_eval.stages.folders import RunFolder
from clay_eval.stages.status import Watch, status

OPTIONS = RenderOptions(shard_size=4, batch_size=3)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    specs = [load_entity(name) for name in ("demo-object", "demo-human")]
    write_plan(PlanRequest(specs, [None, None], 10, 0), tmp_path / "run" / "plan")
    return RunFolder(tmp_path / "run")


class Stopping(Picky):
    """Looks at the status before every call, and stops as a kill does after so many."""

    def __init__(self, watch: Watch, calls: int = 10**6, fails: Any = lambda _: False) -> None:
        super().__init__(fails)
        self.watch, self.left = watch, calls
        self.seen: list[dict[str, Any]] = []

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        """Look, then draw."""
        self.seen.append(self.watch.look())
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().render(samples)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")}


def agrees(record: dict[str, Any], manifest: dict[str, Any]) -> None:
    """The counts are the manifest's."""
    found = manifest["filter"]
    assert record["waiting"] == record["unsaved"] == record["workers"] == 0
    assert (record["planned"], record["drawn"]) == (found["planned"], found["accepted"])
    assert (record["quarantined"], record["failed"]) == (found["quarantined"], found["failed"])
    assert record["rejections"] == found["rejections"]
    for entity, attributes in manifest["balance"].items():
        values = record["entities"][entity]["values"]
        assert {
            name: {value: [n["planned"], n["drawn"]] for value, n in sorted(of.items())}
            for name, of in values.items()
        } == attributes


def test_before_the_first_picture(run: RunFolder, tmp_path: Path) -> None:
    before = snapshot(run.root)
    record = status(run)
    assert (record["planned"], record["drawn"], record["waiting"]) == (20, 0, 20)
    assert record["last_sign"] is record["remaining"] is record["disk"]["needed"] is None
    assert snapshot(run.root) == before, "it only reads"
    with pytest.raises(InputError):
        status(RunFolder(tmp_path / "nothing"))


@pytest.mark.parametrize("calls", [0, 1, 2, 5, 9])
def test_a_run_that_is_killed_and_continued(run: RunFolder, calls: int) -> None:
    failing = {
        sample.key for number, sample in enumerate(read_plan(run.plan / "plan.jsonl")) if number in (2, 12)
    }

    def fails(key: str) -> bool:
        return key in failing

    watch = Watch(run)
    killed = Stopping(watch, calls, fails)
    with pytest.raises(KeyboardInterrupt):
        render_plan(run.plan, run.shards, killed, OPTIONS, judge=FakeJudge())
    after = watch.look()
    assert after["workers"] == after["unsaved"] == 0, "what no tar holds is lost"
    continued = Stopping(watch, fails=fails)
    manifest = render_plan(run.plan, run.shards, continued, OPTIONS, judge=FakeJudge())
    ended = [one["planned"] - one["waiting"] for one in continued.seen]
    assert ended == sorted(ended), "within a run, nothing is taken back"
    assert all(one["workers"] == 1 for one in continued.seen)
    assert any(one["unsaved"] for one in continued.seen), "pictures of a shard that is being drawn are seen"
    agrees(watch.look(), manifest)
    agrees(status(run), manifest)
    assert any("cannot draw this" in text for text in status(run)["warnings"])


def test_shards_of_which_nothing_says_what_they_are_do_not_count(run: RunFolder, cli: Any) -> None:
    """Without render.json the size of shards is unknown, and so is which samples a tar should hold."""
    render_plan(run.plan, run.shards, Picky(), OPTIONS, judge=FakeJudge())
    (run.shards / "render.json").unlink()
    record = status(run)
    assert (record["drawn"], record["waiting"]) == (0, 20)
    assert any("render.json" in text for text in record["warnings"])
    refused = cli("status", run.root, "--watch", "--every", "inf")
    assert refused.code == 2
    assert "--every" in refused.err


def test_parts_of_a_job_array_are_counted_together(run: RunFolder) -> None:
    for i in (1, 3):
        judge = FakeJudge()
        render_plan(run.plan, part_folder(run.parts, (i, 3)), Picky(), OPTIONS, judge=judge, part=(i, 3))
    record = status(run)
    kept = [read_manifest(part_folder(run.parts, (i, 3))) for i in (1, 3)]
    assert record["drawn"] == sum(one["samples"] for one in kept)
    assert record["waiting"] == 20 - sum(one["filter"]["planned"] for one in kept) > 0
    assert [one["folder"] for one in record["folders"]] == ["parts/1-of-3", "parts/3-of-3"]
    assert [one["planned"] for one in record["folders"]] == [one["filter"]["planned"] for one in kept]
    assert any("not begun: 2" in text for text in record["warnings"])
    render_plan(run.plan, part_folder(run.parts, (2, 3)), Picky(), OPTIONS, judge=FakeJudge(), part=(2, 3))
    before = status(run)
    manifest = merge_parts(run.plan, run.parts, run.shards)
    agrees(status(run), manifest)
    assert before["entities"] == status(run)["entities"]


def test_files_that_vanish_and_files_that_are_damaged(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = render_plan(run.plan, run.shards, Picky(), OPTIONS, judge=FakeJudge(0.0))
    name = manifest["files"][0]["name"]
    tar = run.shards / name
    glob = Path.glob

    def late(self: Path, pattern: str, **more: Any) -> Iterator[Path]:
        yield from list(glob(self, pattern, **more))
        if self == run.shards and pattern == "[!.]*.tar":
            tar.rename(tar.with_suffix(".away"))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "glob", late)
        record = status(run)
    assert (record["drawn"], record["waiting"]) == (16, 4)
    tar.with_suffix(".away").rename(tar)
    os.truncate(tar, 1000)
    record = status(run)
    assert record["waiting"] == 4
    assert any(name in text for text in record["warnings"])


def test_a_journal_that_is_cut_and_one_of_a_killed_run(run: RunFolder, tmp_path: Path) -> None:
    run.shards.mkdir()
    key = next(iter(Watch(run)._reader.folders(run.shards, run.parts)), None)
    assert key is not None
    with shard_journal(run.shards, "demo-object-test-00000.tar") as note:
        note([("a", Fate(DRAWN, 1, ("color",)))])
        path = next(run.shards.glob(".*.part"))
        with path.open("a") as stream:
            stream.write('{"key": "b", "ti')
        assert list(read_journal(path)) == ["a"]
        assert read_journal(path)["a"][1] == Fate(DRAWN, 1, ("color",))
        assert status(run)["workers"] == 1
        first, *rest = path.read_text().splitlines(keepends=True)
        path.write_text(first.replace(f"{os.getpid()}", f"{2**22 + 1}") + "".join(rest))
        assert status(run)["workers"] == 0, "no such process on this machine"
        path.write_text(json.dumps({"host": "elsewhere", "process": 1}) + "\n" + "".join(rest))
        assert status(run)["workers"] == 1
        os.utime(path, (time.time() - 3600,) * 2)
        assert status(run)["workers"] == 0
    assert list(run.shards.glob(".*.part")) == []
    assert read_journal(path) == {}


def test_a_picture_is_rejected_once_whatever_the_reasons() -> None:
    lines = [
        "attempt 1: color reads as red",
        "attempt 1: not what was asked for",
        "attempt 2: x",
        "by hand: y",
    ]
    assert rejections(lines) == 2


@pytest.mark.parametrize("workers", [1, 4])
def test_the_rate_is_that_of_steady_work(workers: int) -> None:
    """Shards of 100 samples take 200 s a worker: half a sample a second each, in whatever window."""
    shards = {
        f"{n}": ShardState(at=1000 + 200 * (n // workers + 1) + 3 * (n % workers)) for n in range(8 * workers)
    }
    sizes = dict.fromkeys([*shards, *(f"live{i}" for i in range(workers))], 100)
    last = 1000 + 200 * 8
    for i in range(workers):
        times = [last + 3 * i + 2.0 * k for k in range(1, 41)]
        shards[f"live{i}"] = ShardState(drawing=1, times=times)
    folder = FolderState(Path("x"), None, {}, 1000.0, False, shards)
    for window in (150.0, 600.0, 10_000.0):
        rate = samples_a_second([folder], sizes, last + 80.0, window)
        assert rate == pytest.approx(0.5 * workers, rel=0.05)
    both = samples_a_second([folder, folder], sizes, last + 80.0)
    assert both == pytest.approx(1.0 * workers, rel=0.05)
    assert samples_a_second([], sizes, 0.0) is None


def values(counts: dict[str, tuple[int, int]]) -> dict[str, dict[str, dict[str, ValueTally]]]:
    return {"e": {"color": {v: ValueTally(looked=n, missed=k) for v, (k, n) in counts.items()}}}


def test_a_value_that_stands_out_is_named_and_chance_is_not() -> None:
    found = outliers(values({"pink": (20, 40), "red": (3, 40), "blue": (4, 40)}))
    assert [(one.value, one.missed, one.others_missed) for one in found] == [("pink", 20, 7)]
    assert found[0].p < 1e-5
    assert outliers(values({"pink": (3, 10), "red": (1, 10), "blue": (0, 10)})) == []
    assert outliers(values({"pink": (500, 1000), "red": (400, 1000)})) == [], (
        "significant, but not far more often"
    )
    assert outliers(values({"pink": (0, 40), "red": (0, 40)})) == outliers(values({"pink": (4, 40)})) == []
    assert outliers({}) == []


def test_the_command(run: RunFolder, cli: Any) -> None:
    render_plan(run.plan, run.shards, Picky(), OPTIONS, judge=FakeJudge())
    shown = cli("status", run.root)
    assert shown.code == 0
    assert "20 of 20 samples (100 %)" in shown.out
    assert "finished" in shown.out
    watched = cli("status", run.root, "--watch", "--values")
    assert watched.code == 0
    assert "rejected for it" in watched.out
    assert '"planned": 20' in cli("status", run.root, "--json").out
    cli("status", run.root / "none").refused(2, "no finished plan here")
    cli("status", run.root, "--watch", "--json").refused(2, "one look is one JSON")
