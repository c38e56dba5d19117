"""Decisions brought into shards: counts and bytes, undone by the opposite, killed anywhere, refused when they do not fit."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clay_eval.generator.alignment.base import Verdict
from clay_eval.generator.planning import PlanRequest, write_plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.rendering import render_plan, shard_tasks
from clay_eval.generator.review.apply import apply_decisions
from clay_eval.generator.review.journal import JOURNAL
from clay_eval.generator.shard_work import RenderOptions
from clay_eval.schemas.entity import EntitySpec, load_entity
from clay_eval.schemas.errors import BusyError, ClayEvalError, ConfigChangedError, InputError, IntegrityError
from clay_eval.schemas.files import locked
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.verify import verify_shards

SIZE = 4
OPTIONS = RenderOptions(shard_size=SIZE, batch_size=4, attempts=2)
WHY = "color reads as blue, not red (margin -1.000, needs 0.000)"
REJECTED = [f"attempt 1: {WHY}", f"attempt 2: {WHY}"]


class Fussy:
    """A judge that rejects the second picture of every shard, and all of the second shard."""

    identity: dict[str, Any] = {"type": "fussy"}  # noqa: RUF012

    def __init__(self, rejected: set[str]) -> None:
        self.rejected = rejected

    def prepare(self, spec: EntitySpec) -> None: ...

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        good, bad = Verdict(True, {"color": 1.0}), Verdict(False, {"color": -1.0}, (WHY,), ("color",))
        return [bad if sample.key in self.rejected else good for sample in samples]


class Idle(ProceduralRenderer):
    """Draws nothing more."""

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        raise AssertionError("nothing is left to draw")


def render(run: Path, renderer: ProceduralRenderer) -> None:
    tasks = list(shard_tasks(run / "plan" / "plan.jsonl", SIZE))
    rejected = {
        sample.key
        for number, task in enumerate(tasks)
        for place, sample in enumerate(task.samples)
        if place == 1 or number == 1
    }
    render_plan(run / "plan", run / "shards", renderer, OPTIONS, judge=Fussy(rejected))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 2 x 10 pictures, of which a judge rejected some. Not to be altered."""
    run = tmp_path_factory.mktemp("runs") / "original"
    specs = [load_entity("demo-object"), load_entity("demo-human")]
    write_plan(PlanRequest(specs, [None, None], 10, 0), run / "plan")
    render(run, ProceduralRenderer(64))
    return run


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    """A copy of `original`, to be altered."""
    return Path(shutil.copytree(original, tmp_path / "run"))


def keys(run: Path, quarantined: bool = False) -> list[str]:
    """Keys in the order in which they are stored."""
    place = run / "shards" / ("quarantine" if quarantined else "")
    names = [task.name for task in shard_tasks(run / "plan" / "plan.jsonl", SIZE)]
    return [s.key for name in names if (place / name).exists() for s in read_shard(place / name)]


def planned(run: Path) -> list[str]:
    return [s.key for task in shard_tasks(run / "plan" / "plan.jsonl", SIZE) for s in task.samples]


def record_of(run: Path, key: str) -> dict[str, Any]:
    found = [s.record for p in (run / "shards").rglob("*.tar") for s in read_shard(p) if s.key == key]
    assert len(found) == 1
    return found[0]


def tree(run: Path) -> dict[str, bytes]:
    shards = run / "shards"
    files = (p for p in sorted(shards.rglob("*")) if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(shards)): p.read_bytes() for p in files}


def write(run: Path, decisions: Mapping[str, Any], **fields: Any) -> Path:
    record = {
        "schema": "clay-eval/decisions/1",
        "manifest": read_manifest(run / "shards")["fingerprint"],
        "date": "2026-02-03T04:05:06Z",
        "decisions": decisions,
        **fields,
    }
    path = run / "decisions.json"
    path.write_text(json.dumps(record))
    return path


def remove(*keys: str, reason: str = "color is wrong") -> dict[str, Any]:
    return {key: {"decision": "remove", "reason": reason} for key in keys}


def accept(*keys: str) -> dict[str, Any]:
    return {key: {"decision": "accept"} for key in keys}


def apply(run: Path, path: Path, **options: Any) -> Any:
    return apply_decisions(run / "plan", run / "shards", path, **options)


