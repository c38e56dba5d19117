"""What evaluate can be asked for: methods, measures, splits, seeds, weights, vectors made elsewhere, and what fails."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

Cli = Callable[..., Any]
PLUG_IN = """
class FailsOnShape:
    def fit(self, database_features, text_features, text_conditions):
        if "shape" in text_conditions:
            raise RuntimeError("not this one")
        return self
    def transform(self, features):
        return features
"""


@pytest.fixture
def evaluate(cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path) -> Callable[..., Any]:
    def call(*more: object, encoder: bool = True) -> Any:
        named = ["--encoder", tiny_encoder] if encoder else []
        return cli(
            "evaluate",
            "--data",
            own_folder,
            "--out",
            tmp_path / "out",
            *named,
            "--draws",
            20,
            "--json",
            *more,
        )

    return call


def record_of(outcome: Any, code: int = 0) -> dict[str, Any]:
    assert outcome.code == code, outcome.err
    record: dict[str, Any] = json.loads(outcome.out)
    return record


def value(record: dict[str, Any], method: str, *conditions: str, metric: str = "AP") -> float:
    (found,) = [
        r["value"]
        for r in record["results"]
        if (r["method"], tuple(r["conditions"]), r["metric"]) == (method, conditions, metric)
    ]
    return float(found)


def test_methods_with_parameters_stand_beside_each_other(evaluate: Callable[..., Any]) -> None:
    specs = ("clay", "clay(n_components=1)", "clay(fusion=rrf)", "clay(alignment=none, fusion=sum)")
    record = record_of(evaluate(*(o for spec in specs for o in ("--method", spec))))
    assert record["settings"]["methods"] == list(specs)
    assert record["methods"]["clay(n_components=1)"]["parameters"]["n_components"] == 1
    assert record["methods"]["clay(fusion=rrf)"]["parameters"]["fusion"] == "rrf"
    assert {c["reference"] for c in record["comparisons"]} == {"clay"}
    assert value(record, "clay", "color") == value(record, "clay(fusion=rrf)", "color")
    assert len({value(record, spec, "color", "shape") for spec in specs}) > 1


def test_measures_seeds_and_per_query_scores_agree(evaluate: Callable[..., Any], tmp_path: Path) -> None:
    measures = ("nDCG@5", "P@3", "AP(trapezoid)")
    options = [o for m in measures for o in ("--measure", m)]
    record = record_of(evaluate("--method", "raw", *options, "--seed", 4, "--seed", 9, "--query-share", 0.25))
    assert record["settings"]["measures"] == list(measures)
    (entity,) = record["entities"].values()
    assert set(entity["query_keys"]) == {"4", "9"}
    assert entity["query_keys"]["4"] != entity["query_keys"]["9"]
    with (tmp_path / "out" / "report" / record["per_query"]["file"]).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == record["per_query"]["rows"] == 3 * 24
    for measure in measures:
        for conditions in (("color",), ("color", "shape")):
            means = [
                np.mean([
                    float(r[measure])
                    for r in rows
                    if (r["seed"], r["conditions"]) == (seed, "+".join(conditions)) and r[measure]
                ])
                for seed in ("4", "9")
            ]  # fmt: skip
            assert value(record, "raw", *conditions, metric=measure) == pytest.approx(np.mean(means))


@pytest.mark.parametrize("split", ["combination", "leave-one-out"])
def test_splits(evaluate: Callable[..., Any], split: str) -> None:
    record = record_of(
        evaluate("--method", "raw", "--method", "clay", "--split", split, "--query-share", 0.3)
    )
    assert record["settings"]["split"] == split
    (entity,) = record["entities"].values()
    if split == "leave-one-out":
        assert entity["queries"] == entity["database"] == entity["images"] == 48
    else:
        assert entity["queries"] + entity["database"] == 48
        everything = [r for r in record["results"] if len(r["conditions"]) == 2]
        assert all(r["value"] is None for r in everything)


def test_a_given_split(evaluate: Callable[..., Any], tmp_path: Path, own_folder: Path) -> None:
    record = record_of(evaluate("--method", "raw"))
    (entity,) = record["entities"].values()
    keys = sorted(set(entity["query_keys"]["0"]))
    outcome = evaluate("--method", "raw", "--split-file", tmp_path / "missing.csv", "--replace")
    assert outcome.code == 2
    everyone = [row["key"] for row in csv.DictReader(_all_keys(evaluate, tmp_path))]
    lines = [f"{key},{'query' if key in keys else 'database'}" for key in everyone]
    (tmp_path / "split.csv").write_text("key,split\n" + "\n".join(lines) + "\n")
    given = record_of(evaluate("--method", "raw", "--split-file", tmp_path / "split.csv", "--replace"))
    assert given["settings"]["split"] == "given"
    assert len(given["settings"]["split_sha256"]) == 64
    assert value(given, "raw", "color") == value(record, "raw", "color")
    (tmp_path / "split.csv").write_text("key,split\n" + "\n".join(lines[1:]) + "\n")
    evaluate("--method", "raw", "--split-file", tmp_path / "split.csv", "--replace").refused(2, "1 missing")


def _all_keys(evaluate: Callable[..., Any], tmp_path: Path) -> list[str]:
    everyone = record_of(evaluate("--method", "raw", "--split", "leave-one-out", "--replace"))
    (entity,) = everyone["entities"].values()
    return ["key", *entity["query_keys"]["0"]]


def test_weights_are_recorded_and_checked(evaluate: Callable[..., Any]) -> None:
    record = record_of(evaluate("--method", "clay(fusion=sum)", "--weight", "color=3"))
    assert record["settings"]["weights"] == {"color": 3.0}
    evaluate("--weight", "taste=3").refused(2, "unknown condition", "taste")
    evaluate("--weight", "color").refused(2, "CONDITION=NUMBER")
    evaluate("--weight", "color=-1").refused(2, "positive")
    evaluate("--method", "clay(fusion=min)", "--weight", "color=3").refused(2, "takes no weights")


def test_a_method_that_fails_on_one_condition_costs_nothing_else(
    evaluate: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "picky_plug_in.py").write_text(PLUG_IN)
    monkeypatch.syspath_prepend(tmp_path)
    options = ("--method", "raw", "--method", "picky_plug_in:FailsOnShape")
    record = record_of(evaluate(*options), code=1)
    assert {tuple(f["conditions"]) for f in record["failures"]} == {("shape",), ("color", "shape")}
    assert "RuntimeError: not this one" in record["failures"][0]["error"]
    assert value(record, "picky_plug_in:FailsOnShape", "color") == value(record, "raw", "color")
    assert value(record, "raw", "shape") > 0
    (tmp_path / "picky_plug_in.py").write_text(PLUG_IN.replace('"shape" in text_conditions', "False"))
    monkeypatch.delitem(__import__("sys").modules, "picky_plug_in")
    assert not record_of(evaluate(*options))["failures"]


def test_all_methods_run(evaluate: Callable[..., Any]) -> None:
    record = record_of(evaluate("--method", "all"))
    assert not record["failures"]
    assert record["methods"]["supervised-lda"]["privileged"] is True
    assert record["methods"]["raw"]["sees"] == ["images"]
    assert "text_values" in record["methods"]["text-discriminant"]["sees"]


def test_unknown_names_are_refused_with_the_nearest(evaluate: Callable[..., Any]) -> None:
    evaluate("--method", "cley").refused(2, "did you mean 'clay'")
    evaluate("--measure", "APP").refused(2, "measure")
    evaluate("--reference", "raw", "--method", "clay").refused(2, "not among the methods")
    evaluate("--backend", "cupy").refused(2, "backend")


def test_vectors_made_elsewhere(
    evaluate: Callable[..., Any], cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    """Vectors exported from the encoder give the encoder's numbers; no model is loaded, and missing ones are named."""
    from clay_eval.evaluator.embedding.encoders import load_encoder
    from clay_eval.evaluator.embedding.store import FeatureStore
    from clay_eval.evaluator.pictures.opening import open_source

    record = record_of(evaluate("--method", "clay", "--method", "image-text"))
    outcome = evaluate("--method", "clay", "--method", "image-text", "--write-texts", tmp_path / "needed.txt")
    assert record_of(outcome)["texts"] == len((tmp_path / "needed.txt").read_text().splitlines())
    texts = (tmp_path / "needed.txt").read_text().splitlines()
    encoder, source = load_encoder(str(tiny_encoder), "cpu"), open_source(own_folder)
    features = FeatureStore(tmp_path / "out" / "features").load(source, encoder.identity)["things"]
    images, sentences = tmp_path / "images.safetensors", tmp_path / "texts.safetensors"
    save_file({"features": features.matrix}, images, {"keys": json.dumps(list(features.keys))})
    save_file({"features": encoder.encode_texts(texts)}, sentences, {"keys": json.dumps(texts)})
    other = ["--method", "clay", "--method", "image-text", "--replace", "--features", images]
    given = record_of(evaluate(*other, "--text-features", sentences, encoder=False))
    for method in ("clay", "image-text"):
        assert value(given, method, "color") == pytest.approx(value(record, method, "color"), abs=1e-6)
    assert given["inputs"]["encoder"]["library"] == "given"
    evaluate(*other, encoder=False).refused(2, "there are no features of", "--write-texts")
    only = record_of(evaluate("--method", "raw", "--features", images, "--replace", encoder=False))
    assert value(only, "raw", "color") > 0


def test_methods_are_listed(cli: Cli) -> None:
    record = json.loads(cli("methods", "--json").out)
    names = {m["name"] for m in record["methods"]}
    assert {"raw", "clay", "supervised-lda"} <= names
    assert all(m["summary"] for m in record["methods"])
    outcome = cli("methods")
    assert outcome.code == 0
    assert "nDCG@10" in outcome.out
    assert "rrf" in outcome.out


def test_a_method_is_checked(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("check-method", "clay").code == 0
    (tmp_path / "batchy_plug_in.py").write_text(
        "class Batchy:\n"
        "    def fit(self, database_features, text_features):\n        return self\n"
        "    def transform(self, features):\n        return features - features.mean(axis=0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    outcome = cli("check-method", "batchy_plug_in:Batchy", "--json")
    assert outcome.code == 1
    faults = [f["name"] for f in json.loads(outcome.out)["findings"] if not f["ok"]]
    assert any("batch" in fault for fault in faults)
    cli("check-method", "no_such_module:Thing").refused(2, "cannot be imported")
