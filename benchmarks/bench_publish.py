"""Publishing and verifying a data set of the paper's size beside `cp -r` and `sha256sum` of the same files, in one run.

python benchmarks/bench_publish.py --samples 14070 --size 512

The run is made up: a real plan, shards of pictures of noise as large as photographs, the records that a renderer leaves.
Each way runs in a process of its own, by turns: its wall time, and the largest resident memory of the process.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from clay_eval.generator.plan.planning import SAMPLES, PlanRequest, write_plan
from clay_eval.generator.render.metadata import xmp_packet
from clay_eval.generator.shards.pictures import encode_image
from clay_eval.generator.shards.rendering import entity_facts, shard_tasks
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.manifest import Provenance, Tally, write_manifest
from clay_eval.schemas.samples import attempt_seed
from clay_eval.schemas.shards import ShardSample, write_shard
from clay_eval.schemas.texts import shipped_texts

ENTITIES = ("clay-object", "clay-human")
RENDERER = {"type": "procedural", "size": 0}
JUDGE = {"type": "made up"}
MAIN = "import sys; from clay_eval.cli import main; main()"


def make_run(folder: Path, count: int, size: int, again: bool) -> int:
    """Plan and shards in `folder` (with `again`, as if some were drawn twice); the bytes of the shards."""
    specs = [load_entity(name) for name in ENTITIES]
    request = PlanRequest(specs, [shipped_texts(name) for name in ENTITIES], count=count // 2)
    plan = write_plan(request, folder / "plan")
    rng = np.random.default_rng(0)
    packet = xmp_packet(RENDERER)
    pictures = []
    for _ in range(64):
        small = Image.fromarray(rng.integers(0, 255, (size // 4, size // 4, 3), np.uint8))
        pictures.append(encode_image(small.resize((size, size), Image.Resampling.BICUBIC), "jpg", packet))
    turn = itertools.cycle(pictures)
    written, planned = {}, Tally()
    for task in shard_tasks(folder / "plan" / SAMPLES, 256):
        samples = []
        for number, spec in enumerate(task.samples):
            twice = again and number % 10 == 7
            planned.add(spec.entity, spec.labels, spec.diversity)
            record = {
                "key": spec.key,
                "entity": spec.entity,
                "combination": spec.combination,
                "index": spec.index,
                "labels": dict(spec.labels),
                "diversity": dict(spec.diversity),
                "prompt": spec.prompt,
                "negative_prompt": spec.negative_prompt,
                "seed": attempt_seed(spec.seed, 1 + twice),
                "attempt": 1 + twice,
                "scores": {},
                "rejected": ["attempt 1: no"] if twice else [],
                "failed": [],
                "renderer": RENDERER,
            }
            samples.append(ShardSample(spec.key, "jpg", next(turn), record))
        written[task.name] = write_shard(folder / "shards" / task.name, samples)
    provenance = Provenance(plan["fingerprint"], RENDERER, JUDGE if again else None, 2, planned)
    write_manifest(folder / "shards", list(written), entity_facts(specs), provenance, written)
    return sum(facts.bytes for facts in written.values())


def measured(command: Sequence[str]) -> tuple[float, float]:
    """Seconds and largest resident memory, MiB, of a process."""
    began = time.perf_counter()
    nothing = os.open(os.devnull, os.O_WRONLY)
    process = os.posix_spawnp(
        command[0],
        list(command),
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, nothing, 1), (os.POSIX_SPAWN_DUP2, nothing, 2)],
    )
    _, status, usage = os.wait4(process, 0)
    os.close(nothing)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def ways(run: Path, place: Path) -> dict[str, list[str]]:
    """What is measured, by name."""
    python = [sys.executable, "-c", MAIN]
    publish = [*python, "publish", "--out", str(run), "--version", "1.0.0", "--date", "2026-01-01", "--to"]
    shards, copied = run / "shards", place / "cp"
    return {
        "cp -r, sha256sum": [
            "sh",
            "-c",
            f"cp -r {shards} {copied} && sync {copied}/* && sha256sum {copied}/* > {place}/sums",
        ],
        "publish --copy": [*publish, str(place / "copied"), "--copy"],
        "publish": [*publish, str(place / "linked")],
        "verify --no-decode": [*python, "verify", str(place / "linked"), "--no-decode"],
    }


def main() -> None:
    """Print a line a way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=14070)
    parser.add_argument("--size", type=int, default=512, help="pixels")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write; default: the place for temporary files")
    options = parser.parse_args()
    for again, said in ((False, "every picture drawn once: shards as they are"), (True, "packed anew")):
        with tempfile.TemporaryDirectory(dir=options.folder) as home:
            run = Path(home) / "run"
            volume = make_run(run, options.samples, options.size, again)
            found: dict[str, list[tuple[float, float]]] = {}
            for _ in range(options.repeats):
                place = Path(home) / "out"
                place.mkdir()
                for name, command in ways(run, place).items():
                    found.setdefault(name, []).append(measured(command))
                shutil.rmtree(place)
        sys.stdout.write(f"{options.samples} samples, {volume / 2**20:.0f} MiB, {said}\n")
        plain = [seconds for seconds, _ in found["cp -r, sha256sum"]]
        for name, pairs in found.items():
            seconds = statistics.median(s for s, _ in pairs)
            ratio = statistics.median(s / p for (s, _), p in zip(pairs, plain, strict=True))
            sys.stdout.write(
                f"  {name:<20} {seconds:6.1f} s {ratio:6.2f} times {max(m for _, m in pairs):6.0f} MiB\n"
            )


if __name__ == "__main__":
    main()
