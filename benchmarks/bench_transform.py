"""Time of conditional features beside the bare matrix product and the paper's formula taken literally.

For one more condition on 100 images, and for a database of 7,325: the ratio of `transform` to its bare product is the
median over turns in which both are timed one after the other. Set OMP_NUM_THREADS=1 where cores are shared.

python benchmarks/bench_transform.py --images 100 7325 --width 512 --components 50
"""

from __future__ import annotations

import argparse
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


def seconds(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """Seconds of each way in each turn (repeats,); the ways take turns, so that noise falls on all of them."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in times.items()}


def measure(images: int, width: int, n_texts: int, k: int, repeats: int) -> None:
    """Write the times for so many images of that width, in both float types."""
    generator = np.random.default_rng(0)
    centre = generator.standard_normal((2, width))
    doubles = unit(generator.standard_normal((images, width)) + centre[0])
    texts = unit(generator.standard_normal((n_texts, width)) * 0.5 + centre[1])
    out = sys.stdout
    out.write(f"{images} x {width}, k = {k}, {repeats} turns\n")
    for kind in (np.float32, np.float64):
        rows, kind_texts = doubles.astype(kind), texts.astype(kind)
        clay = CLAY(k).fit(rows, kind_texts)
        clay.transform(rows)
        projection = clay.projection_.astype(kind)
        mean = unit(unit(rows.astype(float)).mean(axis=0))
        exact = literal_features(doubles, kind_texts.astype(float), mean, clay.n_components_)
        slow = literal_features(rows, kind_texts, mean.astype(kind), clay.n_components_)
        pair = {
            "product": lambda a=rows, b=projection: a @ b,
            "transform": lambda c=clay, a=rows: c.transform(a),
        }
        taken = seconds(pair, repeats) | seconds({"literal": slow}, max(5, repeats // 10))
        middle = {name: float(np.median(values)) for name, values in taken.items()}
        ratio = float(np.median(taken["transform"] / taken["product"]))
        found, expected = clay.transform(rows)[:500], exact()[:500]
        error = np.abs(found @ found.T - expected @ expected.T).max()
        out.write(
            f"  {np.dtype(kind).name}: product {middle['product'] * 1e3:.3f} ms, "
            f"transform {middle['transform'] * 1e3:.3f} ms = {ratio:.2f} x product; "
            f"literal {middle['literal'] * 1e3:.2f} ms = {middle['literal'] / middle['transform']:.1f} x transform; "
            f"similarities differ by {error:.1e} at most\n"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[100, 7325])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--components", type=int, default=50)
    parser.add_argument(
        "--repeats", type=int, help="turns; by default 2,001 for 1,000 images or fewer, else 31"
    )
    given = parser.parse_args()
    for images in given.images:
        repeats = given.repeats or (2001 if images <= 1000 else 31)
        measure(images, given.width, given.texts, given.components, repeats)


if __name__ == "__main__":
    main()
