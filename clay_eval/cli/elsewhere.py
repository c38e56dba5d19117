"""`clay-eval render` on a Ray cluster, from a machine that need not have room for the model."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.generator.render.kinds import RENDERERS

from .common import RunFolder
from .drawing import Drawing, draw
from .engine import DrawingRecipe, render_engine

if TYPE_CHECKING:
    from clay_eval.generator.alignment.base import Judge
    from clay_eval.generator.render.base import Renderer
    from clay_eval.ray.cluster import Resources


@dataclass(frozen=True)
class _Told(Drawing):
    """A drawing whose renderer and judge stand for those that the workers load."""

    made: tuple[Any, Any] = (None, None)

    def make_renderer(self) -> Renderer:
        renderer: Renderer = self.made[0]
        return renderer

    def make_judge(self, plan: Path) -> Judge | None:
        judge: Judge | None = self.made[1]
        return judge


def draw_elsewhere(
    run: RunFolder, drawing: Drawing, part: tuple[int, int] | None, resources: Resources
) -> dict[str, Any]:
    """Render the run's plan, or a part of it, on the cluster; return the manifest. The model is loaded by workers only."""
    from clay_eval.generator.shards.parts import part_folder
    from clay_eval.ray.identity import loaded_elsewhere
    from clay_eval.schemas.errors import InputError

    device = str(drawing.given.get("device", "auto"))
    if ":" in device:
        raise InputError(
            "a worker sees only the GPUs that the cluster gives it, so they have no fixed numbers",
            where="--device",
            expected="auto, cuda or cpu",
            found=device,
        )
    drawing = _with_url(drawing)
    folder = run.shards if part is None else part_folder(run.parts, part)
    engine = render_engine(drawing, run.plan, folder, resources)
    learned = "device" in RENDERERS[drawing.renderer].options or drawing.judge_name is not None
    recipe = DrawingRecipe(drawing, run.plan.resolve())
    made = loaded_elsewhere(recipe, run.plan, folder, resources, can_use_gpus=learned and device != "cpu")
    told = _Told(**{f.name: getattr(drawing, f.name) for f in fields(Drawing)}, made=made)
    return draw(run, told, part, engine)


def _with_url(drawing: Drawing) -> Drawing:
    """With the address of the endpoint that is meant here; workers have an environment of their own."""
    url = os.environ.get("OPENAI_BASE_URL")
    if "base_url" not in RENDERERS[drawing.renderer].options or "base_url" in drawing.given or not url:
        return drawing
    return replace(drawing, given={**drawing.given, "base_url": url})
