"""Methods that embed the pictures anew for each set of conditions, beside those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clay_eval.evaluator.embedding.encoders import load_encoder
from clay_eval.evaluator.embedding.store import FeatureStore, embed
from clay_eval.evaluator.evaluation.evaluate import evaluate_source
from clay_eval.evaluator.evaluation.prepared import prepare
from clay_eval.evaluator.evaluation.settings import EvaluationSettings
from clay_eval.evaluator.methods.support.specs import prepare_methods
from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.evaluator.retrieval.reencoding import image_methods
from clay_eval.evaluator.retrieval.vectors import StoredFeatures
from clay_eval.schemas.errors import InputError

RUNTIME = {"device": "cpu", "precision": "fp32", "batch_size": 16}
CALLS: list[tuple[int, tuple[str, ...]]] = []


class MeanColor:
    """Reads colours off the picture when asked for color, its light and dark when asked for anything else."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    @property
    def identity(self) -> dict[str, Any]:
        return {"name": "mean color", "scale": self.scale}

    def encode(self, images: Sequence[Any], conditions: Sequence[str]) -> np.ndarray:
        CALLS.append((len(images), tuple(conditions)))
        pixels = [np.asarray(image, np.float32).reshape(-1, 3) / 255 for image in images]
        rows = [p.mean(0) - 0.5 if "color" in conditions else [p.std() + 0.1, 0.1, p.mean()] for p in pixels]
        return np.array(rows, np.float32).reshape(len(images), 3) * self.scale


class Asymmetric(MeanColor):
    """Queries are turned round, so the least alike come first."""

    def encode_queries(self, images: Sequence[Any], conditions: Sequence[str]) -> np.ndarray:
        return -self.encode(images, conditions)


@pytest.fixture
def run(own_folder: Path, tiny_encoder: Path, tmp_path: Path) -> Any:
    source, encoder = open_source(own_folder), load_encoder(str(tiny_encoder), "cpu")
    store = FeatureStore(tmp_path / "features")
    embed(source, encoder, store)

    def evaluate(*specs: str, folder: str = "report", **options: Any) -> dict[str, Any]:
        settings = EvaluationSettings(methods=specs, bootstrap_draws=20, **options)
        methods = settings.prepared(image_methods(source, store, RUNTIME))
        evaluation = prepare(source, settings, methods=methods)
        return evaluate_source(evaluation, StoredFeatures(store, encoder), tmp_path / folder)

    CALLS.clear()
    return evaluate


def values(record: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {
        (r["method"], "+".join(r["conditions"])): r["value"] for r in record["results"] if r["metric"] == "AP"
    }


HERE = "test_reencoding_plug_in:MeanColor"


@pytest.fixture(autouse=True)
def plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    module = types.ModuleType("test_reencoding_plug_in")
    module.MeanColor, module.Asymmetric = MeanColor, Asymmetric  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "test_reencoding_plug_in", module)


def test_it_is_scored_beside_feature_methods_and_embeds_each_picture_once_a_set(run: Any) -> None:
    record = run("raw", HERE, seeds=(0, 1))
    found = values(record)
    assert found[HERE, "color"] > found["raw", "color"]
    assert found[HERE, "color"] > 0.9
    embedded: dict[tuple[str, ...], int] = {}
    for count, conditions in CALLS:
        embedded[conditions] = embedded.get(conditions, 0) + count
    assert set(embedded) == {("color",), ("shape",), ("color", "shape")}
    assert all(48 <= count <= 50 for count in embedded.values())
    method = record["methods"][HERE]
    assert method["sees"] == ["pixels"]
    assert record["settings"]["identities"][HERE]["name"] == "mean color"


def test_what_was_embedded_is_not_embedded_again(run: Any) -> None:
    first = run(HERE, "raw")
    before = sum(count for count, _ in CALLS)
    again = run(HERE, "raw", folder="again")
    assert values(first) == values(again)
    assert sum(count for count, _ in CALLS) - before <= 6
    other = run(f"{HERE}(scale=2.0)", "raw", folder="scaled")
    assert sum(count for count, _ in CALLS) - before >= 3 * 48
    scaled = {conditions: value for (method, conditions), value in values(other).items() if method != "raw"}
    assert scaled == pytest.approx({c: v for (m, c), v in values(first).items() if m != "raw"})


def test_queries_may_be_encoded_otherwise(run: Any) -> None:
    found = values(run(HERE, "test_reencoding_plug_in:Asymmetric"))
    assert found["test_reencoding_plug_in:Asymmetric", "color"] < found[HERE, "color"] - 0.3


def test_texts_are_not_needed(run: Any) -> None:
    record = run(HERE)
    assert record["per_query"]["rows"] == 15
    assert not record["failures"]


def test_a_fusion_and_a_place_without_pictures_are_refused(run: Any) -> None:
    with pytest.raises(InputError, match="nothing to join"):
        run(f"{HERE}(fusion=sum)")
    with pytest.raises(InputError, match="embeds pictures"):
        prepare_methods([HERE])
    with pytest.raises(InputError, match="embeds pictures"):
        prepare_methods(["instructblip(model=somewhere)"])
