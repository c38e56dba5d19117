"""A small run with shards and, if asked for, a judge that rejects some, for tests of publishing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_judges import FakeJudge

from clay_eval.generator.planning import PlanRequest, write_plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.rendering import render_plan
from clay_eval.generator.shard_work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.texts import shipped_texts

Publish = Callable[..., dict[str, Any]]


def render_run(
    folder: Path, count: int, *, rejects: float | None = None, shard_size: int = 8, seed: int = 0
) -> Path:
    """A run folder with a plan and rendered shards of demo-object; rejects: the share that a judge rejects."""
    request = PlanRequest(
        [load_entity("demo-object")], [shipped_texts("demo-object")], count=count, seed=seed
    )
    write_plan(request, folder / "plan")
    judge = None if rejects is None else FakeJudge(rejects)
    options = RenderOptions(shard_size=shard_size, attempts=2)
    render_plan(folder / "plan", folder / "shards", ProceduralRenderer(64), options, judge=judge)
    return folder
