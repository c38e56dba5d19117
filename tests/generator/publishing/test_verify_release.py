"""A stranger's view of a release: whatever was changed, cut, added, linked or forged in it is told."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forging import renew, seal_again

from clay_eval.generator.publishing.verification import verify_published
from clay_eval.schemas.decoding import decode_image
from clay_eval.schemas.files import write_sealed
from clay_eval.schemas.fingerprint import file_sha256, fingerprint
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.release import RELEASE, SUMS, read_release
from clay_eval.schemas.release_verify import verify_release
from clay_eval.schemas.shards import read_shard, write_shard

FAULTS = 60
"""Of each kind and release here; benchmarks/bench_release_faults.py tries 400."""


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def copy(plain_release: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain_release, tmp_path / "r"))


def faults(folder: Path) -> list[str]:
    return verify_published(folder, decode_image).faults


@pytest.mark.parametrize("name", ["plain_release", "judged_release"])
def test_a_whole_release_is_well(name: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(name)
    seen: list[int] = []
    findings = verify_published(folder, decode_image, seen.append)
    assert findings.faults == []
    assert findings.notes == []
    assert findings.files == len(files_of(folder))
    assert findings.samples == read_release(folder)["samples"]
    assert sum(seen) == sum(e["bytes"] for e in read_release(folder)["files"])


@pytest.mark.parametrize("name", ["plain_release", "judged_release"])
def test_no_truncation_and_no_flipped_byte_passes(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(request.getfixturevalue(name), tmp_path / "r"))
    rng = random.Random(5)
    everything = files_of(folder)
    for number in range(2 * FAULTS):
        path = everything[number % len(everything)] if number < len(everything) else rng.choice(everything)
        kept = path.read_bytes()
        damaged = bytearray(kept)
        if number % 2:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        else:
            del damaged[rng.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        assert not verify_release(folder).ok, f"{path.name}: fault {number}"
        path.write_bytes(kept)
    assert verify_release(folder).ok


def test_every_file_is_missed_and_every_other_one_is_noticed(copy: Path, tmp_path: Path) -> None:
    for path in files_of(copy):
        path.rename(tmp_path / "away")
        assert not verify_release(copy).ok, path
        (tmp_path / "away").rename(path)
    for extra in (
        "x",
        "data/x.tar",
        "data/quarantine/x.tar",
        "provenance/x",
        ".hidden",
        "data/.hidden",
        "new/x",
        "data/failures/x",
    ):
        place = copy / extra
        made = not place.parent.exists()
        place.parent.mkdir(exist_ok=True)
        place.write_text("x")
        assert any(str(copy / extra.split("/")[0]) in fault for fault in faults(copy)), extra
        place.unlink()
        if made:
            place.parent.rmdir()
    (copy / "empty").mkdir()
    assert any("empty" in fault for fault in faults(copy))
    (copy / "empty").rmdir()
    os.mkfifo(copy / "pipe")
    assert any("pipe" in fault for fault in faults(copy))
    (copy / "pipe").unlink()
    assert faults(copy) == []


def test_what_the_hub_adds_is_no_fault(copy: Path) -> None:
    (copy / ".gitattributes").write_text("*.tar filter=lfs\n")
    (copy / ".cache" / "huggingface").mkdir(parents=True)
    (copy / ".cache" / "huggingface" / "x.lock").write_text("")
    assert faults(copy) == []
    (copy / ".git").write_text("gitdir: ../elsewhere\n")
    findings = verify_release(copy)
    assert findings.faults == []
    for name in (".gitattributes", ".cache", ".git"):
        assert any(f"{name}: not looked at" in note for note in findings.notes)
    shutil.rmtree(copy / ".cache")
    (copy / ".cache").symlink_to("/")
    assert any(".cache" in fault for fault in faults(copy))


@pytest.mark.parametrize("name", [".cache", ".git", "data/.git", "data/.cache"])
def test_a_file_or_folder_of_the_wrong_kind_under_the_name_of_a_tools(copy: Path, name: str) -> None:
    (copy / name).write_text("pictures, maybe")
    assert any(name in fault for fault in faults(copy))
    (copy / name).unlink()
    (copy / ".gitattributes").mkdir()
    (copy / ".gitattributes" / "x").write_text("x")
    assert any(".gitattributes" in fault for fault in faults(copy))


LITTER = [
    ".DS_Store",
    "data/.DS_Store",
    "data/._labels.csv",
    "Thumbs.db",
    "data/desktop.ini",
    "provenance/Desktop.ini",
]


def test_what_operating_systems_leave_is_noted_and_no_damage(copy: Path) -> None:
    for name in LITTER:
        (copy / name).write_bytes(b"\0\0\0\1Bud1")
    findings = verify_published(copy)
    assert findings.faults == []
    for name in LITTER:
        assert sum(str(copy / name) + ":" in note for note in findings.notes) == 1
    (copy / "._folder").mkdir()
    (copy / "data" / "._link").symlink_to("labels.csv")
    found = faults(copy)
    assert any("._folder" in fault for fault in found)
    assert any("._link" in fault for fault in found)


def hub_cache(release: Path, home: Path) -> Path:
    """The snapshot of a release as the Hub's client keeps it: links into blobs/, two folders up or more."""
    cache = home / "datasets--org--data"
    snapshot = cache / "snapshots" / ("a" * 40)
    (cache / "blobs").mkdir(parents=True)
    for path in files_of(release):
        inside = path.relative_to(release)
        blob = cache / "blobs" / file_sha256(path)
        shutil.copy(path, blob)
        place = snapshot / inside
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(Path(*[".."] * (len(inside.parts) + 1), "blobs", blob.name))
    return snapshot


