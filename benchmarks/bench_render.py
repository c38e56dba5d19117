"""Rendering through the whole stage beside the bare pipeline called with the same batches.

python benchmarks/bench_render.py --samples 128 --batch-size 8

Both draw the same samples with the same loaded pipeline, by turns, in batches of the same size; the stage also encodes,
writes a shard, labels.csv and the manifest (no judge). The ratio is the median over the repeats' pairs: stage to bare.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from clay_eval.generator.plan.planning import SAMPLES, PlanRequest, write_plan
from clay_eval.generator.render.diffusion import DiffusionOptions, load_diffusion
from clay_eval.generator.render.embedded import EMBEDDED, load_embedded
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.samples import read_plan


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", default=EMBEDDED, help="a diffusers folder; default: the embedded pipeline"
    )
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    settings = DiffusionOptions()
    renderer = load_embedded() if options.model == EMBEDDED else load_diffusion(options.model, settings)
    pipeline, arguments = renderer.pipeline, renderer.arguments
    ratios, pictures = [], []
    with tempfile.TemporaryDirectory() as name:
        plan = Path(name) / "plan"
        write_plan(PlanRequest([load_entity("demo-object")], [None], options.samples), plan)
        samples = list(read_plan(plan / SAMPLES))
        batches = [
            samples[start : start + options.batch_size]
            for start in range(0, len(samples), options.batch_size)
        ]
        renderer.render(batches[0])
        for repeat in range(options.repeats):
            began = time.perf_counter()
            for batch in batches:
                pipeline(**arguments(batch))
            bare = time.perf_counter() - began
            began = time.perf_counter()
            render_plan(
                plan, Path(name) / f"shards-{repeat}", renderer, RenderOptions(batch_size=options.batch_size)
            )
            ratios.append((time.perf_counter() - began) / bare)
            pictures.append(bare / len(samples))
    sys.stdout.write(
        f"bare pipeline: {statistics.median(pictures):.4f} s a picture\n"
        f"whole stage: {statistics.median(ratios):.3f} times that ({min(ratios):.3f} to {max(ratios):.3f})\n"
    )


if __name__ == "__main__":
    main()
