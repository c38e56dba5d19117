"""Killed, interrupted, out of space or in use, the same command continues; one with other options is refused."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
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
        out, err = process.communicate()
        assert process.returncode == -signal.SIGKILL, (name, err)
        assert ("mAP" in out) is (name == "report.json")
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
        out, err = process.communicate()
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
    "per_query.csv",
    "thumbnails/*.jpg",
    "pictures/*.jpg",
    "neighbours.json",
    "report.json",
    "queries.html",
    "report.html",
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
        (["--seed", "5"], "seeds: [3] -> [3, 5]"),
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


def test_a_folder_in_use_by_another_process(cli: Cli, a_run: Path, run_options: list[str]) -> None:
    program = (
        "import sys; from pathlib import Path; from clay_eval.schemas.files import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    for stage in ("plan", "shards", "features", "report"):
        holder = subprocess.Popen(
            [sys.executable, "-c", program, a_run / stage], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        outcome = cli("run", "--out", a_run, *run_options)
        outcome.refused(5, "another run is working", str(a_run / stage), "--out")
        holder.communicate(b"")
    assert cli("run", "--out", a_run, *run_options).code == 0


@pytest.mark.parametrize("stage", ["plan", "shards", "features", "report"])
def test_a_full_disk(
    cli: Cli,
    object_run: Path,
    run_options: list[str],
    tmp_path: Path,
    hashes: Hashes,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    command = ["run", "--out", tmp_path / "run", "--entity", "demo-object", *run_options]
    flush = os.fsync

    def full(handle: int) -> None:
        if f"/run/{stage}/" in str(Path(f"/proc/self/fd/{handle}").readlink()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        outcome = cli(*command)
    assert ("mAP" in outcome.out) is (stage == "report")  # numbers are told before they are written
    replace(outcome, out="").refused(6, "disk is full", f"{tmp_path}/run/{stage}", "continues where it was")
    assert not list((tmp_path / "run").rglob("*.part"))
    whole = hashes(tmp_path / "run")
    assert whole.items() <= hashes(object_run).items()
    assert not [file for file in whole if file.startswith(stage)]


def test_files_that_may_not_grow(start: Callable[..., Any], tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))"
    process = start("plan", "demo-object", "--out", tmp_path / "run", before=limit)
    _, err = process.communicate()
    assert process.returncode == 6, err
    assert "disk is full" in err
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "plan" / "plan.jsonl").exists()
    assert not list((tmp_path / "run").rglob("*.part"))


@pytest.mark.parametrize(
    "command",
    [["plan", "demo-object"], ["run"], ["evaluate", "--data", "DATA", "--encoder", "ENCODER"]],
)
def test_an_output_that_cannot_be_a_folder(
    cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path, command: list[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    given = {"DATA": own_folder, "ENCODER": tiny_encoder}
    arguments = [given.get(word, word) for word in command]
    cli(*arguments, "--out", file).refused(6, "cannot write here", str(file))
    cli(*arguments, "--out", "/proc/clay-eval").refused(6, "/proc/clay-eval")
    assert file.read_text() == "precious"
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "plan").write_text("precious")
    (tmp_path / "half" / "features").write_text("precious")
    cli(*arguments, "--out", tmp_path / "half").refused(2, "not a folder")


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is forbidden to root")
def test_an_output_that_may_not_be_written(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    cli("plan", "demo-object", "--out", tmp_path / "closed").refused(6, "cannot write here")
