"""For a driver without the models: the identities of the renderer and the judge that the workers of a cluster load.

A login node or the head of a cluster often has neither the GPU nor the memory that a model takes. What it needs to know is
what the workers will draw and judge with: that decides the settings of the folder, and which of its shards are finished.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.generator.plan.planning import read_plan_record
from clay_eval.generator.shards.rendering import plan_specs
from clay_eval.ray.cluster import Resources, over_cluster
from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.files import locked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from clay_eval.generator.alignment.base import Judge, Verdict
    from clay_eval.generator.render.base import Renderer
    from clay_eval.ray.work import Work
    from clay_eval.schemas.entity import EntitySpec
    from clay_eval.schemas.samples import SampleSpec

    from .rendering import Recipe

_NOT_HERE = "only the workers of the cluster hold the model"


@dataclass
class RendererElsewhere:
    """A renderer that workers have loaded, and that has checked all entities of the plan there. It draws nothing here."""

    identity: dict[str, Any]

    def check(self, spec: EntitySpec) -> None:
        """The worker that told the identity has done so."""

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        """Raise ClayEvalError."""
        raise ClayEvalError(_NOT_HERE, where="the renderer")


@dataclass
class JudgeElsewhere:
    """A judge that workers have loaded and prepared for all entities of the plan. It judges nothing here."""

    identity: dict[str, Any]

    def prepare(self, spec: EntitySpec) -> None:
        """The worker that told the identity has done so."""

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        """Raise ClayEvalError."""
        raise ClayEvalError(_NOT_HERE, where="the judge")


def loaded_elsewhere(
    recipe: Recipe,
    plan_folder: Path,
    folder: Path,
    resources: Resources | None = None,
    can_use_gpus: bool = True,
) -> tuple[RendererElsewhere, JudgeElsewhere | None]:
    """Have one worker of the cluster load what `recipe` loads, and tell what it is.

    For `render_plan` with a `ray_engine` of the same recipe. folder: the output, on shared storage; it is locked meanwhile.
    Raises what `over_cluster` raises, and what loading raises on the worker: InputError for an entity that cannot be drawn.
    """
    specs = tuple(plan_specs(plan_folder, read_plan_record(plan_folder)))
    one = replace(resources or Resources(), workers=1)
    with locked(folder):
        (answer,) = over_cluster([("models", b"")], _Look(recipe, specs), folder, one, can_use_gpus)
    told = json.loads(answer)
    judge = None if told["judge"] is None else JudgeElsewhere(told["judge"])
    return RendererElsewhere(told["renderer"]), judge


@dataclass(frozen=True)
class _Look:
    """What the worker is told: what to load, and what to try it on."""

    recipe: Recipe
    specs: tuple[EntitySpec, ...]

    def __call__(self) -> Work:
        made = load(self.recipe, self.specs)
        return lambda _: _identities(*made)


def load(recipe: Recipe, specs: Sequence[EntitySpec]) -> tuple[Renderer, Judge | None]:
    """What a recipe loads, ready for these entities. Raises InputError for one that cannot be drawn or judged."""
    renderer, judge = recipe()
    for spec in specs:
        renderer.check(spec)
        if judge is not None:
            judge.prepare(spec)
    return renderer, judge


def _identities(renderer: Renderer, judge: Judge | None) -> bytes:
    return json.dumps(
        {"renderer": renderer.identity, "judge": None if judge is None else judge.identity}
    ).encode()
