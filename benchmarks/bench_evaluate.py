"""A whole evaluation of CLAY-EVAL's size from cached features, beside the same through scikit-learn.

    python benchmarks/bench_evaluate.py

14,070 made-up images of 512 dimensions in two entities, three attributes each, all single and multiple conditions, raw
and CLAY, mAP with 1,000 bootstrap draws. scikit-learn ranks the very same conditional features, a query at a time, and is
timed on a share of the queries; its bootstrap is scipy's, of the same number of draws.
"""

from __future__ import annotations

import argparse
import time
from itertools import product

import numpy as np
from scipy.stats import bootstrap
from sklearn.metrics import average_precision_score

from clay_eval import (
    Inference,
    Labelled,
    Settings,
    Study,
    TextFeatures,
    evaluate_features,
    prepare_methods,
    results_of,
)
from clay_eval.evaluator.retrieval.engine import plan_tasks
from clay_eval.evaluator.retrieval.spaces import make_space
from clay_eval.evaluator.retrieval.split_kinds import draw_split
from clay_eval.evaluator.retrieval.splits import combination_codes

WORLDS = {"object": (7_325, 10, 5, 12), "human": (6_745, 8, 15, 12)}
NAMES = {"object": ("category", "subcategory", "color"), "human": ("age", "action", "background")}
DIMENSION, TEXTS, DRAWS = 512, 100, 1_000


def world(entity: str, seed: int) -> tuple[np.ndarray, Labelled, dict[str, TextFeatures]]:
    """Features as sums of a vector a value, with noise; 100 texts a condition; sub-categories lie in categories."""
    generator = np.random.default_rng(seed)
    images, first, second, third = WORLDS[entity]
    rows = list(product(range(first), range(second), range(third)))
    rows = [rows[i % len(rows)] for i in generator.permutation(images)]
    nested = entity == "object"
    columns = [
        [f"a{a}" for a, _, _ in rows],
        [f"b{a}.{b}" if nested else f"b{b}" for a, b, _ in rows],
        [f"c{c}" for _, _, c in rows],
    ]
    names = NAMES[entity]
    meaning = {v: generator.standard_normal(DIMENSION) for v in sorted({v for c in columns for v in c})}
    features = sum(np.stack([meaning[v] for v in column]) for column in columns)
    features = (
        features + generator.standard_normal((images, DIMENSION)) * 3 + generator.standard_normal(DIMENSION)
    )
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    texts = {}
    for name, column in zip(names, columns, strict=True):
        values = sorted(set(column))
        chosen = [values[i % len(values)] for i in range(max(TEXTS, 4 * len(values)))]
        rows_of = (
            np.stack([meaning[v] for v in chosen]) + generator.standard_normal((len(chosen), DIMENSION)) * 0.3
        )
        parents = ["a" + v[1:].split(".")[0] for v in chosen] if nested and name == "subcategory" else None
        texts[name] = TextFeatures(rows_of.astype(np.float32), parents, chosen)
    parents = {"subcategory": "category"} if nested else {}
    labelled = Labelled(
        [f"{entity[0]}{i:05d}" for i in range(images)], dict(zip(names, columns, strict=True)), parents
    )
    return features.astype(np.float32), labelled, texts


def ours(worlds: dict[str, tuple]) -> tuple[float, dict[tuple, float]]:
    """Seconds of the whole evaluation, and (entity, method, conditions) -> mAP."""
    start, values = time.perf_counter(), {}
    for entity, (features, labelled, texts) in worlds.items():
        methods = prepare_methods(["raw", "clay"])
        outcomes, _ = evaluate_features(features, labelled, texts, methods, entity=entity, encoder="made-up")
        clusters = combination_codes(labelled)
        for result in results_of(outcomes, ["AP"], Inference(draws=DRAWS), clusters):
            values[entity, result.method, result.conditions] = result.value
    return time.perf_counter() - start, values


def theirs(worlds: dict[str, tuple], share: int, values: dict[tuple, float]) -> tuple[float, float]:
    """Seconds through scikit-learn and scipy, every `share`-th query timed and scaled; the largest difference of a mean."""
    seconds, furthest = 0.0, 0.0
    for entity, (features, labelled, texts) in worlds.items():
        for task in plan_tasks(labelled, draw_split(labelled, "image", Settings().seeds[0])):
            for method in prepare_methods(["raw", "clay"]):
                means = []
                for group in task.groups:
                    start = time.perf_counter()
                    ((queries, database),) = make_space(
                        method, Study(features, texts, labelled=labelled), task, group
                    ).pairs
                    seconds += time.perf_counter() - start
                    start, found = time.perf_counter(), []
                    for i in range(0, len(queries), share):
                        relevant = task.codes[group.database] == task.codes[group.queries[i]]
                        if relevant.any():
                            found.append(average_precision_score(relevant, database @ queries[i]))
                    seconds += (
                        (time.perf_counter() - start) * len(queries) / len(range(0, len(queries), share))
                    )
                    start = time.perf_counter()
                    if len(found) > 1:
                        bootstrap(
                            (np.resize(found, len(queries)),), np.mean, n_resamples=DRAWS, method="percentile"
                        )
                    seconds += time.perf_counter() - start
                    means.append(np.mean(found))
                if share == 1:
                    difference = abs(np.mean(means) - values[entity, method.name, task.conditions])
                    furthest = max(furthest, float(difference))
    return seconds, furthest


def main() -> None:
    """Print both times, their ratio, and how far the means differ."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--share", type=int, default=10, help="time every n-th query of scikit-learn; 1: all")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    worlds = {entity: world(entity, seed) for seed, entity in enumerate(WORLDS)}
    times = []
    for _ in range(arguments.repeats):
        seconds, values = ours(worlds)
        times.append(seconds)
    other, furthest = theirs(worlds, arguments.share, values)
    print(f"ours, best of {arguments.repeats}: {min(times):.2f} s for {len(values)} results")
    print(f"scikit-learn and scipy: {other:.1f} s, {other / min(times):.0f} times as long")
    if arguments.share == 1:
        print(f"means differ by {furthest:.1e} at most")


if __name__ == "__main__":
    main()
