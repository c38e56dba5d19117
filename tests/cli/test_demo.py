"""What the demonstration claims: with the embedded encoder, CLAY finds what is asked for and raw cosine does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labels import split_combinations

from clay_eval.evaluator.embedding.encoders import load_encoder
from clay_eval.schemas.decoding import decode_image
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.texts import shipped_texts


@pytest.fixture(scope="module")
def demo(cli: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "run"
    outcome = cli("run", "--out", out, "--renderer", "procedural", "--count", 300)
    assert outcome.code == 0, outcome.err
    return out


def test_clay_is_above_raw_everywhere_and_half_as_good_again_on_average(demo: Path) -> None:
    report = json.loads((demo / "report" / "report.json").read_text())
    assert report["inputs"]["encoder"]["demonstration"] is True
    scored = [r for r in report["results"] if r["metric"] == "AP"]
    values = {(r["entity"], *r["conditions"], r["method"]): r["value"] for r in scored}
    singles = [key[:-1] for key in values if len(key) == 3 and key[-1] == "raw"]
    assert len(singles) == 6
    for key in singles:
        assert values[(*key, "clay")] > values[(*key, "raw")], key
    clay, raw = (np.mean([values[(*key, method)] for key in singles]) for method in ("clay", "raw"))
    assert clay >= 1.5 * raw


def test_the_page_says_that_these_are_demonstration_models_and_drawings(demo: Path) -> None:
    page = (demo / "report" / "report.html").read_text()
    assert "demonstration model" in page
    assert "drawn by this project" in page


def test_the_encoder_reads_combinations_that_it_was_never_trained_on(demo: Path) -> None:
    encoder = load_encoder("embedded", device="cpu")
    wanted = {
        "category": 0.95,
        "subcategory": 0.8,
        "color": 0.95,
        "age": 0.8,
        "action": 0.95,
        "background": 0.95,
    }
    for entity in ("demo-object", "demo-human"):
        held_out = split_combinations(load_entity(entity))[1]
        samples = [s for tar in sorted((demo / "shards").glob(f"{entity}*.tar")) for s in read_shard(tar)]
        unseen = [s for s in samples if s.record["labels"] in held_out]
        assert len(unseen) >= 20
        features = encoder.encode_images([decode_image(s.image, s.key) for s in unseen])
        texts = shipped_texts(entity)
        assert texts is not None
        for condition, items in texts.conditions.items():
            scores = features @ encoder.encode_texts([item.text for item in items]).T
            right = [
                items[i].value == s.record["labels"][condition]
                for i, s in zip(scores.argmax(axis=1), unseen, strict=True)
            ]
            assert np.mean(right) >= wanted[condition], condition
