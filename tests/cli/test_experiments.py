"""ablate, cost, rank and leak from the command line: what they leave, keep, refuse and replace."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clay_eval.cli import cost
from clay_eval.evaluator.report.experiment_records import read_experiments

QUICK: dict[str, list[str]] = {
    "ablate": ["--axis", "composition", "--method", "raw", "--method", "clay", "--seed", "0", "--draws", "1"],
    "cost": [
        "--method",
        "clay",
        "--conditions",
        "1",
        "--conditions",
        "2",
        "--images",
        "10",
        "--repeats",
        "2",
        "--budget",
        "5",
    ],
    "cluster": ["--method", "raw", "--method", "clay", "--seed", "0", "--seed", "1", "--starts", "2"],
    "leak": ["--method", "raw", "--method", "clay", "--seed", "0"],
    "paraphrase": ["--method", "clay", "--draws", "2", "--seed", "0"],
    "rank": [
        "--method",
        "raw",
        "--method",
        "clay",
        "--seed",
        "0",
        "--order",
        "age=child,adult,elderly",
        "--draws",
        "50",
    ],
}
Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def experimented(
    cli: Cli, finished: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run with all these experiments. Not to be altered."""
    folder = Path(shutil.copytree(finished, tmp_path_factory.mktemp("experiments") / "run"))
    for name, options in QUICK.items():
        outcome = cli(name, "--out", folder, "--encoder", tiny_encoder, *options)
        assert outcome.code == 0, outcome.err
        assert "experiment" in outcome.out
    return folder


def test_every_experiment_leaves_its_folder(experimented: Path) -> None:
    records = read_experiments(experimented)
    assert [record.name for record in records] == ["ablate", "paraphrase", "cluster", "cost", "rank", "leak"]
    for record in records:
        assert record.plot.is_file()
        assert record.tables
        assert {"numbers.csv", "tables.md"} <= {path.name for path in record.folder.iterdir()}


