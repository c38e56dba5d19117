"""clay-eval render with a judge, in parts and with failures; clay-eval merge."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_judges import FakeJudge

from clay_eval.cli.filtering import filter_lines, most_lost
from clay_eval.generator.alignment import loading
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.samples import read_plan


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What judges were asked for; all are FakeJudges."""
    names: list[tuple[str, dict[str, Any]]] = []

    def load(name: str, **options: Any) -> FakeJudge:
        names.append((name, {k: v for k, v in options.items() if k != "texts"}))
        return FakeJudge(0.7)

    monkeypatch.setattr(loading, "load_judge", load)
    return names


@pytest.fixture
def run(cli: Callable[..., Any], tmp_path: Path) -> Path:
    assert cli("plan", "demo-object", "--count", 12, "--out", tmp_path / "run").code == 0
    return tmp_path / "run"


OPTIONS = ["--renderer", "procedural", "--size", 64, "--shard-size", 4]
JUDGE = ["--judge", "some-model", "--margin", 0.1, "--prompt-score", 0.2, "--vqa", "seer"]


def tars(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name != ".lock"
    }


def test_the_judge_is_loaded_as_asked_and_its_work_is_summed_up(
    cli: Callable[..., Any], run: Path, asked: list[Any]
) -> None:
    outcome = cli("render", "--out", run, *OPTIONS, *JUDGE)
    assert outcome.code == 0, outcome.err
    options = {"margin": 0.1, "prompt_score": 0.2, "vqa": "seer", "device": "auto"}
    assert asked == [("some-model", options)]
    manifest = json.loads((run / "shards" / "manifest.json").read_text())
    counts = manifest["filter"]
    assert counts["quarantined"]
    assert f"accepted {counts['accepted']} of 12: {counts['first_try']} at the first attempt" in outcome.out
    assert f"quarantined {counts['quarantined']}" in outcome.out
    assert f"category {counts['rejections']['category']}" in outcome.out
    assert "lost most: " in outcome.out
    assert cli("verify", run).code == 0
    cli("render", "--out", run, *OPTIONS).refused(3, "judge")
    cli("render", "--out", run, *OPTIONS, *JUDGE, "--attempts", 2).refused(3, "attempts: 3 -> 2")


@pytest.mark.parametrize("more", [(), ("--judge-diversity",)])
def test_the_manifest_says_which_labels_a_judge_checked(
    cli: Callable[..., Any], run: Path, more: tuple[str, ...]
) -> None:
    judge = ["--judge", "embedded-judge", "--margin", -2.0]
    assert cli("render", "--out", run, *OPTIONS, *judge, *more).code == 0
    manifest = json.loads((run / "shards" / "manifest.json").read_text())
    core, varied = ["category", "subcategory", "color"], ["viewpoint", "setting", "light", "framing"]
    assert manifest["entities"]["demo-object"]["checked"] == [*core, *(varied if more else ())]
    assert (manifest["filter"]["judge"].get("diversity") is True) == bool(more)
    assert cli("verify", run).code == 0
    other = () if more else ("--judge-diversity",)
    cli("render", "--out", run, *OPTIONS, *judge, *other).refused(3, "judge")


def test_without_a_judge_no_label_is_checked(cli: Callable[..., Any], run: Path) -> None:
    assert cli("render", "--out", run, *OPTIONS).code == 0
    manifest = json.loads((run / "shards" / "manifest.json").read_text())
    assert manifest["entities"]["demo-object"]["checked"] == []
    cli("render", "--out", run, *OPTIONS, "--judge-diversity").refused(2, "--judge-diversity", "no judge")


def test_drawing_code_has_no_judge_unless_it_is_given_one(
    cli: Callable[..., Any], run: Path, asked: list[Any]
) -> None:
    outcome = cli("render", "--out", run, *OPTIONS, "--json")
    assert outcome.code == 0, outcome.err
    assert asked == []
    assert json.loads(outcome.out)["filter"]["judge"] is None


def test_parts_are_merged_into_the_undivided_run(
    cli: Callable[..., Any], run: Path, asked: list[Any], tmp_path: Path
) -> None:
    for part in ("2/2", "1/2"):
        cli("merge", "--out", run).refused(2, "parts")
        outcome = cli("render", "--out", run, *OPTIONS, *JUDGE, "--part", part)
        assert outcome.code == 0, outcome.err
        assert str(run / "parts" / part.replace("/", "-of-")) in outcome.out
        assert cli("verify", run / "parts" / part.replace("/", "-of-")).code == 0
    assert not (run / "shards").exists()
    outcome = cli("merge", "--out", run)
    assert outcome.code == 0, outcome.err
    assert "accepted " in outcome.out
    assert cli("verify", run).code == 0
    merged = tars(run / "shards")
    for path in [*(run / "shards").rglob("*.*")]:
        path.unlink()
    assert cli("render", "--out", run, *OPTIONS, *JUDGE).code == 0
    assert tars(run / "shards") == merged


def test_failures_are_listed_with_the_way_out_and_exit_code_1(
    cli: Callable[..., Any], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [s.key for s in read_plan(run / "plan" / "plan.jsonl")]
    render = ProceduralRenderer.render

    def fail(self: Any, samples: Sequence[Any]) -> Any:
        for sample in samples:
            if sample.key in keys[::2]:
                raise ClayEvalError("the server keeps failing", where=sample.key)
        return render(self, samples)

    with monkeypatch.context() as patch:
        patch.setattr(ProceduralRenderer, "render", fail)
        outcome = cli("render", "--out", run, *OPTIONS)
        in_parts = [cli("render", "--out", run, *OPTIONS, "--part", part) for part in ("1/2", "2/2")]
    assert outcome.code == 1
    assert "6 samples failed; the same command draws these alone:" in outcome.err
    assert all(f"  {key}: the server keeps failing" in outcome.err for key in keys[::2])
    assert "Traceback" not in outcome.err
    assert [o.code for o in in_parts] == [1, 1]
    assert cli("verify", run).code == 0, "what is there is whole"
    outcome = cli("render", "--out", run, *OPTIONS)
    assert outcome.code == 0, outcome.err
    assert not list((run / "shards" / "failures").iterdir())


def test_values_that_lost_most_come_first() -> None:
    balance = {"x": {"color": {"red": [10, 9], "blue": [10, 2], "green": [5, 5]}, "light": {"dim": [4, 2]}}}
    manifest: dict[str, Any] = {"balance": balance}
    assert most_lost(manifest) == ["color blue: 2 of 10", "light dim: 2 of 4", "color red: 9 of 10"]
    assert most_lost(manifest, 1) == ["color blue: 2 of 10"]
    counts = {"judge": None, "quarantined": 0, "failed": 0}
    assert filter_lines({"filter": counts, "renderer": {"type": "procedural"}}) == []
    assert "--judge" in filter_lines({"filter": counts, "renderer": {"type": "diffusion"}})[0]