def mixed(run: Path) -> dict[str, Any]:
    """All of the first shard removed, all of the wholly quarantined one accepted, and one of each in another."""
    shards, held = keys(run), keys(run, quarantined=True)
    return {**remove(*shards[:3], shards[-1]), **accept(*held[1:5], held[-1])}


def test_pictures_move_and_everything_is_counted_again(run: Path) -> None:
    before, decisions = read_manifest(run / "shards"), mixed(run)
    inside, outside = keys(run), keys(run, quarantined=True)
    done = apply(run, write(run, decisions))
    assert (done.removed, done.accepted, done.already) == (4, 5, False)
    assert done.samples == (len(inside), len(inside) + 1)
    removed = [key for key, one in decisions.items() if one["decision"] == "remove"]
    accepted = [key for key, one in decisions.items() if one["decision"] == "accept"]
    now = set(inside) - set(removed) | set(accepted)
    assert keys(run) == [key for key in planned(run) if key in now]
    gone = set(outside) - set(accepted) | set(removed)
    assert keys(run, quarantined=True) == [key for key in planned(run) if key in gone]
    assert not (run / "shards" / "demo-object-test-00000.tar").exists()
    assert (run / "shards" / "demo-object-test-00001.tar").exists()
    assert not (run / "shards" / "quarantine" / "demo-object-test-00001.tar").exists()
    assert record_of(run, removed[0])["rejected"][-1] == "by hand: color is wrong"
    assert record_of(run, accepted[0])["rejected"] == [*REJECTED, "by hand: accepted"]
    manifest = read_manifest(run / "shards")
    assert manifest["samples"] == manifest["filter"]["accepted"] == len(now)
    assert manifest["filter"]["by_hand"] == before["filter"]["by_hand"] + len(removed)
    assert sum(entry["samples"] for entry in manifest["quarantine"]) == len(gone)
    assert manifest["fingerprint"] != before["fingerprint"]
    assert verify_shards(run / "shards").faults == []


