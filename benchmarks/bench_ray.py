"""Rendering and embedding by the workers of a Ray cluster on this machine alone, beside one process.

python benchmarks/bench_ray.py --workers 2 --pictures 192 --embedded 4096 --wait 0.1

The embedded pipeline draws (no judge), the embedded encoder embeds; the workers share the cores, which the one process has
for itself. `waiting` is a stand-in that sleeps for each picture, as a process does while its GPU computes: what lacks of 4
times the one process is what Ray costs. A rate is that between the first shard of each worker and the last of all; start-up
is the other time, models and Ray included. On cores that others use, too, threads of one process wait for each other: see
--threads 1.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.ray.cluster import Resources, one_connection
from clay_eval.ray.rendering import ray_engine
from clay_eval.schemas.entity import load_entity
from clay_eval.stages.drawing import Drawing
from clay_eval.stages.embedding import embed
from clay_eval.stages.folders import RunFolder
from clay_eval.stages.inputs import Inputs
from clay_eval.stages.rendering import render

SHARD = 16


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=192, help="drawn by the embedded pipeline")
    parser.add_argument("--embedded", type=int, default=4096, help="pictures embedded")
    parser.add_argument("--wait", type=float, default=0.1, help="seconds a picture of the stand-in")
    parser.add_argument("--threads", type=int, help="of the one process; default: torch's own")
    options = parser.parse_args()
    torch.set_num_threads(options.threads or torch.get_num_threads())
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        drawn, drawings = (
            planned(place / "drawn", options.pictures),
            planned(place / "made", options.embedded),
        )
        render(drawings, Drawing("procedural", shard_size=64, judge="none"))
        engines = {"one process": None, f"{options.workers} workers": Resources(options.workers)}
        for engine, resources in engines.items():
            run = RunFolder(place / engine)
            run.plan.parent.mkdir()
            run.plan.symlink_to(drawn.plan)
            drawing = Drawing(shard_size=SHARD, judge="none")
            report("render", engine, resources, partial(render, run, drawing, resources=resources))
        for engine, resources in engines.items():
            inputs = Inputs(RunFolder(place / "made"))
            report("embed", engine, resources, partial(embed, inputs, resources=resources))
            drawings.features.rename(place / f"features of {engine}")
        for engine, resources in {"one process": None, "4 workers": Resources(4, cpus=0.25)}.items():
            work = partial(wait, plan=drawn.plan, place=place, seconds=options.wait, resources=resources)
            report("waiting", engine, resources, work)


def planned(folder: Path, count: int) -> RunFolder:
    """A run with a plan of so many samples."""
    run = RunFolder(folder)
    write_plan(PlanRequest([load_entity("demo-object")], [None], count), run.plan)
    return run


def report(
    task: str,
    engine: str,
    resources: Resources | None,
    work: Callable[[Callable[[str, int, int | None], None]], Any],
) -> None:
    """Do the work, which tells its progress, and print its rate and its start-up."""
    at_once = (resources and resources.workers) or 1
    began, steps = time.perf_counter(), []
    work(lambda _, done, __: steps.append((done, time.perf_counter())) if done else None)
    whole = time.perf_counter() - began
    (few, first), (all_of_them, last) = steps[at_once - 1], steps[-1]
    rate = (all_of_them - few) / (last - first)
    start_up = whole - all_of_them / rate
    print(
        f"{task:8} {engine:12} {rate:8.1f} pictures/s, start-up {start_up:5.1f} s, all {whole:6.1f} s",
        flush=True,
    )


def wait(
    told: Callable[[str, int, int | None], None],
    plan: Path,
    place: Path,
    seconds: float,
    resources: Resources | None,
) -> None:
    """Render with a stand-in that sleeps."""

    def recipe() -> tuple[Any, None]:
        renderer = ProceduralRenderer(64)
        draw = renderer.render

        def render_slowly(samples: Any) -> Any:
            time.sleep(seconds * len(samples))
            return draw(samples)

        renderer.render = render_slowly  # type: ignore[method-assign]
        return renderer, None

    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        told("waiting", done, None)

    folder, options = place / f"waiting-{resources is None}", RenderOptions(shard_size=8)
    engine = ray_engine(recipe, plan, folder, options, resources) if resources else None
    with one_connection():
        render_plan(plan, folder, recipe()[0], options, advance, engine=engine)


if __name__ == "__main__":
    main()
