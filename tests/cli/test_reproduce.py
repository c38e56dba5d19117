"""reproduce from the command line: with nothing, with benchmarks, killed and continued, with what it must not compare."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import benchmark_trees as trees
import pytest

from clay_eval.evaluator.report.experiment_records import read_experiments
from clay_eval.evaluator.reproduce import paper as reproduce_paper

Cli = Callable[..., Any]
USED = ("clevr4", "stanford40", "genecis")
PLACE = Path("experiments") / "reproduce"


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """--data options of three small benchmarks."""
    folder = tmp_path_factory.mktemp("benchmarks")
    return [part for name in USED for part in ("--data", f"{name}:{trees.TREES[name](folder / name)}")]


@pytest.fixture
def tiny_is_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny encoder passes for CLIP-B where it is declared to be."""
    monkeypatch.setitem(reproduce_paper.MODELS, "CLIP-B", 32)  # type: ignore[arg-type]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / PLACE / "numbers.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_with_nothing_but_what_is_embedded_it_works_and_says_that_nothing_corresponds(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clay_eval.cli.reproduce.DEMO_COUNT", 120)
    outcome = cli("reproduce", "--out", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert "No number here corresponds to one of the paper's 198: 198 were not run" in outcome.out
    assert "| clay(n_components=50) (embedded) | demo-human/action |" in outcome.out
    found = rows(tmp_path / "run")
    assert {row["status"] for row in found} == {"not run", "no paper number"}
    assert not [row for row in found if row["difference"]]
    assert not [row for row in found if row["value"] and row["paper"]]
    (record,) = read_experiments(tmp_path / "run")
    assert (record.name, record.plot.name) == ("reproduce", "reproduce.svg")
    again = cli("reproduce", "--out", tmp_path / "run")
    numbers = sum(bool(row["value"]) for row in found)
    assert f"computed: 0, already there: {numbers}" in again.out


@pytest.mark.usefixtures("tiny_is_clip")
def test_numbers_stand_beside_the_papers(
    cli: Cli, benchmarks: list[str], tmp_path: Path, tiny_encoder: Path
) -> None:
    outcome = cli(
        "reproduce", *benchmarks, "--encoder", f"CLIP-B={tiny_encoder}", "--out", tmp_path, "--json"
    )
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert record["inputs"]["encoders"][0]["declared"] == "CLIP-B"
    assert record["computed"] == 3 * 7 + 2
    compared = {(r["table"], r["row"], r["column"]): r for r in rows(tmp_path) if r["status"] == "compared"}
    assert len(compared) == 2 * 7 + 2 * 2 + 2 * 3
    color = compared["single_condition", "CLAY (CLIP-B)", "clevr4/color"]
    assert float(color["paper"]) == pytest.approx(0.679)
    assert float(color["difference"]) == pytest.approx(float(color["value"]) - 0.679)
    single = [
        float(compared["single_condition", "CLAY (CLIP-B)", f"clevr4/{c}"]["value"])
        for c in ("shape", "color", "texture", "count")
    ]
    whole = compared["manifold_ablation", "with manifold", "clevr4"]
    assert float(whole["value"]) == pytest.approx(sum(single) / 4)
    assert float(whole["ci_low"]) <= float(whole["value"]) <= float(whole["ci_high"])


@pytest.mark.usefixtures("tiny_is_clip")
def test_the_numbers_are_those_of_evaluate_and_of_galleries(
    cli: Cli, benchmarks: list[str], tmp_path: Path, tiny_encoder: Path
) -> None:
    assert (
        cli(
            "reproduce", *benchmarks, "--encoder", f"CLIP-B={tiny_encoder}", "--seed", 3, "--out", tmp_path
        ).code
        == 0
    )
    ours = {(r["method"], r["column"], r["measure"]): r for r in rows(tmp_path) if r["value"]}
    clay = reproduce_paper.clay()
    for name in USED[:2]:
        data = benchmarks[2 * USED.index(name) + 1]
        outcome = cli(
            *("evaluate", "--data", data, "--encoder", tiny_encoder, "--out", tmp_path / name, "--seed", 3),
            *("--method", "raw", "--method", clay, "--json"),
        )
        checked = 0
        for result in json.loads(outcome.out)["results"]:
            column = f"{result['entity']}/{'+'.join(result['conditions'])}".replace("-location-mood", "")
            if result["metric"] == "AP" and (result["method"], column, "AP") in ours:
                one = ours[result["method"], column, "AP"]
                for theirs in ("value", "ci_low", "ci_high", "chance"):
                    assert float(one[theirs]) == pytest.approx(result[theirs], abs=1e-12)
                checked += 1
        assert checked == {"clevr4": 8, "stanford40": 6}[name]
    galleries = tmp_path / "focus.json"
    data = benchmarks[5]
    assert cli("datasets", "genecis", data.partition(":")[2], "--galleries", galleries).code == 0
    outcome = cli(
        *("galleries", galleries, "--data", data, "--encoder", tiny_encoder, "--out", tmp_path / "g"),
        *("--method", "raw", "--method", clay, "--json"),
    )
    for method, condition, measure, value, *_ in json.loads(outcome.out)["tables"][0]["rows"]:
        assert condition == "all conditions"
        number = measure.removeprefix("Hit@")
        assert float(ours[method, f"recall@{number}", measure]["value"]) == pytest.approx(value, abs=1e-12)


KILL = """
import os
from clay_eval.evaluator.reproduce import paper, reproduce
paper.MODELS["CLIP-B"] = 32
count = 0
write = reproduce.write_cell
def limited(*arguments):
    global count
    if count == {cells}:
        os.kill(os.getpid(), 9)
    count += 1
    write(*arguments)
reproduce.write_cell = limited
"""


@pytest.mark.usefixtures("tiny_is_clip")
def test_killed_it_continues_and_ends_as_if_nothing_had_been(
    cli: Cli,
    start: Callable[..., Any],
    hashes: Callable[[Path], dict[str, str]],
    benchmarks: list[str],
    tmp_path: Path,
    tiny_encoder: Path,
) -> None:
    options = [*benchmarks, "--encoder", f"CLIP-B={tiny_encoder}"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = start("reproduce", *options, "--out", killed, before=KILL.format(cells=9))
    process.communicate()
    assert process.returncode == -9
    assert len(list((killed / "reproduce" / "cells").glob("*.json"))) == 9
    assert not (killed / PLACE / "experiment.json").exists()
    outcome = cli("reproduce", *options, "--out", killed)
    assert "computed: 14, already there: 9" in outcome.out
    assert cli("reproduce", *options, "--out", whole).code == 0
    assert hashes(killed) == hashes(whole)


@pytest.mark.usefixtures("tiny_is_clip")
def test_more_data_and_more_encoders_compute_only_what_is_missing(
    cli: Cli, benchmarks: list[str], tmp_path: Path, tiny_encoder: Path, other_encoder: Path
) -> None:
    clip = ["--encoder", f"CLIP-B={tiny_encoder}"]
    assert "computed: 12, already there: 0" in cli("reproduce", *benchmarks[:2], *clip, "--out", tmp_path).out
    assert "computed: 9, already there: 12" in cli("reproduce", *benchmarks[:4], *clip, "--out", tmp_path).out
    outcome = cli("reproduce", *benchmarks[:4], *clip, "--encoder", other_encoder, "--out", tmp_path)
    assert "computed: 14, already there: 21" in outcome.out
    own = [row for row in rows(tmp_path) if row["row"] == "other"]
    assert len(own) == 14
    assert {row["paper"] for row in own} == {""}
    assert "other is none of the paper's models" in own[0]["why"]


def test_the_demonstration_encoder_is_never_the_papers(
    cli: Cli, benchmarks: list[str], tmp_path: Path
) -> None:
    cli("reproduce", *benchmarks, "--encoder", "CLIP-B=embedded", "--out", tmp_path).refused(
        2, "demonstration encoder"
    )
    assert not (tmp_path / "features").exists(), "it is refused before anything is embedded"
    outcome = cli("reproduce", *benchmarks[:2], "--out", tmp_path)
    assert outcome.code == 0, outcome.err
    assert not [row for row in rows(tmp_path) if row["value"] and row["paper"]]


@pytest.mark.usefixtures("tiny_is_clip")
def test_pictures_drawn_here_are_other_pictures_than_the_papers(
    cli: Cli, a_run: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(reproduce_paper._ENTITIES, "clay-object/color", ("demo-object", ("color",)))
    reproduce_paper.paper_cells.cache_clear()
    try:
        outcome = cli("reproduce", "--encoder", f"CLIP-B={tiny_encoder}", "--out", a_run)
    finally:
        monkeypatch.undo()
        reproduce_paper.paper_cells.cache_clear()
    assert outcome.code == 0, outcome.err
    assert "other pictures than the paper's, so no difference" in " ".join(outcome.out.split())
    told = [row for row in rows(a_run) if row["column"] == "clay-object/color" and row["value"]]
    assert [row["row"] for row in told] == ["CLIP-B", "CLAY (CLIP-B)"]
    assert {(row["status"], row["difference"]) for row in told} == {("other pictures", "")}


@pytest.mark.usefixtures("tiny_is_clip")
def test_pictures_that_others_made_may_be_the_papers(
    cli: Cli, tmp_path: Path, tiny_encoder: Path, own_folder: Path
) -> None:
    labels = (own_folder / "labels.csv").read_text().replace("file,color,shape", "file,color,category")
    (own_folder / "labels.csv").write_text(labels)
    outcome = cli(
        *("reproduce", "--data", f"clay-object:{own_folder}", "--encoder", f"CLIP-B={tiny_encoder}"),
        *("--out", tmp_path / "a"),
    )
    assert outcome.code == 2
    assert "no such condition" in outcome.err
    labels = (
        labels.replace("category", "category,subcategory").replace("disc", "disc,x").replace("box", "box,y")
    )
    lines = labels.splitlines()
    lines[1:] = [f"{line}{i % 2}" for i, line in enumerate(lines[1:])]
    (own_folder / "labels.csv").write_text("\n".join(lines))
    outcome = cli(
        *("reproduce", "--data", f"clay-object:{own_folder}", "--encoder", f"CLIP-B={tiny_encoder}"),
        *("--out", tmp_path / "b"),
    )
    assert outcome.code == 0, outcome.err
    statuses = {row["column"]: row["status"] for row in rows(tmp_path / "b") if row["row"] == "CLAY (CLIP-B)"}
    assert statuses["clay-object/color"] == statuses["clay-object/color+category"] == "compared"
    assert statuses["clay-human/age"] == "not run"


IMAGE_METHOD = """
class Mean:
    identity = {"name": "mean", "version": 1}
    def encode(self, images, conditions):
        import numpy as np
        return np.stack([np.asarray(image.resize((4, 4)), np.float32).ravel() + 1 for image in images])
"""


def test_a_row_that_embeds_pictures_anew_runs_with_the_method_given_for_it(
    cli: Cli, benchmarks: list[str], tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "row_of_my_own.py").write_text(IMAGE_METHOD)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(reproduce_paper.OWN_ROWS, "InstructBLIP", "row_of_my_own:Mean")
    options = [*benchmarks[:2], "--encoder", tiny_encoder, "--out", tmp_path / "run"]
    outcome = cli("reproduce", *options, "--method", "InstructBLIP=row_of_my_own:Mean")
    assert outcome.code == 0, outcome.err
    told = {
        row["column"]: row for row in rows(tmp_path / "run") if row["row"] == "InstructBLIP" and row["value"]
    }
    assert set(told) == {f"clevr4/{c}" for c in ("shape", "color", "texture", "count")}
    assert {row["status"] for row in told.values()} == {"compared"}
    assert told["clevr4/color"]["method"] == "row_of_my_own:Mean"
    assert float(told["clevr4/color"]["value"]) == pytest.approx(1.0)


def test_hostile_texts_stay_text(cli: Cli, tmp_path: Path, tiny_encoder: Path, own_folder: Path) -> None:
    labels = (own_folder / "labels.csv").read_text()
    (own_folder / "labels.csv").write_text(
        labels.replace("red", "<script>|$x$").replace("color", "color <b>|")
    )
    outcome = cli("reproduce", "--data", own_folder, "--encoder", tiny_encoder, "--out", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert "<script>" not in (tmp_path / "run" / PLACE / "tables.md").read_text()


@pytest.mark.usefixtures("tiny_is_clip")
def test_what_is_refused(
    cli: Cli, benchmarks: list[str], tmp_path: Path, tiny_encoder: Path, other_encoder: Path
) -> None:
    run = ["--out", tmp_path / "run"]
    for options, said in (
        (["--method", "CLIP-B=raw"], "takes a method"),
        (["--method", "InstructBLIP"], "takes a method"),
        (["--method", "InstructBLIP=clay"], "would not be the paper's"),
        (["--measure", "P@10"], "mean average precision"),
        (["--encoder", "CLIP-L=x"], "no such model"),
        (["--data", "clevr5:x"], "no such data set"),
        ([*benchmarks[:2], *benchmarks[:2]], "from two places"),
        (
            [*benchmarks[:2], "--encoder", f"CLIP-B={tiny_encoder}", "--encoder", f"CLIP-B={other_encoder}"],
            "two encoders",
        ),
        ([*benchmarks[:2], "--encoder", f"SigLIP-B={tiny_encoder}"], "this is not SigLIP-B"),
    ):
        cli("reproduce", *options, *run).refused(2, said)


def test_a_changed_cell_is_noticed(
    cli: Cli, benchmarks: list[str], tmp_path: Path, tiny_encoder: Path
) -> None:
    options = ["reproduce", *benchmarks[:2], "--encoder", tiny_encoder, "--out", tmp_path / "run"]
    assert cli(*options).code == 0
    path = min((tmp_path / "run" / "reproduce" / "cells").glob("*.json"))
    path.write_text(path.read_text().replace('"value": 0.', '"value": 0.9', 1))
    outcome = cli(*options)
    assert outcome.code == 4
    assert str(path) in outcome.err
    path.unlink()
    assert "computed: 1, already there: 7" in cli(*options).out


def test_texts_that_are_not_there_cost_their_numbers_only(
    cli: Cli, benchmarks: list[str], tmp_path: Path, tiny_encoder: Path
) -> None:
    folder = Path(shutil.copytree(benchmarks[5].partition(":")[2], tmp_path / "genecis"))
    file = folder / "focus_attribute.json"
    file.write_text(file.read_text().replace('"material"', '"wetness"'))
    outcome = cli(
        *("reproduce", *benchmarks[:2], "--data", f"genecis:{folder}", "--encoder", tiny_encoder),
        *("--out", tmp_path / "run"),
    )
    assert outcome.code == 0, outcome.err
    assert "no texts for the conditions wetness" in outcome.out
    assert any(row["column"] == "clevr4/color" and row["value"] for row in rows(tmp_path / "run"))
