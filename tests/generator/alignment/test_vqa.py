"""VQAScore on tiny models of real families: the literal formula, batch independence, and models that cannot answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clay_eval.generator.alignment.base import Judge
from clay_eval.generator.alignment.vqa import VQAJudge, load_vqa, yes_share
from clay_eval.generator.alignment.vqa_loading import VisionLanguageModel
from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.samples import SampleSpec

pytestmark = pytest.mark.usefixtures("one_thread")
ANSWERING = ("llava", "llava-without-chat", "idefics3", "qwen2-vl")
Drawings = tuple[list[SampleSpec], list[Image.Image]]


@pytest.fixture(scope="module")
def drawings() -> Drawings:
    samples = list(Plan(load_entity("demo-object"), count=8, seed=4))
    return samples, ProceduralRenderer(64).render(samples)


def test_the_share_of_yes_is_the_formula_in_float64() -> None:
    logits = np.random.default_rng(0).standard_normal(50).astype(np.float32) * 8
    probabilities = np.exp(logits.astype(np.float64)) / np.exp(logits.astype(np.float64)).sum()
    yes, no = [3, 7], [11, 12, 40]
    p_yes, p_no = probabilities[yes].sum(), probabilities[no].sum()
    assert yes_share(logits, yes, no) == pytest.approx((p_yes / (p_yes + p_no), p_yes + p_no), rel=1e-12)


@pytest.mark.parametrize(
    ("yes", "no", "share"), [(-900.0, -901.0, 0.731058579), (1e4, 0.0, 1.0), (0.0, 1e4, 0.0)]
)
def test_the_share_survives_extreme_logits(yes: float, no: float, share: float) -> None:
    assert yes_share(np.array([500.0, yes, no]), [1], [2])[0] == pytest.approx(share)


@pytest.mark.parametrize("family", ANSWERING)
def test_scores_come_from_the_next_token_after_the_question(
    vlms: Callable[[str], Path], drawings: Drawings, family: str
) -> None:
    import torch

    judge = load_vqa(str(vlms(family)), device="cpu")
    assert isinstance(judge, Judge)
    judge.prepare(load_entity("demo-object"))
    (sample, image), model = (drawings[0][0], drawings[1][0]), judge._model
    (verdict,) = judge.judge([sample], [image])
    assert list(verdict.scores) == ["vqa.category", "vqa.subcategory", "vqa.color", "vqa.prompt"]
    question = f"Does this picture show a {sample.labels['color']} object? Please answer yes or no."
    question = question.replace("a orange", "an orange")
    if family == "llava-without-chat":
        text = f"<image>Question: {question} Answer:"
    else:
        mark = "<|vision_start|><|image_pad|><|vision_end|>" if family == "qwen2-vl" else "<image>"
        text = f"<|start|>USER: {mark}{question} ASSISTANT:"
    inputs = model.processor(text=[text], images=[image], return_tensors="pt", add_special_tokens=False)
    assert model.processor.tokenizer.decode(inputs["input_ids"][0]).endswith(
        question + text.split(question)[1]
    )
    with torch.no_grad():
        logits = model.model(**inputs).logits[0, -1].double()
    p = torch.softmax(logits, 0)
    number = model.processor.tokenizer.convert_tokens_to_ids
    p_yes = sum(float(p[number(token)]) for token in ("Yes", "yes", "ĠYes", "Ġyes"))
    p_no = sum(float(p[number(token)]) for token in ("No", "no", "ĠNo", "Ġno"))
    assert verdict.scores["vqa.color"] == pytest.approx(p_yes / (p_yes + p_no), abs=1e-6)


@pytest.mark.parametrize("family", ["llava", "qwen2-vl"])
def test_a_verdict_depends_on_its_own_picture_only(
    vlms: Callable[[str], Path], drawings: Drawings, family: str
) -> None:
    judge = load_vqa(str(vlms(family)), device="cpu")
    judge.prepare(load_entity("demo-object"))
    samples, images = drawings
    images = [image.resize((40 + 8 * i, 64)) for i, image in enumerate(images)]
    seen: dict[str, set[str]] = {sample.key: set() for sample in samples}
    for size, seed in ((1, 0), (3, 1), (8, 2)):
        order = random.Random(seed).sample(range(len(samples)), len(samples))
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            verdicts = judge.judge([samples[i] for i in batch], [images[i] for i in batch])
            for i, verdict in zip(batch, verdicts, strict=True):
                seen[samples[i].key].add(repr(verdict))
    assert all(len(verdicts) == 1 for verdicts in seen.values())
    assert len(set.union(*seen.values())) == len(samples)


@pytest.mark.parametrize("family", ["llava", "qwen2-vl"])
def test_words_are_scored_where_the_answer_begins_alone(
    vlms: Callable[[str], Path], drawings: Drawings, family: str
) -> None:
    """Scores of a large vocabulary at every token of a picture would take hundreds of MiB."""
    judge = load_vqa(str(vlms(family)), device="cpu")
    model, shapes = judge._model.model, list[tuple[int, ...]]()
    handle = model.register_forward_hook(lambda _m, _a, output: shapes.append(tuple(output.logits.shape)))
    row = judge.logits(drawings[1][0], judge.question("a red object"))
    handle.remove()
    assert shapes == [(1, 1, len(row))]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_a_question_that_does_not_fit_into_memory(
    vlms: Callable[[str], Path], drawings: Drawings, error: Exception
) -> None:
    judge = load_vqa(str(vlms("llava")), device="cpu")

    def full(*_: Any) -> None:
        raise error

    judge._model.model.register_forward_pre_hook(full)
    with pytest.raises(InputError, match="too little memory for one question"):
        judge.logits(drawings[1][0], judge.question("a red object"))


class Scripted(VQAJudge):
    """The judge with answers by question instead of a model's: `yes` is the share for questions that hold a text."""

    def __init__(self, yes: dict[str, float], **options: Any) -> None:
        words = {"Yes": 0, "yes": 1, "No": 2, "no": 3}

        def tokenize(word: str, add_special_tokens: bool) -> dict[str, list[int]]:
            return {"input_ids": [words[word]] if word in words else [4, 5]}

        class Tokenizer(SimpleNamespace):
            __call__ = staticmethod(tokenize)

        processor = SimpleNamespace(tokenizer=Tokenizer(unk_token_id=None))
        super().__init__(VisionLanguageModel(None, processor, "cpu", {"model": "scripted"}), **options)
        self.asked: list[str] = []
        self._shares = yes

    def _inputs(self, image: Image.Image, question: str) -> str:
        self.asked.append(question)
        return question

    def _row(self, inputs: str, image: Image.Image) -> np.ndarray:
        share = next((share for text, share in self._shares.items() if text in inputs), 0.9)
        return np.log(np.array([share, 1e-30, 1 - share, 1e-30, 1e-30, 1e-30]))


