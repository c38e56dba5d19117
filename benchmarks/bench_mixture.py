"""Time of fitting text-mixture to many images, beside five passes over their file.

The vectors lie in a memory-mapped file. A pass reads it block by block and multiplies each block with as many columns as
CLAY's subspace has. Printed: CPU seconds of both, which other processes do not stretch, their ratio, and the highest memory
of the process over what it had before.

python benchmarks/bench_mixture.py --images 1000000 --width 512 --values 50
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from clay_eval.evaluator.methods.text_mixture import TextMixture

_BLOCK = 4096


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def write_images(path: Path, images: int, directions: np.ndarray, seed: int = 0) -> None:
    """Write float32 unit rows of the values' directions (K, d) with noise, block by block."""
    draw = np.random.default_rng(seed)
    width = directions.shape[1]
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (images, width))
    centre = unit(draw.standard_normal(width))
    for start in range(0, images, _BLOCK):
        labels = draw.integers(0, len(directions), min(_BLOCK, images - start))
        noise = draw.standard_normal((len(labels), width), np.float32) / np.sqrt(width)
        rows[start : start + _BLOCK] = unit(1.5 * centre + directions[labels] + noise)
    rows.flush()


def five_passes(images: np.ndarray, columns: np.ndarray) -> float:
    """CPU seconds of five blocked passes."""
    start = time.process_time()
    for _ in range(5):
        for block in range(0, len(images), _BLOCK):
            images[block : block + _BLOCK] @ columns
    return time.process_time() - start


def main() -> None:
    """Read the options, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--values", type=int, default=50)
    parser.add_argument("--wordings", type=int, default=4)
    asked = parser.parse_args()
    draw = np.random.default_rng(1)
    directions = unit(draw.standard_normal((asked.values, asked.width)))
    named = np.repeat(np.arange(asked.values), asked.wordings)
    texts = directions[named] + draw.standard_normal((len(named), asked.width)) / np.sqrt(asked.width)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        write_images(path, asked.images, directions)
        images = np.load(path, mmap_mode="r")
        passes = five_passes(images, draw.standard_normal((asked.width, 50)).astype(np.float32))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        method = TextMixture().fit(images, unit(texts).astype(np.float32), [f"value {n}" for n in named])
        fitting = time.process_time() - start
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{asked.images} images x {asked.width}, {asked.values} values, {method.n_images_} seen by EM")
    print(f"fit {fitting:.1f} s, five passes {passes:.1f} s, ratio {fitting / passes:.2f}")
    print(f"memory above what five passes had: {(after - before) / 1024:.0f} MiB, mapped pages included")


if __name__ == "__main__":
    main()
