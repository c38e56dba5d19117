"""A preview: chosen evenly, drawn as a rendering would, kept by it, and estimates that hold for the whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_judges import FakeJudge, Picky
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clay_eval.generator.alignment.base import Verdict
from clay_eval.generator.plan.planning import PlanRequest, read_plan_record, write_plan
from clay_eval.generator.progress.choosing import spread
from clay_eval.generator.progress.counting import Tally, count
from clay_eval.generator.progress.estimates import Timing, hours, mean, seconds_a_picture, share
from clay_eval.generator.progress.previewing import held
from clay_eval.generator.progress.previewing import preview as draw
from clay_eval.generator.progress.sheet import PlannedShards, expected, read_row, render_sheet
from clay_eval.generator.shards.rendering import plan_specs, render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.manifest import QUARANTINE
from clay_eval.schemas.samples import SampleSpec, read_plan
from clay_eval.stages import Drawing
from clay_eval.stages.folders import RunFolder
from clay_eval.stages.previewing import preview

OPTIONS = RenderOptions(shard_size=8, batch_size=3)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    specs = [load_entity(name) for name in ("demo-object", "demo-human")]
    write_plan(PlanRequest(specs, [None, None], 40, 0), tmp_path / "run" / "plan")
    return RunFolder(tmp_path / "run")


def hashes(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def previewed(run: RunFolder, judge: FakeJudge, count: int, options: RenderOptions = OPTIONS) -> Path:
    plan = read_plan_record(run.plan)
    samples = list(read_plan(run.plan / "plan.jsonl"))
    chosen = {sample.key for sample in spread(samples, count)}
    return draw(
        lambda there: [s for s in samples if s.key in chosen | there],
        plan_specs(run.plan, plan),
        plan["fingerprint"],
        run.previews,
        Picky(),
        judge,
        options,
    )


def test_every_value_is_chosen_where_the_number_allows(run: RunFolder) -> None:
    samples = list(read_plan(run.plan / "plan.jsonl"))
    chosen = spread(samples, 24)
    assert len(chosen) == 24
    assert [s for s in samples if s in chosen] == chosen, "in the order of the plan"

    def values(some: list[SampleSpec]) -> set[tuple[str, str, str]]:
        return {(s.entity, *item) for s in some for item in (*s.labels.items(), *s.diversity.items())}

    small = {v for v in values(samples) if v[1] not in ("subcategory",)}
    assert values(chosen) >= small
    assert len({(s.entity, s.combination) for s in chosen}) == 24
    assert {s.key for s in spread(samples, 10)} <= {s.key for s in chosen}
    assert spread(samples, 1000) == samples
    assert spread(samples, 0) == spread([], 5) == []


@given(st.lists(st.tuples(*[st.sampled_from("abc")] * 3), max_size=12), st.integers(0, 12))
def test_a_choice_is_what_looking_at_all_samples_each_time_gives(labels: list[Any], count: int) -> None:
    samples = [
        SampleSpec(f"e-{n}", "e", n // 2, n % 2, {"x": x, "y": y}, {"z": z}, "", "", n)
        for n, (x, y, z) in enumerate(labels)
    ]

    def values(sample: SampleSpec) -> list[Any]:
        said = (*sample.labels.items(), *sample.diversity.items())
        return [("e", ""), ("", str(sample.combination)), *said]

    shown: list[Any] = []
    rest = [*samples]
    for _ in range(min(count, len(samples))):
        best = max(rest, key=lambda sample: sum(4.0 ** -shown.count(value) for value in values(sample)))
        rest.remove(best)
        shown += values(best)
    assert spread(samples, count) == [sample for sample in samples if sample not in rest]


def test_a_preview_of_nearly_everything_is_chosen_in_no_time() -> None:
    """Looking at all samples each time would be some 10^9 sums."""
    many = 20_000
    samples = [
        SampleSpec(f"e-{n}", "e", n % 50, n // 50, {"x": str(n % 7)}, {}, "", "", n) for n in range(many)
    ]
    assert len(spread(samples, many - 1)) == many - 1
    assert spread(samples, many) == samples


@pytest.mark.parametrize(("rejects", "shard_size"), [(0.0, 8), (0.5, 8), (0.5, 5)])
def test_a_rendering_keeps_what_was_previewed(run: RunFolder, rejects: float, shard_size: int) -> None:
    """They are not drawn again, in shards of whatever size, and all files are those of a run without a preview."""
    options = RenderOptions(shard_size=shard_size, batch_size=3)
    folder = previewed(run, FakeJudge(rejects), 24)
    before = hashes(folder)
    kept = set(_keys(folder))
    assert len(kept) == 24
    renderer = Picky()
    render_plan(
        run.plan, run.shards, renderer, replace(options, previews=run.previews), judge=FakeJudge(rejects)
    )
    assert kept.isdisjoint(renderer.asked)
    assert len({*renderer.asked}) == 80 - 24
    plain = run.root / "plain"
    render_plan(run.plan, plain, Picky(), options, judge=FakeJudge(rejects))
    assert hashes(run.shards) == hashes(plain)
    assert hashes(folder) == before, "the preview is left as it is"


def _keys(folder: Path) -> list[str]:
    return sorted(held(folder))


def test_other_settings_and_damaged_files_are_not_taken(run: RunFolder) -> None:
    folder = previewed(run, FakeJudge(0.5), 12)
    renderer = Picky()
    render_plan(run.plan, run.shards, renderer, replace(OPTIONS, previews=run.previews), judge=FakeJudge(0.4))
    assert len({*renderer.asked}) == 80, "another judge is another setting"
    for tar in (*folder.glob("*.tar"), *(folder / QUARANTINE).glob("*.tar")):
        tar.write_bytes(tar.read_bytes()[:700])
    other = Picky()
    render_plan(
        run.plan, run.root / "b", other, replace(OPTIONS, previews=run.previews), judge=FakeJudge(0.5)
    )
    assert len({*other.asked}) == 80
    (folder / "render.json").write_text("{}")
    render_plan(
        run.plan, run.root / "c", Picky(), replace(OPTIONS, previews=run.previews), judge=FakeJudge(0.5)
    )


def test_a_larger_preview_keeps_the_smaller_one_and_a_smaller_one_loses_nothing(run: RunFolder) -> None:
    folder = previewed(run, FakeJudge(0.0), 12)
    first = set(_keys(folder))
    assert previewed(run, FakeJudge(0.0), 24) == folder
    second = set(_keys(folder))
    assert first < second
    assert len(second) == 24
    previewed(run, FakeJudge(0.0), 4)
    assert set(_keys(folder)) == second


def test_the_stage_makes_a_page_with_a_row_for_each_setting(run: RunFolder) -> None:
    record = preview(run, [Drawing("procedural", 64), Drawing("procedural", 96)], 12)
    assert [one["looked_at"] for one in record["settings"]] == [12, 12]
    again = preview(run, [Drawing("procedural", 80)], 12)
    assert len(again["settings"]) == 3, "settings that were previewed before stay on the page"
    page = Path(again["page"]).read_text("utf-8")
    assert page.count("data:image/jpeg") == 36
    assert not re.search(r"(src|href)=\"http", page)
    assert "script" not in page
    for one in again["settings"]:
        value, low, high = one["bytes"]
        assert 0 < low <= value <= high
        hours_, least, most = one["hours"]
        assert 0 < least <= hours_ <= most
    assert not run.shards.exists()


def test_damaged_settings_of_before_are_left_out(run: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    preview(run, [Drawing("procedural", 64), Drawing("procedural", 80), Drawing("procedural", 96)], 4)
    first, second, third = sorted(run.previews.glob("*/render.json"))
    kept = first.parent.name
    second.write_text("{")
    tar = next(third.parent.glob("*.tar"))
    tar.write_bytes(tar.read_bytes()[:3000])
    record = preview(run, [Drawing("procedural", 112)], 4)
    assert [one["folder"] for one in record["settings"][1:]] == [kept]
    assert str(second) in caplog.text
    assert str(tar) in caplog.text


class Changing(FakeJudge):
    """Rejects the first picture of a sample for one attribute, and all others for another."""

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        """Accepts nothing."""
        return [self._at(sample, [*sample.labels], self._first(sample)) for sample in samples]

    def __init__(self) -> None:
        super().__init__(1.0, "changing")
        self.seen: set[str] = set()

    def _first(self, sample: SampleSpec) -> bool:
        first = sample.key not in self.seen
        self.seen.add(sample.key)
        return first

    def _at(self, sample: SampleSpec, names: list[str], first: bool) -> Verdict:
        missed = names[0 if first else 1]
        scores = {name: -0.5 if name == missed else 0.5 for name in names}
        return Verdict(False, scores, (f"{missed} reads as something else (margin -0.500)",), (missed,))


def test_a_mark_is_that_of_the_picture_beside_it(run: RunFolder) -> None:
    """What an earlier attempt failed at is not held against the picture of the last one."""
    folder = previewed(run, Changing(), 1)
    plan = read_plan_record(run.plan)
    row = read_row(folder, plan["entities"])
    (sample,) = [s for s in read_plan(run.plan / "plan.jsonl") if s.key in row.pictures]
    shards = PlannedShards([sample]).shards
    page = render_sheet([(row, expected(row, [sample], count(shards, {})))], [sample], Tally(planned=1))
    said = re.findall(r'title="([^"]*)".*?class="name">([^<]*)<', page)
    first, second, *_ = sample.labels
    marks = {name: text for text, name in said}
    assert marks[first] == "seen by the judge, but not at an earlier attempt"
    assert marks[second] == "not seen by the judge"


def test_the_command_and_what_render_keeps(run: RunFolder, cli: Any) -> None:
    calls = run.plan / "llm" / "calls"
    calls.mkdir(parents=True)
    (calls / "a.json").write_text('{"usage": {"prompt_tokens": 12, "completion_tokens": 3}}')
    (calls / "b.json").write_text('{"raw": "a fault"}')
    shown = cli("preview", "--renderer", "procedural", "--size", 64, "--count", 6, "--out", run.root)
    assert shown.code == 0, shown
    assert "6 of 80 samples" in shown.out
    assert "1 answers: 12 prompt and 3 completion tokens" in shown.out
    done = cli("render", "--renderer", "procedural", "--size", 64, "--shard-size", 40, "--out", run.root)
    assert done.code == 0, done
    cli("preview", "--renderer", "procedural", "--margin", 0.1, "--out", run.root).refused(2, "no judge")
    cli("preview", "--renderer", "procedural", "--out", run.root / "no").refused(2, "no finished plan here")


@given(st.integers(0, 40), st.integers(0, 40))
def test_an_interval_of_a_share_holds_it(hits: int, more: int) -> None:
    found = share(hits, hits + more)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_intervals_by_their_definition() -> None:
    """Clopper and Pearson's limits for 3 of 12 (Fleiss), Student's for three numbers, and the rule of three."""
    found = share(3, 12)
    assert (found.low, found.high) == (pytest.approx(0.05486, abs=1e-5), pytest.approx(0.57186, abs=1e-5))
    assert share(0, 24).high == pytest.approx(1 - 0.025 ** (1 / 24))
    assert (share(0, 0).low, share(0, 0).high) == (0.0, 1.0)
    found = mean([1.0, 2.0, 3.0], 0.0)
    assert (found.low, found.high) == (0.0, pytest.approx(2 + 4.302653 / 3**0.5))
    assert mean([2.0], 1.0, 3.0).high == 3.0


def test_hours_leave_the_first_call_out_and_count_what_is_drawn_again() -> None:
    timing = Timing(((8, 80.0), (8, 16.0), (8, 16.0), (8, 16.0), (8, 16.0)), 4.0)
    found = seconds_a_picture(timing)
    assert found is not None
    assert found.value == pytest.approx(2.1)
    whole = hours(timing, [1, 1, 2, 2], 3, 3600)
    assert whole is not None
    assert whole.value == pytest.approx(3.15)
    assert whole.low < whole.value < whole.high <= 3 * 2.1 + 1e-9
    assert seconds_a_picture(Timing(())) is None
    short = seconds_a_picture(Timing(((8, 80.0), (8, 16.0))))
    assert short is not None
    assert (short.low, short.value, short.high) == (2.0, 2.0, 10.0)
