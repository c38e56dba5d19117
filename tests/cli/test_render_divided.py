"""clay-eval render where samples fail, and in parts: exit codes, what is said, and the same files as a plain run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.samples import read_plan
from clay_eval.stages import Drawing, render
from clay_eval.stages.folders import RunFolder

Cli = Callable[..., Any]
Hashes = Callable[[Path], dict[str, str]]
OPTIONS = ["--renderer", "procedural", "--size", 64, "--shard-size", 4]


@pytest.fixture(scope="module")
def plain(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: 10 objects and 10 people, drawn at once. Not to be altered."""
    run = tmp_path_factory.mktemp("plain") / "run"
    assert cli("plan", "demo-object", "demo-human", "--count", 10, "--out", run).code == 0
    outcome = cli("render", "--out", run, *OPTIONS)
    assert outcome.code == 0, outcome.err
    return run


@pytest.fixture
def planned(plain: Path, tmp_path: Path) -> Path:
    """A run folder with the same plan, and nothing drawn."""
    shutil.copytree(plain / "plan", tmp_path / "run" / "plan")
    return tmp_path / "run"


def drawing(monkeypatch: pytest.MonkeyPatch, failing: set[str]) -> list[str]:
    """Make the procedural renderer fail for these keys; return the list of the keys that are drawn from now on."""
    drawn: list[str] = []
    draw = ProceduralRenderer.render

    def render(self: ProceduralRenderer, samples: Sequence[Any]) -> Any:
        for sample in samples:
            if sample.key in failing:
                raise ClayEvalError("the ink ran out", where=sample.key, hint="more ink")
        drawn.extend(sample.key for sample in samples)
        return draw(self, samples)

    monkeypatch.setattr(ProceduralRenderer, "render", render)
    return drawn


