"""Time and memory of exact mAP over full rankings, beside a stable argsort with cumulative sums.

python benchmarks/bench_scoring.py --queries 10000 --database 10000

"from scores" ranks a given score matrix (`average_precision`); "from features" also makes the scores, block by
block (`retrieval_average_precision`); "all measures" does so for ten measures at once. The baseline and
scikit-learn get ready-made blocks of scores, and are timed on a subset of the queries. CPU time is shown as well: it
depends less on what else the machine does.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from clay_eval import average_precision
from clay_eval.evaluator.scoring import retrieval_average_precision, retrieval_scores
from clay_eval.evaluator.scoring.measures import parse_measures

BLOCK = 64
MEASURES = parse_measures(
    ["AP", "AP(trapezoid)", "AP@R", "P@10", "R@10", "Hit@1", "Hit@10", "nDCG", "nDCG@10", "Rprec"]
)


def by_argsort(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """The usual vectorised way: stable argsort, cumulative sums."""
    ranks = np.arange(1, scores.shape[1] + 1)
    parts = []
    for start in range(0, len(scores), BLOCK):
        order = np.argsort(-scores[start : start + BLOCK], axis=1, kind="stable")
        ranked = np.take_along_axis(relevant[start : start + BLOCK], order, axis=1)
        precision = np.cumsum(ranked, axis=1) / ranks
        parts.append((precision * ranked).sum(axis=1) / ranked.sum(axis=1))
    return np.concatenate(parts)


def timed(way: Callable[[], np.ndarray], queries: int) -> tuple[float, float]:
    """Wall and CPU microseconds a query."""
    wall, cpu = time.perf_counter(), time.process_time()
    way()
    return (time.perf_counter() - wall) / queries * 1e6, (time.process_time() - cpu) / queries * 1e6


def peak_mib(way: Callable[[], object]) -> float:
    tracemalloc.start()
    way()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--database", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=50)
    parser.add_argument("--values", type=int, default=10, help="values of the condition")
    parser.add_argument("--subset", type=int, default=512, help="queries for the baseline")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    queries, database = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (
            generator.standard_normal((n, arguments.width)).astype(np.float32)
            for n in (arguments.queries, arguments.database)
        )
    )
    query_codes = generator.integers(0, arguments.values, len(queries))
    codes = generator.integers(0, arguments.values, len(database))
    subset = min(arguments.subset, len(queries))
    scores = queries @ database.T
    relevant = query_codes[:, None] == codes
    ways: dict[str, tuple[Callable[[], np.ndarray], int]] = {
        "argsort": (lambda: by_argsort(scores[:subset], relevant[:subset]), subset),
        "from scores": (lambda: average_precision(scores, relevant), len(queries)),
        "from features": (
            lambda: retrieval_average_precision(queries, database, query_codes, codes),
            len(queries),
        ),
        "all measures": (
            lambda: retrieval_scores([(queries, database)], query_codes, codes, MEASURES)["AP"],
            len(queries),
        ),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(arguments.repeats):
        for name, (way, count) in ways.items():
            times[name].append(timed(way, count))
    out = sys.stdout
    out.write(
        f"{len(queries)} queries x {len(database)} images, {arguments.values} values, microseconds a query\n"
    )
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in times.items()
    }
    for name, (wall, cpu) in medians.items():
        faster = f"{medians['argsort'][0] / wall:5.1f} x faster (CPU {medians['argsort'][1] / cpu:.1f} x)"
        out.write(f"{name:14} {wall:8.1f} wall {cpu:8.1f} CPU   {faster}\n")
    mine = retrieval_average_precision(queries, database, query_codes, codes)
    gap = np.abs(mine[:subset] - average_precision(scores[:subset], relevant[:subset])).max()
    out.write(f"from features and from scores differ by {gap:.1e} at most\n")
    report_scikit_learn(scores[:50].astype(np.float64), relevant[:50], generator)
    whole = scores.nbytes / 2**20
    for share in (10, 1):
        count = len(queries) // share
        peak = peak_mib(
            lambda n=count: retrieval_average_precision(queries[:n], database, query_codes[:n], codes)
        )
        out.write(
            f"from features, {count} queries: {peak:.0f} MiB at most (all scores: {whole / share:.0f} MiB)\n"
        )


def report_scikit_learn(scores: np.ndarray, relevant: np.ndarray, generator: np.random.Generator) -> None:
    """Compare on scores without ties, which scikit-learn treats in another way."""
    from sklearn.metrics import average_precision_score

    untied = scores + generator.uniform(0, 1e-9, scores.shape)
    wall, cpu = timed(
        lambda: np.array([average_precision_score(r, s) for r, s in zip(relevant, untied, strict=True)]),
        len(scores),
    )
    expected = [average_precision_score(r, s) for r, s in zip(relevant, untied, strict=True)]
    error = np.abs(average_precision(untied, relevant) - expected).max()
    sys.stdout.write(
        f"scikit-learn   {wall:8.1f} wall {cpu:8.1f} CPU   differs by {error:.1e} at most (no ties)\n"
    )


if __name__ == "__main__":
    main()
