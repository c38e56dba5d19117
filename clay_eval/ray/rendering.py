"""Rendering on the machines of a Ray cluster: an engine for `render_plan`, a shard a piece of work.

>>> engine = ray_engine(recipe, plan, folder, options, Resources(workers=8))       # doctest: +SKIP
>>> render_plan(plan, folder, renderer, options, engine=engine)                    # doctest: +SKIP
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from clay_eval.generator.alignment.base import Judge
from clay_eval.generator.plan.planning import read_plan_record
from clay_eval.generator.render.base import Renderer
from clay_eval.generator.shards.rendering import Engine, drawn_before, plan_specs, render_settings
from clay_eval.generator.shards.work import RenderOptions, ShardMaker, ShardOutcome, ShardTask
from clay_eval.ray.cluster import Resources, over_cluster, require_ray, wait_until_seen
from clay_eval.ray.work import Work
from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.files import refuse_changes, remove_leftovers
from clay_eval.schemas.manifest import FAILURES, QUARANTINE, SETTINGS
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.shards import FileFacts
from clay_eval.schemas.validate import read_sealed

Recipe = Callable[[], tuple[Renderer, Judge | None]]
"""Picklable; loads renderer and judge, once in each worker."""


def ray_engine(
    recipe: Recipe,
    plan_folder: Path,
    folder: Path,
    options: RenderOptions,
    resources: Resources | None = None,
    can_use_gpus: bool = True,
) -> Engine:
    """An engine that has shards made by the workers of the Ray cluster that runs here, or at $RAY_ADDRESS.

    folder: on storage that all machines share. What the workers load must be what render.json there says. Raises InputError
    if Ray is not installed; the engine raises as `over_cluster` does, and as a ShardMaker does, with the same errors.
    """
    require_ray()

    def engine(tasks: Iterable[ShardTask]) -> Iterator[ShardOutcome]:
        specs = tuple(plan_specs(plan_folder, read_plan_record(plan_folder)))
        seen = options.previews and options.previews.resolve()
        bench = _Bench(recipe, folder.resolve(), replace(options, previews=seen), specs)
        pieces = ((task.name, pack_task(task)) for task in tasks)
        try:
            for answer in over_cluster(pieces, bench, folder, resources or Resources(), can_use_gpus):
                outcome = _outcome(answer)
                if outcome.accepted:
                    wait_until_seen(folder / outcome.name)
                if outcome.quarantined:
                    wait_until_seen(folder / QUARANTINE / outcome.name)
                yield outcome
        finally:
            for place in (folder, folder / QUARANTINE, folder / FAILURES):
                remove_leftovers(place)

    return engine


@dataclass(frozen=True)
class _Bench:
    """What a worker is told: how to set up its ShardMaker, and where."""

    recipe: Recipe
    folder: Path
    options: RenderOptions
    specs: tuple[EntitySpec, ...]

    def __call__(self) -> Work:
        renderer, judge = self.recipe()
        for spec in self.specs:
            renderer.check(spec)
            if judge is not None:
                judge.prepare(spec)
        path = self.folder / SETTINGS
        before = {k: v for k, v in read_sealed(path, "render-settings").items() if k != "seal"}
        now = render_settings(before["plan"], renderer, judge, self.options)
        refuse_changes(
            path,
            before,
            now,
            "a worker would make other pictures than this machine: give both the same models, and name what they choose "
            "by their hardware, such as --dtype",
        )
        earlier = drawn_before(self.options.previews, now)
        maker = ShardMaker(renderer, judge, self.folder, self.options, earlier)
        return lambda piece: _answer(maker.make(unpack_task(piece)))


def pack_task(task: ShardTask) -> bytes:
    """A task as bytes, far smaller than it is in memory: all unfinished ones wait with Ray."""
    lines = [json.dumps(task.name), *(sample.to_json() for sample in task.samples)]
    return zlib.compress("\n".join(lines).encode())


def unpack_task(piece: bytes) -> ShardTask:
    """The task that `pack_task` packed."""
    name, *samples = map(json.loads, zlib.decompress(piece).decode().split("\n"))
    return ShardTask(name, tuple(SampleSpec(**sample) for sample in samples))


def _answer(outcome: ShardOutcome) -> bytes:
    return json.dumps(
        {
            "name": outcome.name,
            "accepted": outcome.accepted,
            "quarantined": outcome.quarantined,
            "failed": dict(outcome.failed),
            "written": {path: asdict(facts) for path, facts in outcome.written.items()},
        }
    ).encode()


def _outcome(answer: bytes) -> ShardOutcome:
    said = json.loads(answer)
    written = {path: FileFacts(**facts) for path, facts in said.pop("written").items()}
    return ShardOutcome(**said, written=written)
