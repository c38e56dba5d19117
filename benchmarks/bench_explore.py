"""How long the page's server takes from a slider to a new order, at 100,000 x 512 by default.

    python benchmarks/bench_explore.py
    python benchmarks/bench_explore.py --pictures 1000000 --moves 10

The time is that of the whole answer as the server makes it: neighbours by two methods with the likeliest values of every
condition that is asked for, and JSON. Ratios compare it with one product of all pictures with one vector, in one run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from clay_eval.evaluator.explore.collection import Collection
from clay_eval.evaluator.explore.conditions import of_values
from clay_eval.evaluator.explore.workbench import METHODS, RAW, Question, Workbench

CONDITIONS = {"color": 10, "shape": 30, "texture": 60}


class Encoder:
    """Texts as random directions."""

    logit_scale = 100.0

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """(n, 512) unit rows, always the same for the same number of texts."""
        rows = np.random.default_rng(len(texts)).standard_normal((len(texts), 512)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def encode_images(self, images: object) -> np.ndarray:
        """None are dropped in here."""
        raise NotImplementedError


def made(pictures: int) -> Workbench:
    """A workbench of random unit vectors with three conditions."""
    generator = np.random.default_rng(0)
    features = generator.standard_normal((pictures, 512), dtype=np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    bench = Workbench(Collection("made", [f"p{i}" for i in range(pictures)]), features, Encoder())  # type: ignore[arg-type]
    for name, values in CONDITIONS.items():
        bench.add(name, of_values("made", name, [f"{name} {i}" for i in range(values)], "a photo of {c}"))
    return bench


def median_ms(work: Callable[[int], object], moves: int) -> tuple[float, float]:
    """Median and slowest of `moves` calls in milliseconds, after two that are not counted."""
    times = []
    for move in range(moves + 2):
        started = time.perf_counter()
        work(move)
        times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times[2:])), max(times[2:])


def main() -> None:
    """Print a line for each thing that a slider may do."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--moves", type=int, default=20)
    options = parser.parse_args()
    bench = made(options.pictures)
    features = bench._base.features

    def ordered(methods: tuple[str, str], *names: str) -> Callable[[int], object]:
        def move(step: int) -> str:
            weights = {}
            for name in names:
                sign = -1 if name.startswith("-") else 1
                weights[name.removeprefix("-")] = sign * (0.05 + 0.9 * (step % 19) / 19)
            weights = {"color": 0.5, **weights} if names and not names[0].startswith("-") else weights
            return json.dumps(bench.neighbours(Question(7, weights), methods, 24))

        return move

    clay, other = METHODS[0], "clay-values(fusion=sum)"
    product, _ = median_ms(lambda _: features @ features[7], options.moves)
    print(f"{options.pictures:,} x 512; one product with all of them: {product:.1f} ms")
    for title, move in {
        "no condition, clay beside raw": ordered((clay, RAW)),
        "one slider of two conditions, clay beside raw": ordered((clay, RAW), "shape"),
        "three conditions, clay beside clay-values": ordered((clay, other), "shape", "texture"),
        "regardless of one, clay beside raw": ordered((clay, RAW), "-shape"),
        "two conditions regardless of a third": ordered((clay, RAW), "shape", "-texture"),
        "another query, two conditions": lambda step: bench.neighbours(
            Question(step, {"color": 1.0, "shape": 0.3}), (clay, RAW), 24
        ),
        "why": lambda step: bench.why(7, step),
        "the map, when a slider rests": lambda step: bench.plane(
            clay, {"color": 0.5, "shape": 0.1 + step / 50}, "values:color"
        ),
    }.items():
        middle, worst = median_ms(move, options.moves)
        print(f"{title:<48} {middle:7.1f} ms (slowest {worst:.1f}), {middle / product:5.1f} products")


if __name__ == "__main__":
    main()
