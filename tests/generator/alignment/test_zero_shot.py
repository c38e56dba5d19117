"""Zero-shot verdicts: against the literal formula, with faults in, and whatever is judged beside a picture."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clay_eval.evaluator.embedding.encoders import load_encoder
from clay_eval.evaluator.embedding.encoders.rows import warn_of_cut_texts
from clay_eval.generator.alignment.base import Judge
from clay_eval.generator.alignment.zero_shot import ZeroShotJudge
from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.schemas.entity import EntitySpec, load_entity, parse_entity
from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.samples import SampleSpec

pytestmark = pytest.mark.usefixtures("one_thread")
NESTED = Path(__file__).parents[1] / "nested.json"


class Hashed:
    """An encoder without any sense: unit rows from a generator seeded by a text, or by a picture's first pixel."""

    dimension = 24
    identity: Mapping[str, Any] = {"name": "hashed", "weights_sha256": "0" * 64}

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return self._rows([int.from_bytes(text.encode()[:64]) for text in texts])

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self._rows([sum(image.getpixel((0, 0))) for image in images])

    def _rows(self, seeds: list[int]) -> np.ndarray:
        rows = np.stack([np.random.default_rng(seed).standard_normal(self.dimension) for seed in seeds])
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


class Preparing(Hashed):
    """The same encoder in two steps; notes them."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def prepare(self, images: Sequence[Image.Image]) -> list[Any]:
        self.steps += ["prepare"] * len(images)
        return list(images)

    def encode_prepared(self, prepared: Sequence[Any]) -> np.ndarray:
        self.steps.append(f"encode {len(prepared)}")
        return super().encode_images(prepared)


def pictures(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (8, 8), (i, 2 * i, 3)) for i in range(count)]


def literal(spec: EntitySpec, sample: SampleSpec, image: Image.Image) -> dict[str, float]:
    """Margins and the prompt's cosine, spelled out in float64 for phrases of three templates."""
    encoder = Hashed()
    x = encoder.encode_images([image])[0].astype(float)
    scores = {}
    for attribute in spec.attributes:
        cosines: dict[str, list[float]] = {}
        for parent, group in attribute.choices.items():
            for value in group:
                phrase = value.phrase if value.phrase.startswith("a ") else f"a {value.phrase}"
                phrase += "" if attribute.name == "model" else " object"  # the last one in the prompt's row
                texts = [f"a photo of {phrase}", f"a picture of {phrase}", phrase]
                mean = encoder.encode_texts(texts).astype(float).mean(0)
                same = attribute.parent is None or sample.labels[attribute.parent] == parent
                kept = same or value.name != sample.labels[attribute.name]
                if kept:
                    cosines.setdefault(value.name, []).append(float(mean @ x / np.linalg.norm(mean)))
        own = cosines.pop(sample.labels[attribute.name])
        assert len(own) == 1
        scores[attribute.name] = own[0] - max(c for others in cosines.values() for c in others)
    scores["prompt"] = float(encoder.encode_texts([sample.prompt])[0].astype(float) @ x)
    return scores


def test_scores_and_verdicts_are_those_of_the_formula() -> None:
    spec = load_entity(NESTED)
    samples = list(Plan(spec, count=30, seed=1))
    judge = ZeroShotJudge(Hashed(), margin=-0.05, prompt_score=0.1)
    judge.prepare(spec)
    verdicts = judge.judge(samples, pictures(30))
    kinds = set()
    for sample, image, verdict in zip(samples, pictures(30), verdicts, strict=True):
        expected = literal(spec, sample, image)
        assert verdict.scores == pytest.approx(expected, abs=2e-6)
        low = [n for n, s in expected.items() if s < (0.1 if n == "prompt" else -0.05)]
        assert list(verdict.failed) == low
        assert len(verdict.reasons) == len(low)
        assert verdict.accepted == (not low)
        kinds.update(low)
    assert kinds == {"model", "kind", "make", "color", "prompt"}


def test_all_pictures_are_prepared_before_the_model_is_asked() -> None:
    """So that a batch waits for its turn on an accelerator with nothing left to do; each picture is encoded alone."""
    spec = load_entity(NESTED)
    samples = list(Plan(spec, count=5, seed=1))
    encoder = Preparing()
    plain, in_steps = ZeroShotJudge(Hashed()), ZeroShotJudge(encoder)
    plain.prepare(spec)
    in_steps.prepare(spec)
    assert in_steps.judge(samples, pictures(5)) == plain.judge(samples, pictures(5))
    assert encoder.steps == ["prepare"] * 5 + ["encode 1"] * 5


