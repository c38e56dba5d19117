"""How often intervals hold the mean: `python benchmarks/bench_coverage.py` prints a table in per cent, 95 being right.

Percentiles of the bootstrap, the same scaled to an unbiased variance, symmetric ones, and those in use (`skewed-t`), over
shapes of scores, numbers of queries, nested databases, several seeds and clusters; and how often any of 30 comparisons of
equal methods is called significant by queries, where scores of a combination of labels resemble each other.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from clay_eval.evaluator.retrieval.results import GroupScores, Outcome
from clay_eval.evaluator.statistics import bootstrap_means, percentile_intervals
from clay_eval.evaluator.statistics.intervals import mean_interval
from clay_eval.evaluator.statistics.scoreboard import Inference, results_of
from clay_eval.evaluator.statistics.significance import holm, paired_randomisation_many
from clay_eval.evaluator.vectors.arrays import Float64Array

NESTED = (6, 6, 8, 4, 5, 1)
SIZES = {"n = 10": (10,), "n = 30": (30,), "n = 100": (100,), "nested": NESTED}
SHAPES: dict[str, tuple[Callable[[Generator, int], Float64Array], float]] = {
    "Beta(2, 2)": (lambda g, n: g.beta(2, 2, n), 0.5),
    "Beta(.5, .5)": (lambda g, n: g.beta(0.5, 0.5, n), 0.5),
    "Beta(9, .5)": (lambda g, n: g.beta(9, 0.5, n), 9 / 9.5),
    "mostly 1": (lambda g, n: np.where(g.random(n) < 0.9, 1.0, g.random(n)), 0.95),
}
DRAWS = 500
SLACK = 1e-12


def percentile(groups: list[Float64Array], scaled: bool = False) -> tuple[float, float]:
    """Ends of the percentile bootstrap; scaled: each database's deviations by sqrt(n/(n - 1))."""
    if scaled:
        groups = [g.mean() + (g - g.mean()) * (len(g) / max(len(g) - 1, 1)) ** 0.5 for g in groups]
    low, high = percentile_intervals(bootstrap_means(groups, DRAWS, 0)[None])[0]
    return float(low), float(high)


def student(groups: list[Float64Array]) -> tuple[float, float]:
    """Ends without the correction for skewness: the mean of an interval and its mirror image."""
    low, high = mean_interval(groups)
    centre = float(np.mean([g.mean() for g in groups]))
    half = (high - low) / 2
    return centre - half, centre + half


METHODS: dict[str, Callable[[list[Float64Array]], tuple[float, float]]] = {
    "percentile": percentile,
    "scaled": lambda groups: percentile(groups, scaled=True),
    "symmetric": student,
    "skewed-t": mean_interval,
}


def covered(sizes: tuple[int, ...], shape: str, trials: int, generator: Generator) -> dict[str, float]:
    """Method -> per cent of `trials` whose interval, cut to [0, 1], holds the mean."""
    draw, mean = SHAPES[shape]
    hits = dict.fromkeys(METHODS, 0)
    for _ in range(trials):
        groups = [draw(generator, size) for size in sizes]
        for name, method in METHODS.items():
            low, high = np.clip(method(groups), 0, 1)
            hits[name] += bool(low - SLACK <= mean <= high + SLACK)
    return {name: 100 * count / trials for name, count in hits.items()}


def covered_by_seeds(sizes: tuple[int, ...], shape: str, trials: int, generator: Generator) -> float:
    """Per cent for the mean over three seeds, whose queries are drawn from ten times as many pictures of each database."""
    draw, mean = SHAPES[shape]
    hits = 0
    for _ in range(trials):
        groups, first = [], 0
        for number, size in enumerate(sizes):
            values = draw(generator, 10 * size)
            for seed in range(3):
                rows = np.sort(generator.permutation(10 * size)[:size])
                scores = {"AP": values[rows]}
                groups.append(GroupScores(seed, str(number), rows + first, scores, scores, 9, 0, {}))
            first += 10 * size
        outcome = Outcome("e", "m", "v", ("a",), tuple(groups))
        (found,) = results_of([outcome], ["AP"], Inference(), np.arange(first))
        assert found.ci_low is not None
        assert found.ci_high is not None
        hits += found.ci_low - SLACK <= mean <= found.ci_high + SLACK
    return 100 * hits / trials


def covered_by_clusters(clusters: int, trials: int, generator: Generator) -> dict[str, float]:
    """By queries and by clusters of 1 to 8 queries: per cent that hold the mean, with an intraclass correlation of .6."""
    hits = {"by query": 0, "by cluster": 0}
    for _ in range(trials):
        sizes = generator.integers(1, 9, clusters)
        of = np.repeat(np.arange(clusters), sizes)
        values = 0.6**0.5 * generator.normal(size=clusters)[of] + 0.4**0.5 * generator.normal(size=len(of))
        for name, given in (("by query", None), ("by cluster", [of])):
            low, high = mean_interval([values], clusters_by_group=given)
            hits[name] += low <= 0 <= high
    return {name: 100 * count / trials for name, count in hits.items()}


def false_alarms(correlation: float, trials: int, generator: Generator) -> dict[str, float]:
    """Per cent of families of 30 tests of equal methods with any below .05 after Holm; 30 combinations of 10 pictures."""
    of = np.repeat(np.arange(30), 10)
    hits = {"by query": 0, "by cluster": 0}
    for _ in range(trials):
        shared = generator.normal(size=(30, 30))[:, of]
        values = correlation**0.5 * shared + (1 - correlation) ** 0.5 * generator.normal(size=(30, 300))
        for name, given in (("by query", None), ("by cluster", [of])):
            hits[name] += bool((holm(paired_randomisation_many([values], 2000, 0, given)) < 0.05).any())
    return {name: 100 * count / trials for name, count in hits.items()}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    trials = parser.parse_args().trials
    generator = np.random.default_rng(0)
    print(f"{'':22}", *(f"{name:>10}" for name in METHODS), f"{'3 seeds':>10}")
    for size, sizes in SIZES.items():
        for shape in SHAPES:
            found = covered(sizes, shape, trials, generator)
            seeds = covered_by_seeds(sizes, shape, trials // 4, generator)
            print(
                f"{f'{size}, {shape}':22}",
                *(f"{value:10.1f}" for value in [*found.values(), seeds]),
                flush=True,
            )
    for clusters in (10, 30, 100):
        print(f"{clusters} clusters:", covered_by_clusters(clusters, trials, generator), flush=True)
    for correlation in (0, 0.05, 0.1, 0.2, 0.6):
        print(
            f"false alarms at icc {correlation}:",
            false_alarms(correlation, trials // 20, generator),
            flush=True,
        )


if __name__ == "__main__":
    main()
