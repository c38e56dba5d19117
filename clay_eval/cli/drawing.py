"""From the options of `clay-eval render` to a renderer and a judge, and to the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from clay_eval.generator.render.kinds import EMBEDDED, RENDERERS, load_renderer

from .common import RunFolder, progress_bar

if TYPE_CHECKING:
    from clay_eval.generator.alignment.base import Judge
    from clay_eval.generator.render.base import Renderer
    from clay_eval.generator.shards.rendering import Engine
    from clay_eval.generator.shards.work import RenderOptions, Workshop

AUTO_JUDGE = "auto"
NO_JUDGE = "none"


def _renderer_name(name: str) -> str:
    if name in RENDERERS:
        return name
    raise typer.BadParameter(f"{name!r} is not one of {', '.join(map(repr, RENDERERS))}.")


def renderer_option(help: str) -> Any:
    """The option --renderer."""
    known = f"<{'|'.join(RENDERERS.registered)}>"
    return typer.Option("--renderer", parser=_renderer_name, metavar=known, help=help)


@dataclass(frozen=True)
class Drawing:
    """What was asked for; picklable, so that it can be carried out in another process.

    given: the options of learned renderers that were given, by name. judge: an encoder's name, "auto" (the embedded judge
    for the embedded pipeline, none for others), "none". margin, prompt_score, vqa: see `load_judge`.
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
        from clay_eval.schemas.errors import InputError

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

    def open_workshop(self, plan: Path, folder: Path) -> Workshop:
        """Renderer and judge, ready to make shards of `plan` in `folder`; for engines in other processes."""
        from clay_eval.generator.plan.planning import read_plan_record
        from clay_eval.generator.shards.rendering import plan_specs
        from clay_eval.generator.shards.work import Workshop

        renderer, judge = self.make_renderer(), self.make_judge(plan)
        for spec in plan_specs(plan, read_plan_record(plan)):
            renderer.check(spec)
            if judge is not None:
                judge.prepare(spec)
        return Workshop(renderer, judge, folder, self.options())


def draw(
    run: RunFolder,
    drawing: Drawing,
    part: tuple[int, int] | None = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Render the run's plan, or a part of it; return the manifest."""
    from clay_eval.generator.plan.planning import read_plan_record
    from clay_eval.generator.shards.parts import part_folder
    from clay_eval.generator.shards.rendering import render_plan

    folder = run.shards if part is None else part_folder(run.parts, part)
    total = read_plan_record(run.plan)["samples"]
    with progress_bar("render", total if part is None else -(-total // part[1])) as advance:
        return render_plan(
            run.plan,
            folder,
            drawing.make_renderer(),
            drawing.options(),
            advance,
            judge=drawing.make_judge(run.plan),
            part=part,
            engine=engine,
        )
