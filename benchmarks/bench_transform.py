"""Time of conditional features beside the bare matrix product and the paper's formula taken literally.

python benchmarks/bench_transform.py --images 7325 --width 512 --components 50
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from clay_eval import CLAY


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def literal_features(
    images: np.ndarray, texts: np.ndarray, database_mean: np.ndarray, k: int
) -> Callable[[], np.ndarray]:
    """P log_mu(H v) for all images, in matrix form, step by step, in the images' float type."""
    mean = unit(texts.mean(axis=0))

    def log_map(points: np.ndarray) -> np.ndarray:
        cosine = np.clip(points @ mean, -1, 1)
        theta = np.arccos(cosine)
        return (points - np.outer(cosine, mean)) * (theta / np.sin(theta))[:, None]

    right = np.linalg.svd(log_map(texts), full_matrices=False)[2][:k]
    project = right.T @ right
    normal = unit(database_mean - mean)
    reflect = np.eye(len(mean), dtype=images.dtype) - 2 * np.outer(normal, normal)
    return lambda: unit(log_map(unit(images) @ reflect) @ project)


def seconds(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each way; the ways take turns, so that noise falls on all of them."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=7325)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--components", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=31)
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    centre = generator.standard_normal((2, arguments.width))
    doubles = unit(generator.standard_normal((arguments.images, arguments.width)) + centre[0])
    texts = unit(generator.standard_normal((arguments.texts, arguments.width)) * 0.5 + centre[1])
    out = sys.stdout
    out.write(
        f"{arguments.images} x {arguments.width}, k = {arguments.components}, {arguments.repeats} repeats\n"
    )
    for kind in (np.float32, np.float64):
        images = doubles.astype(kind)
        clay = CLAY(arguments.components).fit(images, texts.astype(kind))
        projection = clay.projection_.astype(kind)
        exact = literal_features(
            doubles,
            texts.astype(kind).astype(float),
            unit(unit(images.astype(float)).mean(axis=0)),
            clay.n_components_,
        )
        slow = literal_features(
            images, texts.astype(kind), unit(unit(images).mean(axis=0)), clay.n_components_
        )
        taken = seconds(
            {
                "product": lambda a=images, b=projection: a @ b,
                "transform": lambda c=clay, a=images: c.transform(a),
                "literal": slow,
            },
            arguments.repeats,
        )
        rows = slice(0, 500)
        found = clay.transform(images)[rows]
        expected = exact()[rows]
        error = np.abs(found @ found.T - expected @ expected.T).max()
        out.write(
            f"{np.dtype(kind).name}: product {taken['product'] * 1e3:.2f} ms, "
            f"transform {taken['transform'] * 1e3:.2f} ms = {taken['transform'] / taken['product']:.2f} x product, "
            f"literal {taken['literal'] * 1e3:.1f} ms = {taken['literal'] / taken['transform']:.1f} x transform; "
            f"similarities differ by {error:.1e} at most\n"
        )


if __name__ == "__main__":
    main()
