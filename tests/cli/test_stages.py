"""The whole pipeline through the command line: artefacts, their contracts, and that the same input gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

FIELDS = {
    "entity",
    "method",
    "encoder",
    "conditions",
    "metric",
    "value",
    "ci_low",
    "ci_high",
    "chance",
    "queries",
    "queries_without_relevant",
    "seeds_std",
}
HARD_NEGATIVES = {"hard_negatives", "hard_negatives_chance"}
"""Where queries are put."""
METHODS = ("raw", "ip-composer", "text-pca", "crl", "clay", "clay-values")
MEASURES = ("AP", "AP@R", "P@10")
CONDITIONS = {
    "demo-object": ("category", "subcategory", "color"),
    "demo-human": ("age", "action", "background"),
}

Hashes = Callable[[Path], dict[str, str]]


@pytest.fixture(scope="module")
def report(finished: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((finished / "report" / "report.json").read_text())
    return loaded


def test_run_leaves_every_artefact(finished: Path) -> None:
    for name in (
        "plan/plan.jsonl",
        "plan/coverage.md",
        "shards/manifest.json",
        "shards/labels.csv",
        "report/report.json",
        "report/per_query.csv",
        "report/report.md",
        "report/report.html",
    ):
        assert (finished / name).stat().st_size > 0, name
    assert len((finished / "plan" / "plan.jsonl").read_text().splitlines()) == 120
    assert not list(finished.rglob("*.part"))


def test_results_are_complete_and_in_range(report: dict[str, Any]) -> None:
    expected = {
        (entity, method, subset, measure)
        for entity, names in CONDITIONS.items()
        for method in METHODS
        for measure in MEASURES
        for size in (1, 2, 3)
        for subset in combinations(names, size)
    }
    found = [(r["entity"], r["method"], tuple(r["conditions"]), r["metric"]) for r in report["results"]]
    assert sorted(found) == sorted(expected)
    for result in report["results"]:
        assert set(result) == FIELDS | (HARD_NEGATIVES if result["queries"] else set())
        assert result["encoder"] == "tiny"
        if len(result["conditions"]) == 1:
            assert result["queries"] > 0
        if result["queries"] == 0:
            assert result["value"] is None
        else:
            assert 0 <= result["ci_low"] <= result["value"] <= result["ci_high"] <= 1
            assert 0 < result["chance"] < 1


def test_standard_output_is_the_report_and_nothing_else(finished: Path, report: dict[str, Any]) -> None:
    assert json.loads((finished.parent / "stdout.json").read_text()) == report


def test_a_second_run_computes_nothing(
    cli: Callable[..., Any], finished: Path, run_options: list[str], hashes: Hashes
) -> None:
    def state() -> dict[Path, int]:
        return {
            path: path.stat().st_mtime_ns
            for stage in ("plan", "shards", "features")
            for path in (finished / stage).rglob("*")
            if path.is_file() and path.name != ".lock"
        }

    before, content = state(), hashes(finished)
    outcome = cli("run", "--out", finished, *run_options)
    assert outcome.code == 0, outcome.err
    assert state() == before
    assert hashes(finished) == content
    assert str(finished / "report" / "report.html") in outcome.out


def test_another_folder_gets_the_same_bytes(
    cli: Callable[..., Any], finished: Path, run_options: list[str], tmp_path: Path, hashes: Hashes
) -> None:
    """Stage by stage, and with other batches: neither moves a byte, save what is `recorded`."""
    again = tmp_path / "again"
    encoder = run_options[-1]
    for command in (
        ["plan", "demo-object", "demo-human", "--out", again, "--count", 60, "--seed", 3],
        ["render", "--out", again, "--renderer", "procedural"],
        ["embed", "--out", again, "--encoder", encoder],
        ["evaluate", "--out", again, "--encoder", encoder, "--seed", 3],
    ):
        outcome = cli(*command)
        assert outcome.code == 0, outcome.err
    assert hashes(again) == hashes(finished)


@pytest.mark.parametrize("command", ["plan", "render", "embed", "evaluate", "report", "verify", "entities"])
def test_json_on_standard_output_parses(
    cli: Callable[..., Any], finished: Path, run_options: list[str], command: str
) -> None:
    encoder = ["--encoder", run_options[-1]]
    arguments = {
        "plan": ["demo-object", "demo-human", "--count", 60, "--seed", 3, "--out", finished],
        "render": ["--out", finished, "--renderer", "procedural"],
        "embed": ["--out", finished, *encoder],
        "evaluate": ["--out", finished, *encoder, "--seed", 3],
        "report": [finished],
        "verify": [finished],
        "entities": [],
    }[command]
    outcome = cli(command, *arguments, "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    if command == "embed":
        assert (record["computed"], record["reused"]) == (0, 120)
    if command == "render":
        assert record["samples"] == 120


def test_pages_are_made_again_byte_by_byte(cli: Callable[..., Any], a_run: Path, hashes: Hashes) -> None:
    before = hashes(a_run)
    for name in ("report.html", "report.md"):
        (a_run / "report" / name).unlink()
    assert cli("report", a_run).code == 0
    assert hashes(a_run) == before
    (a_run / "report" / "report.html").write_text("")
    assert cli("report", a_run / "report").code == 0
    assert hashes(a_run) == before


def test_evaluate_replaces_only_when_told(
    cli: Callable[..., Any], a_run: Path, run_options: list[str], hashes: Hashes
) -> None:
    before = hashes(a_run)
    changed = ["evaluate", "--out", a_run, "--encoder", run_options[-1], "--seed", 3]
    changed += ["--measure", "AP(trapezoid)", "--draws", 20, "--entity", "demo-object"]
    outcome = cli(*changed)
    outcome.refused(3, "AP(trapezoid)", "bootstrap_draws: 1000 -> 20")
    assert hashes(a_run) == before
    outcome = cli(*changed, "--replace", "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert record["settings"]["measures"] == ["AP(trapezoid)"]
    assert {r["entity"] for r in record["results"]} == {"demo-object"}
    assert not [p for p in (a_run / "report" / "thumbnails").iterdir() if p.name.startswith("demo-human")]
    assert cli("verify", a_run).code == 0
    assert cli(*changed).code == 0


def test_lost_shards_and_features_are_made_again(
    cli: Callable[..., Any], a_run: Path, run_options: list[str], hashes: Hashes
) -> None:
    before = hashes(a_run)
    next((a_run / "shards").glob("demo-human*.tar")).unlink()
    next((a_run / "features").glob("*/demo-human*.safetensors")).unlink()
    assert cli("run", "--out", a_run, *run_options).code == 0
    assert hashes(a_run) == before


def test_the_embedded_encoder_is_the_default(cli: Callable[..., Any], a_run: Path) -> None:
    outcome = cli("evaluate", "--out", a_run, "--replace", "--draws", 20, "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert record["inputs"]["encoder"]["demonstration"] is True
    singles = [r for r in record["results"] if r["metric"] == "AP" and len(r["conditions"]) == 1]
    means = {method: [r["value"] for r in singles if r["method"] == method] for method in ("raw", "clay")}
    assert sum(means["clay"]) > sum(means["raw"])
