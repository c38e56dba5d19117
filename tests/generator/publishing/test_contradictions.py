"""A release that contradicts itself is refused, with every sum, seal, count, table and text of it made anew."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forging import (
    PLAN,
    REPORT,
    SCORES,
    change_plan,
    change_report,
    change_samples,
    name_plan,
    renew,
    seal_again,
)
from small_runs import Publish

from clay_eval.generator.publishing.verification import verify_published
from clay_eval.schemas.files import write_sealed
from clay_eval.schemas.fingerprint import file_sha256, fingerprint
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.shards import ShardSample

BLOCK = 512


@pytest.fixture(scope="session")
def full_release(finished: Path, publish_run: Publish, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release of a run of two entities with its report. Not to be altered."""
    target = tmp_path_factory.mktemp("releases") / "full"
    publish_run(finished, target, authors=["A. Author"], copy=True)
    return target


@pytest.fixture
def copy(plain_release: Path, tmp_path: Path) -> Path:
    """20 pictures, no report."""
    return Path(shutil.copytree(plain_release, tmp_path / "r"))


@pytest.fixture
def reported(full_release: Path, tmp_path: Path) -> Path:
    """120 pictures and the report of them."""
    return Path(shutil.copytree(full_release, tmp_path / "r"))


def faults(folder: Path) -> list[str]:
    return verify_published(folder).faults


def refused(folder: Path, *said: str) -> None:
    """One fault names all of these."""
    found = faults(folder)
    assert any(all(text in fault for text in said) for fault in found), found


def test_a_whole_release_is_well_and_making_it_anew_changes_nothing(
    reported: Path, full_release: Path
) -> None:
    findings = verify_published(reported)
    assert findings.faults == []
    assert any("need features" in note for note in findings.notes)
    renew(reported)
    for path in sorted(p for p in full_release.rglob("*") if p.is_file()):
        assert (reported / path.relative_to(full_release)).read_bytes() == path.read_bytes(), path


def swapped(samples: list[ShardSample]) -> None:
    """Labels of two samples change places."""
    first = samples[0].record
    second = next(s.record for s in samples if s.record["labels"] != first["labels"])
    first["labels"], second["labels"] = second["labels"], first["labels"]


def swap_all(samples: list[ShardSample]) -> None:
    """Everything but the keys of two samples changes places."""
    first, second = samples[0].record, samples[-1].record
    for name in first.keys() - {"key"}:
        first[name], second[name] = second[name], first[name]


def other(name: str, value: Any) -> Callable[[list[ShardSample]], None]:
    def change(samples: list[ShardSample]) -> None:
        samples[1].record[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (swapped, "labels"),
        (swap_all, "combination"),
        (other("seed", 7), "seed"),
        (other("seed", 7.0), "seed"),
        (other("prompt", "a photo of nothing"), "prompt"),
        (other("negative_prompt", "text"), "negative prompt"),
        (other("index", 9), "index"),
        (other("index", False), "index"),
        (other("combination", 10**6), "combination"),
        (other("attempt", 2), "attempt"),
        (other("attempt", 0), "attempt"),
        (other("attempt", True), "attempt"),
        (other("renderer", {"type": "another"}), "renderer"),
    ],
)
def test_samples_are_those_of_the_plan(
    copy: Path, change: Callable[[list[ShardSample]], None], said: str
) -> None:
    keys: list[str] = []
    name = change_samples(copy, lambda samples: (change(samples), keys.extend(s.key for s in samples)))
    renew(copy)
    key = keys[0] if change in (swapped, swap_all) else keys[1]
    refused(copy, name, key, said)
    if change is swap_all:
        refused(copy, name, keys[-1], said)


def test_swapped_labels_name_both_keys(copy: Path) -> None:
    name = change_samples(copy, swapped)
    renew(copy)
    said = [fault for fault in faults(copy) if f"{name}: " in fault and "labels" in fault]
    assert len(said) == 2


