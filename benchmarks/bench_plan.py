"""Rate and memory of planning a million samples, and of reading them back, beside writing the same lines as they are.

python benchmarks/bench_plan.py --count 1000000

Each way runs in a process of its own; memory is that process's peak resident size, and what of it was there before it
began, after imports. "bare write" writes a sample's line over and over: what the file alone costs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.plan.planning import SAMPLES, PlanRequest, write_plan
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.samples import read_plan
from clay_eval.schemas.texts import shipped_texts

ENTITY = "clay-object"


def plan(folder: Path, count: int) -> None:
    spec = load_entity(ENTITY)
    write_plan(PlanRequest([spec], [shipped_texts(ENTITY)], count, 0), folder)


def read(folder: Path, count: int) -> None:
    found = sum(1 for _ in read_plan(folder / SAMPLES))
    if found != count:
        raise SystemExit(f"read {found} samples, not {count}")


def bare(folder: Path, count: int) -> None:
    line = next(iter(Plan(load_entity(ENTITY), count=1))).to_json().encode() + b"\n"
    with (folder / "bare.jsonl").open("wb") as stream:
        for _ in range(count):
            stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())


def measured(way: Callable[[Path, int], None], folder: Path, count: int, results: object) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    way(folder, count)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results.put((seconds, before / 1024, after / 1024))  # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1_000_000)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    lines = [f"{'':<12}{'samples/s':>12}{'of bare':>10}{'MiB at start':>14}{'MiB at peak':>13}"]
    with tempfile.TemporaryDirectory() as name:
        rates: dict[str, float] = {}
        for title, way in (("bare write", bare), ("plan", plan), ("read plan", read)):
            results = context.Queue()
            process = context.Process(target=measured, args=(way, Path(name), options.count, results))
            process.start()
            seconds, before, after = results.get()
            process.join()
            rates[title] = options.count / seconds
            share = rates[title] / rates["bare write"]
            lines.append(f"{title:<12}{rates[title]:>12,.0f}{share:>10.3f}{before:>14.0f}{after:>13.0f}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