def test_diversity_labels_are_judged_when_asked_to() -> None:
    spec = load_entity(NESTED)
    samples = list(Plan(spec, count=30, seed=1))
    core, both = ZeroShotJudge(Hashed()), ZeroShotJudge(Hashed(), diversity=True)
    core.prepare(spec)
    both.prepare(spec)
    assert "diversity" not in core.identity
    assert both.identity["diversity"] is True
    assert core.identity["texts"] != both.identity["texts"]
    x = [Hashed().encode_images([image])[0].astype(float) for image in pictures(30)]
    failed = set()
    for sample, row, few, all_ in zip(
        samples, x, core.judge(samples, pictures(30)), both.judge(samples, pictures(30)), strict=True
    ):
        assert {n: all_.scores[n] for n in few.scores} == few.scores
        for attribute in spec.diversity:
            cosines = {}
            for value in attribute.choices[None]:
                said = f"something, {value.phrase}"
                mean = (
                    Hashed()
                    .encode_texts([f"a photo of {said}", f"a picture of {said}", said])
                    .astype(float)
                    .mean(0)
                )
                cosines[value.name] = float(mean @ row / np.linalg.norm(mean))
            own = cosines.pop(sample.diversity[attribute.name])
            assert all_.scores[attribute.name] == pytest.approx(own - max(cosines.values()), abs=2e-6)
            assert (attribute.name in all_.failed) == (all_.scores[attribute.name] < 0)
        failed.update(all_.failed)
    assert {a.name for a in spec.diversity} <= failed


def test_a_threshold_counts_as_reached_by_what_equals_it() -> None:
    spec = load_entity(NESTED)
    (sample,) = Plan(spec, count=1)
    plain = ZeroShotJudge(Hashed(), margin=-2.0)
    plain.prepare(spec)
    score = plain.judge([sample], pictures(1))[0].scores["color"]
    for margin, fails in ((score, False), (score + 1e-6, True)):
        judge = ZeroShotJudge(Hashed(), margin=margin)
        judge.prepare(spec)
        assert ("color" in judge.judge([sample], pictures(1))[0].failed) is fails


@pytest.fixture(scope="module")
def drawings() -> tuple[list[EntitySpec], list[SampleSpec], list[Image.Image]]:
    """Eight drawings of each demonstration entity with their samples."""
    specs = [load_entity("demo-object"), load_entity("demo-human")]
    samples = [sample for spec in specs for sample in Plan(spec, count=8, seed=9)]
    return specs, samples, ProceduralRenderer(64).render(samples)


@pytest.fixture(scope="module")
def embedded(drawings: tuple[list[EntitySpec], Any, Any]) -> ZeroShotJudge:
    judge = ZeroShotJudge(load_encoder("embedded", "cpu"))
    for spec in drawings[0]:
        judge.prepare(spec)
    return judge


def test_a_verdict_depends_on_its_own_picture_only(
    embedded: ZeroShotJudge, drawings: tuple[Any, list[SampleSpec], list[Image.Image]]
) -> None:
    _, samples, images = drawings
    seen: dict[str, set[str]] = {sample.key: set() for sample in samples}
    for size, seed in ((1, 0), (3, 1), (8, 2)):
        order = random.Random(seed).sample(range(len(samples)), len(samples))
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            verdicts = embedded.judge([samples[i] for i in batch], [images[i] for i in batch])
            for i, verdict in zip(batch, verdicts, strict=True):
                seen[samples[i].key].add(repr(verdict))
    assert {key: len(verdicts) for key, verdicts in seen.items()} == {s.key: 1 for s in samples}


def test_the_embedded_encoder_accepts_right_drawings_and_names_what_a_wrong_one_reads_as(
    embedded: ZeroShotJudge, drawings: tuple[Any, list[SampleSpec], list[Image.Image]]
) -> None:
    _, samples, images = drawings
    assert sum(verdict.accepted for verdict in embedded.judge(samples, images)) >= len(samples) - 1
    i = next(i for i, sample in enumerate(samples) if sample.labels.get("color") == "red")
    wrong = replace(samples[i], labels={**samples[i].labels, "color": "blue"})
    (verdict,) = embedded.judge([wrong], [images[i]])
    assert verdict.failed == ("color",)
    margin = verdict.scores["color"]
    assert verdict.reasons == (f"color reads as red, not blue (margin {margin:.3f}, needs 0.000)",)


