"""Full mAP against a large database that stays in its file, beside the least work it could be.

python benchmarks/bench_million.py --images 1000000 --queries 1000        (about 2 GB in a temporary folder)

The features are written as one .npy file and opened as a memory map. "floor" is a product in blocks and one np.sort
of each row of float32 scores, on as many threads, with nothing measured. Memory is the peak of what the process holds
beside the file (RssAnon of /proc/self/status, read every 20 ms). CPU time depends less on what else the machine does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from clay_eval.evaluator.scoring import retrieval_scores
from clay_eval.evaluator.scoring.measures import parse_measures
from clay_eval.evaluator.scoring.threads import thread_count

SLICE = 8192
ROWS = 64


def write_features(path: Path, images: int, width: int) -> None:
    """Write unit rows (images, width) float32, slice by slice."""
    generator = np.random.default_rng(0)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(images, width))
    for start in range(0, images, SLICE):
        rows = generator.standard_normal((min(SLICE, images - start), width), np.float32)
        out[start : start + SLICE] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    out.flush()


def floor(queries: np.ndarray, database: np.ndarray) -> None:
    """Blocked products and a plain sort of each row, nothing else."""
    threads = thread_count()

    def work(first: int) -> None:
        out = np.empty((ROWS, len(database)), np.float32)
        for start in range(first * ROWS, len(queries), threads * ROWS):
            rows = queries[start : start + ROWS]
            for top in range(0, len(database), SLICE):
                part = database[top : top + SLICE]
                np.matmul(rows, part.T, out=out[: len(rows), top : top + len(part)])
            for row in out[: len(rows)]:
                row.sort()

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))


def anonymous_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def watched(way: Callable[[], object]) -> tuple[float, float, float]:
    """Wall and CPU seconds, and the peak of memory in MiB above what was held before."""
    before, peak, done = anonymous_mib(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, anonymous_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    wall, cpu = time.perf_counter(), time.process_time()
    way()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    done.set()
    watcher.join()
    return wall, cpu, max(peak - before, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=256)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--values", type=int, default=10, help="values of the condition")
    parser.add_argument("--measures", nargs="+", default=["AP"])
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    generator = np.random.default_rng(1)
    measures = parse_measures(arguments.measures)
    query_codes = generator.integers(0, arguments.values, arguments.queries)
    codes = generator.integers(0, arguments.values, arguments.images)
    out = sys.stdout
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npy"
        write_features(path, arguments.images, arguments.width)
        database = np.load(path, mmap_mode="r")
        queries = generator.standard_normal((arguments.queries, arguments.width), np.float32)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        out.write(
            f"{arguments.queries} queries x {arguments.images} images x {arguments.width}, "
            f"{thread_count()} threads, {', '.join(map(str, measures))}\n"
        )
        for _ in range(arguments.repeats):
            least, least_cpu, held = watched(lambda: floor(queries, database))
            ours, ours_cpu, ours_held = watched(
                lambda: retrieval_scores([(queries, database)], query_codes, codes, measures)
            )
            out.write(
                f"floor {least:7.1f} s ({held:.0f} MiB)   scores {ours:7.1f} s ({ours_held:.0f} MiB)   "
                f"{ours / least:.2f} times the floor (CPU {ours_cpu / least_cpu:.2f})\n"
            )
            out.flush()


if __name__ == "__main__":
    main()
