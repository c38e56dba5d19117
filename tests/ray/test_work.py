"""A worker of the cluster, without a cluster: what it answers, and that it stops what cannot succeed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clay_eval.ray.work import MAX_STARTS, Meeting, Work, Worker, meeting_in, opened
from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError, StorageError
from clay_eval.schemas.files import remove_leftovers

arrow: Any = pytest.importorskip("pyarrow", reason='Ray is not installed: pip install "clay-eval[ray]"')


def ask(worker: Worker, name: str = "a", piece: bytes = b"\x00x\x00") -> bytes:
    answer = worker(arrow.table({"name": [name], "piece": arrow.array([piece], arrow.binary())}))
    (content,) = answer.column("answer").to_pylist()
    return opened(content)


def worker(meeting: Meeting, work: Work) -> Worker:
    return Worker(lambda: work, meeting, gpus=0)


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker does to its own process is undone."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.chdir(Path.cwd())


def test_bytes_come_back_as_they_are_and_nothing_is_left(tmp_path: Path) -> None:
    with meeting_in(tmp_path) as meeting:
        assert ask(worker(meeting, lambda piece: piece + b"\x00")) == b"\x00x\x00\x00"
        assert list(tmp_path.iterdir()) == [meeting.sign]
    assert list(tmp_path.iterdir()) == []


def test_the_recipe_is_used_once_where_the_user_stands_and_without_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    seen = []

    def recipe() -> Work:
        seen.append((Path.cwd(), os.environ["CUDA_VISIBLE_DEVICES"]))
        return lambda piece: piece

    place = tmp_path / "user"
    place.mkdir()
    monkeypatch.chdir(place)
    with meeting_in(tmp_path) as meeting:
        monkeypatch.chdir(tmp_path)
        one = Worker(recipe, meeting, gpus=0)
        ask(one), ask(one)
    assert seen == [(place, "")]


class StrangeError(IntegrityError):
    """Of a module that the other side may not have."""


@pytest.mark.parametrize("kind", [ClayEvalError, InputError, StrangeError])
def test_errors_come_back_whole(kind: type[ClayEvalError], tmp_path: Path) -> None:
    error = kind("what", where=tmp_path, expected=[1], found={"a": 2}, hint="so")

    def work(piece: bytes) -> bytes:
        raise error

    with meeting_in(tmp_path) as meeting, pytest.raises(kind) as caught:
        ask(worker(meeting, work))
    assert str(caught.value) == str(error)
    assert caught.value.exit_code == error.exit_code


def test_an_error_of_an_unknown_class_is_of_the_nearest_known_one() -> None:
    content = b'-{"kinds": ["NeverHeardOf", "IntegrityError", "ClayEvalError"], "what": "w", "where": null}'
    with pytest.raises(IntegrityError, match="w"):
        opened(content)


def test_errors_of_the_system_are_storage_errors(tmp_path: Path) -> None:
    with meeting_in(tmp_path) as meeting, pytest.raises(StorageError, match="no-such-file"):
        ask(worker(meeting, lambda piece: (tmp_path / "no-such-file").read_bytes()))


def test_faults_come_back_with_their_traceback(tmp_path: Path) -> None:
    with meeting_in(tmp_path) as meeting, pytest.raises(RuntimeError, match="ZeroDivisionError"):
        ask(worker(meeting, lambda piece: bytes(1 // 0)))


def test_another_folder_at_the_same_path_is_refused_before_the_model_is_loaded(tmp_path: Path) -> None:
    def recipe() -> Work:
        raise AssertionError("the model was loaded")

    with meeting_in(tmp_path) as meeting:
        for content in (None, "another token"):
            meeting.sign.unlink()
            if content is not None:
                meeting.sign.write_text(content)
            with pytest.raises(InputError, match="does not see the output folder"):
                ask(Worker(recipe, meeting, gpus=0))
            meeting.sign.touch()


def test_a_piece_that_kills_its_worker_every_time_comes_to_an_end(tmp_path: Path) -> None:
    class KilledError(BaseException):
        """As good as dead: nothing after it is run."""

    def work(piece: bytes) -> bytes:
        raise KilledError

    with meeting_in(tmp_path) as meeting:
        for _ in range(MAX_STARTS):
            with pytest.raises(KilledError):
                ask(worker(meeting, work), "shard-7")
        with pytest.raises(ClayEvalError, match="died over the same piece of work") as caught:
            ask(worker(meeting, work), "shard-7")
        assert caught.value.where == "shard-7"
        assert ask(worker(meeting, lambda piece: piece), "shard-8")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed_with_other_leftovers(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path, "0123456789abcdef", str(tmp_path))
    meeting.sign.touch()
    meeting.note("demo-object-test-00000.tar").touch()
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
