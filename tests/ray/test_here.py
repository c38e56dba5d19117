"""A Ray cluster of one machine: started where none is at hand, and gone with the command, in whatever way that ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray_nodes import processes

from clay_eval.ray import cluster as cluster_module
from clay_eval.ray.cluster import Resources, over_cluster
from clay_eval.ray.here import share_of, started_here
from clay_eval.schemas.errors import ClayEvalError

ray: Any = pytest.importorskip("ray", reason='Ray is not installed: pip install "clay-eval[ray]"')
pytestmark = [
    pytest.mark.timeout(900),  # Ray starts many processes, slowly where others work too
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
    pytest.mark.usefixtures("one_thread"),
]
MAIN = "from clay_eval.cli import main; main()"
TWO = ("--engine", "ray", "--workers", 2)
Hashes = Callable[[Path], dict[str, str]]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where Ray is to keep its files; no cluster is at hand, and in the end no process is left that knows this place."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    yield folder
    left = gone(folder)
    shutil.rmtree(folder)
    assert left == []


def gone(place: Path, seconds: float = 60) -> list[str]:
    """The processes that are still there after so long."""
    end = time.monotonic() + seconds
    while (left := processes(place)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def planned(cli: Any, folder: Path, count: int) -> list[str]:
    """Plan so many samples; the arguments that render them."""
    assert cli("plan", "demo-object", "--count", count, "--out", folder).code == 0
    return ["render", "--renderer", "procedural", "--size", "256", "--shard-size", "8", "--out", str(folder)]


def begun(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """The command, at the head of a process group, as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        env={**os.environ, **environment},
    )


def test_commands_need_no_cluster(
    place: Path, cli: Any, hashes: Hashes, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, home = tmp_path / "here", tmp_path / "there", tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert cli(*planned(cli, here, 32)).code == 0
    shutil.copytree(here, there)
    encoder = ("--encoder", tiny_encoder, "--device", "cpu", "--json")
    for folder, engine in ((here, ()), (there, TWO)):
        outcome = cli("embed", "--out", folder, *encoder, *engine)
        assert outcome.code == 0, outcome.err
        assert json.loads(outcome.out)["computed"] == 32
    assert hashes(there / "features") == hashes(here / "features")
    assert not ray.is_initialized()
    assert {n: v for n, v in os.environ.items() if "RAY_AUTH" in n or "USAGE" in n} == {}
    assert gone(place) == []
    assert [*place.iterdir(), *home.iterdir()] == []


def test_it_goes_with_the_command_and_the_next_goes_on(
    place: Path, cli: Any, hashes: Hashes, tmp_path: Path
) -> None:
    """SIGTERM reaches all processes of a group, as Ctrl-C does and to the same end; SIGKILL the command alone."""
    here, there = tmp_path / "here", tmp_path / "there"
    assert cli(*planned(cli, here, 400)).code == 0
    arguments = [*planned(cli, there, 400), *TWO]

    def interrupted(send: Callable[[int, int], None], number: int) -> tuple[int, str]:
        known = len(list((there / "shards").glob("*.tar")))
        command = begun(*arguments)
        end = time.monotonic() + 300
        while len(list((there / "shards").glob("*.tar"))) == known:
            assert command.poll() is None, command.communicate()
            assert time.monotonic() < end
            time.sleep(0.05)
        send(command.pid, number)
        _, err = command.communicate(timeout=120)
        return command.returncode, err

    code, err = interrupted(os.killpg, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert err == "render ...\n\nInterrupted. The same command continues where it was.\n"
    assert (gone(place), list(place.iterdir())) == ([], [])
    assert interrupted(os.kill, signal.SIGKILL)[0] == -signal.SIGKILL
    last = cli(*arguments)  # at once: whether the killed one's workers are still there or not
    assert last.code == 0, last.err
    assert last.out == f"400 pictures in 50 shards: {there / 'shards'}\n"
    assert gone(place) == []
    assert hashes(there / "shards") == hashes(here / "shards")
    assert list(place.iterdir()) == []


def test_workers_have_their_share_of_the_cores(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")

    def recipe() -> Callable[[bytes], bytes]:
        import time

        import torch
        from threadpoolctl import threadpool_info

        def threads(_: bytes) -> bytes:
            time.sleep(0.5)
            blas = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
            return repr((torch.get_num_threads(), blas)).encode()

        return threads

    pieces = [(str(number), b"") for number in range(4)]
    with cluster_module.one_connection():
        for workers, threads in ((None, min(2, os.cpu_count() or 1)), (2, 1)):
            answers = set(over_cluster(pieces, recipe, tmp_path, Resources(workers)))
            assert answers == {repr((threads, {threads})).encode()}


@pytest.mark.parametrize(
    ("asked", "cores", "gpus", "share"),
    [
        ((None, None, 0.0), 16, 0, (1, 16.0)),
        ((4, None, 0.0), 16, 0, (4, 4.0)),
        ((3, None, 0.0), 16, 0, (3, 5.0)),
        ((5, None, 0.0), 2, 0, (2, 1.0)),
        ((8, 0.25, 0.0), 2, 0, (8, 0.25)),
        ((None, None, 0.0), 16, 4, (1, 16.0)),
        ((None, None, 1.0), 16, 4, (4, 4.0)),
        ((None, None, 0.5), 16, 4, (8, 2.0)),
        ((2, None, 1.0), 16, 4, (2, 8.0)),
        ((9, None, 1.0), 16, 4, (4, 4.0)),
        ((None, 2.0, 1.0), 16, 4, (4, 2.0)),
        ((None, None, 1.0), 3, 8, (8, 0.37)),
    ],
)
def test_workers_by_default(
    asked: tuple[int | None, float | None, float], cores: int, gpus: int, share: tuple[int, float]
) -> None:
    assert share_of(*asked, {"CPU": cores, "GPU": gpus} if gpus else {"CPU": cores}) == share


def test_without_work_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise AssertionError("a cluster was started")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(cluster_module, "started_here", refuse)
    assert list(over_cluster([], lambda: bytes, tmp_path, Resources())) == []


def test_a_cluster_at_hand_is_one_that_answers(place: Path) -> None:
    assert not cluster_module._runs_here(ray)
    noted = place / "ray" / "ray_current_cluster"
    noted.parent.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        noted.write_text(f"127.0.0.1:{server.getsockname()[1]}")
        assert cluster_module._runs_here(ray)
    assert not cluster_module._runs_here(ray)


def test_what_cannot_start_says_so_and_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = place / ("long" * 25)
    long.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(long))
    with pytest.raises(ClayEvalError, match=r"could not be started[\s\S]*AF_UNIX"), started_here(ray):
        raise AssertionError
    assert gone(long) == []
    assert list(long.iterdir()) == []
    (place / "file").touch()
    monkeypatch.setenv("RAY_TMPDIR", str(place / "file"))
    with pytest.raises(ClayEvalError, match=r"could not be started[\s\S]*RAY_TMPDIR"), started_here(ray):
        raise AssertionError
    assert "RAY_AUTH_TOKEN" not in os.environ