@pytest.mark.parametrize("name", sorted(QUICK))
def test_the_same_command_again_keeps_the_record(
    cli: Cli, experimented: Path, tiny_encoder: Path, name: str
) -> None:
    path = experimented / "experiments" / name / "experiment.json"
    before = path.stat().st_mtime_ns
    outcome = cli(name, "--out", experimented, "--encoder", tiny_encoder, *QUICK[name], "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out) == json.loads(path.read_text())
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("name", sorted(QUICK))
def test_other_options_are_refused_without_replace(
    cli: Cli, experimented: Path, tiny_encoder: Path, name: str
) -> None:
    options = [*QUICK[name], "--method", "crl"]
    cli(name, "--out", experimented, "--encoder", tiny_encoder, *options).refused(3, "methods", "--replace")


def test_replace_replaces(cli: Cli, experimented: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(experimented, tmp_path / "run")
    options = ["--method", "clay", "--seed", "1", "--replace", "--json"]
    outcome = cli("leak", "--out", folder, "--encoder", tiny_encoder, *options)
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert record["settings"]["methods"] == ["clay"]
    assert record["settings"]["seeds"] == [1]


@pytest.mark.parametrize("name", ["cluster", "leak", "paraphrase"])
def test_an_experiment_repeats_to_the_byte(
    cli: Cli, experimented: Path, tiny_encoder: Path, tmp_path: Path, name: str
) -> None:
    folder = shutil.copytree(experimented, tmp_path / "run")
    place = folder / "experiments" / name
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    shutil.rmtree(place)
    assert cli(name, "--out", folder, "--encoder", tiny_encoder, *QUICK[name]).code == 0
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_tables_of_an_experiment_are_exported(cli: Cli, experimented: Path, tmp_path: Path) -> None:
    formats = ["--format", "latex", "--format", "markdown", "--format", "csv"]
    outcome = cli("export", "--out", experimented, "--experiment", "cluster", "--to", tmp_path, *formats)
    assert outcome.code == 0, outcome.err
    latex, markdown, table = (tmp_path / f"cluster.{ending}" for ending in ("tex", "md", "csv"))
    assert latex.read_text().count(r"\begin{tabular}") == latex.read_text().count(r"\end{tabular}") == 4
    assert r"ACC \% & low" in latex.read_text()
    assert "| demo-human | age | clay |" in markdown.read_text()
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"raw", "clay"}
    assert all(0 <= float(row["acc"]) <= 1 for row in rows)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--experiment", "clusters", "--format", "csv"], "no such experiment"),
        (["--experiment", "cluster", "--format", "trec"], "not written so"),
    ],
)
def test_exports_of_no_experiment_are_refused(
    cli: Cli, experimented: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    cli("export", "--out", experimented, "--to", tmp_path / "to", *options).refused(2, said)
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("rank", [], "no attribute has an order"),
        ("rank", ["--order", "size=s,m,l"], "unknown attribute"),
        ("rank", ["--order", "age=child,adult"], "lacks values"),
        ("rank", ["--order", "age"], "cannot read this order"),
        ("ablate", ["--axis", "depth"], "unknown axis"),
        ("ablate", ["--method", "clya"], "did you mean 'clay'"),
        ("leak", ["--held-out", "1"], "between 0 and 1"),
        ("cluster", ["--seed", "1", "--seed", "1"], "seeds must differ"),
        ("cluster", ["--method", "clya"], "did you mean 'clay'"),
        ("paraphrase", ["--share", "1"], "a share of the texts"),
        ("paraphrase", ["--measure", "mAPP"], "unknown measure"),
        ("cost", ["--conditions", "2", "--conditions", "2"], "positive and differ"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    cli: Cli, finished: Path, name: str, options: list[str], said: str
) -> None:
    cli(name, "--out", finished, *options).refused(2, said)
    assert not (finished / "experiments").exists()


def test_a_folder_without_pictures_is_refused(cli: Cli, tmp_path: Path) -> None:
    cli("leak", "--out", tmp_path / "nothing").refused(2)


@pytest.mark.parametrize("name", sorted(QUICK))
def test_help_shows_an_example(cli: Cli, name: str) -> None:
    outcome = cli(name, "--help")
    assert outcome.code == 0
    assert f"clay-eval {name} --out" in outcome.out


@pytest.fixture(scope="module")
def given(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Options for vectors made elsewhere: of all pictures of demo-human, and of its own texts only."""
    folder = tmp_path_factory.mktemp("given")
    generator = np.random.default_rng(0)
    with (finished / "shards" / "labels.csv").open() as file:
        keys = [row["key"] for row in csv.DictReader(file) if row["entity"] == "demo-human"]
    conditions = json.loads((finished / "plan" / "conditions" / "demo-human.json").read_text())["conditions"]
    texts = list(dict.fromkeys(item["text"] for items in conditions.values() for item in items))
    for name, rows in (("images", keys), ("texts", texts)):
        np.save(folder / f"{name}.npy", generator.normal(size=(len(rows), 12)).astype(np.float32))
        (folder / f"{name}.keys.txt").write_text("\n".join(rows) + "\n")
    return [
        "--entity",
        "demo-human",
        "--features",
        folder / "images.npy",
        "--text-features",
        folder / "texts.npy",
    ]


def test_vectors_made_elsewhere_serve_as_far_as_they_go(cli: Cli, a_run: Path, given: list[object]) -> None:
    outcome = cli("leak", "--out", a_run, *given, *QUICK["leak"])
    assert outcome.code == 0, outcome.err
    outcome = cli("ablate", "--out", a_run, *given, *QUICK["ablate"], "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    columns = [column["name"] for column in record["numbers"]["columns"]]
    assert "given" in {row[columns.index("texts")] for row in record["numbers"]["rows"]}
    assert any("texts 'mixed' left out" in warning for warning in record["warnings"])
    outcome = cli("cost", "--out", a_run, *given, *QUICK["cost"], "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert {row[1] for row in record["numbers"]["rows"]} == {"clay"}
    assert any("encoding is not in the totals" in warning for warning in record["warnings"])


def test_decoded_pictures_of_a_measurement_are_bounded(
    cli: Cli, a_run: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "MOST_PIXELS", 1000)
    cli("cost", "--out", a_run, "--encoder", tiny_encoder, *QUICK["cost"]).refused(2, "decoded in memory")
