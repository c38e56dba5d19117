"""datasets from the command line, and benchmarks as --data of the commands that score."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import benchmark_trees as trees
import pytest

from clay_eval.evaluator.pictures.benchmarks.catalogue import BENCHMARKS

Cli = Callable[..., Any]


def test_the_list_names_conditions_sizes_licences_places_and_layouts(cli: Cli) -> None:
    outcome = cli("datasets")
    assert outcome.code == 0, outcome.err
    for name, benchmark in BENCHMARKS.items():
        assert f"{name}: {benchmark.title}" in outcome.out
        for text in (benchmark.licence, *benchmark.layout, *(where for _, where in benchmark.download)):
            assert text in outcome.out
    assert "clevr4: shape (10), texture (10)" not in outcome.out
    assert "stanford40: action (40); 9532 pictures" in outcome.out
    record = json.loads(cli("datasets", "--json").out)
    assert set(record) == {*BENCHMARKS, "clay-object", "clay-human", "hugging-face"}
    assert record["food101"]["entities"]["food101"] == {"conditions": {"food": 101}, "pictures": 101000}


@pytest.mark.parametrize("name", sorted(trees.TREES))
def test_a_good_folder_is_counted(cli: Cli, name: str, tmp_path: Path) -> None:
    folder = trees.TREES[name](tmp_path / "d")
    outcome = cli("datasets", name, folder, "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert set(record["entities"]) == set(BENCHMARKS[name].conditions)
    assert record["decoded"]
    assert record["broken"] == []
    for entity, facts in record["entities"].items():
        published = BENCHMARKS[name].pictures[entity]
        assert any(f"published are {published}" in line for line in record["differences"]) == (
            published is not None
        )
        assert facts["pictures"] > 0


def test_a_broken_picture_is_named_and_the_others_are_counted(cli: Cli, tmp_path: Path) -> None:
    folder = trees.food101(tmp_path / "d")
    path = next((folder / "food-101" / "images").rglob("3.jpg"))
    path.write_bytes(path.read_bytes()[:300])
    outcome = cli("datasets", "food101", folder)
    assert outcome.code == 1
    assert "food101: 16 pictures" in outcome.out
    assert "broken: food101: apple_pie-3" in outcome.out
    assert cli("datasets", "food101", folder, "--quick").code == 0


def test_a_wrong_folder_says_what_to_get(cli: Cli, tmp_path: Path) -> None:
    cli("datasets", "clevr4", tmp_path).refused(2, "Clevr-4", "clevr_4_10k_v1.zip", "nothing is downloaded")
    cli("datasets", "clever4", tmp_path).refused(2, "did you mean 'clevr4'")
    cli("datasets", "clevr4").refused(2, "a name and a folder")
    cli("datasets", "clevr4@nowhere", trees.clevr4(tmp_path / "c")).refused(2, "no such part")
    cli("datasets", "clevr4", tmp_path / "c", "--galleries", tmp_path / "g.json").refused(2, "only genecis")


def test_galleries_of_genecis_are_written_and_scored(cli: Cli, tmp_path: Path, tiny_encoder: Path) -> None:
    folder, file = trees.genecis(tmp_path / "d"), tmp_path / "focus.json"
    outcome = cli("datasets", "genecis", folder, "--galleries", file)
    assert outcome.code == 0, outcome.err
    assert "7 queries, 2 conditions" in outcome.out
    assert "1 of 7 queries have galleries of another length" in outcome.err
    options = [
        "--data",
        f"genecis:{folder}",
        "--encoder",
        tiny_encoder,
        "--method",
        "raw",
        "--method",
        "clay",
    ]
    outcome = cli("galleries", file, *options, "--out", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert "| clay | all conditions | Hit@1 |" in outcome.out
    assert "another length" in outcome.out
    cli("evaluate", *options, "--out", tmp_path / "other").refused(2, "no attribute to retrieve by")


def test_a_benchmark_is_embedded_evaluated_and_resumed(cli: Cli, tmp_path: Path, tiny_encoder: Path) -> None:
    folder = trees.clevr4(tmp_path / "d")
    options = ["--data", f"clevr4:{folder}", "--encoder", tiny_encoder, "--out", tmp_path / "run"]
    assert "48 pictures embedded" in cli("embed", *options).out
    assert "0 pictures embedded, 48 were there" in cli("embed", *options).out
    outcome = cli(
        "evaluate", *options, "--method", "raw", "--method", "clay", "--condition", "color", "--json"
    )
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    assert report["inputs"]["data"]["kind"] == "benchmark"
    assert report["inputs"]["data"]["benchmark"] == "clevr4"
    assert report["inputs"]["texts"]["clevr4"]["conditions"]["color"] == {"texts": 100, "values": 10}
    assert {tuple(row["conditions"]) for row in report["results"]} == {("color",)}


def test_texts_of_values_nobody_knows_are_made_of_the_values(
    cli: Cli, tmp_path: Path, tiny_encoder: Path
) -> None:
    folder = trees.stanford40(tmp_path / "d")
    options = ["--data", f"stanford40:{folder}", "--encoder", tiny_encoder, "--out", tmp_path / "run"]
    outcome = cli("evaluate", *options, "--method", "raw", "--method", "clay", "--json")
    assert outcome.code == 0, outcome.err
    texts = json.loads(outcome.out)["inputs"]["texts"]
    assert texts["stanford40"]["conditions"]["action"] == {"texts": 120, "values": 40}
    assert texts["stanford40-location-mood"]["origin"]["instruction"] == "a photo of {c}"
