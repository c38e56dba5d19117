"""From what a user names to a judge.

>>> judge = load_judge("ViT-L-14:datacomp_xl_s13b_b90k", vqa="llava-hf/llava-1.5-7b-hf")                   # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from clay_eval.evaluator.embedding.encoders import load_encoder
from clay_eval.evaluator.embedding.encoders.names import CONFIG
from clay_eval.schemas.errors import IntegrityError
from clay_eval.schemas.texts import ConditionTexts

from .base import Judge
from .combined import CombinedJudge
from .vqa import load_vqa
from .zero_shot import ZeroShotJudge

EMBEDDED_JUDGE = "embedded-judge"
"""The name of the second demonstration model, which is not the one that demonstrations are scored with."""


def load_judge(
    name: str,
    *,
    margin: float = 0.0,
    prompt_score: float | None = None,
    vqa: str | None = None,
    device: str = "auto",
    texts: Mapping[str, ConditionTexts] | None = None,
    diversity: bool = False,
) -> Judge:
    """A judge by the name of its encoder: any that `load_encoder` takes, or "embedded-judge".

    margin, prompt_score: thresholds of `ZeroShotJudge`. vqa: folder or Hub name of a vision-language model that must
    accept too. texts: entity -> condition texts to read values by (a plan's), instead of those that are shipped.
    diversity: whether diversity labels are judged, too.
    Raises InputError for thresholds out of bounds and models that cannot be found, trusted or loaded; IntegrityError for
    damaged weights, and where the embedded judge is missing.
    """
    facts: dict[str, Any] = {}
    if name == EMBEDDED_JUDGE:
        name = str(_embedded_folder())
        facts = {"name": EMBEDDED_JUDGE, "pretrained": "embedded", "demonstration": True}
    encoder = load_encoder(name, device)
    first = ZeroShotJudge(
        encoder, margin=margin, prompt_score=prompt_score, texts=texts, diversity=diversity, facts=facts
    )
    if vqa is None:
        return first
    return CombinedJudge([first, load_vqa(vqa, device=device, texts=texts, diversity=diversity)])


def _embedded_folder() -> Path:
    folder = Path(str(resources.files("clay_eval.data.embedded").joinpath("judge")))
    if not (folder / CONFIG).is_file():
        raise IntegrityError(
            "the embedded judge is not complete",
            where=folder,
            expected=f"{CONFIG} and its weights",
            hint="install the package again",
        )
    return folder