def test_failed_samples_are_listed_and_drawn_alone_by_the_same_command(
    cli: Cli, plain: Path, planned: Path, hashes: Hashes, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [sample.key for sample in read_plan(planned / "plan" / "plan.jsonl")]
    failing = {keys[1], keys[6], keys[15]}
    with monkeypatch.context() as patch:
        drawing(patch, failing)
        outcome = cli("render", "--out", planned, *OPTIONS)
    assert outcome.code == 1
    assert "17 pictures in 6 shards" in outcome.out
    assert "failed 3" in outcome.out
    assert "3 samples failed; the same command draws these alone:" in outcome.err
    for key in failing:
        assert f"{key}: the ink ran out" in outcome.err
    assert "Traceback" not in outcome.err
    assert cli("verify", planned).code == 0
    with monkeypatch.context() as patch:
        drawn = drawing(patch, {keys[6]})
        outcome = cli("render", "--out", planned, *OPTIONS, "--json")
    assert (outcome.code, set(drawn)) == (1, failing - {keys[6]})
    assert json.loads(outcome.out)["filter"]["failed"] == 1
    with monkeypatch.context() as patch:
        drawn = drawing(patch, set())
        outcome = cli("render", "--out", planned, *OPTIONS)
    assert (outcome.code, drawn) == (0, [keys[6]]), outcome.err
    assert outcome.err.count("failed") == 0
    assert hashes(planned) == hashes(plain)


def test_a_renderer_that_fails_for_all_stops(
    cli: Cli, planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {sample.key for sample in read_plan(planned / "plan" / "plan.jsonl")}
    drawing(monkeypatch, keys)
    cli("render", "--out", planned, *OPTIONS).refused(2, "20 samples in a row failed", "more ink")
    assert not (planned / "shards" / "manifest.json").exists()


@pytest.mark.parametrize("parts", [2, 7])
def test_parts_merged_are_the_plain_run(
    cli: Cli, plain: Path, planned: Path, hashes: Hashes, parts: int
) -> None:
    """Seven parts of six shards: one has none."""
    pictures = 0
    for i in range(parts, 0, -1):
        cli("merge", "--out", planned).refused(2, "part")
        outcome = cli("render", "--out", planned, *OPTIONS, "--part", f"{i}/{parts}")
        assert outcome.code == 0, outcome.err
        folder = planned / "parts" / f"{i}-of-{parts}"
        assert f"shards: {folder}" in outcome.out
        assert read_manifest(folder)["part"] == [i, parts]
        assert cli("verify", folder).code == 0
        pictures += read_manifest(folder)["samples"]
    assert pictures == 20
    outcome = cli("merge", "--out", planned, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out) == read_manifest(plain / "shards")
    assert hashes(planned / "shards") == hashes(plain / "shards")
    assert cli("merge", "--out", planned).code == 0
    shutil.rmtree(planned / "parts")
    assert cli("verify", planned).code == 0
    assert cli("render", "--out", planned, *OPTIONS).code == 0
    assert hashes(planned) == hashes(plain)


def test_a_merge_with_failed_samples_says_so(
    cli: Cli, plain: Path, planned: Path, hashes: Hashes, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [sample.key for sample in read_plan(planned / "plan" / "plan.jsonl")]
    with monkeypatch.context() as patch:
        drawing(patch, {keys[5]})
        codes = [cli("render", "--out", planned, *OPTIONS, "--part", f"{i}/2").code for i in (1, 2)]
    assert codes == [0, 1]
    outcome = cli("merge", "--out", planned)
    assert outcome.code == 1
    assert f"{keys[5]}: the ink ran out" in outcome.err
    with monkeypatch.context() as patch:
        drawn = drawing(patch, set())
        assert cli("render", "--out", planned, *OPTIONS, "--part", "2/2").code == 0
    assert drawn == [keys[5]]
    assert cli("merge", "--out", planned).code == 0
    assert hashes(planned / "shards") == hashes(plain / "shards")


@pytest.mark.parametrize(
    "part", ["3/2", "0/2", "-1/2", "1", "1/", "a/b", "1/2/3", "1.0/2", "1 / 2", "9" * 5000]
)
def test_a_part_that_is_none_is_refused(cli: Cli, planned: Path, part: str) -> None:
    cli("render", "--out", planned, *OPTIONS, f"--part={part}").refused(2, "--part", "3/16", "not a part")
    assert not (planned / "parts").exists()
    assert not (planned / "shards").exists()


def test_a_merge_of_nothing(cli: Cli, planned: Path, tmp_path: Path) -> None:
    cli("merge", "--out", planned).refused(2, "no parts here", "--part 1/4")
    cli("merge", "--out", tmp_path / "empty").refused(2, "clay-eval plan")
    assert not (planned / "shards").exists()


def test_a_tampered_part_is_not_merged(cli: Cli, planned: Path) -> None:
    assert cli("render", "--out", planned, *OPTIONS, "--part", "1/1").code == 0
    shard = next((planned / "parts" / "1-of-1").glob("*.tar"))
    data = bytearray(shard.read_bytes())
    data[3000] ^= 1
    shard.write_bytes(data)
    cli("merge", "--out", planned).refused(4, str(shard), "render this part again")
    assert cli("render", "--out", planned, *OPTIONS, "--part", "1/1").code == 0
    assert cli("merge", "--out", planned).code == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--attempts", 2], "attempts: 3 -> 2"),
        (["--size", 65], "renderer.size: 64 -> 65"),
        (["--format", "png"], "image.format: 'JPEG' -> 'PNG'"),
        (["--shard-size", 5], "shard_size: 4 -> 5"),
    ],
)
def test_other_options_are_refused(
    cli: Cli, plain: Path, hashes: Hashes, changed: list[object], said: str
) -> None:
    before = hashes(plain)
    cli("render", "--out", plain, *OPTIONS, *changed).refused(3, "another configuration", said)
    assert hashes(plain) == before


@pytest.mark.parametrize("option", [["--vqa", "some/model"], ["--prompt-score", "0.2"]])
def test_conditions_of_a_judge_need_a_judge(cli: Cli, planned: Path, option: list[str]) -> None:
    cli("render", "--out", planned, *OPTIONS, *option).refused(2, option[0], "no judge")
    assert not (planned / "shards").exists()


def test_the_bar_of_a_part_ends_where_its_samples_do(planned: Path) -> None:
    told: list[tuple[int, int | None]] = []
    for part in ((1, 2), (2, 2)):
        told.clear()
        render(
            RunFolder(planned),
            Drawing("procedural", 64, shard_size=8),
            lambda _, done, total: told.append((done, total)),
            part=part,
        )
        assert told[-1][0] == told[-1][1], part
