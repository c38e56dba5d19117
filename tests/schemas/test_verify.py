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
from clay_eval.schemas.failures import write_failures
from clay_eval.schemas.files import write_sealed
from clay_eval.schemas.fingerprint import file_sha256, fingerprint
from clay_eval.schemas.manifest import Provenance, Tally, read_manifest, write_manifest
from clay_eval.schemas.shards import ShardSample, write_shard
from clay_eval.schemas.verify import Findings, verify_shards

ENTITIES: dict[str, dict[str, Any]] = {
    "cat": {"attributes": ["coat"], "parents": {}, "diversity": ["light"], "spec": "1" * 64},
}
FIRST, SECOND = "cat-test-00000.tar", "cat-test-00001.tar"
ASIDE = f"quarantine/{FIRST}"
FILES = [FIRST, SECOND, "labels.csv", ASIDE, "manifest.json", "render.json"]
JUDGE = {"type": "picky"}
REJECTED = {"attempt": 2, "scores": {"coat": -0.5}, "rejected": ["attempt 1: no", "attempt 2: no"]}
BY_HAND = {"attempt": 1, "scores": {"coat": 0.5}, "rejected": ["by hand: a dog"], "failed": []}


def cat(number: int, coat: str = "red", **more: Any) -> ShardSample:
    key = f"cat-{number}"
    record = {"key": key, "entity": "cat", "labels": {"coat": coat}, "diversity": {"light": "dim"}, **more}
    return ShardSample(key, "jpg", random.Random(number).randbytes(600), record)


SHARDS = {
    FIRST: [cat(0), cat(1, attempt=2, rejected=["attempt 1: no"], failed=["coat"])],
    SECOND: [cat(2), cat(3)],
}
QUARANTINED = [cat(4, failed=["coat", "coat", "prompt"], **REJECTED), cat(5, **BY_HAND)]
FAILED = [cat(6), cat(7)]


def make(folder: Path, shards: dict[str, list[ShardSample]] | None = None) -> Path:
    """Two shards, two quarantined samples (one of them by hand), and two that failed."""
    shards = shards or SHARDS
    folder.mkdir(exist_ok=True)
    settings = {
        "schema": "clay-eval/render-settings/1",
        "plan": "a" * 64,
        "renderer": {"type": "fake"},
        "judge": JUDGE,
        "attempts": 2,
        "shard_size": 2,
        "image": {},
    }
    write_sealed(folder / "render.json", settings)
    (folder / ".lock").touch()
    for name, samples in {**shards, ASIDE: QUARANTINED}.items():
        write_shard(folder / name, samples)
    write_failures(folder / "failures" / f"{SECOND}.jsonl", {s.key: "too dark" for s in FAILED})
    planned = Tally()
    for sample in [*QUARANTINED, *FAILED, *(s for samples in shards.values() for s in samples)]:
        planned.add(sample.record["entity"], sample.record["labels"], sample.record["diversity"])
    provenance = Provenance("a" * 64, {"type": "fake"}, JUDGE, 2, planned, failed=len(FAILED))
    write_manifest(folder, list(shards), ENTITIES, provenance)
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
        for place, files in ((folder, manifest["files"]), (folder / "quarantine", manifest["quarantine"])):
            for file in files:
                path = place / file["name"]
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
    sizes = [(folder / name).stat().st_size for name in FILES[:4]]
    assert findings == Findings(files=4, samples=4, bytes=sum(sizes), faults=[])
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
    "name",
    [
        "cat-test-00002.tar",
        "notes.txt",
        "folder/",
        ".hidden",
        ".x.abcdefgh.part",
        f"quarantine/{SECOND}",
        "quarantine/notes.txt",
        "quarantine/folder/",
        "failures/notes.txt",
        "failures/folder.tar.jsonl/",
    ],
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
        (lambda m: m["filter"].update(judge=None), "render.json: another judge"),
        (lambda m: m["filter"].update(attempts=3), "render.json: another attempts"),
        (lambda m: m["filter"].update(planned=9), "9 samples were planned, 8 are accounted for"),
        (lambda m: m["filter"].update(accepted=5), "5 accepted expected, 4 found"),
        (lambda m: m["filter"].update(first_try=4), "4 first_try expected, 3 found"),
        (lambda m: m["filter"].update(quarantined=1), "1 quarantined expected, 2 found"),
        (lambda m: m["filter"].update(by_hand=0), "0 by_hand expected, 1 found"),
        (lambda m: m["filter"].update(failed=0), "0 failed expected, 2 found"),
        (lambda m: m["filter"]["rejections"].update(coat=2), "rejections expected"),
        (lambda m: m["filter"]["rejections"].pop("prompt"), "rejections expected"),
        (lambda m: m["balance"]["cat"]["coat"].update(red=[8, 5]), "balance is not that of the shards"),
        (lambda m: m["balance"]["cat"]["coat"].update(red=[9, 4]), "balance of cat does not add up"),
        (lambda m: m["balance"]["cat"].pop("coat"), "balance of cat does not add up"),
        (lambda m: m["balance"].update(cat={}), "balance is not that of 8 planned samples"),
        (lambda m: m["balance"].update(dog=m["balance"]["cat"]), "balance is not that of 8 planned"),
        (lambda m: m["quarantine"].clear(), f"{ASIDE}: not in the manifest"),
        (lambda m: m["quarantine"].append(dict(m["quarantine"][0])), "listed twice"),
        (lambda m: m["quarantine"][0].update(samples=3), "3 samples expected, 2 found"),
        (lambda m: m["quarantine"][0].update(bytes=3), "3 bytes expected"),
        (lambda m: m["quarantine"][0].update(sha256="0" * 64), "sha256 is not the manifest's"),
        (lambda m: m["quarantine"][0].update(name=SECOND), f"quarantine/{SECOND}: missing"),
        (lambda m: m["quarantine"][0].update(name=".."), "pattern"),
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


