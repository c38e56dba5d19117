"""Writing shards (tar, sha256, fsync, labels.csv, manifest.json) beside webdataset's own ShardWriter.

python benchmarks/bench_shards.py --samples 4096 --shard-size 256

Both write the same encoded pictures and records into shards of the same size, by turns. ShardWriter followed by fsync is
the baseline: it neither hashes nor checks, and writes no labels and no manifest. The ratios are medians over the repeats'
pairs: rate to the baseline's rate.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import webdataset as wds
from PIL import Image

from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.render.metadata import xmp_packet
from clay_eval.generator.shards.pictures import encode_image
from clay_eval.generator.shards.rendering import entity_facts
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.manifest import Provenance, Tally, shard_name, write_manifest
from clay_eval.schemas.shards import ShardSample, write_shard

ENTITY = "demo-object"
RENDERER = {"type": "procedural", "size": 0}


def make_samples(count: int, size: int) -> list[ShardSample]:
    """Samples of the demo's plan with pictures of coloured noise, as large as a photograph's file."""
    packet = xmp_packet(RENDERER)
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(64):
        small = Image.fromarray(rng.integers(0, 255, (size // 4, size // 4, 3), np.uint8))
        pictures.append(encode_image(small.resize((size, size), Image.Resampling.BICUBIC), "jpg", packet))
    samples = []
    for number, spec in enumerate(Plan(load_entity(ENTITY), count=count)):
        record = {
            "key": spec.key,
            "entity": spec.entity,
            "labels": dict(spec.labels),
            "diversity": dict(spec.diversity),
            "prompt": spec.prompt,
            "seed": spec.seed,
            "attempt": 1,
            "rejected": [],
            "renderer": RENDERER,
        }
        samples.append(ShardSample(spec.key, "jpg", pictures[number % len(pictures)], record))
    return samples


def ours(folder: Path, samples: Sequence[ShardSample], size: int) -> None:
    written, planned = {}, Tally()
    for number, start in enumerate(range(0, len(samples), size)):
        name = shard_name(ENTITY, number)
        written[name] = write_shard(folder / name, samples[start : start + size])
    facts = entity_facts([load_entity(ENTITY)])
    for sample in samples:
        planned.add(ENTITY, sample.record["labels"], sample.record["diversity"])
    write_manifest(folder, list(written), facts, Provenance("0" * 64, RENDERER, None, 1, planned), written)


def shards_only(folder: Path, samples: Sequence[ShardSample], size: int) -> None:
    for number, start in enumerate(range(0, len(samples), size)):
        write_shard(folder / shard_name(ENTITY, number), samples[start : start + size])


def webdatasets(folder: Path, samples: Sequence[ShardSample], size: int) -> None:
    with wds.ShardWriter(str(folder / "s-%05d.tar"), maxcount=size, verbose=0) as writer:
        for sample in samples:
            writer.write({"__key__": sample.key, "jpg": sample.image, "json": sample.record})
    for path in folder.glob("*.tar"):
        with path.open("rb") as stream:
            os.fsync(stream.fileno())


WAYS: dict[str, Callable[[Path, Sequence[ShardSample], int], None]] = {
    "ShardWriter + fsync": webdatasets,
    "shards": shards_only,
    "shards + manifest": ours,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--shard-size", type=int, default=256)
    parser.add_argument("--size", type=int, default=512, help="pixels")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, help="where to write; default: the system's place for temporary files"
    )
    options = parser.parse_args()
    samples = make_samples(options.samples, options.size)
    volume = sum(len(s.image) for s in samples) / 2**20
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(options.repeats):
        for name, way in WAYS.items():
            with tempfile.TemporaryDirectory(dir=options.folder) as place:
                began = time.perf_counter()
                way(Path(place), samples, options.shard_size)
                seconds[name].append(time.perf_counter() - began)
    sys.stdout.write(f"{options.samples} samples, {volume:.0f} MiB of pictures\n")
    for name, times in seconds.items():
        rate = volume / statistics.median(times)
        ratio = statistics.median(a / b for a, b in zip(seconds["ShardWriter + fsync"], times, strict=True))
        sys.stdout.write(f"{name:<22}{rate:>8.0f} MiB/s{ratio:>8.2f} of ShardWriter + fsync\n")


if __name__ == "__main__":
    main()
