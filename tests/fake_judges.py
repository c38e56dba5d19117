"""A judge and a renderer for tests: what they reject and what they cannot draw is decided by key and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from clay_eval.generator.alignment.base import Verdict
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.samples import SampleSpec


def share_of(text: str) -> float:
    """A number from 0 to 1 that looks random and depends on the text only."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 0x100000000


class FakeJudge:
    """Rejects a share of all pictures, for their first attribute and now and then for the prompt, too.

    Its scores depend on the picture's bytes, so that a picture that is not the one that is stored shows.
    """

    def __init__(self, rejects: float = 0.5, name: str = "fake") -> None:
        self.rejects = rejects
        self.identity: dict[str, Any] = {"type": name, "rejects": rejects}
        self.prepared: list[str] = []
        self.batches: list[int] = []

    def prepare(self, spec: EntitySpec) -> None:
        """Note it."""
        self.prepared.append(spec.entity)

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        """By key and seed."""
        assert {s.entity for s in samples} <= set(self.prepared)
        self.batches.append(len(samples))
        return [self._verdict(sample, image) for sample, image in zip(samples, images, strict=True)]

    def rejected(self, key: str, seed: int) -> bool:
        """Whether the picture of a key and a seed is rejected."""
        return share_of(f"{key}|{seed}") < self.rejects

    def _verdict(self, sample: SampleSpec, image: Image.Image) -> Verdict:
        score = share_of(image.tobytes().hex())
        attribute = next(iter(sample.labels))
        scores = {attribute: score, "prompt": share_of(sample.prompt)}
        if not self.rejected(sample.key, sample.seed):
            return Verdict(True, scores)
        reasons, failed = (f"{attribute} reads as something else",), (attribute,)
        if sample.seed % 3 == 0:
            reasons, failed = (*reasons, "not what was asked for"), (*failed, "prompt")
        return Verdict(False, scores, reasons, failed)


class Picky:
    """Draws as ProceduralRenderer(64) does, but for the keys of which `fails` says that they fail; notes every call."""

    def __init__(self, fails: Callable[[str], bool] = lambda _: False) -> None:
        self.inner = ProceduralRenderer(64)
        self.identity = self.inner.identity
        self.fails = fails
        self.calls: list[list[str]] = []

    @property
    def asked(self) -> list[str]:
        """Every key that was asked for, as often as it was."""
        return [key for call in self.calls for key in call]

    def check(self, spec: EntitySpec) -> None:
        """As the procedural renderer."""
        self.inner.check(spec)

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        """Raise an error about the first sample that fails."""
        self.calls.append([s.key for s in samples])
        for sample in samples:
            if self.fails(sample.key):
                raise ClayEvalError("cannot draw this", where=sample.key, hint="never")
        return self.inner.render(samples)
