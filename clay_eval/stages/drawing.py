"""What draws and judges: from names and options to a renderer and a judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.schemas.errors import InputError

if TYPE_CHECKING:
    from clay_eval.generator.alignment.base import Judge
    from clay_eval.generator.render.base import Renderer
    from clay_eval.generator.shards.work import RenderOptions

DEFAULT_SIZE = 128
EMBEDDED = "embedded"
AUTO_JUDGE = "auto"
NO_JUDGE = "none"
_ROUNDS = 4
"""An endpoint gets several rounds of requests at once, so that one slow answer holds up few others."""


class RendererName(StrEnum):
    """Renderers by name."""

    diffusion = "diffusion"
    procedural = "procedural"
    endpoint = "endpoint"


@dataclass(frozen=True)
class Drawing:
    """What draws and judges, and how pictures are stored; picklable, so that it can be carried out in another process.

    renderer: a `RendererName`. size: width and height in pixels, None for the renderer's own. given: the options of learned
    renderers that were given, by name. judge: an encoder's name, "auto" (the embedded judge for the embedded pipeline, none
    for others), "none". margin, prompt_score, vqa: see `load_judge`.
    """

    renderer: str = RendererName.diffusion.value
    size: int | None = None
    image_format: str = "jpg"
    shard_size: int = 256
    attempts: int = 3
    given: Mapping[str, Any] = field(default_factory=dict)
    judge: str = AUTO_JUDGE
    margin: float = 0.0
    prompt_score: float | None = None
    vqa: str | None = None

    def __post_init__(self) -> None:
        if self.renderer not in (known := [name.value for name in RendererName]):
            raise InputError("no such renderer", where="renderer", expected=known, found=self.renderer)

    @property
    def model(self) -> str | None:
        """The learned renderer's model."""
        default = EMBEDDED if self.renderer == RendererName.diffusion else None
        model: str | None = self.given.get("model", default)
        return model

    @property
    def judge_name(self) -> str | None:
        """The encoder that judges, or None."""
        if self.judge == AUTO_JUDGE:
            from clay_eval.generator.alignment.loading import EMBEDDED_JUDGE

            return EMBEDDED_JUDGE if self.model == EMBEDDED else None
        return None if self.judge == NO_JUDGE else self.judge

    def options(self) -> RenderOptions:
        """How pictures are stored."""
        from clay_eval.generator.shards.work import RenderOptions

        endpoint = self.renderer == RendererName.endpoint
        usual = _ROUNDS * self.given.get("concurrency", _ROUNDS) if endpoint else 8
        batch = self.given.get("batch_size", usual)
        return RenderOptions(self.shard_size, self.image_format, batch, self.attempts)

    def make_renderer(self) -> Renderer:
        """Load what draws."""
        given = {k: v for k, v in self.given.items() if k not in ("batch_size", "model", "revision")}
        if self.size is not None:
            given["size"] = self.size
        if self.renderer == RendererName.procedural:
            from clay_eval.generator.render.procedural import ProceduralRenderer

            return ProceduralRenderer(self.size or DEFAULT_SIZE)
        if self.renderer == RendererName.endpoint:
            from clay_eval.generator.render.endpoint import EndpointOptions, EndpointRenderer

            return EndpointRenderer(str(self.model), EndpointOptions(**given))
        from clay_eval.generator.render.diffusion import DiffusionOptions, load_diffusion
        from clay_eval.generator.render.embedded import load_embedded

        options = DiffusionOptions(**given)
        if self.model == EMBEDDED:
            return load_embedded(options)
        return load_diffusion(str(self.model), options, self.given.get("revision"))

    def make_judge(self, plan: Path) -> Judge | None:
        """Load what judges, reading by the plan's condition texts."""
        name = self.judge_name
        if name is None:
            thresholds = {
                "--margin": self.margin or None,
                "--prompt-score": self.prompt_score,
                "--vqa": self.vqa,
            }
            for option, value in thresholds.items():
                if value is not None:
                    raise InputError(
                        "there is no judge to which this would apply",
                        where=option,
                        hint="name one, such as --judge ViT-L-14:datacomp_xl_s13b_b90k",
                    )
            return None
        from clay_eval.generator.alignment.loading import load_judge
        from clay_eval.generator.plan.planning import plan_texts

        return load_judge(
            name,
            margin=self.margin,
            prompt_score=self.prompt_score,
            vqa=self.vqa,
            device=self.given.get("device", "auto"),
            texts=plan_texts(plan),
        )