@pytest.mark.timeout(30, func_only=True)
@pytest.mark.parametrize("name", [FIRST, ASIDE, f"failures/{SECOND}.jsonl", "labels.csv", "manifest.json"])
@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_plain_file_is_a_fault_and_is_not_opened(folder: Path, name: str, kind: str) -> None:
    """A named pipe would make a reader wait for ever."""
    path = folder / name
    path.rename(folder.parent / "elsewhere")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(folder.parent / "elsewhere")
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
    assert seen == [cat(i).image for i in range(6)]
    assert findings.faults[0] == f"no picture where: {folder / SECOND}: cat-2"


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


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (QUARANTINED[:1], "2 samples expected, 1 found"),
        ([*QUARANTINED, cat(8)], "2 samples expected, 3 found"),
        ([QUARANTINED[0], cat(0, **BY_HAND)], f"{ASIDE}: cat-0: this key stands in two shards"),
        ([QUARANTINED[0], cat(6, **BY_HAND)], "cat-6: this sample is elsewhere, too"),
        ([QUARANTINED[0], cat(5, **BY_HAND, labels={})], "labels are not those"),
        ([QUARANTINED[0], cat(5, **{**BY_HAND, "rejected": ["a dog"]})], "1 by_hand expected, 0 found"),
        ([QUARANTINED[0], cat(5, **{**BY_HAND, "failed": ["coat"]})], "rejections expected"),
        (
            [QUARANTINED[0], cat(5, **{**BY_HAND, "rejected": 7, "failed": [[]]})],
            "1 by_hand expected, 0 found",
        ),
    ],
)
def test_another_quarantine_is_noticed_although_all_hashes_fit(
    folder: Path, samples: list[ShardSample], words: str
) -> None:
    write_shard(folder / ASIDE, samples)
    assert "sha256" in faults(folder) or "bytes expected" in faults(folder)
    refresh(folder)
    assert words in faults(folder)


@pytest.mark.parametrize("name", ["quarantine", "failures"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_place_that_is_no_folder_is_a_fault(folder: Path, name: str, kind: str) -> None:
    (folder / name).rename(folder.parent / "elsewhere")
    if kind == "file":
        (folder / name).touch()
    else:
        (folder / name).symlink_to(folder.parent / "elsewhere")
    assert f"{folder / name}: not a folder" in faults(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "2 failed expected, 0 found"),
        ('{"key": "cat-6", "error": "e"}\n', "8 samples were planned, 7 are accounted for"),
        ('{"key": "cat-6", "error": "e"}\n' * 2, "listed twice"),
        (
            '{"key": "cat-6", "error": "e"}\n{"key": "cat-3", "error": "e"}',
            "cat-3: this sample is elsewhere, too",
        ),
        (
            '{"key": "cat-6", "error": "e"}\n{"key": "cat-4", "error": "e"}',
            "cat-4: this sample is elsewhere, too",
        ),
        ('{"key": "cat-6"}\n', "no failure of a sample"),
        ('{"key": "cat-6", "error": 1}\n', "no failure of a sample"),
        ("[]\n", "no failure of a sample"),
        ("nonsense\n", "not valid JSON"),
        ('{"key": "cat-6", "error": "\\ud800"}\n', "half a character"),
    ],
)
def test_another_list_of_failures_is_noticed(folder: Path, content: str, words: str) -> None:
    (folder / "failures" / f"{SECOND}.jsonl").write_text(content)
    assert words in faults(folder)


def test_a_second_list_of_failures_is_noticed(folder: Path) -> None:
    """Of the same samples, or of others."""
    write_failures(folder / "failures" / f"{FIRST}.jsonl", {"cat-6": "too dark"})
    assert "cat-6: this sample is elsewhere, too" in faults(folder)
    write_failures(folder / "failures" / f"{FIRST}.jsonl", {"cat-9": "too dark"})
    assert "2 failed expected, 3 found" in faults(folder)
