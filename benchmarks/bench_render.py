"""Rendering through the whole stage beside what it is made of: the denoiser alone, encoding and judging alone.

python benchmarks/bench_render.py --samples 128 --batch-size 8

Everything draws the same samples in batches of the same size, by turns, one attempt each; the stage also writes shards,
labels.csv and the manifest. Two worlds:

real: the pipeline, with a judge, by default those that come with the package. On a CPU both compute on the same cores, and
      nothing can hide; so the ratio by processor time says what the stage adds, the one by the clock what it costs.
stand-in: a denoiser and a judge that wait without computing, as a host does for an accelerator of its own, and pictures that
      are encoded in earnest. It shows what runs beside what, and is no measurement of a model.

"sum" is what it would take one after the other. Ratios are medians over the repeats, of one repeat's times each.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clay_eval.generator.alignment.base import Judge, Verdict
from clay_eval.generator.alignment.loading import EMBEDDED_JUDGE, load_judge
from clay_eval.generator.plan.planning import SAMPLES, PlanRequest, write_plan
from clay_eval.generator.render.base import Renderer
from clay_eval.generator.render.diffusion import DiffusionOptions, load_diffusion
from clay_eval.generator.render.embedded import EMBEDDED, load_embedded
from clay_eval.generator.render.metadata import xmp_packet
from clay_eval.generator.shards.pictures import decoded, encode_image
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import EntitySpec, load_entity
from clay_eval.schemas.samples import SampleSpec, read_plan

ENTITY = "demo-object"
Batches = Sequence[Sequence[SampleSpec]]
Times = tuple[float, float]


class WaitingRenderer:
    """Waits as long as a denoiser on an accelerator would compute, and hands out a picture that was drawn before."""

    def __init__(self, seconds: float, size: int) -> None:
        self.seconds = seconds
        draw = np.random.default_rng(0)
        small = Image.fromarray(draw.integers(0, 255, (size // 4, size // 4, 3), np.uint8))
        self.picture = small.resize((size, size), Image.Resampling.BICUBIC)
        self.identity: dict[str, Any] = {"type": "waiting", "size": size}

    def check(self, spec: EntitySpec) -> None:
        """Any."""

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        """The same picture for each."""
        time.sleep(self.seconds * len(samples))
        return [self.picture.copy() for _ in samples]


class WaitingJudge:
    """Waits as long as a judge on an accelerator of its own would compute, and accepts."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.identity: dict[str, Any] = {"type": "waiting"}

    def prepare(self, spec: EntitySpec) -> None:
        """Nothing."""

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        """Yes."""
        time.sleep(self.seconds * len(samples))
        return [Verdict(True, {"prompt": 1.0}) for _ in samples]


def timed(work: Callable[[], object]) -> Times:
    """(seconds by the clock, seconds of processor time) of a call."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def finish(
    batches: Batches, pictures: Sequence[Sequence[Image.Image]], packet: bytes, judge: Judge | None
) -> None:
    """Encode and judge pictures as the stage does, with nothing beside it."""
    for batch, images in zip(batches, pictures, strict=True):
        data = [encode_image(image, "jpg", packet) for image in images]
        if judge is not None:
            judge.judge(batch, [decoded(one) for one in data])


def measure(
    plan: Path,
    bare: Callable[[Sequence[SampleSpec]], object],
    renderer: Renderer,
    judge: Judge | None,
    batch_size: int,
    repeats: int,
) -> Mapping[str, list[Times]]:
    """Times of each way, one a repeat. bare: draws a batch with nothing of ours around it."""
    samples = list(read_plan(plan / SAMPLES))
    batches = [samples[start : start + batch_size] for start in range(0, len(samples), batch_size)]
    if judge is not None:
        judge.prepare(load_entity(ENTITY))
    pictures = [renderer.render(batch) for batch in batches]
    packet = xmp_packet(renderer.identity)
    finish(batches[:1], pictures[:1], packet, judge)
    options = RenderOptions(batch_size=batch_size, attempts=1)
    times: dict[str, list[Times]] = {}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            ways: dict[str, Callable[[], object]] = {
                "denoiser alone": lambda: [bare(batch) for batch in batches],
                "encoding and judging alone": lambda: finish(batches, pictures, packet, judge),
                "stage": lambda: render_plan(plan, Path(name) / "judged", renderer, options, judge=judge),
                "stage without judge": lambda: render_plan(plan, Path(name) / "bare", renderer, options),
            }
            for way, work in ways.items():
                times.setdefault(way, []).append(timed(work))
    return times


def show(title: str, times: Mapping[str, list[Times]], count: int) -> None:
    """A line a way, and the ratios of the stage."""
    sys.stdout.write(f"{title}\n{'':30}{'s a picture':>12}{'processor s':>12}\n")
    for way, rows in times.items():
        clock, used = (statistics.median(column) / count for column in zip(*rows, strict=True))
        sys.stdout.write(f"  {way:<28}{clock:>12.4f}{used:>12.4f}\n")

    def ratio(way: str, to: Callable[[float, float], float], clock: int) -> str:
        columns = zip(times[way], times["denoiser alone"], times["encoding and judging alone"], strict=True)
        found = [a[clock] / to(b[clock], c[clock]) for a, b, c in columns]
        return f"{statistics.median(found):.3f} ({min(found):.3f} to {max(found):.3f})"

    sys.stdout.write(
        f"  stage to the slower of the two: {ratio('stage', max, 0)}\n"
        f"  stage to their sum: {ratio('stage', lambda a, b: a + b, 0)}; by processor time "
        f"{ratio('stage', lambda a, b: a + b, 1)}\n"
        f"  stage without judge to the denoiser: {ratio('stage without judge', lambda a, _: a, 0)}\n"
    )
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", default=EMBEDDED, help="a diffusers folder; default: the embedded pipeline"
    )
    parser.add_argument("--judge", default=EMBEDDED_JUDGE, help="an encoder's name; none: the stand-ins only")
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--waits",
        type=float,
        nargs=2,
        default=[0.1, 0.03],
        metavar="SECONDS",
        help="that the stand-ins take for a picture: denoiser, judge",
    )
    parser.add_argument("--size", type=int, default=1024, help="of the stand-ins' pictures, in pixels")
    parser.add_argument("--threads", type=int, help="of torch; default: its own choice")
    options = parser.parse_args()
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        plan = Path(name) / "plan"
        write_plan(PlanRequest([load_entity(ENTITY)], [None], options.samples), plan)
        waiting = WaitingRenderer(options.waits[0], options.size)
        times = measure(
            plan, waiting.render, waiting, WaitingJudge(options.waits[1]), options.batch_size, options.repeats
        )
        show(
            f"stand-in: a denoiser and a judge that wait {options.waits[0]:g} and {options.waits[1]:g} s a picture of "
            f"{options.size} pixels",
            times,
            options.samples,
        )
        if options.judge == "none":
            return
        renderer = (
            load_embedded()
            if options.model == EMBEDDED
            else load_diffusion(options.model, DiffusionOptions())
        )
        pipeline, arguments = renderer.pipeline, renderer.arguments
        judge = load_judge(options.judge)
        times = measure(
            plan,
            lambda batch: pipeline(**arguments(batch)),
            renderer,
            judge,
            options.batch_size,
            options.repeats,
        )
        show(f"real: {options.model}, judged by {options.judge}", times, options.samples)


if __name__ == "__main__":
    main()
