"""Vectors made elsewhere: every command lists the texts that it needs, needs no others, and asks for none in vain."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from clay_eval.cli import app

QUICK: dict[str, list[str]] = {
    "evaluate": ["--draws", "10", "--largest-set", "1"],
    "submit": ["--name", "Mine"],
    "ablate": ["--axis", "composition", "--axis", "database", "--seed", "0", "--draws", "2"],
    "cost": ["--conditions", "1", "--images", "10", "--repeats", "1", "--budget", "1"],
    "cluster": ["--seed", "0", "--starts", "1"],
    "leak": ["--seed", "0"],
    "rank": ["--seed", "0", "--order", "age=child,adult,elderly", "--draws", "10"],
    "galleries": [],
}
Cli = Callable[..., Any]


def commands() -> dict[str, set[str]]:
    group: Any = typer.main.get_command(app)
    return {name: {o for p in command.params for o in p.opts} for name, command in group.commands.items()}


@pytest.fixture(scope="module")
def images(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with (finished / "shards" / "labels.csv").open() as file:
        keys = [row["key"] for row in csv.DictReader(file) if row["entity"] == "demo-human"]
    return vectors(tmp_path_factory.mktemp("given") / "images.npy", keys)


@pytest.fixture(scope="module")
def galleries_file(images: Path) -> Path:
    keys = images.with_suffix(".keys.txt").read_text().splitlines()
    record = {
        "schema": "clay-eval/galleries/1",
        "name": "mine",
        "queries": [
            {"query": keys[0], "condition": "age", "gallery": keys[1:4], "targets": [keys[1]]},
            {"query": keys[5], "condition": "age", "gallery": keys[6:9], "targets": [keys[7]]},
        ],
    }
    path = images.with_name("galleries.json")
    path.write_text(json.dumps(record))
    return path


def vectors(path: Path, keys: Sequence[str]) -> Path:
    rows = np.random.default_rng(len(keys)).normal(size=(len(keys), 12)).astype(np.float32)
    np.save(path, rows)
    path.with_suffix(".keys.txt").write_text("".join(f"{key}\n" for key in keys))
    return path


@pytest.fixture
def command(cli: Cli, a_run: Path, images: Path, galleries_file: Path, tmp_path: Path) -> Callable[..., Any]:
    def call(name: str, *options: object) -> Any:
        first = [galleries_file] if name == "galleries" else []
        to = ["--to", tmp_path / "submission"] if name == "submit" else []
        replace = [] if name == "submit" else ["--replace"]
        given = ["--out", a_run, "--entity", "demo-human", "--features", images, *replace, *to]
        return cli(name, *first, *given, *QUICK[name], *options, "--json")

    return call


def test_every_command_that_takes_vectors_of_texts_lists_the_texts() -> None:
    takes = {name for name, options in commands().items() if "--text-features" in options}
    lists = {name for name, options in commands().items() if "--write-texts" in options}
    # An export is of a report, on the vectors that it was made with; explore takes whatever texts are there.
    assert takes - {"export", "explore"} == lists
    assert set(QUICK) <= lists


@pytest.mark.parametrize("name", QUICK)
def test_the_texts_that_are_listed_are_all_that_is_needed(
    command: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    needed = tmp_path / "needed.txt"
    listed = command(name, "--method", "clay", "--write-texts", needed)
    assert listed.code == 0, listed.err
    texts = needed.read_text("utf-8").splitlines()
    assert json.loads(listed.out) == {"texts": len(texts), "file": str(needed)}
    assert len(texts) > 1
    done = command(name, "--method", "clay", "--text-features", vectors(tmp_path / "texts.npy", texts))
    assert done.code == 0, done.err
    assert "could not be encoded" not in done.out
    fewer = vectors(tmp_path / "fewer.npy", texts[1:])
    if name != "submit":
        command(name, "--method", "clay", "--text-features", fewer).refused(2, "--write-texts")


@pytest.mark.parametrize("name", QUICK)
def test_methods_that_look_at_no_texts_need_no_vectors_of_them(
    command: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    needed = tmp_path / "needed.txt"
    assert json.loads(command(name, "--method", "raw", "--write-texts", needed).out)["texts"] == 0
    assert needed.read_text() == ""
    done = command(name, "--method", "raw")
    assert done.code == 0, done.err
    assert "no features of" not in done.out


def test_only_the_conditions_that_have_an_order_need_texts(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    needed = tmp_path / "needed.txt"
    assert command("rank", "--method", "clay", "--write-texts", needed).code == 0
    texts = set(needed.read_text().splitlines())
    assert command("leak", "--method", "clay", "--write-texts", needed).code == 0
    assert texts < set(needed.read_text().splitlines())
    assert command("rank", "--method", "other-condition", "--write-texts", needed).code == 0
    assert texts < set(needed.read_text().splitlines())


def test_a_method_that_reads_names_alone_needs_the_names_alone(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    needed = tmp_path / "needed.txt"
    assert command("rank", "--method", "image-text", "--write-texts", needed).code == 0
    assert needed.read_text() == "age\n"
    assert command("evaluate", "--method", "raw", "--method", "image-text", "--write-texts", needed).code == 0
    assert "age" in needed.read_text().splitlines()
    assert not any("photo" in line for line in needed.read_text().splitlines())


def test_nobody_is_told_of_texts_that_are_not_needed(cli: Cli, a_run: Path, tmp_path: Path) -> None:
    outcome = cli("leak", "--out", a_run, "--method", "raw", "--write-texts", tmp_path / "needed.txt")
    assert outcome.out == f"no text is needed: {tmp_path / 'needed.txt'} is empty\n"
