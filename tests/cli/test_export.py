"""`clay-eval export`: a finished report in the formats of other tools."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

Cli = Callable[..., Any]
Hashes = Callable[[Path], dict[str, str]]


@pytest.fixture
def exported(object_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    return Path(shutil.copytree(object_run, tmp_path / "run"))


def test_files_lie_in_the_run_and_repeat(cli: Cli, exported: Path, hashes: Hashes) -> None:
    before = hashes(exported / "report")
    formats = [word for name in ("csv", "parquet", "latex", "markdown") for word in ("--format", name)]
    outcome = cli("export", "--out", exported, *formats, "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    report = json.loads((exported / "report" / "report.json").read_text())
    assert record["report"] == report["fingerprint"]
    places = {
        name: Path(path).relative_to(exported / "exports").as_posix()
        for name, path in record["files"].items()
    }
    assert places == {
        "csv": "per_query.csv",
        "parquet": "per_query.parquet",
        "latex": "tables.tex",
        "markdown": "tables.md",
    }
    assert hashes(exported / "report") == before
    table = pq.read_table(exported / "exports" / "per_query.parquet")
    assert table.num_rows == report["per_query"]["rows"]
    assert table.schema.metadata[b"clay_eval.report"].decode() == report["fingerprint"]
    for name in ("tables.tex", "tables.md"):
        text = (exported / "exports" / name).read_text()
        assert report["fingerprint"] in text
        assert all(method in text for method in report["settings"]["methods"])
    made = hashes(exported / "exports")
    assert cli("export", "--out", exported, *formats).code == 0
    assert hashes(exported / "exports") == made


def test_parquet_means_are_the_results(cli: Cli, exported: Path) -> None:
    assert cli("export", "--out", exported, "--format", "parquet").code == 0
    frame = pq.read_table(exported / "exports" / "per_query.parquet").to_pandas()
    report = json.loads((exported / "report" / "report.json").read_text())
    for row in report["results"]:
        chosen = frame[
            (frame["method"] == row["method"]) & (frame["conditions"] == "+".join(row["conditions"]))
        ]
        groups = chosen.groupby(chosen["group"].astype(object).fillna(""), observed=True)[row["metric"]]
        value = float("nan") if row["value"] is None else row["value"]
        assert groups.mean().mean() == pytest.approx(value, abs=1e-9, nan_ok=True)


def test_runs_score_as_the_report_says(
    cli: Cli, exported: Path, run_options: list[str], tmp_path: Path
) -> None:
    options = ["--encoder", run_options[-1], "--format", "trec", "--depth", 0, "--to", tmp_path / "elsewhere"]
    outcome = cli("export", "--out", exported, *options, "--method", "clay", "--json")
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "elsewhere" / "trec"
    index = json.loads((folder / "index.json").read_text())
    report = json.loads((exported / "report" / "report.json").read_text())
    assert index["report"] == report["fingerprint"]
    checked = 0
    for entry in index["runs"]:
        assert entry["method"] == "clay"
        if entry["group"] is not None:
            continue
        result = next(
            r
            for r in report["results"]
            if (r["method"], r["conditions"], r["metric"]) == ("clay", entry["conditions"], "AP")
        )
        found = cli("score", folder / entry["run"], "--qrels", folder / entry["qrels"], "--json")
        if result["value"] is None:
            found.refused(2, "lists nothing", entry["qrels"])
            continue
        scored = {row["metric"]: row["value"] for row in json.loads(found.out)["results"]}
        assert scored["AP"] == pytest.approx(result["value"], abs=5e-3)
        checked += 1
    assert checked >= 2


def test_runs_of_other_data_are_refused(
    cli: Cli, exported: Path, other_encoder: Path, run_options: list[str]
) -> None:
    trec = ["export", "--out", exported, "--format", "trec"]
    cli(*trec, "--encoder", other_encoder).refused(3, "another configuration", "inputs.encoder")
    cli(*trec, "--encoder", run_options[-1], "--method", "nothing").refused(
        2, "no such method", "'nothing'", "clay"
    )
    assert not (exported / "exports").exists()


def test_what_cannot_be_exported(cli: Cli, exported: Path, tmp_path: Path) -> None:
    cli("export", "--out", tmp_path / "none", "--format", "csv").refused(2, "report.json")
    tables = ["export", "--out", exported, "--format", "latex"]
    cli(*tables, "--measure", "nDCG").refused(2, "no such measure", "AP")
    cli(*tables, "--reference", "raw").refused(2, "no such reference", "clay")
    cli(*tables, "--to", exported / "shards" / "x").refused(2, "--to", "outside")
    cli("leaderboard", tmp_path, "--out", exported, "--to", exported / "plan" / "b.html").refused(2, "--to")
    submit = ("submit", "--out", exported, "--method", "raw", "--name", "x")
    cli(*submit, "--to", exported / "shards" / "x").refused(2, "--to", "outside")
    assert not (exported / "exports").exists()
    path = exported / "report" / "per_query.csv"
    path.write_text(path.read_text().replace("0.", "1.", 1))
    cli("export", "--out", exported, "--format", "csv").refused(4, "per-query", str(path))
    assert cli("export", "--out", exported).code == 2
