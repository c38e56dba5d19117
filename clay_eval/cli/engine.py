"""Where work is done: the --engine option, and what goes with it, of the commands that can use many machines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clay_eval.generator.render.kinds import RENDERERS

from .drawing import Drawing

if TYPE_CHECKING:
    from clay_eval.generator.alignment.base import Judge
    from clay_eval.generator.render.base import Renderer
    from clay_eval.generator.shards.rendering import Engine
    from clay_eval.ray.cluster import Resources


class EngineName(StrEnum):
    """Engines by name."""

    local = "local"
    ray = "ray"


_PANEL = "Many machines"

EngineOption = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        help="ray: on all machines of the running Ray cluster ($RAY_ADDRESS, or this machine's); --out must be shared.",
        rich_help_panel=_PANEL,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, help="Workers at most. Default: as many as fit.", rich_help_panel=_PANEL
    ),
]
GpusPerWorker = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-worker",
        min=0,
        help="GPUs a worker, or a share of one. Default: 1 where the cluster has any and the model can use it.",
        rich_help_panel=_PANEL,
    ),
]
CpusPerWorker = Annotated[
    float | None,
    typer.Option(
        "--cpus-per-worker", help="CPUs a worker, and its threads. Default: 1.", rich_help_panel=_PANEL
    ),
]


def ray_resources(
    engine: EngineName, workers: int | None, gpus: float | None, cpus: float | None
) -> Resources | None:
    """What the cluster is asked for; None for the local engine.

    Raises InputError if Ray is not installed, for values that make no sense, and for options that --engine local has not.
    """
    from clay_eval.ray.cluster import Resources, require_ray
    from clay_eval.schemas.errors import InputError

    if engine is EngineName.ray:
        resources = Resources(workers, gpus, 1.0 if cpus is None else cpus)
        require_ray()
        return resources
    given = {"--workers": workers, "--gpus-per-worker": gpus, "--cpus-per-worker": cpus}
    for option, value in given.items():
        if value is not None:
            raise InputError(
                "the local engine has no such option", where=option, hint="leave it out, or use --engine ray"
            )
    return None


@dataclass(frozen=True)
class DrawingRecipe:
    """How a worker loads renderer and judge; picklable."""

    drawing: Drawing
    plan: Path

    def __call__(self) -> tuple[Renderer, Judge | None]:
        return self.drawing.make_renderer(), self.drawing.make_judge(self.plan)


def render_engine(drawing: Drawing, plan: Path, folder: Path, resources: Resources | None) -> Engine | None:
    """The engine that makes the shards of `plan` in `folder` on the cluster; None for the local one."""
    if resources is None:
        return None
    from clay_eval.ray.rendering import ray_engine

    learned = "device" in RENDERERS[drawing.renderer].options or drawing.judge_name is not None
    can_use_gpus = learned and drawing.given.get("device") != "cpu"
    recipe = DrawingRecipe(drawing, plan.resolve())
    return ray_engine(recipe, plan, folder, drawing.options(), resources, can_use_gpus)