def test_a_diversity_label_is_the_plans(copy: Path) -> None:
    def change(samples: list[ShardSample]) -> None:
        first = samples[0].record["diversity"]
        second = next(s.record["diversity"] for s in samples if s.record["diversity"] != first)
        samples[0].record["diversity"], second_of = second, first
        next(s for s in samples[1:] if s.record["diversity"] == second).record["diversity"] = second_of

    name = change_samples(copy, change, number=1)
    renew(copy)
    refused(copy, name, "diversity")


def test_samples_lie_where_the_plan_puts_them(copy: Path) -> None:
    name = change_samples(copy, lambda samples: samples.reverse())
    renew(copy)
    refused(copy, name, "order")


def test_every_sample_is_in_the_right_tar(plain_release: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(plain_release, tmp_path / "r"))
    moved: list[ShardSample] = []
    change_samples(copy, lambda samples: moved.append(samples.pop()))
    name = change_samples(copy, lambda samples: samples.insert(0, moved[0]), number=1)
    renew(copy)
    refused(copy, name, moved[0].key, "belongs in")


def test_a_sample_that_is_not_in_the_plan(copy: Path) -> None:
    change_plan(copy, lambda lines: lines[:3] + lines[4:])
    renew(copy, remake=False)
    refused(copy, "plan.jsonl", "order")


def test_the_plan_has_the_fingerprint_of_its_content(copy: Path) -> None:
    path = copy / PLAN / "plan.json"
    record = json.loads(path.read_text())
    record["settings"]["seed"] = 99
    write_sealed(path, record)
    renew(copy)
    refused(copy, "plan.json", "fingerprint")
    record["fingerprint"] = "f" * 64
    write_sealed(path, record)
    name_plan(copy, record)
    renew(copy)
    refused(copy, "plan.json", "fingerprint")


def test_the_manifest_counts_what_was_planned(copy: Path) -> None:
    path = copy / "data" / "manifest.json"
    manifest = json.loads(path.read_text())
    values = manifest["balance"]["demo-object"]["color"]
    one, two = list(values)[:2]
    values[one][0] += 1
    values[two][0] -= 1
    write_sealed(path, manifest)
    renew(copy, remake=False)
    refused(copy, "plan.jsonl", "planned")


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("README.md", r"\| \d+ \|"),
        ("datasheet.md", r"(\d+) of `demo"),
        ("CHANGELOG.md", r"1\.0\.0"),
        ("eval.yaml", r"\d+ labelled"),
        ("croissant.json", r"\d+ labelled"),
        ("licences/README.md", r"4\.0"),
        ("datasheet.md", r"\n$"),
    ],
)
def test_texts_are_made_from_the_records(copy: Path, path: str, pattern: str) -> None:
    change_first(copy / path, pattern)
    seal_again(copy)
    refused(copy, path, "records")


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("baselines/results.csv", r"0\.\d+"),
        ("README.md", r"\| \d+\.\d \|"),
        ("datasheet.md", r"are there[^0-9]*\d+:"),
    ],
)
def test_texts_say_what_the_report_says(reported: Path, path: str, pattern: str) -> None:
    change_first(reported / path, pattern)
    seal_again(reported)
    refused(reported, path, "records")


def change_first(path: Path, pattern: str) -> None:
    """Change a digit, or else a letter, of the first match."""
    text = path.read_text()
    match = re.search(pattern, text)
    assert match is not None
    changed = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), match[0], count=1)
    changed = changed if changed != match[0] else match[0] + "x"
    path.write_text(text[: match.start()] + changed + text[match.end() :])


def test_a_text_that_is_missing_or_one_too_many(copy: Path) -> None:
    (copy / "eval.yaml").unlink()
    (copy / "NOTES.md").write_text("mine")
    seal_again(copy)
    refused(copy, "eval.yaml")
    (copy / "eval.yaml").touch()
    seal_again(copy)
    refused(copy, "eval.yaml", "records")


