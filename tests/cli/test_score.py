"""`clay-eval score`: run files made elsewhere, with intervals and comparisons."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrec_eval

Cli = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """qrels.txt of 40 queries, and two runs; b.run knows more."""
    generator = np.random.default_rng(0)
    qrels, runs = [], {"a": [], "b": []}  # type: ignore[var-annotated]
    for query in range(40):
        relevant = set(generator.choice(60, 12, replace=False).tolist())
        qrels += [f"q{query} 0 d{d} {int(d in relevant)}" for d in range(60)]
        for name, gain in (("a", 0.5), ("b", 1.5)):
            scores = generator.normal(size=60) + [gain * (d in relevant) for d in range(60)]
            runs[name] += [f"q{query} Q0 d{d} 0 {score} {name}" for d, score in enumerate(scores)]
    (tmp_path / "qrels.txt").write_text("\n".join([*qrels, "empty 0 d1 0"]))
    for name, lines in runs.items():
        (tmp_path / f"{name}.run").write_text("\n".join(lines))
    return tmp_path


def trec_map(folder: Path, name: str) -> float:
    with (folder / "qrels.txt").open() as qrels, (folder / name).open() as run:
        evaluator = pytrec_eval.RelevanceEvaluator(pytrec_eval.parse_qrel(qrels), {"map"})
        found = evaluator.evaluate(pytrec_eval.parse_run(run))
    return float(np.mean([values["map"] for values in found.values()]))


def test_one_run(cli: Cli, folder: Path) -> None:
    outcome = cli("score", folder / "a.run", "--qrels", folder / "qrels.txt", "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert [row["metric"] for row in record["results"]] == ["AP", "Rprec", "P@10"]
    row = record["results"][0]
    assert row["value"] == pytest.approx(trec_map(folder, "a.run"), abs=1e-9)
    assert row["ci_low"] < row["value"] < row["ci_high"]
    assert (record["queries"], record["queries_without_relevant"], record["warnings"]) == (40, 1, [])
    assert record["comparisons"] == []
    assert record["runs"]["a.run"]["tag"] == "a"
    shown = cli("score", folder / "a.run", "--qrels", folder / "qrels.txt")
    assert f"AP             {row['value']:.4f} [{row['ci_low']:.4f}, {row['ci_high']:.4f}]" in shown.out
    assert "40 queries, 1 with nothing relevant left out" in shown.out


def test_a_byte_order_mark_changes_no_number(cli: Cli, tmp_path: Path) -> None:
    run = "q1 Q0 d1 1 0.9 t\nq1 Q0 d2 2 0.8 t\nq1 Q0 d3 3 0.7 t\nq2 Q0 d1 1 0.9 t\nq2 Q0 d2 2 0.8 t\n"
    qrels = "q1 0 d3 1\nq2 0 d2 1\n"
    for name, text in (("run", run), ("qrels", qrels)):
        (tmp_path / name).write_text(text)
        (tmp_path / f"{name}.marked").write_text("\ufeff" + text, "utf-8")
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(("\ufeff" + text).encode()))
    found = set()
    for ending in ("", ".marked", ".gz"):
        for other in ("", ".marked", ".gz"):
            outcome = cli("score", tmp_path / f"run{ending}", "--qrels", tmp_path / f"qrels{other}", "--json")
            assert outcome.code == 0, outcome.err
            record = json.loads(outcome.out)
            assert record["warnings"] == []
            found.add(tuple(row["value"] for row in record["results"]))
    assert found == {((1 / 3 + 1 / 2) / 2, 0.0, 0.1)}


def test_two_runs_are_compared_with_the_first(cli: Cli, folder: Path) -> None:
    (folder / "b.run.gz").write_bytes(gzip.compress((folder / "b.run").read_bytes()))
    table = folder / "out" / "scores.csv"
    arguments = [folder / "a.run", folder / "b.run.gz", "--qrels", folder / "qrels.txt"]
    arguments += ["--measure", "AP", "--measure", "nDCG@5", "--per-query", table]
    outcome = cli("score", *arguments, "--json")
    record = json.loads(outcome.out)
    assert outcome.out == cli("score", *arguments, "--json").out
    first, second = record["comparisons"]
    assert (first["run"], first["reference"], first["metric"]) == ("b.run.gz", "a.run", "AP")
    assert first["difference"] == pytest.approx(trec_map(folder, "b.run") - trec_map(folder, "a.run"))
    assert first["ci_low"] > 0
    assert first["p_adjusted"] == pytest.approx(2 / 10_001)
    assert first["significant"]
    assert second["metric"] == "nDCG@5"
    assert "beside a.run, p 0.0002 (Holm)" in cli("score", *arguments).out
    rows = list(csv.DictReader(table.open()))
    assert (len(rows), list(rows[0])) == (80, ["run", "query", "AP", "nDCG@5"])
    mean = np.mean([float(row["AP"]) for row in rows if row["run"] == "b.run.gz"])
    assert mean == pytest.approx(trec_map(folder, "b.run"))


def test_queries_that_do_not_match_are_reported(cli: Cli, folder: Path) -> None:
    whole = json.loads(cli("score", folder / "a.run", "--qrels", folder / "qrels.txt", "--json").out)
    lines = (folder / "a.run").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("q0 ", "q1 "))]
    (folder / "c.run").write_text("\n".join([*kept, "other\x1b[2J Q0 d1 1 0.5 a"]))
    outcome = cli("score", folder / "c.run", "--qrels", folder / "qrels.txt")
    assert outcome.code == 0, outcome.err
    assert "warning: c.run: 2 of 40 queries are not in the run and score 0: 'q0', 'q1'" in outcome.out
    assert r"1 queries of the run are not in the qrels and were left out: 'other\x1b[2J'" in outcome.out
    assert "\x1b" not in outcome.out
    record = json.loads(cli("score", folder / "c.run", "--qrels", folder / "qrels.txt", "--json").out)
    assert record["queries"] == 40
    assert record["runs"]["c.run"]["missing_queries"] == ["q0", "q1"]
    assert record["results"][0]["value"] < whole["results"][0]["value"]


def test_equal_scores_and_grades(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "q").write_text("q 0 a 1\nq 0 b 0\nq 0 c 2\n")
    (tmp_path / "r").write_text("q Q0 a 1 0.5 t\nq Q0 b 2 0.5 t\n")

    def value(*options: object) -> float:
        outcome = cli(
            "score", tmp_path / "r", "--qrels", tmp_path / "q", "--json", "--measure", "AP", *options
        )
        return float(json.loads(outcome.out)["results"][0]["value"])

    assert value() == pytest.approx((1 + 0.5) / 2 / 2)
    assert value("--ties", "pessimistic") == pytest.approx(0.5 / 2)
    assert value("--level", 2) == 0


def test_queries_with_nothing_relevant_count_as_one_says(cli: Cli, folder: Path) -> None:
    arguments = ["score", folder / "a.run", "--qrels", folder / "qrels.txt", "--measure", "AP"]
    left_out = json.loads(cli(*arguments, "--json").out)
    arguments += ["--nothing-relevant", "zero"]
    zero = json.loads(cli(*arguments, "--json").out)
    assert (left_out["nothing_relevant"], zero["nothing_relevant"]) == ("left-out", "zero")
    assert (left_out["queries"], zero["queries"]) == (40, 41)
    assert zero["results"][0]["value"] == pytest.approx(left_out["results"][0]["value"] * 40 / 41)
    assert "41 queries, 1 of them with nothing relevant, which score 0" in cli(*arguments).out
    assert cli(*arguments[:-1], "drop").code == 2


def test_a_level_above_all_grades_says_so(cli: Cli, folder: Path) -> None:
    arguments = ["score", folder / "a.run", "--qrels", folder / "qrels.txt", "--level", 2]
    cli(*arguments).refused(2, "no document of the qrels has the grade 2", "1 at most")
    zero = cli(*arguments, "--nothing-relevant", "zero")
    assert zero.code == 0, zero.err
    assert "warning: no document of the qrels has the grade 2 or a higher one" in zero.out


def test_trec_evals_names_stand_beside_ours(cli: Cli, folder: Path) -> None:
    measures = ["AP", "P@10", "Rprec", "nDCG@5", "nDCG(graded)@5"]
    options = [option for name in measures for option in ("--measure", name)]
    arguments = ["score", folder / "a.run", "--qrels", folder / "qrels.txt", *options]
    record = json.loads(cli(*arguments, "--json").out)
    assert list(record["trec_eval"].values()) == ["map", "P_10", "Rprec", None, "ndcg_cut_5"]
    shown = cli(*arguments).out
    assert "in trec_eval: AP is map, P@10 is P_10, nDCG(graded)@5 is ndcg_cut_5" in shown
    assert "trec_eval's ndcg is nDCG(graded)" in shown
    cli("score", folder / "a.run", "--qrels", folder / "qrels.txt", "--measure", "ndcg").refused(
        2, "did you mean 'nDCG(graded)', 'nDCG"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda text: text + "\nq3 Q0 d5 1 0.5 a",
            ["twice", "line 2401", "query q3, document d5", "line 186"],
        ),
        (lambda text: text.replace("q7 Q0 d0 0 ", "q7 Q0 d0 0 nan", 1), ["line 421", "nan", "finite"]),
        (lambda text: text.replace(" a\n", "\n", 1), ["line 1", "6 columns", "5 columns"]),
        (lambda _: "", ["lists nothing"]),
        (lambda _: "x Q0 d1 1 1 a\n", ["share no query", "'q0'", "'x'"]),
    ],
)
def test_bad_runs(cli: Cli, folder: Path, change: Callable[[str], str], said: list[str]) -> None:
    path = folder / "a.run"
    path.write_text(change(path.read_text()))
    table = folder / "scores.csv"
    outcome = cli("score", path, "--qrels", folder / "qrels.txt", "--per-query", table)
    outcome.refused(2, str(path), *said)
    assert not table.exists()


def test_bad_options(cli: Cli, folder: Path) -> None:
    qrels = ["--qrels", folder / "qrels.txt"]
    cli("score", folder / "none.run", *qrels).refused(2, "not found", "none.run")
    cli("score", folder / "a.run", "--qrels", folder / "a.run").refused(2, "4 columns", "6 columns")
    cli("score", folder / "a.run", *qrels, "--measure", "P@ten").refused(2, "whole number", "P@10")
    cli("score", folder / "a.run", *qrels, "--measure", "mAP").refused(2, "did you mean 'AP'?")
    cli("score", folder / "a.run", folder / "a.run", *qrels).refused(2, "named twice")
    (folder / "x").mkdir()
    (folder / "x" / "a.run").write_bytes((folder / "a.run").read_bytes())
    outcome = cli("score", folder / "a.run", folder / "x" / "a.run", *qrels, "--json")
    assert list(json.loads(outcome.out)["runs"]) == [str(folder / "a.run"), str(folder / "x" / "a.run")]
    damaged = folder / "b.run.gz"
    damaged.write_bytes(gzip.compress(b"q1 Q0 d1 1 1 a\n" * 9)[:-9])
    cli("score", damaged, *qrels).refused(4, "not a whole gzip file", str(damaged))
