"""The stage that draws the plan into shards, here or on a Ray cluster."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.generator.render.kinds import RENDERERS
from clay_eval.schemas.errors import InputError

from .clusters import one_cluster
from .drawing import Drawing
from .folders import Progress, RunFolder, silent, steps

if TYPE_CHECKING:
    from clay_eval.generator.alignment.base import Judge
    from clay_eval.generator.render.base import Renderer
    from clay_eval.generator.shards.rendering import Engine
    from clay_eval.generator.shards.work import RenderOptions
    from clay_eval.ray.cluster import Resources


def render(
    run: RunFolder,
    drawing: Drawing | None = None,
    progress: Progress = silent,
    *,
    part: tuple[int, int] | None = None,
    resources: Resources | None = None,
) -> dict[str, Any]:
    """Render the run's plan, or a part of it, into shards; return the manifest.

    part: (i, n) draws every n-th shard from the i-th on, for job arrays. resources: has it done by workers of the Ray
    cluster, of this machine where there is none; they alone then load the model, and this process needs no room for it.
    """
    from clay_eval.generator.plan.planning import read_plan_record
    from clay_eval.generator.shards.parts import part_folder
    from clay_eval.generator.shards.rendering import part_samples, render_plan

    drawing = drawing or Drawing()
    folder = run.shards if part is None else part_folder(run.parts, part)
    loaded = None
    with one_cluster(resources):
        if resources is not None:
            drawing = _for_workers(drawing)
            loaded = _loaded_elsewhere(drawing, run.plan, folder, resources)
        plan = read_plan_record(run.plan)
        total = plan["samples"] if part is None else part_samples(plan, drawing.shard_size, part)
        advance = steps(progress, "render", total)
        renderer, judge = loaded or DrawingRecipe(drawing, run.plan)()
        options = replace(drawing.options(), previews=run.previews)
        engine = render_engine(drawing, run.plan, folder, resources, options)
        return render_plan(
            run.plan, folder, renderer, options, advance, judge=judge, part=part, engine=engine
        )


@dataclass(frozen=True)
class DrawingRecipe:
    """How a worker loads renderer and judge; picklable."""

    drawing: Drawing
    plan: Path

    def __call__(self) -> tuple[Renderer, Judge | None]:
        return self.drawing.make_renderer(), self.drawing.make_judge(self.plan)


def render_engine(
    drawing: Drawing, plan: Path, folder: Path, resources: Resources | None, options: RenderOptions
) -> Engine | None:
    """The engine that makes the shards of `plan` in `folder` on the cluster; None for the local one."""
    if resources is None:
        return None
    from clay_eval.ray.rendering import ray_engine

    recipe = DrawingRecipe(drawing, plan.resolve())
    return ray_engine(recipe, plan, folder, options, resources, _can_use_gpus(drawing))


def _loaded_elsewhere(drawing: Drawing, plan: Path, folder: Path, resources: Resources) -> tuple[Any, Any]:
    """What stands here for the renderer and the judge that workers load."""
    from clay_eval.ray.identity import loaded_elsewhere

    recipe = DrawingRecipe(drawing, plan.resolve())
    return loaded_elsewhere(recipe, plan, folder, resources, can_use_gpus=_can_use_gpus(drawing))


def _can_use_gpus(drawing: Drawing) -> bool:
    learned = "device" in RENDERERS[drawing.renderer].options or drawing.judge_name is not None
    return learned and drawing.given.get("device") != "cpu"


def _for_workers(drawing: Drawing) -> Drawing:
    """With the address of the endpoint that is meant here: workers have an environment of their own.

    Raises InputError for a GPU that is named by its number.
    """
    device = str(drawing.given.get("device", "auto"))
    if ":" in device:
        raise InputError(
            "a worker sees only the GPUs that the cluster gives it, so they have no fixed numbers",
            where="--device",
            expected="auto, cuda or cpu",
            found=device,
        )
    url = os.environ.get("OPENAI_BASE_URL")
    if "base_url" not in RENDERERS[drawing.renderer].options or "base_url" in drawing.given or not url:
        return drawing
    return replace(drawing, given={**drawing.given, "base_url": url})