def test_a_reason_tells_nearly_read_and_names_the_parent_of_a_cousin() -> None:
    spec = load_entity(NESTED)
    samples = list(Plan(spec, count=60))
    judge = ZeroShotJudge(Hashed(), margin=2.0)
    judge.prepare(spec)
    reasons = [reason for v in judge.judge(samples, pictures(60)) for reason in v.reasons]
    nearly = [reason for reason in reasons if "but nearly as" in reason]
    assert nearly
    assert all("(margin -" not in reason for reason in nearly)
    assert any("make reads as" in reason and "(kind " in reason for reason in reasons)


@pytest.mark.parametrize(
    "labels",
    [
        {"color": "mauve"},
        {"color": None},
        {"make": "high", "kind": "boat"},
        {"kind": "plane"},
    ],
)
def test_a_label_that_the_spec_does_not_have_is_refused_with_the_key(labels: dict[str, Any]) -> None:
    spec = load_entity(NESTED)
    sample = next(s for s in Plan(spec) if s.labels["kind"] == "boat")
    judge = ZeroShotJudge(Hashed())
    judge.prepare(spec)
    bad = {k: v for k, v in {**sample.labels, **labels}.items() if v is not None}
    with pytest.raises(InputError, match="not a value of the entity spec") as caught:
        judge.judge([replace(sample, labels=bad)], pictures(1))
    assert caught.value.where == sample.key


def test_an_entity_that_was_not_prepared_is_refused() -> None:
    (sample,) = Plan(load_entity(NESTED), count=1)
    with pytest.raises(InputError, match="not prepared"):
        ZeroShotJudge(Hashed()).judge([sample], pictures(1))


def lonely() -> EntitySpec:
    attributes = [{"name": "kind", "values": ["mug"]}, {"name": "color", "values": ["red"]}]
    record = {"schema": "clay-eval/entity-spec/1", "entity": "lonely", "attributes": attributes}
    return parse_entity({**record, "prompt": "a {color} {kind}", "images_per_combination": 1}, "lonely")


def test_where_nothing_can_be_told_apart_only_the_prompt_is_judged() -> None:
    with pytest.raises(InputError, match="nothing to judge"):
        ZeroShotJudge(Hashed()).prepare(lonely())
    judge = ZeroShotJudge(Hashed(), prompt_score=1.0)
    judge.prepare(lonely())
    (verdict,) = judge.judge(list(Plan(lonely(), count=1)), pictures(1))
    assert list(verdict.scores) == ["prompt"]
    assert verdict.failed == ("prompt",)


class NaN(Hashed):
    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return super().encode_images(images) * np.float32("nan")


def test_a_picture_that_comes_out_as_nan_is_no_verdict() -> None:
    spec = load_entity(NESTED)
    (sample,) = Plan(spec, count=1)
    judge = ZeroShotJudge(NaN())
    judge.prepare(spec)
    with pytest.raises(ClayEvalError, match="no number") as caught:
        judge.judge([sample], pictures(1))
    assert caught.value.where == sample.key


@pytest.mark.parametrize("bad", [{"margin": float("nan")}, {"margin": 3.0}, {"prompt_score": 1.5}])
def test_thresholds_out_of_bounds_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="other bounds"):
        ZeroShotJudge(Hashed(), **bad)  # type: ignore[arg-type]


def test_identity_says_model_thresholds_and_texts() -> None:
    judges = [ZeroShotJudge(Hashed()), ZeroShotJudge(Hashed(), margin=0.1)]
    assert judges[0].identity != judges[1].identity
    assert judges[0].identity["encoder"]["weights_sha256"] == "0" * 64
    before = dict(judges[0].identity["texts"])
    judges[0].prepare(load_entity(NESTED))
    assert before == {}
    assert list(judges[0].identity["texts"]) == ["nested"]
    assert isinstance(judges[0], Judge)


class Chatty(Hashed):
    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        warn_of_cut_texts(texts, [True] * len(texts), 48)
        return super().encode_texts(texts)


def test_that_texts_are_cut_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    spec = load_entity(NESTED)
    judge = ZeroShotJudge(Chatty())
    judge.prepare(spec)
    judge.judge(list(Plan(spec, count=5)), pictures(5))
    assert ["and are cut" in record.message for record in caplog.records] == [True]
    Chatty().encode_texts(["a"])
    assert len(caplog.records) == 2
