"""Verification notices every fault; 0 of hundreds of random damages pass."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clay_eval.schemas.errors import ClayEvalError, IntegrityError
from clay_eval.schemas.files import write_sealed
from clay_eval.schemas.fingerprint import file_sha256, fingerprint
from clay_eval.schemas.manifest import read_manifest, write_manifest
from clay_eval.schemas.shards import ShardSample, write_shard
from clay_eval.schemas.verify import Findings, verify_shards

ENTITIES: dict[str, dict[str, Any]] = {
    "cat": {"attributes": ["coat"], "parents": {}, "diversity": ["light"], "spec": "1" * 64},
}
FIRST, SECOND = "cat-test-00000.tar", "cat-test-00001.tar"
FILES = [FIRST, SECOND, "labels.csv", "manifest.json", "render.json"]


def cat(number: int, coat: str = "red") -> ShardSample:
    key = f"cat-{number}"
    record = {"key": key, "entity": "cat", "labels": {"coat": coat}, "diversity": {"light": "dim"}}
    return ShardSample(key, "jpg", random.Random(number).randbytes(600), record)


def make(folder: Path, shards: dict[str, list[ShardSample]] | None = None) -> Path:
    shards = shards or {FIRST: [cat(0), cat(1)], SECOND: [cat(2), cat(3)]}
    folder.mkdir(exist_ok=True)
    settings = {
        "schema": "clay-eval/render-settings/1",
        "plan": "a" * 64,
        "renderer": {"type": "fake"},
        "shard_size": 2,
        "image": {},
    }
    write_sealed(folder / "render.json", settings)
    (folder / ".lock").touch()
    for name, samples in shards.items():
        write_shard(folder / name, samples)
    write_manifest(folder, list(shards), ENTITIES, "a" * 64, {"type": "fake"})
    return folder


def reseal(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """A manifest that is changed and sealed again, its fingerprint made to fit, as by a clumsy tool."""
    manifest = read_manifest(folder)
    change(manifest)
    manifest["fingerprint"] = fingerprint({k: manifest[k] for k in ("plan", "renderer", "files")})
    write_sealed(folder / "manifest.json", manifest)


def refresh(folder: Path) -> None:
    """Make the manifest's bytes and hashes fit whatever lies there."""

    def change(manifest: dict[str, Any]) -> None:
        for file in manifest["files"]:
            path = folder / file["name"]
            file.update(bytes=path.stat().st_size, sha256=file_sha256(path))

    reseal(folder, change)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "shards")


def faults(folder: Path) -> str:
    findings = verify_shards(folder)
    assert not findings.ok
    return "\n".join(findings.faults)


def test_a_good_folder_has_no_faults(folder: Path) -> None:
    done: list[int] = []
    findings = verify_shards(folder, progress=done.append)
    sizes = [(folder / name).stat().st_size for name in FILES[:3]]
    assert findings == Findings(files=3, samples=4, bytes=sum(sizes), faults=[])
    assert findings.ok
    assert done == sizes
    (folder / "render.json").unlink()
    assert verify_shards(folder).ok