def test_a_snapshot_in_the_hubs_cache_is_read_through_its_links(copy: Path, tmp_path: Path) -> None:
    snapshot = hub_cache(copy, tmp_path / "hub")
    findings = verify_published(snapshot, decode_image)
    assert findings.faults == []
    assert any("links of the Hub's cache" in note for note in findings.notes)
    blob = (snapshot / "data" / "demo-object-test-00000.tar").resolve()
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    assert any("demo-object-test-00000.tar" in fault for fault in faults(snapshot))


def test_links_of_a_cache_that_lead_elsewhere_are_refused(copy: Path, tmp_path: Path) -> None:
    snapshot = hub_cache(copy, tmp_path / "hub")
    card = snapshot / "README.md"
    target = card.readlink()
    shutil.copy(card.resolve(), tmp_path / "outside")
    for elsewhere in (
        tmp_path / "outside",
        Path("../../../../outside"),
        Path("../../../blobs") / target.name,
    ):
        card.unlink()
        card.symlink_to(elsewhere)
        assert any("README.md" in fault for fault in faults(snapshot)), elsewhere
    card.unlink()
    card.symlink_to(target)
    blob = card.resolve()
    blob.unlink()
    blob.symlink_to(tmp_path / "outside")
    assert any("README.md" in fault for fault in faults(snapshot))


def test_a_copy_of_dangling_links_says_how_to_fetch_the_files(copy: Path, tmp_path: Path) -> None:
    snapshot = hub_cache(copy, tmp_path / "hub")
    moved = Path(shutil.copytree(snapshot, tmp_path / "moved", symlinks=True))
    assert any("hf download" in fault for fault in faults(moved))
    (moved / RELEASE).unlink()
    shutil.copy(copy / RELEASE, moved / RELEASE)
    found = faults(moved)
    assert all("hf download" in fault for fault in found if "README.md" in fault)


