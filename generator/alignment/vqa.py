"""A judge that asks a vision-language model whether a picture shows what it should (VQAScore).

    score = P(yes) / (P(yes) + P(no)),    P(w) = sum of the next token's probabilities over the ways to write w

after "Does this picture show a red object? Please answer yes or no." (Lin et al., "Evaluating Text-to-Visual Generation
with Image-to-Text Generation", ECCV 2024). One question a core attribute, and one with the whole prompt.

A verdict does not depend on batch mates, bit for bit: each question is put to the model alone, unpadded, so that shapes,
kernels and the order of sums are the same whatever is judged beside it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import islice
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clay_eval.evaluator.embedding.ahead import ahead
from clay_eval.evaluator.embedding.encoders.devices import in_turn, is_out_of_memory
from clay_eval.evaluator.embedding.encoders.transformers_loading import fewest_logits
from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.texts import ConditionTexts

from .base import Verdict
from .texts import PROMPT, AttributeTexts, spec_texts, texts_fingerprint, without_lead
from .vqa_loading import VisionLanguageModel, load_model
from .zero_shot import DIGITS, prepared

log = logging.getLogger(__name__)

INSTRUCTION = "picture"
PREFIX = "vqa."
_YES = ("Yes", "yes", " Yes", " yes")
_NO = ("No", "no", " No", " no")
_LITTLE = 0.01


class VQAJudge:
    """Accepts a picture if the model says yes to every question about it.

    Parameters
    ----------
    model: as from `load_model`; the identity takes its facts as they are.
    threshold: the least score of every core attribute, from 0 to 1.
    prompt_threshold: the same for the whole prompt; None records the score and rejects nothing.
    diversity: whether diversity labels are asked for, too.
    texts: entity -> condition texts whose first wording of a value is asked for, instead of those that are shipped.

    Raises InputError for a model whose tokens cannot say yes or no.
    """

    def __init__(
        self,
        model: VisionLanguageModel,
        *,
        threshold: float = 0.5,
        prompt_threshold: float | None = 0.5,
        texts: Mapping[str, ConditionTexts] | None = None,
        diversity: bool = False,
    ) -> None:
        for value in (threshold, prompt_threshold):
            if value is not None and not 0 <= value <= 1:
                raise InputError(
                    "a share of yes lies in other bounds", where="threshold", expected="0 to 1", found=value
                )
        self._model = model
        self._threshold = float(threshold)
        self._prompt_threshold = None if prompt_threshold is None else float(prompt_threshold)
        self._given = dict(texts or {})
        self._diversity = diversity
        self._texts: dict[str, tuple[AttributeTexts, ...]] = {}
        self._question = Template(_instruction())
        self._yes, self._no = answer_tokens(model)
        self._said = False
        self.identity: dict[str, Any] = {
            "type": "vqa",
            **model.facts,
            "threshold": self._threshold,
            "prompt_threshold": self._prompt_threshold,
            "question": fingerprint(self._question.template),
            "texts": {},
            **({"diversity": True} if diversity else {}),
        }

    def prepare(self, spec: EntitySpec) -> None:
        """Find the words for the entity's values and add their fingerprint to the identity."""
        self._texts[spec.entity] = spec_texts(spec, self._given.get(spec.entity), diversity=self._diversity)
        self.identity["texts"][spec.entity] = texts_fingerprint(self._texts[spec.entity])

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        """One verdict a picture; a label that the spec does not have raises InputError with the sample's key.

        The next question is made ready while the model works on one.
        """
        phrases = [self._phrases(sample) for sample in samples]
        asked = [
            (image, self.question(phrase))
            for image, own in zip(images, phrases, strict=True)
            for phrase in own
        ]
        with ahead((self._inputs(*pair) for pair in asked), 1) as ready:
            rows = (self._row(inputs, image) for inputs, (image, _) in zip(ready, asked, strict=True))
            return [
                self._verdict(sample, [self._score(sample, row) for row in islice(rows, len(own))])
                for sample, own in zip(samples, phrases, strict=True)
            ]

    def question(self, phrase: str) -> str:
        """The question whether a picture shows `phrase`."""
        return self._question.substitute(phrase=phrase)

    def logits(self, image: Image.Image, question: str) -> NDArray[np.float32]:
        """(vocabulary,) the next token's logits after the question about the picture."""
        return self._row(self._inputs(image, question), image)

    def _row(self, inputs: Any, image: Image.Image) -> NDArray[np.float32]:
        import torch

        few = fewest_logits(self._model.model)
        try:
            with torch.inference_mode(), in_turn(self._model.device):
                placed = inputs.to(self._model.device, self._model.model.dtype)
                logits = self._model.model(**placed, **few, use_cache=False).logits[0, -1]
                row: NDArray[np.float32] = logits.to("cpu", torch.float32).numpy()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(
                "the device has too little memory for one question about a picture",
                where=f"--device {self._model.device}",
                found=f"{image.width} x {image.height} pixels",
                hint="a smaller model, or --device cpu",
            ) from error
        return row

    def _inputs(self, image: Image.Image, question: str) -> Any:
        processor = self._model.processor
        if getattr(processor, "chat_template", None):
            content = [{"type": "image", "image": image}, {"type": "text", "text": question}]
            return processor.apply_chat_template(
                [{"role": "user", "content": content}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        mark = getattr(processor, "image_token", None) or ""
        return processor(images=image, text=f"{mark}Question: {question} Answer:", return_tensors="pt")

    def _phrases(self, sample: SampleSpec) -> list[str]:
        """What is asked for: the label of every attribute, and the whole prompt."""
        texts = prepared(self._texts, sample)
        return [*(a.values[a.find(sample)].said for a in texts), without_lead(sample.prompt)]

    def _verdict(self, sample: SampleSpec, found: Sequence[float]) -> Verdict:
        """found: the scores of its phrases."""
        texts = prepared(self._texts, sample)
        labels = [attribute.values[attribute.find(sample)] for attribute in texts]
        *own, whole = found
        scores: dict[str, float] = {}
        reasons: list[str] = []
        failed: list[str] = []
        for attribute, label, score in zip(texts, labels, own, strict=True):
            scores[PREFIX + attribute.name] = score
            if score < self._threshold:
                failed.append(attribute.name)
                reasons.append(
                    f"{attribute.name} is not seen as {label.value} (yes {score:.3f}, needs {self._threshold:.3f})"
                )
        scores[PREFIX + PROMPT] = whole
        if self._prompt_threshold is not None and whole < self._prompt_threshold:
            failed.append(PROMPT)
            reasons.append(
                f"the picture is not seen as its whole prompt (yes {whole:.3f}, needs {self._prompt_threshold:.3f})"
            )
        return Verdict(not reasons, scores, tuple(reasons), tuple(failed))

    def _score(self, sample: SampleSpec, row: NDArray[np.float32]) -> float:
        score, mass = yes_share(row, self._yes, self._no)
        if not math.isfinite(score):
            raise ClayEvalError(
                "the judge computed no number for this picture",
                where=sample.key,
                found=f"{score}, in {self._model.facts.get('dtype')}",
            )
        if mass < _LITTLE and not self._said:
            self._said = True
            log.warning(
                "%s gives yes and no together %.2g of its next token: its answers may mean little (said once)",
                self._model.facts.get("model"),
                mass,
            )
        return round(score, DIGITS)


def load_vqa(
    name: str,
    *,
    threshold: float = 0.5,
    device: str = "auto",
    texts: Mapping[str, ConditionTexts] | None = None,
    diversity: bool = False,
) -> VQAJudge:
    """A judge on the vision-language model in a folder or on the Hub; errors as from `load_model`."""
    return VQAJudge(
        load_model(name, device),
        threshold=threshold,
        prompt_threshold=threshold,
        texts=texts,
        diversity=diversity,
    )


def yes_share(
    logits: NDArray[np.floating[Any]], yes: Sequence[int], no: Sequence[int]
) -> tuple[float, float]:
    """P(yes) / (P(yes) + P(no)) from next-token logits (vocabulary,), and P(yes) + P(no); both in float64.

    NaN logits give NaN.
    """
    wide = logits.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        whole = np.exp(wide - wide.max())
        answers = np.exp(wide - wide[[*yes, *no]].max())
        p_yes, p_no = answers[list(yes)].sum(), answers[list(no)].sum()
        mass = whole[[*yes, *no]].sum() / whole.sum()
        return float(p_yes / (p_yes + p_no)), float(mass)


def answer_tokens(model: VisionLanguageModel) -> tuple[list[int], list[int]]:
    """Tokens that are a whole yes, and a whole no, in any of their spellings with or without a space before them.

    Raises InputError if there is none for one of them.
    """
    tokenizer = model.processor.tokenizer
    found = []
    for words in (_YES, _NO):
        encoded = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
        whole = {ids[0] for ids in encoded if len(ids) == 1} - {tokenizer.unk_token_id}
        if not whole:
            raise InputError(
                f"this model has no token for {words[1]!r}",
                where=model.facts.get("model"),
                expected="a vocabulary with one token for yes and one for no",
                found=f"{words[0]!r} is {len(encoded[0])} tokens",
                hint="choose another vision-language model",
            )
        found.append(sorted(whole))
    return found[0], found[1]


def _instruction() -> str:
    file = resources.files("clay_eval.prompts.instructions").joinpath(f"{INSTRUCTION}.md")
    return file.read_text("utf-8").strip()
