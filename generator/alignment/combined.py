"""Several judges as one: a picture is accepted if all of them accept it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.samples import SampleSpec

from .base import Judge, Verdict


class CombinedJudge:
    """Asks every judge about every picture, and merges scores and reasons in the order of the judges."""

    def __init__(self, judges: Sequence[Judge]) -> None:
        self._judges = tuple(judges)
        self.identity: dict[str, Any] = {"type": "combined", "judges": [j.identity for j in self._judges]}

    def prepare(self, spec: EntitySpec) -> None:
        """Prepare every judge."""
        for judge in self._judges:
            judge.prepare(spec)
        self.identity["judges"] = [judge.identity for judge in self._judges]

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        """One verdict a picture. Two judges that give a score the same name raise ClayEvalError."""
        columns = [judge.judge(samples, images) for judge in self._judges]
        return [_merged(sample.key, verdicts) for sample, *verdicts in zip(samples, *columns, strict=True)]


def _merged(key: str, verdicts: Sequence[Verdict]) -> Verdict:
    scores: dict[str, float] = {}
    for verdict in verdicts:
        if twice := sorted(scores.keys() & verdict.scores.keys()):
            raise ClayEvalError("two judges give a score the same name", where=key, found=", ".join(twice))
        scores.update(verdict.scores)
    reasons = tuple(reason for verdict in verdicts for reason in verdict.reasons)
    failed = tuple(dict.fromkeys(name for verdict in verdicts for name in verdict.failed))
    return Verdict(not reasons, scores, reasons, failed)