def test_the_balance_is_what_labels_csv_says(run: Path) -> None:
    done = apply(run, write(run, mixed(run)))
    with (run / "shards" / "labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["key"] for row in rows] == keys(run)
    kept = Counter((row["entity"], name, row[name]) for row in rows for name in row if row[name])
    balance = read_manifest(run / "shards")["balance"]
    for entity, attributes in balance.items():
        for attribute, values in attributes.items():
            for value, (_, now) in values.items():
                assert now == kept[entity, attribute, value]
    for change in done.changes:
        assert [change.planned, change.after] == balance[change.entity][change.attribute][change.value]
        assert change.before != change.after
    shares = [change.after / change.planned for change in done.changes]
    assert shares == sorted(shares)


def test_a_picture_is_moved_as_it_is(run: Path, original: Path) -> None:
    def images(place: Path) -> dict[str, bytes]:
        return {s.key: s.image for p in (place / "shards").rglob("*.tar") for s in read_shard(p)}

    apply(run, write(run, mixed(run)))
    assert images(run) == images(original)


def test_a_dry_run_says_the_same_and_changes_nothing(run: Path) -> None:
    before, path = tree(run), write(run, mixed(run))
    said = apply(run, path, dry_run=True)
    assert tree(run) == before
    assert apply(run, path) == said


def test_applied_twice_is_applied_once(run: Path) -> None:
    path = write(run, mixed(run))
    apply(run, path)
    after = tree(run)
    again = apply(run, path)
    assert again.already
    assert not again.moves
    assert tree(run) == after


def test_a_decision_is_taken_back_by_a_later_one(run: Path) -> None:
    key = keys(run)[0]
    inside = keys(run)
    apply(run, write(run, remove(key)))
    apply(run, write(run, accept(key)))
    assert keys(run) == inside
    assert record_of(run, key)["rejected"] == ["by hand: color is wrong", "by hand: accepted"]
    apply(run, write(run, {key: {"decision": "remove"}}))
    assert record_of(run, key)["rejected"][-1] == "by hand: removed"
    assert read_manifest(run / "shards")["filter"]["by_hand"] == 1


def test_order_and_number_of_steps_do_not_matter_to_the_pictures(
    run: Path, original: Path, tmp_path: Path
) -> None:
    decisions = mixed(run)
    apply(run, write(run, decisions))
    other = Path(shutil.copytree(original, tmp_path / "other"))
    for key, one in reversed(decisions.items()):
        apply(other, write(other, {key: one}))
    assert tree(other) == tree(run)


def test_no_decisions_change_nothing(run: Path) -> None:
    before = tree(run)
    assert apply(run, write(run, {})).moves == []
    assert tree(run) == before


def test_rendering_again_keeps_what_was_decided(run: Path) -> None:
    apply(run, write(run, mixed(run)))
    after = tree(run)
    render(run, Idle(64))
    assert tree(run) == after
    (run / "shards" / "manifest.json").unlink()
    render(run, Idle(64))
    assert tree(run) == after


# Interrupted


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


def test_two_at_a_time_are_refused(run: Path) -> None:
    path = write(run, mixed(run))
    with locked(run / "shards"), pytest.raises(BusyError):
        apply(run, path)


# Decisions that do not fit


def refused(run: Path, path: Path, error: type[ClayEvalError], said: str) -> None:
    before = tree(run)
    for dry_run in (True, False):
        with pytest.raises(error) as caught:
            apply(run, path, dry_run=dry_run)
        assert said in str(caught.value)
        assert tree(run) == before


def test_decisions_for_another_manifest(run: Path) -> None:
    path = write(run, remove(keys(run)[0]), manifest="0" * 64)
    refused(run, path, ConfigChangedError, "made for other shards")
    path = write(run, remove(keys(run)[0]))
    old = path.read_text()
    apply(run, write(run, remove(keys(run)[1])))
    path.write_text(old)
    refused(run, path, ConfigChangedError, "made for other shards")
    refused(run, write(run, {}, manifest="0" * 64), ConfigChangedError, "made for other shards")


@pytest.mark.parametrize(
    ("decisions", "said"),
    [
        (remove("nobody"), "not planned"),
        ({"../x": {"decision": "remove"}}, "decisions"),
        ({"k": {"decision": "burn"}}, "decisions"),
        ({"k": {"decision": "accept", "reason": "nice"}}, "decisions"),
        ({"k": "remove"}, "decisions"),
        (remove("k", reason=""), "decisions"),
        (remove("k", reason="a" * 201), "decisions"),
        (remove("k", reason="Accepted"), "reason"),
        (remove("k", reason="two\nlines"), "reason"),
        (remove("k", reason="\u202eright to left"), "reason"),
        (remove("k", reason=" spaces "), "reason"),
    ],
)
def test_decisions_that_cannot_be(run: Path, decisions: dict[str, Any], said: str) -> None:
    refused(run, write(run, decisions), InputError, said)


def test_decisions_on_the_wrong_side(run: Path) -> None:
    refused(run, write(run, accept(keys(run)[0])), InputError, "does not fit")
    refused(run, write(run, remove(keys(run, quarantined=True)[0])), InputError, "does not fit")


def test_an_entity_keeps_a_picture(run: Path) -> None:
    everyone = [key for key in keys(run) if key.startswith("demo-human")]
    refused(run, write(run, remove(*everyone)), InputError, "no picture would be left")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"decisions": {', '"decisions": {"a": {"decision": "accept"}, "a": '),
        lambda text: text.replace("clay-eval/decisions/1", "clay-eval/decisions/2"),
        lambda text: "[]",
        lambda text: text.replace("2026-02-03T04:05:06Z", "yesterday"),
    ],
)
def test_a_damaged_file(run: Path, damage: Callable[[str], str]) -> None:
    path = write(run, remove(keys(run)[0]))
    path.write_text(damage(path.read_text()))
    refused(run, path, InputError, "decisions.json")


def test_no_such_file(run: Path) -> None:
    refused(run, run / "nothing.json", InputError, "not found")


def test_damaged_or_foreign_shards_are_not_touched(run: Path) -> None:
    path = write(run, mixed(run))
    tar = run / "shards" / "quarantine" / "demo-object-test-00001.tar"
    tar.write_bytes(tar.read_bytes()[:-2000])
    refused(run, path, IntegrityError, tar.name)
    tar.unlink()
    refused(run, path, IntegrityError, tar.name)


def test_another_plan(run: Path, tmp_path: Path) -> None:
    path = write(run, mixed(run))
    shutil.rmtree(run / "plan")
    write_plan(PlanRequest([load_entity("demo-object")], [None], 10, 1), run / "plan")
    refused(run, path, ConfigChangedError, "not made from this plan")
