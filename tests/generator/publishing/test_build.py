"""A release follows from the run and the request alone; what is not whole is refused, with the way out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_runs import Publish, keys_of, render_run, review

from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.publishing.sources import provenance, read_sources
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import BusyError, ClayEvalError, ConfigChangedError, InputError, IntegrityError
from clay_eval.schemas.failures import write_failures
from clay_eval.schemas.files import locked, write_sealed
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.release import read_release
from clay_eval.schemas.release_verify import verify_release
from clay_eval.schemas.shards import read_shard, write_shard
from clay_eval.schemas.validate import read_sealed

Hashes = Callable[[Path], dict[str, str]]


def refused(call: Callable[[], Any], kind: type[ClayEvalError], *said: str) -> None:
    with pytest.raises(kind) as error:
        call()
    for text in said:
        assert text in str(error.value), f"{text!r} is not in:\n{error.value}"


def test_the_same_run_and_request_give_the_same_bytes(
    plain_run: Path, judged_run: Path, publish_run: Publish, hashes: Hashes, tmp_path: Path
) -> None:
    for run in (plain_run, judged_run):
        first, second, copied = (tmp_path / run.name / name for name in ("a", "deeper/b", "c"))
        moved = Path(shutil.copytree(run, tmp_path / run.name / "elsewhere"))
        publish_run(run, first)
        publish_run(moved, second)
        publish_run(run, copied, copy=True)
        assert hashes(first) == hashes(second) == hashes(copied)
        assert verify_release(first).faults == []


def test_shards_are_linked_where_that_is_possible_and_copied_if_asked(
    plain_run: Path, plain_release: Path, publish_run: Publish, tmp_path: Path
) -> None:
    publish_run(plain_run, tmp_path / "r")
    name = "demo-object-test-00001.tar"
    shard = plain_run / "shards" / name
    assert (tmp_path / "r" / "data" / name).samefile(shard)
    assert not (plain_release / "data" / name).samefile(shard)
    assert not (tmp_path / "r" / "data" / "labels.csv").samefile(plain_run / "shards" / "labels.csv")


def test_shards_go_out_as_they_are_unless_pictures_were_drawn_again(
    plain_run: Path, plain_release: Path, judged_run: Path, judged_release: Path
) -> None:
    before, after = read_manifest(plain_run / "shards"), read_manifest(plain_release / "data")
    assert before == after
    before, after = read_manifest(judged_run / "shards"), read_manifest(judged_release / "data")
    release = read_release(judged_release)
    assert before["fingerprint"] == release["run_manifest"] != after["fingerprint"] == release["manifest"]
    assert {n: before[n] for n in ("filter", "balance", "entities", "quarantine")} == {
        n: after[n] for n in ("filter", "balance", "entities", "quarantine")
    }
    kept = read_manifest(judged_release / "provenance")
    assert kept == before
    for entry in before["files"][:-1]:
        pairs = zip(
            read_shard(judged_run / "shards" / entry["name"]),
            read_shard(judged_release / "data" / entry["name"]),
            strict=True,
        )
        for old, new in pairs:
            assert (old.key, old.image) == (new.key, new.image)
            assert new.record == {
                **old.record,
                "rejected": "; ".join(old.record["rejected"]),
                "failed": "; ".join(old.record["failed"]),
            }


def test_made_again_in_its_place_it_stays_and_another_one_is_refused(
    plain_run: Path, publish_run: Publish, hashes: Hashes, tmp_path: Path
) -> None:
    target = tmp_path / "r"
    made = publish_run(plain_run, target)
    before = hashes(target)
    assert publish_run(plain_run, target) == made
    assert publish_run(plain_run, target, date=None) == made
    refused(
        lambda: publish_run(plain_run, target, title="Other"), ConfigChangedError, "another release", "title"
    )
    assert hashes(target) == before
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_a_folder_with_other_things_is_left_alone(
    plain_run: Path, publish_run: Publish, tmp_path: Path
) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "mine.txt").write_text("mine")
    refused(lambda: publish_run(plain_run, tmp_path / "r"), InputError, "something else", "--to")
    assert [p.name for p in tmp_path.rglob("*")] == ["r", "mine.txt"]


def test_leftovers_of_a_killed_run_do_no_harm(
    plain_run: Path, plain_release: Path, publish_run: Publish, hashes: Hashes, tmp_path: Path
) -> None:
    work = tmp_path / ".r.part"
    (work / "data").mkdir(parents=True)
    (work / "data" / "half.tar").write_bytes(b"half")
    (work / "note").write_text("x")
    (work / "link").symlink_to(plain_run)
    publish_run(
        plain_run, tmp_path / "r", authors=["A. Author"], contact="x@example.org", url="https://example.org/d"
    )
    assert hashes(tmp_path / "r") == hashes(plain_release)
    assert (plain_run / "plan" / "plan.json").exists()


def test_two_at_once_do_not_meet(plain_run: Path, publish_run: Publish, tmp_path: Path) -> None:
    with locked(tmp_path / ".r.part"):
        refused(lambda: publish_run(plain_run, tmp_path / "r"), BusyError)


def test_a_release_has_a_date_that_was_said(plain_run: Path, publish_run: Publish, tmp_path: Path) -> None:
    refused(lambda: publish_run(plain_run, tmp_path / "r", date=None), InputError, "--date", "YYYY-MM-DD")
    for wrong in ("today", "2026-13-01", "2026-02-30", "20261125"):
        refused(
            lambda wrong=wrong: publish_run(plain_run, tmp_path / "r", date=wrong),
            InputError,
            "--date",
            wrong,
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"version": "1.0"}, "--version"),
        ({"version": "01.0.0"}, "--version"),
        ({"title": "two\nlines"}, "--title"),
        ({"authors": [""]}, "--author"),
        ({"contact": "\u202egnp.exe"}, "--contact"),
        ({"url": "javascript:alert(1)"}, "--url"),
        ({"repository": "no-slash"}, "--push"),
        ({"licence": "Do-What-You-Like"}, "--licence"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    plain_run: Path, publish_run: Publish, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    refused(lambda: publish_run(plain_run, tmp_path / "r", **options), InputError, said)


def reseal(run: Path, **changes: Any) -> None:
    path = run / "shards" / "manifest.json"
    manifest = read_sealed(path, "manifest")
    write_sealed(path, {**manifest, **changes})


def test_what_is_not_finished_is_refused(a_plain_run: Path, publish_run: Publish, tmp_path: Path) -> None:
    manifest = read_manifest(a_plain_run / "shards")

    def publish() -> None:
        publish_run(a_plain_run, tmp_path / "r")

    reseal(a_plain_run, part=[1, 2])
    refused(publish, IntegrityError, "part 1 of 2", "merge")
    reseal(a_plain_run, part=None, filter={**manifest["filter"], "failed": 2, "planned": 22})
    refused(publish, IntegrityError, "2 that could not be drawn", "clay-eval render")
    (a_plain_run / "shards" / "manifest.json").unlink()
    refused(publish, InputError, "not finished", "clay-eval render")
    assert not (tmp_path / "r").exists()


def flip(path: Path, place: int = -2000) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_what_is_damaged_is_refused(a_plain_run: Path, publish_run: Publish, tmp_path: Path) -> None:
    shard = a_plain_run / "shards" / "demo-object-test-00001.tar"
    kept = shard.read_bytes()

    def publish() -> None:
        publish_run(a_plain_run, tmp_path / "r")

    flip(shard, len(kept) // 2)
    refused(publish, IntegrityError, str(shard), "clay-eval verify")
    shard.write_bytes(kept[: len(kept) // 2])
    refused(publish, IntegrityError, str(shard), "bytes expected")
    shard.unlink()
    refused(publish, IntegrityError, str(shard), "clay-eval render")
    shard.symlink_to(a_plain_run / "shards" / "demo-object-test-00000.tar")
    refused(publish, IntegrityError, str(shard))
    shard.unlink()
    shard.write_bytes(kept)
    write_failures(a_plain_run / "shards" / "failures" / f"{shard.name}.jsonl", {})
    publish()
    flip(a_plain_run / "plan" / "plan.jsonl", 100)
    refused(publish, IntegrityError, "plan.jsonl")


def test_damage_of_shards_that_are_packed_anew_is_refused(
    judged_run: Path, publish_run: Publish, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(judged_run, tmp_path / "run"))
    tar = run / "shards" / "demo-object-test-00000.tar"
    flip(tar, tar.stat().st_size // 2)
    refused(lambda: publish_run(run, tmp_path / "r"), IntegrityError, str(tar), "sha256")
    shutil.rmtree(run)
    shutil.copytree(judged_run, run)
    (rejected, *_) = sorted((run / "shards" / "quarantine").iterdir())
    flip(rejected)
    refused(lambda: publish_run(run, tmp_path / "r"), IntegrityError, str(rejected))
    assert not (tmp_path / "r").exists()


def test_shards_of_another_plan_are_refused(a_plain_run: Path, publish_run: Publish, tmp_path: Path) -> None:
    shutil.rmtree(a_plain_run / "plan")
    write_plan(PlanRequest([load_entity("demo-object")], [None], count=7), a_plain_run / "plan")
    refused(lambda: publish_run(a_plain_run, tmp_path / "r"), IntegrityError, "not made from this plan")


def test_reviews_are_counted_and_half_applied_ones_refused(
    judged_run: Path, publish_run: Publish, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(judged_run, tmp_path / "run"))
    inside, outside = keys_of(run)
    review(run, remove={inside[0]: "blurred", inside[1]: "blurred"}, accept=outside[:1])
    release = publish_run(run, tmp_path / "r")
    assert release["review"] == {"accepted": 1, "removed": {"blurred": 2}}
    assert "Removed by hand: blurred 2." in (tmp_path / "r" / "README.md").read_text()
    assert verify_release(tmp_path / "r").faults == []
    (run / "shards" / "applying.json").write_text("{}")
    refused(lambda: publish_run(run, tmp_path / "s"), IntegrityError, "half applied")


def test_a_picture_brought_back_at_its_first_attempt_is_packed_anew(
    a_plain_run: Path, publish_run: Publish, tmp_path: Path
) -> None:
    """Its lists are the only ones that hold something, and the manifest does not say so."""
    shards = a_plain_run / "shards"
    name = "demo-object-test-00002.tar"
    samples = list(read_shard(shards / name))
    samples[-1].record["rejected"] = ["by hand: removed", "by hand: accepted"]
    facts = write_shard(shards / name, samples)
    manifest = read_manifest(shards)
    for entry in manifest["files"]:
        if entry["name"] == name:
            entry |= {"bytes": facts.bytes, "sha256": facts.sha256}
    body = {part: manifest[part] for part in ("plan", "renderer", "files")}
    reseal(a_plain_run, files=manifest["files"], fingerprint=fingerprint(body))
    release = publish_run(a_plain_run, tmp_path / "r")
    assert release["run_manifest"] != release["manifest"]
    assert release["review"]["accepted"] == 1
    assert verify_release(tmp_path / "r").faults == []


def test_the_disk_is_asked_for_nothing_outside(plain_run: Path, publish_run: Publish, tmp_path: Path) -> None:
    """Links in the plan's folder do not bring foreign files into a release; hidden files stay."""
    run = Path(shutil.copytree(plain_run, tmp_path / "run"))
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (run / "plan" / "llm").mkdir()
    (run / "plan" / "llm" / "note.md").symlink_to(secret)
    (run / "plan" / "llm" / ".lock").write_text("")
    publish_run(run, tmp_path / "r")
    assert not list((tmp_path / "r").rglob("note.md"))
    assert not list((tmp_path / "r").rglob(".*"))