def test_a_file_that_publish_does_not_make(reported: Path) -> None:
    (reported / "baselines" / "more.csv").write_text("mine")
    seal_again(reported)
    refused(reported, "more.csv")


def change_line(folder: Path, number: int, column: int, text: str) -> None:
    path = folder / SCORES
    lines = path.read_text().splitlines(keepends=True)
    cells = lines[number].rstrip("\n").split(",")
    cells[column] = text
    lines[number] = ",".join(cells) + "\n"
    path.write_text("".join(lines))


@pytest.mark.parametrize(
    "name",
    [
        "value",
        "ci_low",
        "ci_high",
        "chance",
        "queries",
        "queries_without_relevant",
        "hard_negatives_chance",
    ],
)
def test_results_follow_from_the_scores(reported: Path, name: str) -> None:
    def change(report: dict[str, Any]) -> None:
        row = next(r for r in report["results"] if r["value"] and r["value"] < 0.9 and name in r)
        row[name] = row[name] + (0.01 if isinstance(row[name], float) else 1)

    change_report(reported, change)
    renew(reported)
    refused(reported, "report.json", "results", name)


def test_a_report_that_does_not_count_hard_negatives_is_well(reported: Path) -> None:
    """As reports were before they were counted."""

    def change(report: dict[str, Any]) -> None:
        for row in report["results"]:
            for name in ("hard_negatives", "hard_negatives_chance"):
                row.pop(name, None)

    change_report(reported, change)
    renew(reported)
    assert faults(reported) == []


@pytest.mark.parametrize(
    "name", ["difference", "ci_low", "p", "p_adjusted", "better", "significant", "effect"]
)
def test_comparisons_follow_from_the_scores(reported: Path, name: str) -> None:
    def change(report: dict[str, Any]) -> None:
        row = next(r for r in report["comparisons"] if r["p"] < 0.5 and r["effect"] is not None)
        value = row[name]
        row[name] = not value if isinstance(value, bool) else value + (0.1 if value < 0.5 else -0.1)

    change_report(reported, change)
    renew(reported)
    refused(reported, "report.json", "comparisons", name)


def test_numbers_of_the_entities_follow_from_the_labels(reported: Path) -> None:
    for name in ("images", "queries", "database"):
        before = (reported / REPORT).read_bytes()

        def change(report: dict[str, Any], name: str = name) -> None:
            report["entities"]["demo-human"][name] += 1

        change_report(reported, change)
        renew(reported)
        refused(reported, "report.json", "demo-human", name)
        (reported / REPORT).write_bytes(before)


@pytest.mark.parametrize(
    ("column", "text"),
    [(-1, "0.123"), (-1, "nan"), (-1, "1.5"), (-2, "0.50"), (-1, ""), (6, "nobody"), (1, "mine")],
)
def test_a_changed_score_is_seen(reported: Path, column: int, text: str) -> None:
    change_line(reported, 3, column, text)
    renew(reported)
    assert any("report" in fault or "per_query" in fault for fault in faults(reported))


def test_scores_that_are_left_out_or_added(reported: Path) -> None:
    path = reported / SCORES
    lines = path.read_text().splitlines(keepends=True)
    for changed in (lines[:-1], [*lines, lines[-1]], [lines[0], *lines[:0:-1]], ['"' + "x" * 70000]):
        path.write_text("".join(changed))
        renew(reported)
        refused(reported, "per_query.csv")


def test_a_method_that_is_left_out_of_the_results(reported: Path) -> None:
    def change(report: dict[str, Any]) -> None:
        report["results"] = [row for row in report["results"] if row["method"] != "raw"]

    change_report(reported, change)
    renew(reported)
    refused(reported, "per_query.csv")


