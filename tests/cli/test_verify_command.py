"""`clay-eval verify`: whole runs pass; every damage is found, told, and ends in exit code 4."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clay_eval.schemas.manifest import provenance_of, read_manifest, write_manifest
from clay_eval.schemas.shards import read_shard, write_shard

Cli = Callable[..., Any]


def faults(cli: Cli, folder: Path, *options: str) -> list[str]:
    """The faults that verification lists; a run is whole if there are none."""
    outcome = cli("verify", folder, "--json", *options)
    record = json.loads(outcome.out)
    assert (outcome.code, record["ok"]) in ((0, True), (4, False)), outcome.err
    assert record["ok"] == (not record["faults"])
    assert "Traceback" not in outcome.err
    found: list[str] = record["faults"]
    return found


def flip(path: Path, where: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("options", [[], ["--no-decode"]])
def test_a_whole_run_passes(cli: Cli, finished: Path, options: list[str]) -> None:
    assert faults(cli, finished, *options) == []
    assert faults(cli, finished / "shards", *options) == []
    outcome = cli("verify", finished, *options)
    assert outcome.code == 0
    assert "120 samples" in outcome.out
    assert "all is well" in outcome.out


@pytest.mark.parametrize(
    "name",
    [
        "shards/demo-object-test-00000.tar",
        "shards/labels.csv",
        "shards/manifest.json",
        "shards/render.json",
        "plan/plan.jsonl",
        "plan/plan.json",
        "plan/coverage.json",
        "plan/specs/demo-human.json",
        "plan/conditions/demo-human.json",
        "features/*/demo-human-test-00000.safetensors",
        "features/*/texts-*.safetensors",
        "features/*/encoder.json",
        "report/report.json",
        "report/per_query.csv",
    ],
)
@pytest.mark.parametrize("where", [0.1, 0.93])
def test_a_flipped_bit_is_found(cli: Cli, a_run: Path, name: str, where: float) -> None:
    path = next(a_run.glob(name))
    flip(path, where)
    found = faults(cli, a_run, "--no-decode")
    assert any(str(path) in fault for fault in found), found
    outcome = cli("verify", a_run, "--no-decode")
    assert outcome.code == 4
    assert path.name in outcome.out


@pytest.mark.parametrize(
    "name",
    [
        "shards/demo-object-test-00000.tar",
        "shards/labels.csv",
        "shards/manifest.json",
        "plan/plan.jsonl",
        "plan/plan.json",
        "features/*/demo-human-test-00000.safetensors",
        "report/per_query.csv",
        "report/thumbnails/*.jpg",
    ],
)
def test_a_missing_file_is_found(cli: Cli, a_run: Path, name: str) -> None:
    path = next(a_run.glob(name))
    path.unlink()
    assert any(str(path) in fault for fault in faults(cli, a_run, "--no-decode"))


def test_an_extra_file_is_found(cli: Cli, a_run: Path) -> None:
    extra = a_run / "shards" / "demo-object-test-00007.tar"
    shutil.copy(a_run / "shards" / "demo-object-test-00000.tar", extra)
    assert any(str(extra) in fault for fault in faults(cli, a_run, "--no-decode"))


def test_every_fault_is_listed(cli: Cli, a_run: Path) -> None:
    spoilt = [
        a_run / "shards" / "demo-human-test-00000.tar",
        a_run / "shards" / "labels.csv",
        a_run / "plan" / "plan.jsonl",
        next((a_run / "features").glob("*/demo-object*.safetensors")),
        next((a_run / "features").glob("*/texts-*.safetensors")),
        a_run / "report" / "per_query.csv",
    ]
    for path in spoilt:
        flip(path, 0.7)
    found = faults(cli, a_run)
    for path in spoilt:
        assert any(str(path) in fault for fault in found), path


def test_parts_of_different_runs_do_not_fit(
    cli: Cli, finished: Path, object_run: Path, tmp_path: Path
) -> None:
    for stage, said in (
        ("plan", "not made from this plan"),
        ("report", "other shards"),
        ("features", "not the features of the shard"),
    ):
        mixed = Path(shutil.copytree(object_run, tmp_path / stage))
        shutil.rmtree(mixed / stage)
        shutil.copytree(finished / stage, mixed / stage)
        found = faults(cli, mixed, "--no-decode")
        if stage == "features":
            assert found == []  # the same pictures have the same features
            unit = next((mixed / "features").glob("*/demo-object*.safetensors"))
            shutil.copy(next((mixed / "features").glob("*/demo-human*.safetensors")), unit)
            found = faults(cli, mixed, "--no-decode")
        assert any(said in fault for fault in found), (stage, found)


def test_a_run_that_was_not_finished(cli: Cli, a_run: Path) -> None:
    shutil.rmtree(a_run / "report")
    shutil.rmtree(a_run / "features")
    assert faults(cli, a_run, "--no-decode") == []
    (a_run / "shards" / "manifest.json").unlink()
    assert any("not finished" in fault for fault in faults(cli, a_run))
    shutil.rmtree(a_run / "shards")
    assert faults(cli, a_run) == []
    assert "no shards here, checked plan" in cli("verify", a_run).out


def test_shards_that_vanished(cli: Cli, a_run: Path) -> None:
    shutil.rmtree(a_run / "shards")
    assert any("no shards here" in fault for fault in faults(cli, a_run))


def test_a_run_on_own_data(cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--data", own_folder, "--out", out, "--encoder", tiny_encoder, "--draws", 10]
    assert cli("evaluate", *options).code == 0
    outcome = cli("verify", out)
    assert outcome.code == 0
    assert "no shards here, checked features, report" in outcome.out
    path = next((out / "features").glob("*/things-*.safetensors"))
    flip(path, 0.9)
    assert any(str(path) in fault for fault in faults(cli, out))


def forged_run(folder: Path, change: Callable[[dict[str, Any]], object]) -> tuple[str, str]:
    """Change one sample of a run without a report, and every sum of it; its shard and key."""
    for name in ("features", "report"):
        shutil.rmtree(folder / name)
    shards = folder / "shards"
    manifest = read_manifest(shards)
    name = manifest["files"][0]["name"]
    samples = list(read_shard(shards / name))
    change(samples[0].record)
    write_shard(shards / name, samples)
    entities = {n: {k: v for k, v in f.items() if k != "samples"} for n, f in manifest["entities"].items()}
    write_manifest(shards, [e["name"] for e in manifest["files"][:-1]], entities, provenance_of(manifest))
    return name, samples[0].key


@pytest.mark.parametrize(
    ("name", "value"), [("prompt", "a photo"), ("seed", 1), ("negative_prompt", "x"), ("index", 5)]
)
def test_samples_of_a_run_are_those_of_its_plan(cli: Cli, a_run: Path, name: str, value: Any) -> None:
    shard, key = forged_run(a_run, lambda record: record.update({name: value}))
    (fault,) = faults(cli, a_run, "--no-decode")
    assert shard in fault
    assert key in fault
    assert name.replace("_", " ") in fault
    said = ("--version", "1.0.0", "--date", "2026-01-01")
    cli("publish", "--out", a_run, "--to", a_run.parent / "to", *said).refused(4, key)


def test_what_systems_leave_in_a_run_is_noted(cli: Cli, a_run: Path) -> None:
    for name in (".DS_Store", "._labels.csv", "Thumbs.db"):
        (a_run / "shards" / name).write_text("x")
    record = json.loads(cli("verify", a_run, "--no-decode", "--json").out)
    assert record["faults"] == []
    assert len(record["notes"]) == 3
    assert "note: " in cli("verify", a_run / "shards", "--no-decode").out
