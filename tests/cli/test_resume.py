"""Killed, interrupted, or run again with other options: the same command continues, another one is refused."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Hashes = Callable[[Path], dict[str, str]]
DEATH = """
import fnmatch, os, pathlib, signal
replace = pathlib.Path.replace
def dying(self, target):
    if fnmatch.fnmatch(pathlib.Path(target).name, {name!r}):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
pathlib.Path.replace = dying
"""


def test_killed_at_any_write_the_same_command_continues(
    cli: Callable[..., Any],
    start: Callable[..., subprocess.Popen[str]],
    object_run: Path,
    run_options: list[str],
    tmp_path: Path,
    hashes: Hashes,
) -> None:
    """Killed in the very moment when a file is whole but not yet in its place, four times in one folder."""
    command = ["run", "--out", tmp_path / "run", "--entity", "demo-object", *run_options]
    for name in ("plan.jsonl", "*.tar", "demo-object-*.safetensors", "report.json"):
        process = start(*command, before=DEATH.format(name=name))
        out, err = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, (name, err)
        assert out == ""
        assert not [p for p in (tmp_path / "run").rglob(name) if p.suffix != ".part"], name
        assert len(list((tmp_path / "run").rglob("*.part"))) == 1, name
        whole = {file: sha for file, sha in hashes(tmp_path / "run").items() if not file.endswith(".part")}
        assert whole.items() <= hashes(object_run).items(), name
    outcome = cli(*command)
    assert outcome.code == 0, outcome.err
    assert hashes(tmp_path / "run") == hashes(object_run)


def test_interrupted_it_says_so_and_continues(
    cli: Callable[..., Any],
    start: Callable[..., subprocess.Popen[str]],
    object_run: Path,
    run_options: list[str],
    tmp_path: Path,
    hashes: Hashes,
) -> None:
    """Ctrl-C from outside, at whatever the process does when an artefact has come into being."""
    command = ["run", "--out", tmp_path / "run", "--entity", "demo-object", *run_options]
    for artefact in ("shards/render.json", "features/*/encoder.json"):
        process = start(*command)
        while not list((tmp_path / "run").glob(artefact)):
            assert process.poll() is None, process.communicate()
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 130, err
        assert out == ""
        assert "The same command continues" in err
        assert "Traceback" not in err
        assert not (tmp_path / "run" / "report" / "report.json").exists()
    assert cli(*command).code == 0
    assert hashes(tmp_path / "run") == hashes(object_run)


WRITTEN = (
    "specs/demo-object.json",
    "coverage.json",
    "plan.json",
    "render.json",
    "labels.csv",
    "manifest.json",
    "encoder.json",
    "texts-*",
    "thumbnails/*.jpg",
    "per_query.csv",
    "report.md",
)


def test_interrupted_in_a_write_nothing_is_left_of_it(
    cli: Callable[..., Any],
    object_run: Path,
    run_options: list[str],
    tmp_path: Path,
    hashes: Hashes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C in the middle of one write after the other, in one folder."""
    command = ["run", "--out", tmp_path / "run", "--entity", "demo-object", *run_options]
    replace = Path.replace
    for name in WRITTEN:

        def interrupted(self: Path, target: Path, name: str = name) -> Path:
            if target.match(name):
                raise KeyboardInterrupt
            return replace(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", interrupted)
            outcome = cli(*command)
        assert outcome.code == 130, name
        assert "The same command continues" in outcome.err
        assert not [path for path in (tmp_path / "run").rglob("*") if path.match(name)]
        assert not list((tmp_path / "run").rglob("*.part"))
    assert cli(*command).code == 0
    assert hashes(tmp_path / "run") == hashes(object_run)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--seed", "4"], "seed: 3 -> 4"),
        (["--count", "61"], "count: 60 -> 61"),
        (["--size", "80"], "size: 64 -> 80"),
        (["--entity", "demo-object"], "demo-human"),
        (["--precision", "bf16"], "precision: 'fp32' -> 'bf16'"),
    ],
)
def test_run_with_other_options_is_refused(
    cli: Callable[..., Any],
    finished: Path,
    run_options: list[str],
    hashes: Hashes,
    changed: list[str],
    said: str,
) -> None:
    before = hashes(finished)
    cli("run", "--out", finished, *run_options, *changed).refused(3, "another configuration", said)
    assert hashes(finished) == before


def test_run_with_another_encoder_is_refused_before_anything_is_embedded(
    cli: Callable[..., Any], finished: Path, run_options: list[str], other_encoder: Path, hashes: Hashes
) -> None:
    before = hashes(finished)
    outcome = cli("run", "--out", finished, *run_options[:-1], other_encoder)
    outcome.refused(3, "inputs.encoder.name: 'tiny' -> 'other'", "weights_sha256", str(finished / "report"))
    assert hashes(finished) == before
    assert [p.name for p in (finished / "features").glob("tiny-*")]
    assert not [p.name for p in (finished / "features").glob("other-*")]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--method", "raw"], "methods"),
        (["--k", "7"], "n_components: 50 -> 7"),
        (["--seed", "5"], "seed: 3 -> 5"),
        (["--query-share", "0.2"], "query_share: 0.1 -> 0.2"),
        (["--ties", "pessimistic"], "ties: 'expected' -> 'pessimistic'"),
        (["--entity", "demo-human"], "inputs.data.fingerprint"),
    ],
)
def test_evaluate_with_other_options_is_refused(
    cli: Callable[..., Any],
    finished: Path,
    run_options: list[str],
    hashes: Hashes,
    changed: list[str],
    said: str,
) -> None:
    before = hashes(finished)
    options = ["--encoder", run_options[-1], "--seed", "3"]
    cli("evaluate", "--out", finished, *options, *changed).refused(3, said)
    assert hashes(finished) == before


def test_other_batches_and_devices_are_the_same_work(
    cli: Callable[..., Any], finished: Path, run_options: list[str], hashes: Hashes
) -> None:
    before = hashes(finished)
    assert cli("run", "--out", finished, *run_options, "--batch-size", 7, "--device", "cpu").code == 0
    assert hashes(finished) == before


def test_unfinished_shards_are_not_scored(
    cli: Callable[..., Any], a_run: Path, run_options: list[str]
) -> None:
    (a_run / "shards" / "manifest.json").unlink()
    options = ["--encoder", run_options[-1]]
    cli("evaluate", "--out", a_run, *options).refused(2, "not finished", "clay-eval render")
    cli("embed", "--out", a_run, *options).refused(2, "not finished")
    cli("evaluate", "--data", a_run / "shards", "--out", a_run / "new", *options).refused(2, "not finished")
    assert not (a_run / "new").exists()
