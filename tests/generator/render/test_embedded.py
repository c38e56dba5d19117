"""The embedded diffusion pipeline, its judge, and what they may weigh together."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from clay_eval.evaluator.embedding.encoders import load_encoder
from clay_eval.generator.alignment.loading import EMBEDDED_JUDGE, load_judge
from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.render import embedded
from clay_eval.generator.render.diffusion import DiffusionOptions
from clay_eval.generator.render.embedded import EmbeddedRenderer, load_embedded
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.texts import shipped_texts

pytestmark = pytest.mark.usefixtures("one_thread")
ENTITIES = ("demo-object", "demo-human")


@pytest.fixture(scope="module")
def renderer() -> EmbeddedRenderer:
    return load_embedded(DiffusionOptions(device="cpu"))


@pytest.mark.parametrize("entity", ENTITIES)
def test_labels_are_read_back_by_an_encoder_that_had_no_part_in_it(
    renderer: EmbeddedRenderer, entity: str
) -> None:
    spec, texts = load_entity(entity), shipped_texts(entity)
    assert texts is not None
    samples = list(Plan(spec, count=24))
    images = [image for start in (0, 8, 16) for image in renderer.render(samples[start : start + 8])]
    encoder = load_encoder("embedded", device="cpu")
    features = encoder.encode_images(images)
    right = np.ones(len(samples), bool)
    for attribute in spec.attributes:
        items = texts.condition(attribute.name)
        rows = encoder.encode_texts([item.text for item in items])
        means = {v: rows[[item.value == v for item in items]].mean(0) for v in attribute.values}
        unit = np.stack([m / np.linalg.norm(m) for m in means.values()])
        read = np.array(list(means))[(features @ unit.T).argmax(1)]
        right &= read == [s.labels[attribute.name] for s in samples]
    assert right.mean() >= 0.85


def test_the_judge_accepts_labels_and_refuses_others(renderer: EmbeddedRenderer) -> None:
    spec = load_entity("demo-human")
    samples = list(Plan(spec, count=8))
    images = renderer.render(samples)
    judge = load_judge(EMBEDDED_JUDGE, device="cpu")
    judge.prepare(spec)
    right = judge.judge(samples, images)
    wrong = judge.judge(samples, images[1:] + images[:1])
    assert sum(v.accepted for v in right) >= 7
    assert not any(v.accepted for v in wrong)
    assert (
        judge.identity["encoder"]["weights_sha256"]
        != load_encoder("embedded", "cpu").identity["weights_sha256"]
    )


def test_a_picture_depends_on_its_own_sample(renderer: EmbeddedRenderer) -> None:
    samples = list(Plan(load_entity("demo-object"), count=4))
    together = [np.asarray(image, np.int16) for image in renderer.render(samples)]
    alone = [np.asarray(renderer.render([s])[0], np.int16) for s in samples]
    assert max(np.abs(a - b).max() for a, b in zip(together, alone, strict=True)) <= 2


def test_what_it_never_saw_is_refused(renderer: EmbeddedRenderer) -> None:
    for entity in ENTITIES:
        renderer.check(load_entity(entity))
    with pytest.raises(InputError, match="the embedded pipeline cannot draw") as caught:
        renderer.check(load_entity("clay-object"))
    assert "--model" in str(caught.value.hint)


def test_steps_and_guidance_are_those_of_the_model_card_unless_given(renderer: EmbeddedRenderer) -> None:
    assert renderer.identity["steps"] == embedded.STEPS
    assert renderer.identity["guidance"] == embedded.GUIDANCE
    assert renderer.identity["model"] == "embedded"
    other = load_embedded(DiffusionOptions(steps=2, guidance=0.0, device="cpu"))
    assert (other.identity["steps"], other.identity["guidance"]) == (2, 0.0)


def test_a_missing_pipeline_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(embedded.resources, "files", lambda _: tmp_path)
        with pytest.raises(IntegrityError, match="embedded diffusion pipeline"):
            load_embedded()


def test_all_embedded_weights_together_are_small() -> None:
    folder = Path(str(resources.files("clay_eval.data.embedded")))
    assert sum(path.stat().st_size for path in folder.rglob("*.safetensors")) < 40_000_000
