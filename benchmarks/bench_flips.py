"""How often equal methods are called significant by sign flips: a table in per cent, 5 being right.

The differences have mean 0. Sign flips assume that one is as likely to be above 0 as below it by the same amount: normal and
uniform ones are so, exponential and lognormal ones (less their mean) are not.

python benchmarks/bench_flips.py --trials 4000
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from clay_eval.evaluator.statistics.significance import paired_randomisation_many
from clay_eval.evaluator.vectors.arrays import Float64Array

SHAPES: dict[str, Callable[[Generator, tuple[int, int]], Float64Array]] = {
    "normal": lambda g, shape: g.standard_normal(shape),
    "uniform": lambda g, shape: g.uniform(-1, 1, shape),
    "exponential": lambda g, shape: g.standard_exponential(shape) - 1,
    "lognormal": lambda g, shape: g.lognormal(0, 1, shape) - float(np.exp(0.5)),
}
QUERIES = (10, 30, 100)
LEVEL = 0.05
TOGETHER = 50


def wrongly_significant(shape: str, queries: int, trials: int, generator: Generator) -> float:
    """The per cent of `trials` of so many queries whose p is below `LEVEL`; `TOGETHER` of them share their flips."""
    found = 0
    for start in range(0, trials, TOGETHER):
        differences = SHAPES[shape](generator, (min(TOGETHER, trials - start), queries))
        p = paired_randomisation_many([differences], draws=2000, seed=int(generator.integers(1 << 30)))
        found += int((p < LEVEL).sum())
    return 100 * found / trials


def main() -> None:
    """Read the options, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=4000)
    trials = parser.parse_args().trials
    generator = np.random.Generator(np.random.PCG64(0))
    print("| differences | " + " | ".join(f"n = {n}" for n in QUERIES) + " |")
    print("|---|" + "---|" * len(QUERIES))
    for shape in SHAPES:
        rates = [wrongly_significant(shape, n, trials, generator) for n in QUERIES]
        print(f"| {shape} | " + " | ".join(f"{rate:.1f}" for rate in rates) + " |", flush=True)


if __name__ == "__main__":
    main()
