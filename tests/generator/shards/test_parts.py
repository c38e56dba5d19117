"""Parts of a rendering, made apart and merged, are byte for byte the rendering that was never divided."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_judges import FakeJudge, Picky

from clay_eval.generator.plan.planning import PlanRequest, read_plan_record, write_plan
from clay_eval.generator.shards.parts import find_parts, merge_parts, part_folder
from clay_eval.generator.shards.rendering import parse_part, part_samples, render_plan, shard_tasks
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import BusyError, ConfigChangedError, InputError, IntegrityError
from clay_eval.schemas.files import locked, write_sealed
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.shards import read_shard, write_shard
from clay_eval.schemas.verify import verify_shards

OPTIONS = RenderOptions(shard_size=4, batch_size=3)
FAILING = "demo-object"


def hashes(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def make_plan(folder: Path, seed: int = 0) -> Path:
    specs = [load_entity(name) for name in ("demo-object", "demo-human")]
    write_plan(PlanRequest(specs, [None, None], 10, seed), folder)
    return folder


def make_parts(plan: Path, parts: Path, number: int, fails: Callable[[str], bool] = lambda _: False) -> None:
    for i in range(1, number + 1):
        part = (i, number)
        render_plan(plan, part_folder(parts, part), Picky(fails), OPTIONS, judge=FakeJudge(), part=part)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plan(tmp_path_factory.mktemp("planned") / "plan")


@pytest.fixture(scope="module")
def whole(plan: Path) -> dict[str, str]:
    """sha256 of every file of the undivided run."""
    render_plan(plan, plan.parent / "whole", Picky(), OPTIONS, judge=FakeJudge())
    return hashes(plan.parent / "whole")


@pytest.fixture(scope="module")
def three(plan: Path) -> Path:
    """Three parts. Not to be altered: `parts` is a copy for that."""
    make_parts(plan, plan.parent / "three", 3)
    return plan.parent / "three"


@pytest.fixture
def parts(three: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(three, tmp_path / "parts"))


@pytest.mark.parametrize(("shard_size", "number"), [(4, 3), (3, 2), (7, 4), (100, 3), (1, 7)])
def test_the_samples_of_a_part_are_counted_before_it_is_drawn(
    plan: Path, shard_size: int, number: int
) -> None:
    record = read_plan_record(plan)
    tasks = list(shard_tasks(plan / "plan.jsonl", shard_size))
    for i in range(1, number + 1):
        own = sum(len(task.samples) for task in tasks[i - 1 :: number])
        assert part_samples(record, shard_size, (i, number)) == own


def test_names_of_parts() -> None:
    assert parse_part("3/16") == (3, 16)
    assert part_folder(Path("x"), (3, 16)) == Path("x/3-of-16")
    for text in ("0/3", "4/3", "3", "a/b", "1/2/3", "-1/3", "1/", "/2", ""):
        with pytest.raises(InputError) as caught:
            parse_part(text)
        assert caught.value.where == "--part"


@pytest.mark.parametrize("number", [1, 2, 3, 8])
def test_merged_parts_are_the_undivided_run(
    plan: Path, whole: dict[str, str], tmp_path: Path, number: int
) -> None:
    """Eight parts are more than there are shards: some are empty."""
    parts = tmp_path / "parts"
    make_parts(plan, parts, number)
    planned = 0
    for i, place in enumerate(find_parts(parts), start=1):
        assert verify_shards(place).ok
        manifest = read_manifest(place)
        assert manifest["part"] == [i, number]
        planned += manifest["filter"]["planned"]
    assert planned == 20
    done: list[int] = []
    manifest = merge_parts(plan, parts, tmp_path / "shards", done.append)
    assert hashes(tmp_path / "shards") == whole
    assert manifest == read_manifest(plan.parent / "whole")
    assert sum(done) == 20
    assert verify_shards(tmp_path / "shards").ok
    shutil.rmtree(parts)
    assert verify_shards(tmp_path / "shards").ok
    renderer = Picky()
    render_plan(plan, tmp_path / "shards", renderer, OPTIONS, judge=FakeJudge())
    assert renderer.asked == [], "a merged rendering is a finished one"


def test_every_part_takes_every_nth_shard(plan: Path, three: Path) -> None:
    everything = [f"demo-{kind}-test-0000{i}.tar" for kind in ("object", "human") for i in range(3)]
    for i, place in enumerate(find_parts(three)):
        made = {p.name for p in place.rglob("*.tar")}
        assert made == set(everything[i::3])


def test_without_hard_links_files_are_copied(
    plan: Path, whole: dict[str, str], parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    merge_parts(plan, parts, tmp_path / "shards")
    assert hashes(tmp_path / "shards") == whole
    assert all(p.stat().st_nlink == 1 for p in (tmp_path / "shards").rglob("*.tar"))


def test_merging_again_changes_nothing(plan: Path, parts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    merge_parts(plan, parts, folder)
    times = {p: p.stat().st_mtime_ns for p in folder.rglob("*.*")}
    merge_parts(plan, parts, folder)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.*")} == times


@pytest.mark.parametrize("stop", range(0, 11, 2))
def test_a_killed_merge_is_run_again(
    plan: Path,
    whole: dict[str, str],
    parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: int,
) -> None:
    written = 0
    move = Path.replace

    def replace_file(self: Path, target: Any) -> Path:
        nonlocal written
        written += 1
        if written == stop:
            raise KeyboardInterrupt
        return move(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace_file)
        if stop:
            with pytest.raises(KeyboardInterrupt):
                merge_parts(plan, parts, tmp_path / "shards")
            assert not (tmp_path / "shards" / "manifest.json").exists()
    merge_parts(plan, parts, tmp_path / "shards")
    assert hashes(tmp_path / "shards") == whole


def test_a_missing_part_is_named(plan: Path, parts: Path, tmp_path: Path) -> None:
    shutil.rmtree(parts / "2-of-3")
    with pytest.raises(InputError) as caught:
        merge_parts(plan, parts, tmp_path / "shards")
    assert caught.value.found == "no part 2"
    assert "--part 2/3" in str(caught.value.hint)
    assert not (tmp_path / "shards").exists()
    with pytest.raises(InputError, match="no parts here"):
        merge_parts(plan, tmp_path / "nothing", tmp_path / "shards")


def test_parts_of_two_divisions_are_refused(plan: Path, parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts / "1-of-3", parts / "1-of-2")
    with pytest.raises(InputError, match="different divisions"):
        merge_parts(plan, parts, tmp_path / "shards")


def test_an_unfinished_part_is_refused(plan: Path, parts: Path, tmp_path: Path) -> None:
    (parts / "3-of-3" / "manifest.json").unlink()
    with pytest.raises(InputError, match="not finished"):
        merge_parts(plan, parts, tmp_path / "shards")
    assert not (tmp_path / "shards").exists()


def test_a_part_under_another_name_is_refused(plan: Path, parts: Path, tmp_path: Path) -> None:
    (parts / "1-of-3").rename(parts / "x")
    (parts / "2-of-3").rename(parts / "1-of-3")
    (parts / "x").rename(parts / "2-of-3")
    with pytest.raises(IntegrityError):
        merge_parts(plan, parts, tmp_path / "shards")
    findings = verify_shards(parts / "1-of-3")
    assert any("part" in fault for fault in findings.faults)


@pytest.mark.parametrize(
    ("judge", "options", "named"),
    [
        (FakeJudge(0.6), OPTIONS, "judge.rejects: 0.5 -> 0.6"),
        (FakeJudge(), replace(OPTIONS, image_format="png"), "image.format"),
        (FakeJudge(), replace(OPTIONS, attempts=2), "attempts: 3 -> 2"),
    ],
)
def test_parts_with_different_settings_are_refused(
    plan: Path, parts: Path, tmp_path: Path, judge: FakeJudge, options: RenderOptions, named: str
) -> None:
    shutil.rmtree(parts / "2-of-3")
    render_plan(plan, parts / "2-of-3", Picky(), options, judge=judge, part=(2, 3))
    with pytest.raises(ConfigChangedError) as caught:
        merge_parts(plan, parts, tmp_path / "shards")
    assert named in caught.value.what
    assert str(caught.value.where).endswith("2-of-3")
    assert not (tmp_path / "shards").exists()


def test_parts_of_another_plan_are_refused(parts: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigChangedError, match="another plan"):
        merge_parts(make_plan(tmp_path / "other", seed=1), parts, tmp_path / "shards")


@pytest.mark.parametrize("how", ["flip", "delete"])
@pytest.mark.parametrize("below", ["", "quarantine"])
def test_a_tampered_part_is_refused_and_mended_by_rendering_it_again(
    plan: Path, whole: dict[str, str], parts: Path, tmp_path: Path, below: str, how: str
) -> None:
    path = next(p for i in (1, 2, 3) for p in sorted((parts / f"{i}-of-3" / below).glob("*.tar")))
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    if how == "delete":
        path.unlink()
    with pytest.raises(IntegrityError) as caught:
        merge_parts(plan, parts, tmp_path / "shards")
    assert caught.value.where == str(path)
    assert not (tmp_path / "shards" / "manifest.json").exists()
    place = path.parent.parent if below else path.parent
    number = int(place.name[0])
    render_plan(plan, place, Picky(), OPTIONS, judge=FakeJudge(), part=(number, 3))
    merge_parts(plan, parts, tmp_path / "shards")
    assert hashes(tmp_path / "shards") == whole


def test_a_part_that_hides_a_shard_is_refused_although_it_is_sealed(
    plan: Path, parts: Path, tmp_path: Path
) -> None:
    place = parts / "1-of-3"
    manifest = read_manifest(place)
    hidden = manifest["files"].pop(0)
    (place / hidden["name"]).unlink()
    (place / "quarantine" / hidden["name"]).unlink(missing_ok=True)
    manifest["quarantine"] = [e for e in manifest["quarantine"] if e["name"] != hidden["name"]]
    write_sealed(place / "manifest.json", manifest)
    with pytest.raises(IntegrityError, match="not the whole plan"):
        merge_parts(plan, parts, tmp_path / "shards")
    assert not (tmp_path / "shards" / "manifest.json").exists()


def test_a_part_with_a_shard_of_another_part_is_noticed(plan: Path, parts: Path) -> None:
    place = parts / "1-of-3"
    manifest = read_manifest(place)
    name = manifest["files"][0]["name"]
    strange = name.replace("00000", "00001")
    assert strange != name
    (place / name).rename(place / strange)
    manifest["files"][0]["name"] = strange
    manifest["files"].append({**manifest["files"][0], "name": name.replace("00000", "00003")})
    write_sealed(place / "manifest.json", manifest)
    assert any("belongs to another part" in fault for fault in verify_shards(place).faults)


def test_failures_are_merged_and_a_later_merge_brings_what_was_drawn_since(
    plan: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    keys = [s.key for s in read_shard(plan.parent / "whole" / "demo-object-test-00001.tar")]
    parts, folder = tmp_path / "parts", tmp_path / "shards"
    make_parts(plan, parts, 2, lambda key: key == keys[0])
    manifest = merge_parts(plan, parts, folder)
    assert manifest["filter"]["failed"] == 1
    render_plan(plan, tmp_path / "undivided", Picky(lambda key: key == keys[0]), OPTIONS, judge=FakeJudge())
    assert hashes(folder) == hashes(tmp_path / "undivided")
    make_parts(plan, parts, 2)
    assert merge_parts(plan, parts, folder)["filter"]["failed"] == 0
    assert hashes(folder) == whole


def test_hand_decisions_survive_a_later_merge(plan: Path, parts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    merge_parts(plan, parts, folder)
    name = "demo-object-test-00001.tar"
    first, *rest = read_shard(folder / name)
    record = {**first.record, "rejected": [*first.record["rejected"], "by hand: ugly"]}
    aside = folder / "quarantine" / name
    outside = list(read_shard(aside)) if aside.exists() else []
    write_shard(aside, sorted([*outside, replace(first, record=record)], key=lambda s: s.key))
    write_shard(folder / name, rest)
    (folder / "manifest.json").unlink()
    render_plan(plan, folder, Picky(), OPTIONS, judge=FakeJudge())
    before = hashes(folder)
    assert merge_parts(plan, parts, folder)["filter"]["by_hand"] == 1
    assert hashes(folder) == before


@pytest.mark.parametrize("how", ["delete", "change", "delete quarantine", "damage the manifest"])
def test_merging_again_makes_what_was_lost_since(
    plan: Path, whole: dict[str, str], parts: Path, tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "shards"
    merge_parts(plan, parts, folder)
    path = next((folder / ("quarantine" if "quarantine" in how else "")).glob("*.tar"))
    path.unlink()  # a hard link: the part's file must not change
    if how == "change":
        path.write_bytes(b"something else")
    if how == "damage the manifest":
        (folder / "manifest.json").write_text("{")
    merge_parts(plan, parts, folder)
    assert hashes(folder) == whole


@pytest.mark.parametrize("how", ["accepted", "removed", "removed, and lost"])
def test_merging_again_undoes_no_decision_by_hand(plan: Path, parts: Path, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "shards"
    merge_parts(plan, parts, folder)
    aside = next((folder / "quarantine").glob("*.tar"))
    inside = folder / aside.name
    mark = "by hand: accepted" if how == "accepted" else "by hand: ugly"
    source, target = (aside, inside) if how == "accepted" else (inside, aside)
    moved, *rest = read_shard(source)
    record = {**moved.record, "rejected": [*moved.record["rejected"], mark]}
    there = sorted(
        [*read_shard(target), replace(moved, record=record)], key=lambda s: (s.record["index"], s.key)
    )
    write_shard(target, there)
    source.unlink()
    if rest:
        write_shard(source, rest)
    (folder / "manifest.json").unlink()
    render_plan(plan, folder, Picky(), OPTIONS, judge=FakeJudge())
    (target if "lost" in how else folder / "labels.csv").unlink()
    before = hashes(folder)
    with pytest.raises(ConfigChangedError, match="by hand") as caught:
        merge_parts(plan, parts, folder)
    assert "without --part" in str(caught.value.hint)
    assert hashes(folder) == before


def test_a_merge_needs_the_folder_for_itself_and_touches_nobodys_data(
    plan: Path, parts: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "shards"
    with locked(folder), pytest.raises(BusyError):
        merge_parts(plan, parts, folder)
    (folder / "mine.tar").write_text("mine")
    with pytest.raises(InputError, match="not made here"):
        merge_parts(plan, parts, folder)
    assert (folder / "mine.tar").read_text() == "mine"