@pytest.mark.parametrize(
    "name",
    [RELEASE, SUMS, "README.md", "data/labels.csv", "data/demo-object-test-00000.tar", "data/manifest.json"],
)
def test_links_are_not_followed(copy: Path, tmp_path: Path, name: str) -> None:
    (copy / name).rename(tmp_path / "real")
    (copy / name).symlink_to(tmp_path / "real")
    assert not verify_release(copy).ok


def test_a_linked_folder_is_a_fault(copy: Path, tmp_path: Path) -> None:
    (copy / "data").rename(tmp_path / "data")
    (copy / "data").symlink_to(tmp_path / "data")
    assert any("link" in fault or "plain file" in fault for fault in faults(copy))


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "/etc/passwd",
        "data/../../x",
        "data//x",
        "./x",
        "a\\b",
        "data/",
        "C:x",
        ".git/config",
        "x\ny",
        "ü",
    ],
)
def test_paths_that_lead_elsewhere_are_refused(copy: Path, path: str) -> None:
    record = read_release(copy)
    entry = {"path": path, "bytes": 1, "sha256": "0" * 64}
    write_sealed(copy / RELEASE, {**record, "files": [*record["files"], entry]})
    (fault,) = faults(copy)
    assert "not a valid release" in fault


def test_a_file_that_is_listed_twice_is_refused(copy: Path) -> None:
    record = read_release(copy)
    for entry in (
        record["files"][0],
        {**record["files"][0], "path": record["files"][0]["path"].upper()},
        {**record["files"][0], "path": SUMS},
    ):
        write_sealed(copy / RELEASE, {**record, "files": [*record["files"], entry]})
        assert "listed twice" in faults(copy)[0]


def test_a_release_without_its_record_or_of_another_kind(copy: Path) -> None:
    (copy / RELEASE).write_text("[]")
    assert faults(copy)
    (copy / RELEASE).unlink()
    assert "no release here" in faults(copy)[0]


