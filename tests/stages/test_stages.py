"""The pipeline as Python functions: what it makes, what it tells meanwhile, and that commands and functions are one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clay_eval.evaluator.evaluation.settings import EvaluationSettings
from clay_eval.schemas.errors import ConfigChangedError, InputError
from clay_eval.stages import Drawing, Inputs, PlanOptions, RunFolder, embed, evaluate, plan, render

SETTINGS = EvaluationSettings(methods=("raw", "clay"), bootstrap_draws=50, randomisations=50)
Told = list[tuple[str, int, int | None]]


def silently(capfd: pytest.CaptureFixture[str]) -> None:
    assert capfd.readouterr() == ("", "")


def pipeline(folder: Path, encoder: Path, told: Told, notes: list[str]) -> dict[str, Any]:
    def progress(name: str, done: int, total: int | None) -> None:
        told.append((name, done, total))

    run = RunFolder(folder)
    plan(run, PlanOptions(["demo-object"], count=30, seed=3), progress)
    render(run, Drawing("procedural"), progress)
    inputs = Inputs(run, encoder=str(encoder))
    counts, _ = embed(inputs, progress)
    assert (counts.computed, counts.reused) in {(30, 0), (0, 30)}
    return evaluate(inputs, SETTINGS, progress, note=notes.append)


def test_the_whole_pipeline_says_how_far_it_is_and_nothing_else(
    tiny_encoder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: Told = []
    notes: list[str] = []
    capfd.readouterr()
    report = pipeline(tmp_path / "run", tiny_encoder, told, notes)
    silently(capfd)
    assert {r["method"] for r in report["results"]} == {"raw", "clay"}
    assert [name for name, done, _ in told if done == 0] == ["plan", "render", "embed", "embed", "evaluate"]
    for (name, done, total), (_, before, _) in zip(told[1:], told, strict=False):
        assert done == 0 or done > before or total == done, name
        assert total is None or done <= total
    last = {name: (done, total) for name, done, total in told}
    assert last["plan"] == last["render"] == last["embed"] == (30, 30)
    assert last["evaluate"] == (14, 14)
    assert any("= 14 results" in note for note in notes)


def test_what_is_there_is_kept_and_other_settings_are_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    first = pipeline(tmp_path / "run", tiny_encoder, [], [])
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "shards").iterdir()}
    assert pipeline(tmp_path / "run", tiny_encoder, [], []) == first
    assert {path: path.stat().st_mtime_ns for path in made} == made
    run = RunFolder(tmp_path / "run")
    with pytest.raises(ConfigChangedError):
        plan(run, PlanOptions(["demo-object"], count=31, seed=3))
    other = EvaluationSettings(methods=("raw",), bootstrap_draws=50, randomisations=50)
    inputs = Inputs(run, encoder=str(tiny_encoder))
    with pytest.raises(ConfigChangedError):
        evaluate(inputs, other)
    assert len(evaluate(inputs, other, replace=True)["settings"]["methods"]) == 1


def test_commands_and_functions_continue_each_others_runs(
    cli: Callable[..., Any], tiny_encoder: Path, tmp_path: Path
) -> None:
    report = pipeline(tmp_path / "run", tiny_encoder, [], [])
    options = ["--out", tmp_path / "run"]
    planned = cli("plan", "demo-object", "--count", "30", "--seed", "3", *options)
    assert planned.code == 0, planned.err
    embedded = cli("embed", "--encoder", tiny_encoder, *options, "--json")
    assert json.loads(embedded.out)["reused"] == 30
    changed = cli("evaluate", "--encoder", tiny_encoder, "--method", "raw", *options)
    assert changed.code == 3
    assert json.loads((tmp_path / "run" / "report" / "report.json").read_text()) == report


def test_a_renderer_that_there_is_not() -> None:
    with pytest.raises(InputError, match="no such renderer") as caught:
        Drawing("watercolour")
    assert "procedural" in str(caught.value)


def test_importing_the_stages_is_cheap_and_needs_no_command_line() -> None:
    code = (
        "import sys, clay_eval.stages\n"
        "heavy = {'torch', 'numpy', 'typer', 'rich', 'click', 'PIL', 'jinja2', 'clay_eval.cli'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
