"""`clay-eval submit`, `score` of a submission, and `leaderboard`: from a run to a page."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clay_eval.evaluator.pictures.opening import open_source

Cli = Callable[..., Any]


@pytest.fixture
def packed(cli: Cli, object_run: Path, run_options: list[str], tmp_path: Path) -> Path:
    """CLAY's submission on the run."""
    outcome = cli(
        *(
            "submit",
            "--out",
            object_run,
            "--method",
            "clay",
            "--name",
            "CLAY",
            "--version",
            "1",
            "--to",
            tmp_path / "s" / "clay",
        ),
        *(
            *run_options[-2:],
            "--code",
            "https://example.org/clay",
            "--training-data",
            "none",
            "--hardware",
            "2 cores",
        ),
        *("--conditions-seen", "none", "--seed", "3", "--json"),
    )
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert (record["name"], record["spec"], record["conditions_seen"], record["privileged"]) == (
        "CLAY",
        "clay",
        [],
        False,
    )
    return tmp_path / "s" / "clay"


def test_the_report_comes_out_again(cli: Cli, object_run: Path, packed: Path) -> None:
    report = json.loads((object_run / "report" / "report.json").read_text())
    outcome = cli("score", packed, "--out", object_run, "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert json.loads((packed / "score.json").read_text()) == record
    assert record["data"]["fingerprint"] == report["inputs"]["data"]["fingerprint"]
    wanted = {
        (tuple(row["conditions"]), row["metric"]): row for row in report["results"] if row["method"] == "clay"
    }
    assert len(record["results"]) == len(wanted)
    for row in record["results"]:
        other = wanted[tuple(row["conditions"]), row["metric"]]
        for name in ("value", "ci_low", "ci_high", "chance"):
            assert row[name] == pytest.approx(other[name], abs=1e-6)
    shown = cli("score", packed, "--out", object_run)
    assert "mean over all" in shown.out
    assert "chance" in shown.out


def test_per_query_scores_are_those_of_the_report(cli: Cli, object_run: Path, packed: Path) -> None:
    assert cli("score", packed, "--out", object_run).code == 0
    record = json.loads((packed / "score.json").read_text())
    found = sorted(
        value
        for one in record["per_query"][0]["sets"]
        for group in one["groups"]
        for value in group["values"]
    )
    with (object_run / "report" / "per_query.csv").open() as stream:
        wanted = sorted(float(r["AP"]) for r in csv.DictReader(stream) if r["method"] == "clay" and r["AP"])
    assert found == pytest.approx(wanted, abs=1e-6)


def test_from_submissions_to_a_page(
    cli: Cli, object_run: Path, run_options: list[str], packed: Path, tmp_path: Path
) -> None:
    folder = packed.parent
    submit = ("submit", "--out", object_run, "--seed", "3", *run_options[-2:])
    shown = cli(*submit, "--method", "clay(fusion=rrf)", "--runs", "--name", "RRF", "--to", folder / "rrf")
    assert shown.code == 0, shown.err
    assert "note: not said: code, training_data, conditions_seen, hardware" in shown.out
    for name in ("clay", "rrf"):
        assert cli("score", folder / name, "--out", object_run).code == 0
    page, table = tmp_path / "board.html", tmp_path / "board.md"
    for options, scores in (((), "claimed"), (("--out", object_run), "computed")):
        outcome = cli("leaderboard", folder, "--to", page, "--markdown", table, "--json", *options)
        assert outcome.code == 0, outcome.err
        board = json.loads(outcome.out)
        assert board["scores"] == scores
        rows = board["tables"][0]["rows"]
        assert {row["method"]["name"] for row in rows} == {"CLAY", "RRF"}
        assert [row["rank"] is None for row in rows] == [scores == "claimed"] * 2
        assert "RRF" in page.read_text()
        assert "| CLAY 1 |" in table.read_text()
        listed = cli("leaderboard", folder, "--to", page, *options)
        assert "demo-object, data" in listed.out
        assert listed.out.startswith(board["said"])
    assert cli("leaderboard", folder, "--to", page, "--alpha", "2").code == 2
    cli("leaderboard", folder, "--to", page, "--entity", "demo-object").refused(2, "--out RUN or --data DIR")
    cli("leaderboard", folder, "--to", page, "--out", tmp_path / "nowhere").refused(2)


def test_submissions_of_one_entity_are_found_in_a_run_of_two(
    cli: Cli, finished: Path, run_options: list[str], tmp_path: Path
) -> None:
    for entity in ("demo-object", "demo-human"):
        packed = cli(
            *("submit", "--out", finished, "--entity", entity, "--method", "raw", "--name", entity),
            *("--to", tmp_path / "s" / entity, "--seed", "3", *run_options[-2:]),
        )
        assert packed.code == 0, packed.err
    outcome = cli("leaderboard", tmp_path / "s", "--out", finished, "--to", tmp_path / "x.html", "--json")
    assert outcome.code == 0, outcome.err
    tables = json.loads(outcome.out)["tables"]
    assert {table["entity"] for table in tables} == {"demo-object", "demo-human"}
    assert [row["rank"] for table in tables for row in table["rows"]] == [1, 1]


def test_refusals(cli: Cli, object_run: Path, run_options: list[str], packed: Path, tmp_path: Path) -> None:
    again = cli(
        "submit", "--out", object_run, "--method", "raw", "--name", "x", "--to", packed, *run_options[-2:]
    )
    assert again.code == 2
    assert "holds a submission" in again.err
    other = cli("run", "--out", tmp_path / "other", "--entity", "demo-object", *run_options, "--count", "50")
    assert other.code == 0
    wrong = cli("score", packed, "--out", tmp_path / "other")
    assert wrong.code == 2
    assert "for other data" in wrong.err
    assert not (packed / "score.json").exists()
    assert cli("score", packed).code == 2
    assert cli("score", packed, packed, "--out", object_run).code == 2
    assert cli("score", tmp_path / "x.run").code == 2
    replaced = cli(
        *(
            "submit",
            "--out",
            object_run,
            "--method",
            "raw",
            "--name",
            "x",
            "--to",
            packed,
            "--replace",
            *run_options[-2:],
        )
    )
    assert replaced.code == 0
    assert json.loads((packed / "method.json").read_text())["spec"] == "raw"


def test_own_pictures_a_given_split_and_another_record(
    cli: Cli, own_folder: Path, run_options: list[str], tmp_path: Path
) -> None:
    (labels,) = open_source(own_folder).entities.values()
    split = tmp_path / "split.csv"
    roles = ("query", "database", "database", "unused")
    lines = [f"{key},{roles[number % 4]}" for number, key in enumerate(labels.keys)]
    split.write_text("\n".join(["key,split", *lines]))
    options = ("--data", own_folder, "--split-file", split)
    outcome = cli(
        "submit",
        "--out",
        tmp_path / "r",
        "--method",
        "raw",
        "--name",
        "x",
        "--to",
        tmp_path / "s",
        *options,
        *run_options[-2:],
    )
    assert outcome.code == 0, outcome.err
    assert cli("score", tmp_path / "s", "--data", own_folder).code == 2
    scored = cli("score", tmp_path / "s", *options, "--record", tmp_path / "kept" / "score.json")
    assert scored.code == 0, scored.err
    assert (tmp_path / "kept" / "score.json").exists()
    assert not (tmp_path / "s" / "score.json").exists()


def test_a_submission_by_another_program(cli: Cli, own_folder: Path, tmp_path: Path) -> None:
    """Written by hand from the documented layout: one file a set of conditions, keys from labels.csv."""
    import hashlib

    from safetensors.numpy import save_file

    source = open_source(own_folder)
    (labels,) = source.entities.values()
    folder = tmp_path / "theirs"
    folder.mkdir()
    parts = []
    for conditions in (["color"], ["shape"], ["shape", "color"]):
        rows = np.stack(
            [
                np.array(labels.labels[name])[:, None] == np.unique(labels.labels[name])[None]
                for name in conditions[:1]
            ]
        )[0].astype(np.float32)
        name = f"{'-'.join(conditions)}.safetensors"
        keys = np.frombuffer("\n".join(labels.keys).encode(), np.uint8)
        save_file({"database": rows, "database_keys": keys}, folder / name)
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        parts.append({"entity": labels.entity, "conditions": conditions, "file": name, "sha256": digest})
    record = {
        "schema": "clay-eval/submission/1",
        "name": "an oracle",
        "data": {"fingerprint": source.fingerprint},
        "settings": {"split": "image", "seeds": [0, 1], "measures": ["AP"]},
        "format": "embeddings",
        "similarity": "cosine",
        "parts": parts,
    }
    (folder / "method.json").write_text(json.dumps(record))
    outcome = cli("score", folder, "--data", own_folder, "--json")
    assert outcome.code == 0, outcome.err
    values = {tuple(row["conditions"]): row["value"] for row in json.loads(outcome.out)["results"]}
    assert values["color",] == values["shape",] == 1
    assert values["color", "shape"] < 0.9
