"""What a report or a submission could not hold is refused where it is read, before anything is embedded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.fixture
def evaluate(cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path) -> Callable[..., Any]:
    def call(*more: object, command: str = "evaluate", encoder: object = tiny_encoder) -> Any:
        return cli(command, "--data", own_folder, "--out", tmp_path / "out", "--encoder", encoder, *more)

    return call


def nothing_was_computed(out: Path) -> bool:
    return not list(out.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", f'genecis-combiner(file="{"x" * 200}")'], "--method"),
        (["--entity", "e" * 64], "--entity"),
        (["--template", "{c} " * 400], "texts made from the labels"),
    ],
)
def test_an_evaluation_refuses_what_its_report_cannot_hold(
    evaluate: Callable[..., Any], tmp_path: Path, options: list[str], said: str
) -> None:
    evaluate(*options).refused(2, said)
    assert nothing_was_computed(tmp_path)


def test_an_encoder_whose_name_is_too_long_is_refused(evaluate: Callable[..., Any], tmp_path: Path) -> None:
    evaluate(encoder=f"ViT-B-32:{'x' * 1001}").refused(2, "--encoder")
    assert nothing_was_computed(tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--version", "1" * 101], "$.version"),
        (["--code", "ftp://example.org"], "$.code"),
        (["--training-data", "x" * 4001], "$.training_data"),
        (["--conditions-seen", "x" * 201], "$.conditions_seen"),
        (["--hardware", "x" * 1001], "$.hardware"),
        (["--seed", str(2**32)], "$.settings.seeds"),
        (["--draws", "100001"], "$.settings.bootstrap_draws"),
        (["--name", "x" * 201], "$.name"),
    ],
)
def test_a_submission_refuses_what_method_json_cannot_hold(
    evaluate: Callable[..., Any], tmp_path: Path, options: list[str], said: str
) -> None:
    named = [] if "--name" in options else ["--name", "x"]
    command = ["--method", "raw", "--to", tmp_path / "sent", *named, *options]
    evaluate(*command, command="submit").refused(2, said)
    assert nothing_was_computed(tmp_path)
    assert not (tmp_path / "sent").exists()


def test_a_damaged_coverage_is_refused_before_the_work(cli: Cli, a_run: Path, tiny_encoder: Path) -> None:
    path = a_run / "plan" / "coverage.json"
    record = json.loads(path.read_text())
    record["demo-object"]["exclusions"] = [{"when": {}, "reason": "x" * 4001, "combinations": 0}]
    path.write_text(json.dumps(record))
    for file in a_run.rglob("*.safetensors"):
        file.unlink()
    outcome = cli("evaluate", "--out", a_run, "--encoder", tiny_encoder, "--replace")
    outcome.refused(2, "a report cannot hold this", "coverage.exclusions[0].reason", "4000")
    assert nothing_was_computed(a_run)


def test_a_spec_refuses_what_a_report_cannot_hold(cli: Cli, tmp_path: Path, a_run: Path) -> None:
    spec = json.loads((a_run / "plan" / "specs" / "demo-object.json").read_text())
    spec["title"] = "x" * 401
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    cli("plan", tmp_path / "spec.json", "--out", tmp_path / "new").refused(2, "$.title")
