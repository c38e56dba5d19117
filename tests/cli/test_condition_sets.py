"""Many conditions, and what cannot be scored: what is left out, and that the rest is kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clay_eval.schemas.fingerprint import sealed_text

Cli = Callable[..., Any]


def write_columns(folder: Path, names: list[str]) -> None:
    """Further columns of two values to the labels of `folder`."""
    path = folder / "labels.csv"
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    for number, name in enumerate(names):
        rows[0].append(name)
        for i, row in enumerate(rows[1:]):
            row.append(str((i >> number % 5) % 2 ^ (number // 5 and i % 3 == 0)))
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)


@pytest.fixture
def evaluate(cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path) -> Callable[..., Any]:
    def call(*more: object, command: str = "evaluate") -> Any:
        data = ["--data", own_folder, "--out", tmp_path / "out", "--encoder", tiny_encoder, "--draws", 5]
        return cli(command, *data, "--method", "raw", "--json", *more)

    return call


def sets_of(outcome: Any) -> list[int]:
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    return sorted({len(r["conditions"]): r for r in record["results"]})


def test_beyond_four_conditions_pairs_are_scored_unless_larger_sets_are_asked_for(
    evaluate: Callable[..., Any], own_folder: Path
) -> None:
    write_columns(own_folder, ["a", "b"])
    outcome = evaluate()
    assert sets_of(outcome) == [1, 2, 3, 4]
    assert "15 sets of conditions x 1 method = 15 results" in outcome.err
    assert "largest_set" not in json.loads(outcome.out)["settings"]
    write_columns(own_folder, ["c"])
    outcome = evaluate("--replace")
    record = json.loads(outcome.out)
    assert sets_of(outcome) == [1, 2]
    assert record["settings"]["largest_set"] == 2
    assert "15 sets of conditions" in outcome.err
    for way_out in ("5 conditions of", "--largest-set", "--condition"):
        assert way_out in outcome.err
        assert way_out in record["warnings"][0]
    evaluate("--largest-set", 3).refused(3, "largest_set")
    outcome = evaluate("--largest-set", 3, "--replace")
    assert sets_of(outcome) == [1, 2, 3]
    again = evaluate()
    assert again.out == outcome.out, "without the option, what the report says stands"
    outcome = evaluate("--largest-set", 1, "--replace", "--condition", "color", "--condition", "a")
    assert sets_of(outcome) == [1]
    assert "largest_set" not in json.loads(evaluate("--largest-set", 9, "--replace").out)["settings"]


def test_a_report_of_a_version_without_a_bound_is_continued(
    evaluate: Callable[..., Any], own_folder: Path, tmp_path: Path, tiny_encoder: Path, cli: Cli
) -> None:
    """It says nothing of a largest set, and holds all of them."""
    write_columns(own_folder, ["a", "b", "c"])
    first = evaluate("--largest-set", 5)
    assert sets_of(first) == [1, 2, 3, 4, 5]
    assert evaluate().out == first.out
    options = ["--data", own_folder, "--out", tmp_path / "out", "--encoder", tiny_encoder]
    outcome = cli("export", *options, "--format", "trec", "--json")
    assert outcome.code == 0, outcome.err
    index = json.loads(next((tmp_path / "out" / "exports").rglob("index.json")).read_text())
    assert max(len(run["conditions"]) for run in index["runs"]) == 5


def test_too_many_sets_are_refused_before_any_work(
    evaluate: Callable[..., Any], own_folder: Path, tmp_path: Path
) -> None:
    write_columns(own_folder, [f"c{i}" for i in range(30)])
    evaluate("--largest-set", 4).refused(2, "too many sets of conditions", "--condition", "--largest-set")
    assert not (tmp_path / "out" / "features").exists()


def test_a_submission_says_its_largest_set_and_is_scored_by_it(
    evaluate: Callable[..., Any], own_folder: Path, tmp_path: Path, cli: Cli
) -> None:
    write_columns(own_folder, ["a", "b", "c"])
    to = tmp_path / "sent"
    outcome = evaluate("--name", "x", "--to", to, command="submit")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert record["settings"]["largest_set"] == 2
    assert {len(part["conditions"]) for part in record["parts"]} == {1, 2}
    outcome = cli("score", to, "--data", own_folder, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["settings"]["largest_set"] == 2
    told = json.loads((to / "method.json").read_text())
    del told["settings"]["largest_set"]
    (to / "method.json").write_text(sealed_text(told))
    cli("score", to, "--data", own_folder).refused(2, "a set of conditions is missing")


def test_a_condition_that_tells_nothing_apart_is_left_out_with_a_note(
    evaluate: Callable[..., Any], own_folder: Path
) -> None:
    """Two of the pictures alone share a value, and no split makes one the query of the other."""
    path = own_folder / "labels.csv"
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    rows[0].append("rare")
    for i, row in enumerate(rows[1:]):
        row.append(f"v{max(i, 1)}")
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    outcome = evaluate("--query-share", 0.05)
    record = json.loads(outcome.out)
    assert {tuple(r["conditions"]) for r in record["results"]} == {("color",), ("shape",), ("color", "shape")}
    assert "things: rare left out: no query has a relevant image in the database for rare" in outcome.err
    assert any("rare left out" in warning for warning in record["warnings"])
    assert outcome.err.index("rare left out") < outcome.err.index("embed")
    evaluate("--condition", "rare", "--condition", "color", "--replace").refused(
        2, "for rare", "leave this condition"
    )


FAILS_ON_HUMANS = """
class FailsOnHumans:
    def fit(self, database_features, text_features, text_conditions):
        if not {"category", "subcategory", "color"}.intersection(text_conditions):
            raise RuntimeError("no humans")
        return self
    def transform(self, features):
        return features
"""


def test_if_every_method_fails_on_one_entity_the_numbers_of_the_others_remain(
    cli: Cli, a_run: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fails_on_humans.py").write_text(FAILS_ON_HUMANS)
    monkeypatch.syspath_prepend(tmp_path)
    options = ["--out", a_run, "--encoder", tiny_encoder, "--draws", 5, "--replace", "--json"]
    method = ["--method", "fails_on_humans:FailsOnHumans"]
    outcome = cli("evaluate", *options, *method)
    assert outcome.code == 1, outcome.err
    record = json.loads(outcome.out)
    assert {r["entity"] for r in record["results"]} == {"demo-object"}
    assert {f["entity"] for f in record["failures"]} == {"demo-human"}
    assert all("no humans" in f["error"] for f in record["failures"])
    assert set(record["entities"]) == {"demo-object", "demo-human"}
    for page in ("report.html", "report.md", "queries.html", "per_query.csv"):
        assert (a_run / "report" / page).stat().st_size
    cli("evaluate", *options, *method, "--entity", "demo-human").refused(2, "no humans")
