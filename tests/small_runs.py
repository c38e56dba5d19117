"""A small run with shards and, if asked for, a judge that rejects some, for tests of publishing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fake_judges import FakeJudge

from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.review.apply import apply_decisions
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.shards import read_shard
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


def keys_of(run: Path) -> tuple[list[str], list[str]]:
    """Keys of the accepted and of the rejected pictures of a run."""
    shards = run / "shards"
    manifest = read_manifest(shards)
    inside = [s.key for e in manifest["files"][:-1] for s in read_shard(shards / e["name"])]
    outside = [s.key for e in manifest["quarantine"] for s in read_shard(shards / "quarantine" / e["name"])]
    return inside, outside


def review(run: Path, *, remove: Mapping[str, str] | None = None, accept: Sequence[str] = ()) -> None:
    """Remove pictures (key -> reason) and accept rejected ones by hand."""
    decisions: dict[str, Any] = {k: {"decision": "remove", "reason": r} for k, r in (remove or {}).items()}
    decisions |= {key: {"decision": "accept"} for key in accept}
    record = {
        "schema": "clay-eval/decisions/1",
        "manifest": read_manifest(run / "shards")["fingerprint"],
        "date": "2026-01-01T00:00:00Z",
        "decisions": decisions,
    }
    path = run / "decisions.json"
    path.write_text(json.dumps(record))
    apply_decisions(run / "plan", run / "shards", path)