def test_four_hundred_flipped_bytes_are_all_noticed(folder: Path) -> None:
    draw = random.Random(7)
    content = {name: (folder / name).read_bytes() for name in FILES}
    accepted = []
    for turn in range(400):
        name = FILES[turn % len(FILES)]
        data = content[name]
        place = draw.randrange(len(data))
        (folder / name).write_bytes(
            data[:place] + bytes([data[place] ^ draw.randrange(1, 256)]) + data[place + 1 :]
        )
        if verify_shards(folder).ok:
            accepted.append((name, place))
        (folder / name).write_bytes(data)
    assert accepted == []
    assert verify_shards(folder).ok


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_noticed(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    places = {0, 1, len(data) - 1, len(data) // 2, *range(0, len(data), 512 if name.endswith("tar") else 23)}
    for place in sorted(places):
        (folder / name).write_bytes(data[:place])
        assert name in faults(folder)
    (folder / name).write_bytes(data + b"\0")
    assert name in faults(folder)


@pytest.mark.parametrize("name", FILES[:-1])
def test_a_missing_file_is_noticed(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in faults(folder)


@pytest.mark.parametrize(
    "name", ["cat-test-00002.tar", "notes.txt", "folder/", ".hidden", ".x.abcdefgh.part"]
)
def test_an_extra_file_is_noticed(folder: Path, name: str) -> None:
    if name.endswith("/"):
        (folder / name).mkdir()
    else:
        shutil.copy(folder / FIRST, folder / name)
    assert name.strip("/") in faults(folder)


def test_swapped_shards_are_noticed(folder: Path) -> None:
    (folder / FIRST).rename(folder / "t")
    (folder / SECOND).rename(folder / FIRST)
    (folder / "t").rename(folder / SECOND)
    assert "sha256" in faults(folder)
    refresh(folder)
    assert "labels.csv: does not say what the shards say" in faults(folder)


def test_a_duplicate_sample_in_two_shards_is_noticed_although_all_hashes_fit(tmp_path: Path) -> None:
    folder = make(tmp_path / "s", {FIRST: [cat(0), cat(1)], SECOND: [cat(1), cat(2)]})
    assert f"{folder / SECOND}: cat-1: this key stands in two shards" in faults(folder)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([cat(0)], "2 samples expected, 1 found"),
        ([cat(0), cat(1), cat(9)], "2 samples expected, 3 found"),
        ([cat(0), cat(9)], "labels.csv: does not say"),
        ([cat(1), cat(0)], "labels.csv: does not say"),
        ([cat(0), cat(1, "blue")], "labels.csv: does not say"),
        ([cat(0), ShardSample("cat-1", "jpg", b"", cat(2).record)], "does not belong to it"),
        ([cat(0), ShardSample("cat-1", "jpg", b"", {**cat(1).record, "entity": ["cat"]})], "does not belong"),
        ([cat(0), ShardSample("cat-1", "jpg", b"", {**cat(1).record, "labels": 3})], "labels are not those"),
        ([cat(0), ShardSample("cat-1", "jpg", b"", {"key": "cat-1"})], "does not belong to it"),
    ],
)
def test_other_samples_are_noticed_although_all_hashes_fit(
    folder: Path, samples: list[ShardSample], words: str
) -> None:
    write_shard(folder / FIRST, samples)
    assert "sha256" in faults(folder) or "bytes expected" in faults(folder)
    refresh(folder)
    assert words in faults(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m["files"].append(dict(m["files"][0])), "listed twice"),
        (lambda m: m["files"].pop(0), "not in the manifest"),
        (lambda m: m["files"].pop(), "labels.csv: not in the manifest"),
        (lambda m: m["files"][0].update(name="cat-test-00009.tar"), "missing"),
        (lambda m: m["files"][0].update(entity="dog"), "not of the entity 'dog'"),
        (lambda m: m["files"][0].update(samples=3), "3 samples expected, 2 found"),
        (lambda m: m["files"].reverse(), "labels.csv: does not say"),
        (lambda m: m["entities"]["cat"].update(samples=5), "cat: 5 samples expected, 4 found"),
        (lambda m: m["entities"]["cat"].update(attributes=["fur"]), "labels are not those"),
        (lambda m: m["entities"]["cat"].update(diversity=[]), "diversity are not those"),
        (lambda m: m.update(samples=5), "5 samples expected, 4 found"),
        (lambda m: m.update(plan="b" * 64), "render.json: another plan"),
        (lambda m: m.update(renderer={"type": "real"}), "render.json: another renderer"),
        (lambda m: m["files"][0].update(name="../x.tar"), "pattern"),
        (lambda m: m["files"][0].update(name="/etc/passwd"), "pattern"),
    ],
)
def test_a_manifest_that_lies_is_noticed_although_it_is_sealed(
    folder: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    reseal(folder, change)
    assert words in faults(folder)


def test_a_fingerprint_that_does_not_fit_is_noticed(folder: Path) -> None:
    manifest = read_manifest(folder)
    manifest["fingerprint"] = "0" * 64
    write_sealed(folder / "manifest.json", manifest)
    assert "fingerprint" in faults(folder)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", [FIRST, "labels.csv", "manifest.json"])
@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_plain_file_is_a_fault_and_is_not_opened(folder: Path, name: str, kind: str) -> None:
    """A named pipe would make a reader wait for ever."""
    path = folder / name
    path.rename(folder.parent / name)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(folder.parent / name)
    else:
        path.mkdir()
    if (kind, name) != ("link", "manifest.json"):
        assert name in faults(folder)


def test_pictures_are_checked_on_demand(folder: Path) -> None:
    seen = []

    def picky(data: bytes, where: str) -> None:
        seen.append(data)
        if where.endswith("cat-2"):
            raise IntegrityError("no picture", where=where)

    findings = verify_shards(folder, check_image=picky)
    assert seen == [cat(i).image for i in range(4)]
    assert findings.faults == [f"no picture where: {folder / SECOND}: cat-2"]


def test_all_faults_are_listed_and_none_is_raised(folder: Path) -> None:
    (folder / "extra").touch()
    (folder / FIRST).unlink()
    (folder / SECOND).write_bytes(b"rubbish")
    (folder / "labels.csv").write_bytes(b"\xff")
    text = faults(folder)
    for words in ("extra: not in", f"{FIRST}: missing", f"{SECOND}: ", "labels.csv: ", "cat: 4 samples"):
        assert words in text
    assert "render" in faults(folder.parent)


def test_findings_flatten_errors_to_a_line() -> None:
    findings = Findings()
    findings.add(ClayEvalError("a", where="b", expected="c\nd"))
    assert findings.faults == ["a where: b expected: c d"]


def test_a_surplus_row_is_noticed_although_all_hashes_fit(folder: Path) -> None:
    with (folder / "labels.csv").open("a") as stream:
        stream.write("cat-9,cat,cat-test-00001.tar,red,dim\n")
    refresh(folder)
    assert faults(folder) == f"{folder / 'labels.csv'}: does not say what the shards say"
