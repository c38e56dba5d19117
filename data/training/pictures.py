"""A pool of procedural pictures with labels, drawn once and kept on disk for many epochs.

    python data/training/pictures.py --out checkpoints/pool --count 24000
    python data/training/pictures.py --out checkpoints/twins --count 32000 --part all --twins

Writes, for each entity, `<entity>.npy` (N x size x size x 3, uint8) and `<entity>.json` (labels and diversity values).
With --twins, pictures come in twos: the same scene from the same random numbers, but for one diversity value of those
that show in few pixels or in the layout alone. What a model has to learn of that value is what differs between the two.
"""

from __future__ import annotations

import argparse
import json
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from labels import other_diversity, random_diversity, split_combinations
from PIL import Image

from clay_eval.generator.render.procedural import draw
from clay_eval.schemas.entity import load_entity

ENTITIES = ("demo-object", "demo-human")
SIZE = 64
CHUNK = 500
TWIN_ATTRIBUTES = {"demo-object": ("viewpoint",), "demo-human": ("appearance", "skin", "direction")}


def make(
    entity: str, start: int, count: int, part: str, size: int, twins: bool = False
) -> tuple[np.ndarray, list[dict[str, dict[str, str]]]]:
    """Draw pictures `start` to `start + count` of an entity's endless sequence for `part`: seen, held-out or all.

    With `twins`, each odd picture is its predecessor with another value of one of TWIN_ATTRIBUTES. Every third scene is
    drawn at twice the size and reduced, as an encoder's preprocessing would.
    """
    spec = load_entity(entity)
    seen, held_out = split_combinations(spec)
    rows = {"seen": seen, "held-out": held_out, "all": [*seen, *held_out]}[part]
    pixels = np.empty((count, size, size, 3), np.uint8)
    records = []
    for i in range(count):
        scene = (start + i) // 2 if twins else start + i
        rng = random.Random(f"{entity}|{part}|{scene}")
        labels, diversity = rng.choice(rows), random_diversity(spec, rng)
        seed, larger = rng.getrandbits(53), scene % 3 == 0
        if twins and (start + i) % 2:
            diversity = other_diversity(spec, diversity, rng.choice(TWIN_ATTRIBUTES[entity]), rng)
        picture = draw(labels, diversity, seed, size * 2 if larger else size)
        pixels[i] = np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))
        records.append({"labels": dict(labels), "diversity": diversity})
    return pixels, records


def make_pool(
    out: Path, entity: str, count: int, part: str, workers: int, size: int = SIZE, twins: bool = False
) -> None:
    """Draw and store `count` pictures."""
    out.mkdir(parents=True, exist_ok=True)
    starts = range(0, count, CHUNK)
    with ProcessPoolExecutor(workers) as pool:
        chunks = list(
            pool.map(
                make,
                [entity] * len(starts),
                starts,
                [min(CHUNK, count - s) for s in starts],
                [part] * len(starts),
                [size] * len(starts),
                [twins] * len(starts),
            )
        )
    np.save(out / f"{entity}.npy", np.concatenate([c[0] for c in chunks]))
    (out / f"{entity}.json").write_text(json.dumps([r for c in chunks for r in c[1]]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=24000, help="pictures an entity")
    parser.add_argument("--part", choices=["seen", "held-out", "all"], default="seen")
    parser.add_argument("--twins", action="store_true", help="pictures in twos that differ in one value")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--entity", choices=ENTITIES, action="append", help="default: both")
    options = parser.parse_args()
    for entity in options.entity or ENTITIES:
        make_pool(options.out, entity, options.count, options.part, options.workers, twins=options.twins)


if __name__ == "__main__":
    main()
