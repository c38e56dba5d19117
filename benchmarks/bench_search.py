"""Time of `top_k`, over that of FAISS's flat index on the same arrays.

python benchmarks/bench_search.py --images 100000 --queries 1000

FAISS's time is that of `search` alone: building its index (a copy of the database) is not counted. The ways are run in
turn, and medians compared: of wall time, and of CPU time, which depends less on what else the machine does.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import faiss
import numpy as np

from clay_eval.evaluator.scoring.search import top_k


def unit_rows(generator: np.random.Generator, rows: int, width: int) -> np.ndarray:
    array = generator.standard_normal((rows, width), np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--k", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    out = sys.stdout
    out.write(f"{arguments.queries} queries, width {arguments.width}; times FAISS's flat index\n")
    for images in arguments.images:
        queries = unit_rows(generator, arguments.queries, arguments.width)
        database = unit_rows(generator, images, arguments.width)
        index = faiss.IndexFlatIP(arguments.width)
        index.add(database)
        for k in arguments.k:
            ways: dict[str, Callable[[], object]] = {
                "faiss": lambda index=index, queries=queries, k=k: index.search(queries, k),
                "top_k": lambda queries=queries, database=database, k=k: top_k(queries, database, k),
                "numpy": lambda queries=queries, database=database, k=k: top_k(
                    queries, database, k, library="numpy"
                ),
            }
            times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
            for _ in range(arguments.repeats):
                for name, way in ways.items():
                    wall, cpu = time.perf_counter(), time.process_time()
                    way()
                    times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
            wall, cpu = (
                {name: statistics.median(pair[i] for pair in pairs) for name, pairs in times.items()}
                for i in range(2)
            )
            theirs, _ = index.search(queries, k)
            gap = np.abs(top_k(queries, database, k)[1] - theirs).max()
            out.write(
                f"{images:9} images, k = {k:4}: FAISS {wall['faiss']:7.3f} s, "
                f"top_k {wall['top_k'] / wall['faiss']:5.2f} times (CPU {cpu['top_k'] / cpu['faiss']:.2f}), "
                f"without FAISS {wall['numpy'] / wall['faiss']:5.2f} (CPU {cpu['numpy'] / cpu['faiss']:.2f}); "
                f"scores differ by {gap:.1e}\n"
            )
            out.flush()


if __name__ == "__main__":
    main()
