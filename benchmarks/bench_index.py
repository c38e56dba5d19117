"""An index of a million pictures under a condition: adding one, asking exactly, asking approximately; in one run.

python benchmarks/bench_index.py --images 1000000        (a file of 2 GB in a temporary folder)

Adding a condition stands beside the product in blocks that it cannot do without (the same rows, the same matrix, the same
threads, the file in memory's cache for both); a query beside FAISS's flat index of the same vectors (a copy, whose making
is not counted), which it must equal; the approximate index (FAISS IVF) beside that flat index, with its recall at 10. Ways
are run in turn, and medians compared, of wall time and of CPU time, which depends less on what else the machine does.
Pictures are unit vectors around the sums of their values' directions, with noise as strong; queries are pictures.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from clay_eval import Condition, ConditionalIndex
from clay_eval.evaluator.index.passes import BLOCK_ROWS
from clay_eval.evaluator.scoring.blocks import thread_count

SLICE = 8192
VALUES = {"color": 12, "shape": 20, "place": 40}
TEXTS = 100


def write_pictures(path: Path, images: int, width: int, draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Write unit rows (images, width) float32; return condition -> the directions (values, width) of its values."""
    base = {name: draw.standard_normal((count, width), np.float32) for name, count in VALUES.items()}
    middle = 2 * draw.standard_normal(width).astype(np.float32)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(images, width))
    for start in range(0, images, SLICE):
        rows = min(SLICE, images - start)
        block = middle + 1.7 * draw.standard_normal((rows, width), np.float32)
        for directions in base.values():
            block += directions[draw.integers(len(directions), size=rows)]
        out[start : start + rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
    out.flush()
    return base


def blocked_product(features: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """features @ matrix in blocks, on all cores."""
    out = np.empty((len(features), matrix.shape[1]), np.float32)

    def work(start: int) -> None:
        out[start : start + BLOCK_ROWS] = features[start : start + BLOCK_ROWS] @ matrix

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(thread_count()) as pool:
        list(pool.map(work, range(0, len(features), BLOCK_ROWS)))
    return out


def medians(ways: Mapping[str, Callable[[int], object]], repeats: int) -> dict[str, tuple[float, float]]:
    """Median wall and CPU seconds of each way, called with the number of the round, the ways in turn."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for repeat in range(repeats):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            way(repeat)
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {
        name: (statistics.median(w for w, _ in pairs), statistics.median(c for _, c in pairs))
        for name, pairs in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--top", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5, help="of adding a condition")
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--folder", type=Path, help="for the file, in place of the system's temporary folder")
    arguments = parser.parse_args()
    draw, out = np.random.default_rng(0), sys.stdout
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "pictures.npy"
        base = write_pictures(path, arguments.images, arguments.width, draw)
        features = np.load(path, mmap_mode="r")
        start = time.perf_counter()
        index = ConditionalIndex(features, [f"s{i:07d}" for i in range(len(features))])
        out.write(
            f"{len(features)} pictures x {arguments.width}, {thread_count()} threads; read once in "
            f"{time.perf_counter() - start:.1f} s\n"
        )
        conditions = [condition(name, directions, draw) for name, directions in base.items()]
        added(index, conditions, features, arguments.repeats, out)
        asked(index, draw.integers(len(features), size=arguments.queries), arguments.top, out)
        asked_approximately(index, draw.integers(len(features), size=arguments.queries), out)


def condition(name: str, directions: np.ndarray, draw: np.random.Generator) -> Condition:
    """TEXTS texts of a condition, in as many wordings."""
    codes = np.arange(TEXTS) % len(directions)
    texts = directions[codes] + 3 + 0.3 * draw.standard_normal((TEXTS, directions.shape[1]), np.float32)
    return Condition(name, texts / np.linalg.norm(texts, axis=1, keepdims=True), [str(c) for c in codes])


def added(index, conditions, features, repeats, out) -> None:  # type: ignore[no-untyped-def]
    """Time of adding a condition."""
    for one in conditions:
        index.add(one)
    matrix = draw_matrix(features.shape[1], index.vectors(conditions[0].name).shape[1])
    ways = {
        "product": lambda _: blocked_product(features, matrix),
        "add": lambda repeat: index.add(conditions[repeat % len(conditions)]),
    }
    time_of = medians(ways, repeats)
    (least, least_cpu), (ours, ours_cpu) = time_of["product"], time_of["add"]
    out.write(
        f"adding a condition: {ours:.2f} s, {ours / least:.2f} times the product of k = {matrix.shape[1]} in blocks "
        f"({least:.2f} s; CPU {ours_cpu / least_cpu:.2f} times)\n"
    )
    out.flush()


def draw_matrix(width: int, columns: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(1).standard_normal((width, columns)))[0].astype(np.float32)


def asked(index, rows, top, out) -> None:  # type: ignore[no-untyped-def]
    """Time of a query, one at a time, under one condition and under three."""
    names = list(index.conditions)
    for chosen in ([names[0]], names):
        vectors = np.concatenate([index.vectors(name) for name in chosen], axis=1) / np.sqrt(len(chosen))
        flat = faiss.IndexFlatIP(vectors.shape[1])
        flat.add(np.ascontiguousarray(vectors, np.float32))
        weights = dict.fromkeys(chosen, 1.0)
        ways = {
            "faiss": lambda i, flat=flat, vectors=vectors: flat.search(vectors[rows[i]][None], top + 1),
            "ours": lambda i, weights=weights: index.query(index.keys[rows[i]], weights, top),
        }
        time_of = medians(ways, len(rows))
        gap = 0.0
        for row in rows[:10]:
            scores, _ = flat.search(vectors[row][None], top + 1)
            found = index.query(index.keys[row], weights, top)
            gap = max(gap, float(np.abs(scores[0][1:] - [one.similarity for one in found]).max()))
        (theirs, theirs_cpu), (ours, ours_cpu) = time_of["faiss"], time_of["ours"]
        out.write(
            f"a query under {len(chosen)} condition(s), {vectors.shape[1]} numbers a picture: {1e3 * ours:.1f} ms, "
            f"{ours / theirs:.2f} times FAISS flat ({1e3 * theirs:.1f} ms; CPU {ours_cpu / theirs_cpu:.2f} times); "
            f"similarities differ by {gap:.0e}\n"
        )
        out.flush()


def asked_approximately(index, rows, out) -> None:  # type: ignore[no-untyped-def]
    """Time and recall at 10 of the approximate index."""
    name = next(iter(index.conditions))
    vectors = index.vectors(name)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    start = time.perf_counter()
    approximate = index.approximate([name])
    made = time.perf_counter() - start
    ways = {
        "flat": lambda i: flat.search(vectors[rows[i]][None], 11),
        "approximate": lambda i: approximate.query(index.keys[rows[i]], top=10),
    }
    time_of = medians(ways, len(rows))
    hits = []
    for row in rows:
        truth = [int(other) for other in flat.search(vectors[row][None], 11)[1][0] if other != row][:10]
        hits.append(len({one.row for one in approximate.query(index.keys[row], top=10)} & set(truth)) / 10)
    (exact, _), (ours, _) = time_of["flat"], time_of["approximate"]
    out.write(
        f"approximately (IVF, {approximate.lists} lists, {approximate.probes} looked into, made in {made:.0f} s): "
        f"{1e3 * ours:.2f} ms, {exact / ours:.1f} times as fast as FAISS flat, recall at 10 {np.mean(hits):.3f}\n"
    )


if __name__ == "__main__":
    main()