def test_draws_beyond_reason_are_not_made_and_said(reported: Path) -> None:
    def change(report: dict[str, Any]) -> None:
        report["settings"]["bootstrap_draws"] = 10**12

    change_report(reported, change)
    renew(reported)
    findings = verify_published(reported)
    assert findings.faults == []
    assert any("not made again" in note and "intervals" in note for note in findings.notes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"models": [{"role": "renderer", "name": "sd", "revision": None, "digest": None,
                      "licence": {"id": "x", "title": "x", "url": None}, "outputs": "free", "allows": "all",
                      "text": None, "accepted": False}]}, "models"),
        ({"licence": {"id": "CC-BY-4.0", "title": "CC0", "url": "https://example.org"}}, "licence"),
        ({"review": {"accepted": 3, "removed": {}}}, "review"),
        ({"version": "2.0.0"}, "log"),
        ({"date": "2020-01-01"}, "log"),
        ({"layout": 99}, "layout"),
    ],
)  # fmt: skip
def test_the_record_agrees_with_what_it_is_of(copy: Path, changes: dict[str, Any], said: str) -> None:
    renew(copy, **changes)
    refused(copy, "release.json", said)


def test_the_licence_of_a_model_is_the_one_it_has(judged_release: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(judged_release, tmp_path / "r"))
    (judge,) = json.loads((copy / "release.json").read_text())["models"]
    free = {"id": "mit", "title": "MIT License", "url": None}
    seal_again(copy, models=[{**judge, "allows": "What is made with it may be used for any purpose."}])
    refused(copy, "release.json", "licence of a model")
    seal_again(copy, models=[{**judge, "licence": free}])
    notes = verify_published(copy).notes
    assert any("not known here: not checked" in note for note in notes), notes


def retar(folder: Path, change: Callable[[bytes, Path], bytes]) -> str:
    """Change the bytes of the first tar, and every sum of it."""
    manifest = json.loads((folder / "data" / "manifest.json").read_text())
    entry = manifest["files"][0]
    path = folder / "data" / entry["name"]
    path.write_bytes(change(path.read_bytes(), path))
    entry |= {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    manifest["fingerprint"] = fingerprint({k: manifest[k] for k in ("plan", "renderer", "files")})
    write_sealed(folder / "data" / "manifest.json", manifest)
    return str(entry["name"])


def padded(data: bytes, path: Path) -> bytes:
    with tarfile.open(path) as tar:
        member = next(m for m in tar if m.size % BLOCK)
    place = member.offset_data + member.size
    return data[:place] + b"\1" + data[place + 1 :]


def commented(data: bytes, path: Path) -> bytes:
    """A pax header of its own for the first member."""
    with tarfile.open(path) as tar:
        member = next(iter(tar))
    member.pax_headers = {"comment": "labels were swapped"}
    return member.tobuf(tarfile.PAX_FORMAT) + data[BLOCK:]


def commented_for_all(data: bytes, path: Path) -> bytes:
    return tarfile.TarInfo.create_pax_global_header({"comment": "x", "path": "y"}) + data


def owned(data: bytes, path: Path) -> bytes:
    with tarfile.open(path) as tar:
        member = next(iter(tar))
    member.mtime, member.uname = 1, "somebody"
    return member.tobuf(tarfile.PAX_FORMAT) + data[BLOCK:]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (padded, "padding"),
        (commented, "header"),
        (commented_for_all, "header"),
        (owned, "header"),
        (lambda data, _: data + bytes(10240), "end"),
        (lambda data, _: data + b"\0", "end"),
        (lambda data, _: data + b"hidden", "last readable member"),
        (lambda data, _: data[:-BLOCK], "end"),
        (lambda data, _: data[:-BLOCK] + b"hidden".ljust(BLOCK), "last readable member"),
    ],
)
def test_tars_are_those_that_clay_eval_writes(
    copy: Path, change: Callable[[bytes, Path], bytes], said: str
) -> None:
    name = retar(copy, change)
    manifest = read_manifest(copy / "data")
    assert manifest["files"][0]["name"] == name
    try:
        renew(copy, remake=False)
    except Exception:  # the strict reader refuses already; sums are made anew at least
        seal_again(copy, manifest=manifest["fingerprint"], run_manifest=manifest["fingerprint"])
    refused(copy, name, said)
