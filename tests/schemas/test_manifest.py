"""The manifest and labels.csv say what the shards say."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.manifest import (
    Provenance,
    Tally,
    check_record,
    csv_lines,
    label_columns,
    provenance_of,
    read_manifest,
    shard_name,
    write_manifest,
)
from clay_eval.schemas.shards import ShardSample, write_shard

ENTITIES: dict[str, dict[str, Any]] = {
    "cat": {"attributes": ["coat", "age"], "parents": {}, "diversity": ["light"], "spec": "1" * 64},
    "dog": {"attributes": ["breed", "age"], "parents": {"breed": "age"}, "diversity": [], "spec": "2" * 64},
}
COATS = ["red", 'the "tabby", one', "noir é"]


def cat(number: int, **change: Any) -> ShardSample:
    record = {
        "key": f"cat-{number}",
        "entity": "cat",
        "labels": {"coat": COATS[number % 3], "age": "old"},
        "diversity": {"light": "dim"},
        **change,
    }
    return ShardSample(f"cat-{number}", "png", b"png" * number, record)


def dog(number: int) -> ShardSample:
    record = {
        "key": f"dog-{number}",
        "entity": "dog",
        "labels": {"breed": "pug", "age": "new"},
        "diversity": {},
    }
    return ShardSample(f"dog-{number}", "png", b"dog", record)


def make(folder: Path) -> list[str]:
    shards = {
        "cat-test-00000.tar": [cat(0), cat(1)],
        "cat-test-00001.tar": [cat(2)],
        "dog-test-00000.tar": [dog(0)],
    }
    for name, samples in shards.items():
        write_shard(folder / name, samples)
    write_manifest(folder, list(shards), ENTITIES, provenance(*shards.values()))
    return list(shards)


def provenance(*shards: list[ShardSample]) -> Provenance:
    """As if exactly these samples had been planned."""
    planned = Tally()
    for sample in (s for samples in shards for s in samples):
        planned.add(sample.record["entity"], sample.record["labels"], sample.record["diversity"])
    return Provenance("a" * 64, {"type": "fake"}, None, 1, planned)


def test_names_of_shards() -> None:
    assert shard_name("cat", 7) == "cat-test-00007.tar"
    assert shard_name("cat", 123456, "train") == "cat-train-123456.tar"


def test_labels_csv_holds_every_label(tmp_path: Path) -> None:
    make(tmp_path)
    with (tmp_path / "labels.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["key", "entity", "shard", "coat", "age", "breed", "light"]
    assert [r["key"] for r in rows] == ["cat-0", "cat-1", "cat-2", "dog-0"]
    assert [r["coat"] for r in rows] == [*COATS, ""]
    assert [r["breed"] for r in rows] == ["", "", "", "pug"]
    assert [r["light"] for r in rows] == ["dim", "dim", "dim", ""]
    assert [r["shard"] for r in rows][1:3] == ["cat-test-00000.tar", "cat-test-00001.tar"]


def test_the_manifest_is_true(tmp_path: Path) -> None:
    shards = make(tmp_path)
    manifest = read_manifest(tmp_path)
    assert [f["name"] for f in manifest["files"]] == [*shards, "labels.csv"]
    for file in manifest["files"]:
        data = (tmp_path / file["name"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert [(f["samples"], f["entity"]) for f in manifest["files"]] == [
        (2, "cat"),
        (1, "cat"),
        (1, "dog"),
        (None, None),
    ]
    assert manifest["samples"] == 4
    assert {name: facts["samples"] for name, facts in manifest["entities"].items()} == {"cat": 3, "dog": 1}
    assert manifest["entities"]["dog"]["parents"] == {"breed": "age"}
    body = {name: manifest[name] for name in ("plan", "renderer", "files")}
    assert manifest["fingerprint"] == fingerprint(body)


def test_the_same_shards_give_the_same_manifest_and_other_pictures_another_fingerprint(
    tmp_path: Path,
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        make(tmp_path / name)
    for name in ("labels.csv", "manifest.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    before = read_manifest(tmp_path / "a")["fingerprint"]
    write_shard(tmp_path / "a" / "dog-test-00000.tar", [ShardSample("dog-0", "png", b"dig", dog(0).record)])
    shards = [p.name for p in sorted((tmp_path / "a").glob("*.tar"))]
    write_manifest(tmp_path / "a", shards, ENTITIES, provenance_of(read_manifest(tmp_path / "a")))
    assert read_manifest(tmp_path / "a")["fingerprint"] != before


def test_a_missing_manifest_and_an_unfinished_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no shards here"):
        read_manifest(tmp_path)
    (tmp_path / "render.json").write_text("{}")
    with pytest.raises(InputError, match="not finished"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "cat-9"},
        {"entity": "cow"},
        {"entity": None},
        {"entity": ["cat"]},
        {"labels": {"coat": "red"}},
        {"labels": {"coat": "red", "age": "old", "mood": "bad"}},
        {"labels": {"coat": "red", "age": ""}},
        {"labels": {"coat": "red", "age": 3}},
        {"labels": None},
        {"labels": ["coat", "age"]},
        {"diversity": {}},
    ],
)
def test_a_sample_that_is_not_of_its_entity_stops_the_manifest(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    write_shard(tmp_path / "s.tar", [cat(0), cat(1, **change)])
    with pytest.raises(IntegrityError) as caught:
        write_manifest(tmp_path, ["s.tar"], ENTITIES, provenance([cat(0), cat(1)]))
    assert caught.value.where == f"{tmp_path / 's.tar'}: cat-1"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.tar"]
    check_record(cat(1).record, "cat-1", ENTITIES, "here")


def test_csv_lines_come_one_at_a_time() -> None:
    columns = label_columns(ENTITIES)
    taken = []

    def rows() -> Any:
        for i in range(3):
            taken.append(i)
            yield {"key": str(i)}

    lines = csv_lines(columns, rows())
    assert next(lines) == b"key,entity,shard,coat,age,breed,light\n"
    assert taken == [0]
    assert list(lines) == [b"0,,,,,,\n", b"1,,,,,,\n", b"2,,,,,,\n"]


def test_the_manifest_is_readable_json_without_our_code(tmp_path: Path) -> None:
    make(tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text("utf-8")) == read_manifest(tmp_path)
