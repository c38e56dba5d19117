"""Decisions that are applied while something goes wrong: killed anywhere, rendered between, two at a time."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from decided_runs import Idle, apply, keys, mixed, planned, remove, render, tree, write
from fake_judges import Picky

from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.review.journal import JOURNAL
from clay_eval.schemas.errors import BusyError, ConfigChangedError
from clay_eval.schemas.files import locked
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.shards import read_shard


class Killing:
    """Kills this process before the step with the given number: a flush, a rename or a removal of a file."""

    def __init__(self, number: int) -> None:
        self.left = number

    def wrap(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self.left -= 1
            return step(*arguments, **options)

        return counted


def killed(run: Path, path: Path, number: int) -> bool:
    """Apply in a process of its own that is killed before step `number`; False if it ended before."""
    child = os.fork()
    if child == 0:
        try:
            killing = Killing(number)
            for name in ("fsync", "replace", "unlink"):
                setattr(os, name, killing.wrap(getattr(os, name)))
            apply(run, path)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def all_keys(run: Path) -> set[str]:
    shards = (run / "shards").rglob("*.tar")
    return {sample.key for path in shards for sample in read_shard(path)}


def test_killed_anywhere_and_applied_again_the_bytes_are_the_same(
    original: Path, run: Path, tmp_path: Path
) -> None:
    everything = all_keys(run)
    apply(run, write(run, mixed(run)))
    wanted = tree(run)
    number = 0
    while True:
        again = tmp_path / f"again-{number}"
        shutil.copytree(original, again)
        path = write(again, mixed(again))
        if not killed(again, path, number):
            break
        assert all_keys(again) == everything, "a picture is nowhere"
        apply(again, path)
        assert tree(again) == wanted, number
        shutil.rmtree(again)
        number += 3 if number > 12 else 1
    assert number > 30
    assert tree(again) == wanted


def test_killed_again_and_again(original: Path, run: Path, tmp_path: Path) -> None:
    apply(run, write(run, mixed(run)))
    again = Path(shutil.copytree(original, tmp_path / "again"))
    path = write(again, mixed(again))
    for number in (9, 14, 5, 11, 17):
        assert killed(again, path, number)
    apply(again, path)
    assert tree(again) == tree(run)


def test_half_applied_shards_are_finished_first(run: Path) -> None:
    path = write(run, mixed(run))
    other = run / "other.json"
    shutil.copy(write(run, remove(keys(run)[0])), other)
    write(run, mixed(run))
    assert killed(run, path, 12)
    assert (run / "shards" / JOURNAL).exists()
    with pytest.raises(ConfigChangedError, match="half applied"):
        apply(run, other)
    apply(run, path)
    assert not (run / "shards" / JOURNAL).exists()


@pytest.mark.parametrize("number", [8, 14, 20, 26])
def test_rendering_between_loses_nothing(original: Path, run: Path, tmp_path: Path, number: int) -> None:
    apply(run, write(run, mixed(run)))
    again = Path(shutil.copytree(original, tmp_path / "again"))
    path = write(again, mixed(again))
    assert killed(again, path, number)
    render(again, Idle(64))
    apply(again, path)
    assert tree(again) == tree(run)


def test_what_had_failed_may_be_drawn_between(original: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(original / "plan", run / "plan")
    failing = planned(run)[-1]
    render(run, cast("ProceduralRenderer", Picky(lambda key: key == failing)))
    path = write(run, remove(keys(run)[0]))
    assert killed(run, path, 12)
    render(run, ProceduralRenderer(64))
    apply(run, path)
    assert not (run / "shards" / JOURNAL).exists()
    found = read_manifest(run / "shards")["filter"]
    assert (found["failed"], found["by_hand"]) == (0, 1)
    assert failing in all_keys(run)


def test_two_at_a_time_are_refused(run: Path) -> None:
    path = write(run, mixed(run))
    with locked(run / "shards"), pytest.raises(BusyError):
        apply(run, path)


# Decisions that do not fit
