"""What tests of decisions share: a small run with quarantined pictures, and the means to decide on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from clay_eval.generator.alignment.base import Verdict
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.review.apply import apply_decisions
from clay_eval.generator.shards.rendering import render_plan, shard_tasks
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.shards import read_shard

SIZE = 4
OPTIONS = RenderOptions(shard_size=SIZE, batch_size=4, attempts=2)
WHY = "color reads as blue, not red (margin -1.000, needs 0.000)"
REJECTED = [f"attempt 1: {WHY}", f"attempt 2: {WHY}"]


class Fussy:
    """A judge that rejects the second picture of every shard, and all of the second shard."""

    identity: dict[str, Any] = {"type": "fussy"}  # noqa: RUF012

    def __init__(self, rejected: set[str]) -> None:
        self.rejected = rejected

    def prepare(self, spec: EntitySpec) -> None: ...

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        good, bad = Verdict(True, {"color": 1.0}), Verdict(False, {"color": -1.0}, (WHY,), ("color",))
        return [bad if sample.key in self.rejected else good for sample in samples]


class Idle(ProceduralRenderer):
    """Draws nothing more."""

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        raise AssertionError("nothing is left to draw")


def render(run: Path, renderer: ProceduralRenderer) -> None:
    tasks = list(shard_tasks(run / "plan" / "plan.jsonl", SIZE))
    rejected = {
        sample.key
        for number, task in enumerate(tasks)
        for place, sample in enumerate(task.samples)
        if place == 1 or number == 1
    }
    render_plan(run / "plan", run / "shards", renderer, OPTIONS, judge=Fussy(rejected))


def keys(run: Path, quarantined: bool = False) -> list[str]:
    """Keys in the order in which they are stored."""
    place = run / "shards" / ("quarantine" if quarantined else "")
    names = [task.name for task in shard_tasks(run / "plan" / "plan.jsonl", SIZE)]
    return [s.key for name in names if (place / name).exists() for s in read_shard(place / name)]


def planned(run: Path) -> list[str]:
    return [s.key for task in shard_tasks(run / "plan" / "plan.jsonl", SIZE) for s in task.samples]


def record_of(run: Path, key: str) -> dict[str, Any]:
    found = [s.record for p in (run / "shards").rglob("*.tar") for s in read_shard(p) if s.key == key]
    assert len(found) == 1
    return found[0]


def tree(run: Path) -> dict[str, bytes]:
    shards = run / "shards"
    files = (p for p in sorted(shards.rglob("*")) if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(shards)): p.read_bytes() for p in files}


def write(run: Path, decisions: Mapping[str, Any], **fields: Any) -> Path:
    record = {
        "schema": "clay-eval/decisions/1",
        "manifest": read_manifest(run / "shards")["fingerprint"],
        "date": "2026-02-03T04:05:06Z",
        "decisions": decisions,
        **fields,
    }
    path = run / "decisions.json"
    path.write_text(json.dumps(record))
    return path


def remove(*keys: str, reason: str = "color is wrong") -> dict[str, Any]:
    return {key: {"decision": "remove", "reason": reason} for key in keys}


def accept(*keys: str) -> dict[str, Any]:
    return {key: {"decision": "accept"} for key in keys}


def apply(run: Path, path: Path, **options: Any) -> Any:
    return apply_decisions(run / "plan", run / "shards", path, **options)


def mixed(run: Path) -> dict[str, Any]:
    """All of the first shard removed, all of the wholly quarantined one accepted, and one of each in another."""
    shards, held = keys(run), keys(run, quarantined=True)
    return {**remove(*shards[:3], shards[-1]), **accept(*held[1:5], held[-1])}
