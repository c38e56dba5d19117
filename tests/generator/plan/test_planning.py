"""The planning stage: a plan folder that is complete, whole, and says what it was made from."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clay_eval.generator.plan import planning
from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.plan.coverage import coverage
from clay_eval.generator.plan.planning import PlanRequest, read_plan_record, write_plan
from clay_eval.schemas.entity import EntitySpec, load_entity, parse_entity
from clay_eval.schemas.errors import (
    BusyError,
    ConfigChangedError,
    InputError,
    IntegrityError,
    StorageError,
)
from clay_eval.schemas.files import locked
from clay_eval.schemas.samples import SampleSpec, read_plan
from clay_eval.schemas.texts import ConditionTexts, load_texts, texts_from_values

SPEC: dict[str, Any] = {
    "schema": "clay-eval/entity-spec/1",
    "entity": "toy",
    "attributes": [
        {"name": "color", "values": ["red", "bleu é"]},
        {"name": "kind", "values": ["car", "kite"]},
    ],
    "diversity": [{"name": "light", "values": ["dim", "bright"]}],
    "prompt": "{color} {kind} {light}",
    "images_per_combination": 3,
}


def toy(**change: Any) -> EntitySpec:
    return parse_entity({**copy.deepcopy(SPEC), **change}, "toy.json")


def texts() -> ConditionTexts:
    return texts_from_values("toy", {"color": [("red", None)], "kind": [("car", None)]})


def request(**change: Any) -> PlanRequest:
    return PlanRequest(**{"specs": [toy(), toy(entity="other")], "texts": [texts(), None], **change})


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def test_the_folder_holds_all_that_comes_next(tmp_path: Path) -> None:
    done: list[int] = []
    record = write_plan(request(count=5, seed=9), tmp_path, done.append)
    assert sorted(content(tmp_path)) == [
        "conditions/toy.json",
        "coverage.json",
        "coverage.md",
        "plan.json",
        "plan.jsonl",
        "specs/other.json",
        "specs/toy.json",
    ]
    samples = list(read_plan(tmp_path / "plan.jsonl"))
    plans = [Plan(toy(), count=5, seed=9), Plan(toy(entity="other"), count=5, seed=9)]
    assert samples == [s for plan in plans for s in plan]
    assert load_entity(tmp_path / "specs" / "toy.json").fingerprint == toy().fingerprint
    assert load_texts(tmp_path / "conditions" / "toy.json").fingerprint == texts().fingerprint
    assert json.loads((tmp_path / "coverage.json").read_text()) == {
        p.spec.entity: json.loads(json.dumps(coverage(p))) for p in plans
    }
    assert "## toy" in (tmp_path / "coverage.md").read_text()
    assert sum(done) == 10 == record["samples"]
    assert record["settings"] == {"seed": 9, "count": 5}
    assert record["entities"]["toy"] == {
        "spec": toy().fingerprint,
        "texts": texts().fingerprint,
        "combinations": 4,
        "excluded": 0,
        "samples": 5,
    }
    assert record["entities"]["other"]["texts"] is None
    files = {n: hashlib.sha256(d).hexdigest() for n, d in content(tmp_path).items() if n != "plan.json"}
    assert record["files"] == files
    assert record == read_plan_record(tmp_path)


def test_the_same_request_gives_the_same_bytes_and_leaves_a_finished_plan_alone(tmp_path: Path) -> None:
    write_plan(request(), tmp_path / "a")
    write_plan(request(), tmp_path / "b")
    assert content(tmp_path / "a") == content(tmp_path / "b")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*")}
    write_plan(request(), tmp_path / "a")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*")} == times


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed: 0 -> 1"),
        ({"count": 4}, "count: None -> 4"),
        ({"specs": [toy(), toy(entity="third")]}, "specs.third"),
        ({"specs": [toy(title="x"), toy(entity="other")]}, "specs.toy"),
        ({"texts": [None, None]}, "texts.toy"),
        ({"specs": [toy()], "texts": [texts()]}, "specs.other"),
    ],
)
def test_a_changed_request_is_refused_and_named(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    write_plan(request(), tmp_path)
    before = content(tmp_path)
    with pytest.raises(ConfigChangedError) as caught:
        write_plan(request(**change), tmp_path)
    assert named in caught.value.what
    assert caught.value.where == str(tmp_path)
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    "change",
    [
        {"specs": [], "texts": []},
        {"specs": [toy(), toy()]},
        {"count": 0},
        {"seed": -1},
        {
            "specs": [toy(exclusions=[{"when": {"color": ["red", "bleu é"]}, "reason": "no"}])],
            "texts": [None],
        },
    ],
)
def test_a_bad_request_writes_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        write_plan(request(**change), tmp_path / "plan")
    assert not (tmp_path / "plan").exists()


@pytest.mark.parametrize(
    "name", ["plan.jsonl", "coverage.json", "specs/toy.json", "conditions/toy.json", "plan.json"]
)
def test_a_changed_or_lost_file_is_noticed(tmp_path: Path, name: str) -> None:
    write_plan(request(), tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    for data in (whole[:-1], whole[:50] + bytes([whole[50] ^ 1]) + whole[51:], whole + b"\n"):
        path.write_bytes(data)
        with pytest.raises(IntegrityError) as caught:
            read_plan_record(tmp_path)
        assert str(caught.value.where).startswith(str(path))
    path.unlink()
    with pytest.raises((IntegrityError, InputError)):
        read_plan_record(tmp_path)


def test_no_plan_here(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_plan_record(tmp_path)
    assert caught.value.where == str(tmp_path / "plan.json")
    assert caught.value.hint is not None
    with pytest.raises(InputError):
        list(read_plan(tmp_path / "plan.jsonl"))
    with pytest.raises(InputError):
        list(read_plan(tmp_path))


@pytest.mark.parametrize("step", ["coverage", "coverage_markdown", "_record", "write_sealed"])
def test_after_an_exception_there_is_no_plan_and_the_next_run_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    write_plan(request(), tmp_path / "whole")
    monkeypatch.setattr(planning, step, fail)
    with pytest.raises(ZeroDivisionError):
        write_plan(request(), tmp_path / "plan")
    monkeypatch.undo()
    with pytest.raises(InputError):
        read_plan_record(tmp_path / "plan")
    write_plan(request(), tmp_path / "plan")
    assert content(tmp_path / "plan") == content(tmp_path / "whole")


def test_a_full_disk_in_the_middle_of_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    def full(self: SampleSpec) -> str:
        nonlocal taken
        taken += 1
        if taken > 7:
            raise OSError(28, "No space left on device")
        return "{}"

    monkeypatch.setattr(SampleSpec, "to_json", full)
    with pytest.raises(StorageError) as caught:
        write_plan(request(), tmp_path)
    assert caught.value.exit_code == 6
    assert not {"plan.json", "plan.jsonl"} & set(content(tmp_path))
    assert not [name for name in content(tmp_path) if name.endswith(".part")]


def test_leftovers_of_a_killed_run_go_and_others_files_are_no_part_of_the_plan(tmp_path: Path) -> None:
    for name in (".plan.jsonl.abcdefgh.part", "specs/.toy.json.abcdefgh.part", "conditions/.x.abcdefgh.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("half")
    (tmp_path / "notes.txt").write_text("mine")
    record = write_plan(request(), tmp_path)
    assert not [name for name in content(tmp_path) if name.endswith(".part")]
    assert "notes.txt" not in record["files"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


CODE = """
import sys
from pathlib import Path
from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.schemas.entity import load_entity
write_plan(PlanRequest([load_entity("demo-object")], [None], count=200_000), Path(sys.argv[1]), print)
"""


def test_a_killed_run_leaves_no_plan_and_no_lock(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-uc", CODE, str(tmp_path)], text=True, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "1000\n"
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert [name for name in content(tmp_path) if name.endswith(".part")]
    with pytest.raises(InputError):
        read_plan_record(tmp_path)
    assert write_plan(PlanRequest([load_entity("demo-object")], [None], count=10), tmp_path)["samples"] == 10
    assert not [name for name in content(tmp_path) if name.endswith(".part")]


def test_a_folder_in_use(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(BusyError):
        write_plan(request(), tmp_path)
    write_plan(request(), tmp_path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2"),
        ("", "line 2"),
        ("[]", "line 2 at $"),
        ('{"key": 1}', "line 2 at $"),
        ("FIRST", "stands twice"),
        ("x" * (3 << 20), "line 2"),
    ],
)
def test_a_bad_line_of_a_plan_is_numbered(tmp_path: Path, line: str, words: str) -> None:
    first = next(iter(Plan(toy()))).to_json()
    path = tmp_path / "plan.jsonl"
    path.write_text(f"{first}\n{first if line == 'FIRST' else line}\n")
    samples = read_plan(path)
    assert next(samples).key.startswith("toy-")
    with pytest.raises(InputError) as caught:
        next(samples)
    assert words in str(caught.value)
    assert f"{path} line 2" in str(caught.value)
