"""Judges by name, the embedded one, encoders with a timm tower, and several judges as one."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clay_eval.evaluator.embedding.encoders import load_encoder
from clay_eval.generator.alignment import loading
from clay_eval.generator.alignment.base import Judge, Verdict
from clay_eval.generator.alignment.combined import CombinedJudge
from clay_eval.generator.alignment.loading import EMBEDDED_JUDGE, load_judge
from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.schemas.entity import EntitySpec, load_entity
from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.texts import ConditionText, ConditionTexts

pytestmark = pytest.mark.usefixtures("one_thread")
TOWER = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 32,
        "timm_model_name": "test_convnext",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
    },
    "text_cfg": {"context_length": 48, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def convnext(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny CLIP whose image tower is timm's, as the embedded judge's is."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("judges") / "judge"
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = open_clip.model.CLIP(**TOWER).state_dict()  # type: ignore[arg-type]
    save_file({name: w.contiguous() for name, w in weights.items()}, folder / "open_clip_model.safetensors")
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    config = {"model_cfg": TOWER, "preprocess_cfg": {**preprocess, "size": [32, 32]}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def drawings() -> tuple[list[SampleSpec], list[Image.Image]]:
    samples = list(Plan(load_entity("demo-object"), count=4, seed=4))
    return samples, ProceduralRenderer(64).render(samples)


def test_an_encoder_with_a_timm_tower_loads_with_its_digest(convnext: Path) -> None:
    from safetensors.torch import load_file

    from clay_eval.evaluator.embedding.encoders import weights_sha256

    encoder = load_encoder(str(convnext), "cpu")
    weights = load_file(convnext / "open_clip_model.safetensors")
    assert encoder.identity["weights_sha256"] == weights_sha256(weights)
    rows = encoder.encode_images([Image.new("RGB", (64, 64), color) for color in ("red", "blue")])
    assert rows.shape == (2, 16)
    assert abs(rows[0] - rows[1]).max() > 1e-4


def test_the_embedded_judge_goes_by_its_own_name(
    convnext: Path, monkeypatch: pytest.MonkeyPatch, drawings: tuple[Any, Any]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(loading.resources, "files", lambda _: convnext.parent)
        judge = load_judge(EMBEDDED_JUDGE, margin=0.01, prompt_score=0.2, device="cpu")
    assert isinstance(judge, Judge)
    encoder = judge.identity["encoder"]
    assert (encoder["name"], encoder["pretrained"], encoder["demonstration"]) == (
        EMBEDDED_JUDGE,
        "embedded",
        True,
    )
    assert encoder["weights_sha256"] == load_encoder(str(convnext), "cpu").identity["weights_sha256"]
    assert (judge.identity["margin"], judge.identity["prompt_score"]) == (0.01, 0.2)
    judge.prepare(load_entity("demo-object"))
    assert len(judge.judge(*drawings)) == 4
    json.dumps(judge.identity)


def test_an_embedded_judge_that_is_not_there_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(loading.resources, "files", lambda _: tmp_path)
        with pytest.raises(IntegrityError, match="embedded judge"):
            load_judge(EMBEDDED_JUDGE, device="cpu")


def test_any_encoders_name_is_a_judges_name(tiny_encoder: Path) -> None:
    assert load_judge(str(tiny_encoder), device="cpu").identity["encoder"]["name"] == "tiny"
    with pytest.raises(InputError, match="unknown encoder"):
        load_judge("ViT-B-33:openai", device="cpu")


def test_two_judges_must_both_accept(
    convnext: Path,
    vlms: Callable[[str], Path],
    drawings: tuple[list[SampleSpec], list[Image.Image]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    spec = load_entity("demo-object")
    both = load_judge(str(convnext), vqa=str(vlms("llava")), device="cpu")
    one = load_judge(str(convnext), device="cpu")
    for judge in (both, one):
        judge.prepare(spec)
    assert [part["type"] for part in both.identity["judges"]] == ["zero-shot", "vqa"]
    assert both.identity["judges"][0] == one.identity
    assert list(both.identity["judges"][1]["texts"]) == ["demo-object"]
    for merged, first in zip(both.judge(*drawings), one.judge(*drawings), strict=True):
        own = {name: score for name, score in merged.scores.items() if not name.startswith("vqa.")}
        assert own == first.scores
        assert len(merged.scores) == 8
        assert merged.reasons[: len(first.reasons)] == first.reasons
        low = {
            name.removeprefix("vqa.")
            for name, score in merged.scores.items()
            if name not in own and score < 0.5
        }
        assert set(merged.failed) == set(first.failed) | low
        assert merged.accepted == (first.accepted and not low)


class Fixed:
    """A judge that says the same of every picture."""

    def __init__(self, name: str, *failed: str) -> None:
        self.identity: dict[str, Any] = {"type": name}
        self.name, self.failed = name, failed

    def prepare(self, spec: EntitySpec) -> None:
        self.identity = {"type": self.name, "prepared": spec.entity}

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        reasons = tuple(f"{self.name}: {failed}" for failed in self.failed)
        return [Verdict(not reasons, {f"{self.name}.x": 0.5}, reasons, self.failed) for _ in samples]


def test_reasons_and_failures_are_merged_and_counted_once(drawings: tuple[Any, Any]) -> None:
    judge = CombinedJudge([Fixed("a", "color"), Fixed("b"), Fixed("c", "prompt", "color")])
    judge.prepare(load_entity("demo-object"))
    assert judge.identity["judges"][1] == {"type": "b", "prepared": "demo-object"}
    for verdict in judge.judge(*drawings):
        assert not verdict.accepted
        assert verdict.failed == ("color", "prompt")
        assert verdict.reasons == ("a: color", "c: prompt", "c: color")
        assert list(verdict.scores) == ["a.x", "b.x", "c.x"]
    assert all(v.accepted for v in CombinedJudge([Fixed("a"), Fixed("b")]).judge(*drawings))


def test_scores_of_one_name_are_not_lost(drawings: tuple[Any, Any]) -> None:
    with pytest.raises(ClayEvalError, match="same name") as caught:
        CombinedJudge([Fixed("a"), Fixed("a")]).judge(*drawings)
    assert caught.value.where == drawings[0][0].key


def test_texts_that_are_given_take_the_place_of_the_shipped(tiny_encoder: Path) -> None:
    spec = load_entity("demo-object")
    colors = next(a for a in spec.attributes if a.name == "color").values
    texts = ConditionTexts(
        spec.entity, {"color": tuple(ConditionText(f"hue {color}", color) for color in colors)}, {}
    )
    judges = [load_judge(str(tiny_encoder), device="cpu", texts=t) for t in (None, {spec.entity: texts})]
    for judge in judges:
        judge.prepare(spec)
    assert judges[0].identity["texts"] != judges[1].identity["texts"]