def table(folder: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(folder / "labels.parquet")


def store(folder: Path, changed: Any) -> None:
    import pyarrow.parquet as pq

    pq.write_table(changed, folder / "labels.parquet")


def other_value(folder: Path) -> None:
    found = table(folder)
    store(folder, found.set_column(3, found.column_names[3], [["hat"] * found.num_rows]))


def fewer_rows(folder: Path) -> None:
    store(folder, table(folder).slice(1))


def other_order(folder: Path) -> None:
    store(folder, table(folder).take(list(range(table(folder).num_rows))[::-1]))


def other_columns(folder: Path) -> None:
    store(folder, table(folder).drop_columns(["color"]))


def numbers(folder: Path) -> None:
    found = table(folder)
    store(folder, found.set_column(3, found.column_names[3], [list(range(found.num_rows))]))


def large_cells(folder: Path) -> None:
    found = table(folder)
    store(folder, found.set_column(3, found.column_names[3], [["x" * (1 << 20)] * found.num_rows]))


def no_table(folder: Path) -> None:
    (folder / "labels.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1")


def other_croissant(folder: Path) -> None:
    path = folder / "croissant.json"
    record = json.loads(path.read_text())
    record["distribution"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(record))


def outside_croissant(folder: Path) -> None:
    path = folder / "croissant.json"
    record = json.loads(path.read_text())
    record["distribution"][0]["contentUrl"] = "../../etc/passwd"
    path.write_text(json.dumps(record))


def odd_croissant(folder: Path) -> None:
    (folder / "croissant.json").write_text("[1]")


def other_plan_file(folder: Path) -> None:
    with (folder / "provenance" / "plan" / "plan.jsonl").open("a") as stream:
        stream.write("\n")


def no_spec(folder: Path) -> None:
    (folder / "provenance" / "plan" / "specs" / "demo-object.json").unlink()


def other_labels(folder: Path) -> None:
    path = folder / "data" / "labels.csv"
    path.write_text(path.read_text().replace("hat", "bag", 1))


def relabelled_picture(folder: Path) -> None:
    """A shard whose JSON says another label, with everything that hashes it made anew, but for labels.csv."""
    name = "demo-object-test-00000.tar"
    samples = list(read_shard(folder / "data" / name))
    samples[0].record["labels"]["color"] = "none"
    facts = write_shard(folder / "data" / name, samples)
    manifest = read_manifest(folder / "data")
    for entry in manifest["files"]:
        if entry["name"] == name:
            entry |= {"bytes": facts.bytes, "sha256": facts.sha256}
    manifest["fingerprint"] = fingerprint({n: manifest[n] for n in ("plan", "renderer", "files")})
    write_sealed(folder / "data" / "manifest.json", manifest)


def entity_outside(folder: Path) -> None:
    """An entity whose name leads out of the folder, to a spec that is whole."""
    manifest = read_manifest(folder / "data")
    (facts,) = manifest["entities"].values()
    manifest["entities"]["../../../../outside"] = {**facts, "samples": 0}
    shutil.copy(folder / "provenance" / "plan" / "specs" / "demo-object.json", folder.parent / "outside.json")
    write_sealed(folder / "data" / "manifest.json", manifest)


def report_from_nowhere(folder: Path) -> None:
    (folder / "baselines").mkdir()
    (folder / "baselines" / "report.json").write_text("{}")


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (other_value, "labels.parquet"),
        (fewer_rows, "rows"),
        (other_order, "labels.parquet"),
        (other_columns, "other columns"),
        (numbers, "other columns"),
        (large_cells, "too long"),
        (no_table, "cannot be read"),
        (other_croissant, "croissant.json"),
        (outside_croissant, "croissant.json"),
        (odd_croissant, "not what it should be"),
        (other_plan_file, "plan.jsonl"),
        (no_spec, "specs"),
        (other_labels, "labels.csv"),
        (relabelled_picture, "labels.csv"),
        (report_from_nowhere, "report"),
        (entity_outside, "outside.json"),
    ],
)
def test_forgeries_that_do_not_agree_with_themselves(
    copy: Path, forge: Callable[[Path], None], said: str
) -> None:
    """Even with release.json and SHA256SUMS made anew."""
    forge(copy)
    seal_again(copy)
    found = faults(copy)
    assert any(said in fault for fault in found), found


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": 19},
        {"entities": {"demo-object": 19}},
        {"manifest": "0" * 64},
        {"plan": "0" * 64},
        {"run_manifest": "0" * 64},
        {"version": "9.0.0"},
    ],
)
def test_a_record_that_says_something_else_is_told(copy: Path, changes: dict[str, Any]) -> None:
    seal_again(copy, **changes)
    assert faults(copy)


def test_a_bomb_is_not_unpacked(copy: Path) -> None:
    """A picture of 30000 x 30000 in a few bytes: its header is enough. A text of more than 64 MiB is not parsed."""
    import io

    from PIL import Image

    bomb = io.BytesIO()
    Image.new("1", (30000, 30000)).save(bomb, "PNG")
    with pytest.raises(Exception, match="too"):
        decode_image(bomb.getvalue(), "bomb")
    with (copy / "croissant.json").open("r+b") as stream:
        stream.truncate((64 << 20) + 1)
    seal_again(copy)
    assert any("too large" in fault for fault in faults(copy))


def test_a_record_that_is_too_large_is_not_read(copy: Path) -> None:
    with (copy / RELEASE).open("r+b") as stream:
        stream.truncate((64 << 20) + 1)
    (fault,) = faults(copy)
    assert "too large" in fault


def test_a_forgery_that_agrees_with_itself_has_another_digest(copy: Path, plain_release: Path) -> None:
    """Nothing in a folder can show it: that is what the published digest is for."""
    renew(copy, authors=["Somebody Else"])
    assert "Somebody Else" in (copy / "README.md").read_text()
    assert verify_published(copy, decode_image).faults == []
    assert file_sha256(copy / RELEASE) != file_sha256(plain_release / RELEASE)