def test_what_is_not_seen_is_said_and_counted(drawings: Drawings) -> None:
    sample = drawings[0][0]
    color = f"{sample.labels['color']} object"
    judge = Scripted({color: 0.25, "photo of": 0.9, sample.prompt.removeprefix("a photo of "): 0.4})
    judge.prepare(load_entity("demo-object"))
    (verdict,) = judge.judge([sample], drawings[1][:1])
    assert verdict.failed == ("color", "prompt")
    assert verdict.reasons == (
        f"color is not seen as {sample.labels['color']} (yes 0.250, needs 0.500)",
        "the picture is not seen as its whole prompt (yes 0.400, needs 0.500)",
    )
    assert verdict.scores["vqa.category"] == pytest.approx(0.9)
    assert len(judge.asked) == 4
    assert not verdict.accepted


def test_a_question_is_made_ready_while_the_model_works_on_the_one_before(drawings: Drawings) -> None:
    class Patient(Scripted):
        """A model that answers a question when the next one is ready, up to the last."""

        def _row(self, inputs: str, image: Image.Image) -> np.ndarray:
            self.answered = getattr(self, "answered", 0) + 1
            deadline = time.monotonic() + 60
            while len(self.asked) <= self.answered < 8:
                assert time.monotonic() < deadline, "the next question is not made ready"
                time.sleep(0.001)
            return super()._row(inputs, image)

    judge = Patient({})
    judge.prepare(load_entity("demo-object"))
    verdicts = judge.judge(drawings[0][:2], drawings[1][:2])
    assert [verdict.accepted for verdict in verdicts] == [True, True]
    assert (len(judge.asked), judge.answered) == (8, 8)


def test_what_cannot_be_asked_ends_the_judging(drawings: Drawings) -> None:
    class Strict(Scripted):
        def _inputs(self, image: Image.Image, question: str) -> str:
            if len(self.asked) == 5:
                raise InputError("the processor takes no such picture")
            return super()._inputs(image, question)

    judge = Strict({})
    judge.prepare(load_entity("demo-object"))
    with pytest.raises(InputError, match="no such picture"):
        judge.judge(drawings[0], drawings[1])


def test_a_prompts_score_may_be_recorded_only(drawings: Drawings) -> None:
    prompt = drawings[0][0].prompt.removeprefix("a photo of ")
    judge = Scripted({prompt: 0.1}, prompt_threshold=None)
    judge.prepare(load_entity("demo-object"))
    (verdict,) = judge.judge(drawings[0][:1], drawings[1][:1])
    assert verdict.accepted
    assert verdict.scores["vqa.prompt"] == pytest.approx(0.1)


def test_answers_that_are_no_numbers_are_no_verdict(drawings: Drawings) -> None:
    judge = Scripted({"": float("nan")})
    judge.prepare(load_entity("demo-object"))
    with pytest.raises(ClayEvalError, match="no number") as caught:
        judge.judge(drawings[0][:1], drawings[1][:1])
    assert caught.value.where == drawings[0][0].key


def test_a_model_that_cannot_say_yes_is_refused(vlms: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match="no token for 'yes'"):
        load_vqa(str(vlms("llava-without-yes")), device="cpu")


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_a_threshold_out_of_bounds_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match="share of yes"):
        Scripted({}, threshold=bad)


def test_a_model_that_hardly_answers_is_named_once(
    vlms: Callable[[str], Path], drawings: Drawings, caplog: pytest.LogCaptureFixture
) -> None:
    judge = load_vqa(str(vlms("llava")), device="cpu")
    judge._row = lambda inputs, image: np.array([50.0] + [0.0] * 400)  # type: ignore[method-assign,assignment]
    judge.prepare(load_entity("demo-object"))
    judge.judge(drawings[0][:2], drawings[1][:2])
    assert [r.message for r in caplog.records if "may mean little" in r.message] == [
        caplog.records[-1].message
    ]
