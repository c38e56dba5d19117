"""A measure, a split and a renderer, each in one file of someone else's package, through the doors that are open to all."""

from __future__ import annotations

import csv
import importlib
import json
import os
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clay_eval.evaluator.retrieval.split_kinds import SPLITS, drawable_splits
from clay_eval.evaluator.scoring import retrieval_scores, score_rankings
from clay_eval.evaluator.scoring.measures import FAMILIES, parse_measure
from clay_eval.evaluator.trec.files import read_qrels, read_run
from clay_eval.evaluator.trec.scores import score_run
from clay_eval.generator.render.kinds import RENDERERS, load_renderer
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.registry import Registry

MEASURE = """
import numpy as np

from clay_eval.evaluator.scoring.families import Family, register
from clay_eval.evaluator.scoring.ties import weight_sums


def patience(ranks):
    return 0.2 * 0.8 ** (ranks - 1)


@register
class RankBiasedPrecision(Family):
    name, example, cutoff = "RBP", "RBP@10", "maybe"
    description = "rank-biased precision with persistence 0.8"
    synonyms = ("rankbiasedprecision",)

    def earned(self, hits, k):
        return hits.weighted(patience, k)

    def possible(self, known, k):
        return 1.0

    def chance(self, n, r, k):
        return r / n * weight_sums(patience, int(n.max(initial=1)), k)[n]
"""
SPLIT = """
import numpy as np

from clay_eval.evaluator.retrieval.split_kinds import SplitKind, register
from clay_eval.evaluator.retrieval.splits import Split


@register
class EverySecond(SplitKind):
    name, drawn = "every-second", False

    def draw(self, labelled, seed, query_share):
        first = np.argsort(np.argsort(labelled.keys)) % 2 == 0
        return Split(first, ~first)

    def sentence(self, share, drawn):
        return "Every second image by key is a query."

    def short(self, share):
        return "every second picture is a query"
"""
RENDERER = """
from dataclasses import dataclass

from PIL import Image

from clay_eval.generator.render.kinds import RendererKind, register


@dataclass(frozen=True)
class PlainOptions:
    size: int = 32
    steps: int = 1


class PlainRenderer:
    def __init__(self, options):
        self.options = options
        self.identity = {"type": "plain", "size": options.size, "steps": options.steps}

    def check(self, spec):
        pass

    def render(self, samples):
        shades = [hash(tuple(map(ord, "".join(s.labels.values())))) % 256 for s in samples]
        side = self.options.size
        drawn = [Image.new("RGB", (side, side), (shade, s.seed % 256, 9)) for shade, s in zip(shades, samples)]
        for image in drawn:
            image.putpixel((0, 0), (9, 9, 200))
        return drawn


@register
class Plain(RendererKind):
    name, options = "plain", frozenset({"steps"})

    def load(self, given):
        return PlainRenderer(PlainOptions(**given))
"""
FILES = {"their_measure": MEASURE, "their_split": SPLIT, "their_renderer": RENDERER}
ENTRY_POINTS = """
[clay_eval.measures]
RBP = their_measure

[clay_eval.splits]
every-second = their_split

[clay_eval.renderers]
plain = their_renderer
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as pip leaves it: three files and the entry points that name them."""
    folder = tmp_path_factory.mktemp("site")
    for name, code in FILES.items():
        (folder / f"{name}.py").write_text(code)
    info = folder / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture
