"""What changed decides the version, and nothing else does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import Publish, keys_of, render_run, review

from clay_eval.generator.publishing.versions import (
    FIRST,
    MAJOR,
    MINOR,
    PATCH,
    Changes,
    changes_since,
    next_version,
    parse_version,
    read_records,
    require_version,
)
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.release import read_release
from clay_eval.schemas.release_verify import verify_release

NUMBERS = st.integers(0, 999_998)


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([MAJOR, MINOR, PATCH]))
def test_the_next_version_is_larger_and_the_first_of_its_kind(a: int, b: int, c: int, kind: str) -> None:
    before = (a, b, c)
    after = parse_version(next_version(f"{a}.{b}.{c}", kind))
    assert after > before
    place = {MAJOR: 0, MINOR: 1, PATCH: 2}[kind]
    assert after[:place] == before[:place]
    assert after[place] == before[place] + 1
    assert not any(after[place + 1 :])


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "1.0.0.0", "v1.0.0", "1.0.0-rc.1", "1.0.00", "-1.0.0", "1.0.0\n", "1.٣.0"]
)
def test_other_texts_are_no_versions(text: str) -> None:
    with pytest.raises(InputError, match="no version"):
        parse_version(text)


@pytest.mark.parametrize(("kind", "right"), [(PATCH, "1.2.4"), (MINOR, "1.3.0"), (MAJOR, "2.0.0")])
def test_a_wrong_version_is_refused_with_the_right_one_and_why(kind: str, right: str) -> None:
    changes = Changes(kind, ("3 records did something",))
    for version in ("1.2.2", "1.2.3", "1.2.4", "1.2.5", "1.3.0", "1.4.0", "2.0.0", "3.0.0"):
        if version == right:
            require_version(version, "1.2.3", changes)
            continue
        with pytest.raises(InputError) as error:
            require_version(version, "1.2.3", changes)
        for said in (f"--version {right}", "3 records did something", "1.2.3", kind):
            assert said in str(error.value)
    require_version("0.1.0", None, Changes(FIRST, ()))


def judge(previous: Path, **changed: Any) -> Changes:
    """`changes_since` for the content of the release itself, with some of it changed."""
    manifest = read_manifest(previous / "data")
    records = read_records(previous / "labels.parquet")
    entities = {**manifest["entities"], **changed.get("entities", {})}
    for name in changed.get("without", ()):
        del entities[name]
    licence = changed.get("licence", "CC-BY-4.0")
    return changes_since(
        previous, {**manifest, "entities": entities}, licence, changed.get("records", lambda r: r)(records)
    )


def test_each_change_has_its_kind(plain_release: Path) -> None:
    (facts,) = read_manifest(plain_release / "data")["entities"].values()
    first, second = sorted(read_records(plain_release / "labels.parquet"))[:2]
    new = {"new": b"x" * 64}
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({}, PATCH, "no record"),
        ({"records": lambda r: r | new}, MINOR, "1 records added"),
        ({"entities": {"other": facts}, "records": lambda r: r | new}, MINOR, "1 records added"),
        ({"records": lambda r: {k: v for k, v in r.items() if k != first}}, MAJOR, "1 records removed"),
        ({"records": lambda r: r | {first: r[second]}}, MAJOR, "1 records changed"),
        ({"records": lambda r: r | {first: r[first][:32] + b"x" * 32}}, MAJOR, "1 records changed"),
        ({"licence": "CC-BY-NC-4.0"}, MAJOR, "the licence changed from CC-BY-4.0"),
        ({"without": ["demo-object"], "entities": {"other": facts}}, MAJOR, "demo-object was removed"),
        ({"entities": {"demo-object": {**facts, "attributes": ["color"]}}}, MAJOR, "attributes changed"),
        ({"entities": {"demo-object": {**facts, "parents": {}}}}, MAJOR, "to none"),
        ({"entities": {"demo-object": {**facts, "samples": 7}}}, PATCH, "no record"),
    ]
    for changed, kind, said in cases:
        found = judge(plain_release, **changed)
        assert found.kind == kind, changed
        assert any(said in line for line in found.lines), found.lines


def test_a_series_of_releases(
    plain_run: Path, plain_release: Path, publish_run: Publish, tmp_path: Path
) -> None:
    """Texts only: patch, and what the first said is kept. Other pictures: major. Each log holds the ones before."""
    patch = publish_run(
        plain_run,
        tmp_path / "p",
        version="1.0.1",
        date="2026-12-01",
        previous=plain_release,
        notes=["typing errors mended"],
    )
    first = read_release(plain_release)
    for name in ("title", "name", "authors", "contact", "url", "licence"):
        assert patch[name] == first[name]
    assert [e["version"] for e in patch["log"]] == ["1.0.0", "1.0.1"]
    assert patch["log"][0] == first["log"][0]
    assert patch["log"][1]["changes"] == ["typing errors mended", "no record was added, changed or removed"]
    with pytest.raises(InputError, match=r"--version 1\.0\.1"):
        publish_run(plain_run, tmp_path / "x", version="1.1.0", previous=plain_release)
    other = render_run(tmp_path / "run", 24, seed=1)
    with pytest.raises(InputError, match=r"--version 2\.0\.0"):
        publish_run(other, tmp_path / "x", version="1.0.2", previous=tmp_path / "p")
    major = publish_run(other, tmp_path / "m", version="2.0.0", previous=tmp_path / "p", title="Another")
    assert major["log"][-1]["kind"] == MAJOR
    assert major["name"] == first["name"]
    text = (tmp_path / "m" / "CHANGELOG.md").read_text()
    assert text.index("## 2.0.0") < text.index("## 1.0.1") < text.index("## 1.0.0")
    assert verify_release(tmp_path / "m").faults == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "p", "run"]


def test_a_review_between_two_releases_decides_their_versions(
    judged_run: Path, judged_release: Path, publish_run: Publish, tmp_path: Path
) -> None:
    """A picture that was brought back is added; one that was removed is missing."""
    run = Path(shutil.copytree(judged_run, tmp_path / "run"))
    inside, outside = keys_of(run)
    review(run, accept=outside[:1])
    minor = publish_run(run, tmp_path / "a", version="1.1.0", previous=judged_release)
    assert minor["log"][-1]["changes"] == ["1 records added"]
    review(run, remove={inside[0]: "blurred"})
    with pytest.raises(InputError, match=r"--version 2\.0\.0"):
        publish_run(run, tmp_path / "b", version="1.2.0", previous=tmp_path / "a")
    major = publish_run(run, tmp_path / "b", version="2.0.0", previous=tmp_path / "a")
    assert major["log"][-1]["changes"] == ["1 records removed"]
    assert [entry["kind"] for entry in major["log"]] == [FIRST, MINOR, MAJOR]


def test_the_date_of_a_version_is_found_in_the_log(
    plain_run: Path, publish_run: Publish, tmp_path: Path
) -> None:
    made = publish_run(plain_run, tmp_path / "r", date="2026-05-05")
    assert publish_run(plain_run, tmp_path / "r", date=None) == made
    with pytest.raises(InputError, match="needs a date"):
        publish_run(plain_run, tmp_path / "s", version="1.0.1", previous=tmp_path / "r", date=None)


def test_packing_anew_alone_is_no_change_of_records(
    plain_release: Path, judged_release: Path, judged_run: Path
) -> None:
    """The digests in labels.parquet are of the JSON as it is published, whichever way it was packed."""
    from clay_eval.schemas.release import table_digests
    from clay_eval.schemas.shards import read_shard

    records = read_records(judged_release / "labels.parquet")
    for path in sorted((judged_run / "shards").glob("*.tar")):
        for sample in read_shard(path):
            assert records[sample.key] == bytes.fromhex("".join(table_digests(sample)))


def test_a_damaged_previous_release_is_refused(plain_release: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(plain_release, tmp_path / "r"))
    table = copy / "labels.parquet"
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.write_bytes(data)
    with pytest.raises(IntegrityError, match="previous release"):
        changes_since(copy, read_manifest(copy / "data"), "CC-BY-4.0", {})
    (tmp_path / "no.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(IntegrityError, match="no table"):
        read_records(tmp_path / "no.parquet")
    with pytest.raises(InputError, match="no release here"):
        changes_since(tmp_path, {}, "CC-BY-4.0", {})
