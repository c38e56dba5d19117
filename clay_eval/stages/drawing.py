"""What draws and judges: from names and options to a renderer and a judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.generator.render.kinds import EMBEDDED, RENDERERS, load_renderer
from clay_eval.schemas.errors import InputError

if TYPE_CHECKING:
    from clay_eval.generator.alignment.base import Judge
    from clay_eval.generator.render.base import Renderer
    from clay_eval.generator.shards.work import RenderOptions

AUTO_JUDGE = "auto"
NO_JUDGE = "none"


@dataclass(frozen=True)
class Drawing:
    """What draws and judges, and how pictures are stored; picklable, so that it can be carried out in another process.

    renderer: a name in `RENDERERS`. size: width and height in pixels, None for the renderer's own. given: the options of
    learned renderers that were given, by name. judge: an encoder's name, "auto" (the embedded judge for the embedded
    pipeline, none for others), "none". margin, prompt_score, vqa, judge_diversity: see `load_judge`.
    """

    renderer: str = "diffusion"
    size: int | None = None
    image_format: str = "jpg"
    shard_size: int = 256
    attempts: int = 3
    given: Mapping[str, Any] = field(default_factory=dict)
    judge: str = AUTO_JUDGE
    margin: float = 0.0
    prompt_score: float | None = None
    vqa: str | None = None
    judge_diversity: bool = False

    def __post_init__(self) -> None:
        if self.renderer not in RENDERERS:
            raise InputError("no such renderer", where="renderer", expected=[*RENDERERS], found=self.renderer)

    @property
    def model(self) -> str | None:
        """The learned renderer's model."""
        model: str | None = self.given.get("model", RENDERERS[self.renderer].model)
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

        batch = self.given.get("batch_size", RENDERERS[self.renderer].batch(self.given))
        return RenderOptions(self.shard_size, self.image_format, batch, self.attempts)

    def make_renderer(self) -> Renderer:
        """Load what draws."""
        size = {} if self.size is None else {"size": self.size}
        return load_renderer(self.renderer, **self.given, **size)

    def make_judge(self, plan: Path) -> Judge | None:
        """Load what judges, reading by the plan's condition texts."""
        name = self.judge_name
        if name is None:
            thresholds = {
                "--margin": self.margin or None,
                "--prompt-score": self.prompt_score,
                "--vqa": self.vqa,
                "--judge-diversity": self.judge_diversity or None,
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
            **({"diversity": True} if self.judge_diversity else {}),
        )
