"""Decisions brought into shards: counts and bytes, applied twice, undone by the opposite, kept by a new rendering."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

from decided_runs import (
    REJECTED,
    Idle,
    accept,
    apply,
    keys,
    mixed,
    planned,
    record_of,
    remove,
    render,
    tree,
    write,
)

from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.verify import verify_shards


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
