"""What a judge is: pictures and the sample specs that they were made from in, a verdict for each out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.samples import SampleSpec


@dataclass(frozen=True)
class Verdict:
    """Whether a picture shows what it is labelled with.

    scores: a finite number for each attribute that was judged (its margin), and "prompt" (the whole-prompt score);
    those of a second judge have a prefix ("vqa."). reasons: plain words, empty exactly if accepted. failed: what the
    picture failed at, for counting: attributes, or "prompt".
    """

    accepted: bool
    scores: Mapping[str, float]
    reasons: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@runtime_checkable
class Judge(Protocol):
    """Says whether pictures show what their labels say.

    `identity` is JSON-able and decides the verdicts together with picture and sample spec. `judge` is called by one thread
    at a time, but not by the one that draws: it shares nothing with the renderer that two threads must not use at once.
    """

    identity: dict[str, Any]

    def prepare(self, spec: EntitySpec) -> None:
        """Get ready for an entity's samples; raise InputError if it cannot be judged."""

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        """One verdict a picture; each depends on its own picture and sample only, never on its batch mates."""


def check_verdicts(samples: Sequence[SampleSpec], verdicts: Sequence[Verdict]) -> None:
    """Raise ClayEvalError for a judge that breaks its word."""
    if len(verdicts) != len(samples):
        raise ClayEvalError(
            "the judge returned another number of verdicts than it was asked for",
            where="the judge",
            expected=len(samples),
            found=len(verdicts),
        )
    for sample, verdict in zip(samples, verdicts, strict=True):
        if verdict.accepted == bool(verdict.reasons) or not all(map(math.isfinite, verdict.scores.values())):
            raise ClayEvalError(
                "the judge returned a verdict that makes no sense",
                where=f"the judge, of {sample.key}",
                expected="finite scores, and reasons exactly if it rejects",
                found=verdict,
            )