def test_more_shards_than_one_release_of_both_kinds(publish_run: Publish, tmp_path: Path) -> None:
    """Every picture rejected at once, but for some: what is left is counted as it is."""
    run = render_run(tmp_path / "run", 12, rejects=0.8, shard_size=5)
    release = publish_run(run, tmp_path / "r")
    manifest = read_manifest(run / "shards")
    assert 0 < release["samples"] == manifest["samples"] < 12
    assert verify_release(tmp_path / "r").faults == []


def test_what_else_lies_beside_a_plan_is_not_published(a_plain_run: Path) -> None:
    plan = a_plain_run / "plan"
    ours = [
        "llm/calls/0a.json",
        "llm/calls/0a.fault.json",
        "llm/demo-object.notes.md",
        "llm/demo-object.json",
    ]
    others = [
        "remarks.txt",
        "plan.json~",
        "specs/mine.json",
        "llm/remarks.txt",
        "llm/calls/remarks.txt",
        "old/plan.json",
    ]
    for name in (*ours, *others):
        (plan / name).parent.mkdir(parents=True, exist_ok=True)
        (plan / name).write_text("{}")
    sources = read_sources(plan, a_plain_run / "shards", a_plain_run / "report")
    published = {path.removeprefix("provenance/plan/") for path in provenance(sources)}
    assert published >= {*ours, "plan.json", *sources.planned["files"]}
    assert not published & set(others)