def installed(package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package on this process's path, forgotten afterwards."""
    monkeypatch.syspath_prepend(str(package))
    registries: tuple[Registry[Any], ...] = (FAMILIES, SPLITS, RENDERERS)
    for registry in registries:
        monkeypatch.setattr(registry, "_things", dict(registry._things))
        monkeypatch.setitem(vars(registry), "_plug_ins", Registry(registry.what, registry.group)._plug_ins)
    for name in FILES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    return package


def by_hand(relevant: np.ndarray, scores: np.ndarray, k: int) -> float:
    """RBP@k, the mean over all orders of equal scores."""
    orders = [
        order for order in permutations(range(len(scores))) if (np.diff(scores[list(order)]) <= 0).all()
    ]
    values = [sum(0.2 * 0.8**i * relevant[item] for i, item in enumerate(order[:k])) for order in orders]
    return float(np.mean(values))


def test_a_measure_of_another_package_is_the_same_everywhere(installed: Path, tmp_path: Path) -> None:
    measure, generator = parse_measure("RBP@3"), np.random.default_rng(0)
    scores = generator.integers(0, 3, (6, 6)).astype(float)
    relevant = generator.random((6, 6)) < 0.5
    relevant[:, 0] = True
    wanted = [by_hand(*pair, 3) for pair in zip(relevant, scores, strict=True)]
    assert score_rankings(scores, relevant, [measure])["RBP@3"] == pytest.approx(wanted)
    chances = [by_hand(row, np.zeros(6), 3) for row in relevant]
    assert measure.chance(6, relevant.sum(axis=1)) == pytest.approx(chances)
    with pytest.raises(InputError, match="did you mean 'RBP@5'"):
        parse_measure("rank-biased precision@5")

    queries, database = generator.integers(0, 2, (5, 2)), generator.integers(0, 2, (6, 2))
    codes = generator.integers(0, 2, 5), np.array([0, 1, 0, 1, 0, 1])
    wanted = [
        by_hand(codes[1] == code, database @ query, 3) for code, query in zip(codes[0], queries, strict=True)
    ]
    for backend in ("numpy", "torch"):
        space = (queries.astype(float), database.astype(float))
        found = retrieval_scores([space], *codes, [measure], backend=backend)["RBP@3"]
        assert found == pytest.approx(wanted)

    (tmp_path / "qrels").write_text("q 0 a 1\nq 0 b 0\nq 0 c 1\nq 0 left-out 1\n")
    (tmp_path / "run").write_text("q Q0 a 1 3 x\nq Q0 b 2 2 x\nq Q0 c 3 1 x\n")
    documents: dict[bytes, int] = {}
    run, qrels = read_run(tmp_path / "run", documents), read_qrels(tmp_path / "qrels", documents)
    assert score_run(run, qrels, [measure]).values["RBP@3"] == pytest.approx([0.2 + 0.2 * 0.64])


def test_names_that_are_taken_or_not_kept_are_refused(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "every-second" in drawable_splits()
    with pytest.raises(InputError, match="there already"):
        SPLITS.register("image", SPLITS["every-second"])
    renderer = load_renderer("plain", size=8, steps=2)
    assert renderer.identity == {"type": "plain", "size": 8, "steps": 2}
    with pytest.raises(InputError, match="no such option"):
        load_renderer("plain", guidance=2.0)
    with pytest.raises(InputError, match="unknown renderer"):
        load_renderer("plane")
    for code, said in (("", "brings no measure"), ("1 / 0", "ZeroDivisionError")):
        (installed / "broken.py").write_text(code)
        (installed / "theirs-1.0.dist-info" / "entry_points.txt").write_text(
            ENTRY_POINTS.replace("RBP = their_measure", "Broken = broken")
        )
        monkeypatch.delitem(sys.modules, "broken", raising=False)
        importlib.invalidate_caches()
        with pytest.raises(InputError, match=said):
            Registry[Any]("measure", FAMILIES.group)["Broken"]
    (installed / "theirs-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)


def test_the_command_line_takes_all_three(package: Path, tmp_path: Path) -> None:
    def run(*words: object) -> str:
        environment = os.environ | {"PYTHONPATH": str(package), "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-c", "from clay_eval.cli import main; main()", *map(str, words)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    out = tmp_path / "run"
    run("plan", "demo-object", "--out", out, "--count", 24)
    run("render", "--out", out, "--renderer", "plain", "--size", 16, "--steps", 3)
    manifest = json.loads((out / "shards" / "manifest.json").read_text())
    assert manifest["renderer"] == {"type": "plain", "size": 16, "steps": 3}
    options = ("--measure", "RBP@5", "--split", "every-second", "--method", "raw", "--method", "clay")
    report = json.loads(run("evaluate", "--out", out, *options, "--draws", 10, "--json"))
    assert {row["metric"] for row in report["results"]} == {"RBP@5"}
    assert report["settings"]["split"] == "every-second"
    assert report["entities"]["demo-object"]["queries"] == 12
    run("leak", "--out", out, "--split", "every-second", "--method", "raw", "--seed", 0)
    there = tmp_path / "submissions"
    run(
        "submit",
        "--out",
        out,
        "--split",
        "every-second",
        "--method",
        "raw",
        "--name",
        "Raw",
        "--to",
        there / "raw",
    )
    run("leaderboard", there, "--out", out, "--to", tmp_path / "board.html")
    assert "every second picture is a query" in (tmp_path / "board.html").read_text()
    page = (out / "report" / "report.md").read_text()
    assert "Every second image by key is a query." in page
    assert "rank-biased precision with persistence 0.8" in page
    columns = next(csv.reader((out / "report" / "per_query.csv").open()))
    assert "RBP@5" in columns
