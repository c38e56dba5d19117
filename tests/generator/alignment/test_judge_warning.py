"""A report says so when the encoder that it scores also chose the pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clay_eval.evaluator.embedding.encoders import Encoder, load_encoder
from clay_eval.evaluator.embedding.store import FeatureStore, embed
from clay_eval.evaluator.evaluation import evaluate as evaluation
from clay_eval.evaluator.evaluation.judged import judged_by_itself
from clay_eval.evaluator.evaluation.prepared import prepare
from clay_eval.evaluator.evaluation.settings import EvaluationSettings
from clay_eval.evaluator.pictures.sources import ClayShards
from clay_eval.evaluator.retrieval.vectors import StoredFeatures
from clay_eval.generator.alignment.zero_shot import ZeroShotJudge
from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.schemas.entity import load_entity

pytestmark = pytest.mark.usefixtures("one_thread")
SAID = "also judged which pictures were kept"
PUBLIC = {"library": "open_clip", "name": "ViT-B-32", "pretrained": "openai", "architecture": "a"}


@pytest.fixture(scope="module")
def encoders(tiny_encoder: Path, other_encoder: Path) -> dict[str, Encoder]:
    return {
        name: load_encoder(str(f), "cpu") for name, f in (("tiny", tiny_encoder), ("other", other_encoder))
    }


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judged")
    write_plan(PlanRequest([load_entity("demo-object")], [None], count=40), folder / "plan")
    render_plan(folder / "plan", folder / "shards", ProceduralRenderer(64))
    return folder / "shards"


@pytest.mark.parametrize("judged_by", ["tiny", "other", "both", None])
def test_the_report_warns_of_its_own_judge_only(
    shards: Path,
    encoders: dict[str, Encoder],
    tmp_path: Path,
    judged_by: str | None,
) -> None:
    identities: dict[str | None, Any] = {name: ZeroShotJudge(e).identity for name, e in encoders.items()}
    identities["both"] = {"type": "combined", "judges": list(identities.values())}

    source, store = ClayShards(shards), FeatureStore(tmp_path / "features")
    source.judge = identities.get(judged_by)
    embed(source, encoders["tiny"], store, 64)
    settings = EvaluationSettings(methods=("raw",), bootstrap_draws=10)
    report = evaluation.evaluate_source(
        prepare(source, settings), StoredFeatures(store, encoders["tiny"]), tmp_path / "report"
    )
    warned = judged_by in ("tiny", "both")
    assert sum(SAID in warning for warning in report["warnings"]) == warned
    for page in ("report.html", "report.md"):
        assert (SAID in (tmp_path / "report" / page).read_text()) is warned


def test_the_judge_is_the_manifests(shards: Path, encoders: dict[str, Encoder], tmp_path: Path) -> None:
    assert ClayShards(shards).judge is None
    judge = ZeroShotJudge(encoders["tiny"], margin=-2.0)
    plan = shards.parent / "plan"
    render_plan(plan, tmp_path, ProceduralRenderer(64), judge=judge)
    assert judged_by_itself(ClayShards(tmp_path).judge, encoders["tiny"].identity)
    assert not judged_by_itself(ClayShards(tmp_path).judge, encoders["other"].identity)


@pytest.mark.parametrize(
    ("model", "same"),
    [
        ({**PUBLIC, "weights_sha256": "1"}, True),
        ({"name": "under-another-name", "weights_sha256": "1"}, True),
        ({**PUBLIC, "precision": "bf16", "weights_sha256": "2"}, True),
        ({**PUBLIC, "pretrained": "laion2b", "weights_sha256": "2"}, False),
        ({**PUBLIC, "architecture": "b", "weights_sha256": "2"}, False),
        ({"model": "a-vqa-model", "weights_sha256": "2"}, False),
        ({"name": "ViT-B-32"}, False),
    ],
)
def test_a_model_is_known_by_weights_or_public_name(model: dict[str, Any], same: bool) -> None:
    encoder = {**PUBLIC, "precision": "fp32", "weights_sha256": "1"}
    for judge in ({"encoder": model}, {"judges": [{"type": "x"}, {"deep": [model]}]}):
        assert bool(judged_by_itself(judge, encoder)) is same


def test_two_folders_of_one_name_are_not_one_model() -> None:
    local = {**PUBLIC, "pretrained": "folder"}
    assert not judged_by_itself(
        {"encoder": {**local, "weights_sha256": "2"}}, {**local, "weights_sha256": "1"}
    )
    unnamed = {"name": "own"}
    assert not judged_by_itself({"encoder": {**unnamed, "weights_sha256": "2"}}, unnamed)
    assert not judged_by_itself(None, {**local, "weights_sha256": "1"})
