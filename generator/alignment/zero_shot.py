"""A judge that reads each core attribute of a picture with an image-text encoder, one attribute at a time.

For every value of an attribute the encoder embeds a handful of texts; their mean, normalised, stands for the value. The
margin of a picture x with label y among the values V of the attribute is

    margin(x, y) = cos(x, y) - max over v in V, v != y, of cos(x, v)

and the picture is rejected where it is below the one asked for: at 0 where another value fits better. Values that a
person would call the same thing under two names are rivals all the same, for the judge cannot know: such a pair shows
as many rejections of both, and belongs together in the spec.

Why a verdict does not depend on batch mates, bit for bit: each picture and each prompt is embedded in a batch of its
own, so that shapes, kernels and the order of sums are the same whatever is judged beside it; class embeddings are made
once, by `prepare`, from the entity's texts alone, and compared with one picture at a time.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clay_eval.evaluator.embedding.encoders import Encoder, Preparing
from clay_eval.evaluator.embedding.encoders import rows as encoder_rows
from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.texts import ConditionTexts

from .base import Verdict
from .texts import PROMPT, AttributeTexts, spec_texts, texts_fingerprint

DIGITS = 6
"""Decimals of a score; what is recorded is what decided."""


class ZeroShotJudge:
    """Accepts a picture if each of its core labels, and of its diversity labels if asked to, is what the encoder reads.

    Parameters
    ----------
    encoder: embeds pictures and texts into one space.
    margin: by how much the label's cosine must be ahead of the best other's; an attribute with one value is not judged.
    prompt_score: the least cosine between the picture and its whole prompt; None records it and rejects nothing.
    texts: entity -> condition texts to read its values by, instead of those that are shipped.
    diversity: whether diversity labels are judged, too.
    facts: goes into the encoder's identity on top (another name, say).
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        margin: float = 0.0,
        prompt_score: float | None = None,
        texts: Mapping[str, ConditionTexts] | None = None,
        diversity: bool = False,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        _check_cosine("--margin", margin, 2.0)
        if prompt_score is not None:
            _check_cosine("--prompt-score", prompt_score, 1.0)
        self._encoder = encoder
        self._margin = float(margin)
        self._prompt_score = None if prompt_score is None else float(prompt_score)
        self._given = dict(texts or {})
        self._diversity = diversity
        self._texts: dict[str, tuple[AttributeTexts, ...]] = {}
        self._classes: dict[str, dict[str, NDArray[np.float64]]] = {}
        self._said = False
        self.identity: dict[str, Any] = {
            "type": "zero-shot",
            "encoder": {**encoder.identity, **(facts or {})},
            "margin": self._margin,
            "prompt_score": self._prompt_score,
            "texts": {},
            **({"diversity": True} if diversity else {}),
        }

    def prepare(self, spec: EntitySpec) -> None:
        """Embed the texts of the entity and add their fingerprint to the identity.

        Raises InputError for an entity that has nothing this judge could tell apart.
        """
        texts = spec_texts(spec, self._given.get(spec.entity), diversity=self._diversity)
        judged = any(a.rivals(i) for a in texts for i in range(len(a.values)))
        if not judged and self._prompt_score is None:
            raise InputError(
                "there is nothing to judge: no core attribute has two values that differ",
                where=spec.source or spec.entity,
                hint="render without a judge, or ask for a --prompt-score",
            )
        with self._cut_once():
            classes = {a.name: np.stack([self._class(item.texts) for item in a.values]) for a in texts}
        self._texts[spec.entity] = texts
        self._classes[spec.entity] = classes
        self.identity["texts"][spec.entity] = texts_fingerprint(texts)

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        """One verdict a picture; a label that the spec does not have raises InputError with the sample's key."""
        encoder = self._encoder
        if isinstance(encoder, Preparing):  # all before the model is waited for, which may be another's turn
            prepared_images = [encoder.prepare([image]) for image in images]
            rows = (encoder.encode_prepared(one)[0] for one in prepared_images)
        else:
            rows = (encoder.encode_images([image])[0] for image in images)
        return [self._judge(sample, row) for sample, row in zip(samples, rows, strict=True)]

    def _judge(self, sample: SampleSpec, row: NDArray[np.float32]) -> Verdict:
        texts = prepared(self._texts, sample)
        places = {attribute.name: attribute.find(sample) for attribute in texts}
        picture = row.astype(np.float64)
        with self._cut_once():
            prompt = self._encoder.encode_texts([sample.prompt])[0].astype(np.float64)
        scores: dict[str, float] = {}
        reasons: list[str] = []
        failed: list[str] = []
        for attribute in texts:
            own = places[attribute.name]
            rivals = attribute.rivals(own)
            if not rivals:
                continue
            cosines = self._classes[sample.entity][attribute.name] @ picture
            best = max(rivals, key=lambda i: float(cosines[i]))
            margin = _finite(float(cosines[own] - cosines[best]), sample)
            scores[attribute.name] = margin
            if margin < self._margin:
                failed.append(attribute.name)
                reasons.append(self._reason(attribute, own, best, margin))
        scores[PROMPT] = _finite(float(prompt @ picture), sample)
        if self._prompt_score is not None and scores[PROMPT] < self._prompt_score:
            failed.append(PROMPT)
            reasons.append(
                f"the picture fits its prompt too little (cosine {scores[PROMPT]:.3f}, "
                f"needs {self._prompt_score:.3f})"
            )
        return Verdict(not reasons, scores, tuple(reasons), tuple(failed))

    def _reason(self, attribute: AttributeTexts, own: int, best: int, margin: float) -> str:
        label, other = attribute.values[own], attribute.values[best]
        numbers = f"(margin {margin:.3f}, needs {self._margin:.3f})"
        named = other.value
        if other.parent != label.parent:
            named = f"{other.value} ({attribute.parent} {other.parent})"
        if margin < 0:
            return f"{attribute.name} reads as {named}, not {label.value} {numbers}"
        return f"{attribute.name} reads as {label.value}, but nearly as {named} {numbers}"

    def _class(self, texts: Sequence[str]) -> NDArray[np.float64]:
        mean = self._encoder.encode_texts(texts).astype(np.float64).mean(axis=0)
        norm = float(np.linalg.norm(mean))
        if not math.isfinite(norm) or norm == 0:
            raise ClayEvalError("the judge's encoder makes nothing of a text", where=texts[0], found=norm)
        unit: NDArray[np.float64] = mean / norm
        return unit

    @contextmanager
    def _cut_once(self) -> Iterator[None]:
        """Let the encoder's warning that a text was cut through once, not for every picture."""

        def first(record: logging.LogRecord) -> bool:
            shown, self._said = not self._said, True
            return shown

        encoder_rows.log.addFilter(first)
        try:
            yield
        finally:
            encoder_rows.log.removeFilter(first)


def prepared(
    texts: Mapping[str, tuple[AttributeTexts, ...]], sample: SampleSpec
) -> tuple[AttributeTexts, ...]:
    """The texts of the sample's entity; InputError if `prepare` has not been called for it."""
    if sample.entity not in texts:
        raise InputError(
            "the judge was not prepared for this entity",
            where=sample.key,
            expected=f"one of {sorted(texts)}",
            found=repr(sample.entity),
        )
    return texts[sample.entity]


def _finite(score: float, sample: SampleSpec) -> float:
    if not math.isfinite(score):
        raise ClayEvalError("the judge computed no number for this picture", where=sample.key, found=score)
    return round(score, DIGITS) + 0.0


def _check_cosine(option: str, value: float, most: float) -> None:
    if not (math.isfinite(value) and -most <= value <= most):
        raise InputError(
            "a difference of cosines lies in other bounds" if most > 1 else "a cosine lies in other bounds",
            where=option,
            expected=f"{-most:g} to {most:g}",
            found=value,
        )
