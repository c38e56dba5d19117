"""Intervals of means: against closed forms, and how often they hold the mean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq

from clay_eval.evaluator.statistics import bootstrap_interval
from clay_eval.evaluator.statistics.intervals import mean_interval, mean_intervals


def literal(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Hall's interval of one group, its transformation inverted numerically."""
    n, error = len(values), stats.sem(values)
    cumulant = stats.moment(values, 3) / n**2
    a = cumulant / error**3
    t = stats.t.ppf((1 + confidence) / 2, n - 1)

    def inverse(wanted: float) -> float:
        found: float = brentq(
            lambda x: x + a * x**2 / 3 + a**2 * x**3 / 27 + a / 6 - wanted, -1e4, 1e4, xtol=1e-13
        )
        return found

    return values.mean() - error * inverse(t), values.mean() - error * inverse(-t)


@pytest.mark.parametrize("n", [3, 8, 40, 300])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_equals_its_definition(n: int, confidence: float) -> None:
    values = np.random.default_rng(n).beta(9, 0.5, n)
    assert mean_interval([values], confidence) == pytest.approx(literal(values, confidence), abs=1e-9)


def test_without_skewness_it_is_students() -> None:
    values = np.array([0.1, 0.3, 0.4, 0.6, 0.7, 0.9])
    expected = stats.t.interval(0.95, 5, values.mean(), stats.sem(values))
    assert mean_interval([values]) == pytest.approx(expected, abs=1e-12)
    two = np.array([0.2, 0.9])
    assert mean_interval([two]) == pytest.approx(stats.t.interval(0.95, 1, 0.55, stats.sem(two)))


def test_agrees_with_scipys_bca_where_queries_are_many() -> None:
    values = np.random.default_rng(1).beta(9, 0.5, 2000)
    found = stats.bootstrap((values,), np.mean, n_resamples=4000, method="BCa", rng=1).confidence_interval
    assert mean_interval([values]) == pytest.approx((found.low, found.high), abs=4e-4)


def test_two_databases_of_symmetric_scores_are_welchs() -> None:
    one, two = np.array([0.1, 0.5, 0.9]), np.array([0.2, 0.3, 0.5, 0.6])
    welch = stats.ttest_ind(one, -two, equal_var=False).confidence_interval(0.95)
    assert mean_interval([one, two]) == pytest.approx((welch.low / 2, welch.high / 2), abs=1e-12)


def test_a_database_of_one_query_is_no_point() -> None:
    low, high = bootstrap_interval([[0.2], [0.9]], bounds=(0, 1))
    assert low < 0.2 < 0.9 < high
    many = [np.random.default_rng(0).random(9)]
    with_one = mean_interval([*many, [many[0].mean()]])
    assert with_one[1] - with_one[0] > mean_interval(many)[1] - mean_interval(many)[0]
    assert mean_interval([[0.4]]) == (-np.inf, np.inf)
    assert mean_interval([[0.4]], bounds=(0, 1)) == (0, 1)
    lone, pair = mean_interval([[0.2], [0.9], [0.5, 0.5]])
    assert lone < 0.4
    assert pair > 0.7


def test_clusters_of_equal_size_stand_as_their_means() -> None:
    means = np.random.default_rng(2).random(12)
    values, clusters = np.repeat(means, 4), np.repeat(np.arange(12) * 7, 4)
    assert mean_interval([values], clusters_by_group=[clusters]) == pytest.approx(
        mean_interval([means]), abs=1e-12
    )
    single = mean_interval([values], clusters_by_group=[np.arange(48)])
    assert single == pytest.approx(mean_interval([values]), abs=1e-12)


@given(st.integers(2, 12), st.integers(0, 10**6), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_turns_moves_and_scales_with_the_scores(n: int, seed: int, methods: int) -> None:
    generator = np.random.default_rng(seed)
    groups = [generator.beta(5, 0.5, (methods, n)), generator.beta(5, 0.5, (methods, 1 + seed % 4))]
    found = mean_intervals(groups)
    centre = np.mean([group.mean(axis=1) for group in groups], axis=0)
    assert (found[:, 0] <= centre + 1e-9).all() or np.abs(found).max() > 1
    np.testing.assert_allclose(
        mean_intervals([1 - g for g in groups]), 1 - found[:, ::-1], rtol=1e-7, atol=1e-7
    )
    np.testing.assert_allclose(mean_intervals([2 * g for g in groups]), 2 * found, rtol=1e-7, atol=1e-7)
    for i in range(methods):
        np.testing.assert_allclose(mean_intervals([g[i : i + 1] for g in groups])[0], found[i], rtol=1e-9)


def mostly_one(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return np.where(generator.random(size) < 0.9, 1, generator.random(size))


NESTED = (6, 6, 8, 4, 5, 1)
COVERED: list[tuple[tuple[int, ...], Callable[..., np.ndarray], float, float, float]] = [
    ((10,), lambda g, size: g.beta(2, 2, size), 0.5, 93, 98),
    ((10,), lambda g, size: g.beta(0.5, 0.5, size), 0.5, 93, 98.8),
    ((10,), lambda g, size: g.beta(9, 0.5, size), 9 / 9.5, 91.5, 97),
    ((30,), lambda g, size: g.beta(2, 2, size), 0.5, 93, 97),
    ((30,), lambda g, size: g.beta(9, 0.5, size), 9 / 9.5, 93, 97),
    ((30,), mostly_one, 0.95, 90, 97),
    ((100,), mostly_one, 0.95, 93, 98.8),
    (NESTED, lambda g, size: g.beta(2, 2, size), 0.5, 93, 97.5),
    (NESTED, lambda g, size: g.beta(9, 0.5, size), 9 / 9.5, 91.5, 97),
]


@pytest.mark.parametrize("case", range(len(COVERED)))
def test_covers_as_often_as_it_says(case: int) -> None:
    sizes, draw, mean, least, most = COVERED[case]
    generator = np.random.default_rng(case)
    ends = mean_intervals([draw(generator, (4000, size)) for size in sizes]).clip(0, 1)
    covered = 100 * ((ends[:, 0] <= mean + 1e-12) & (mean <= ends[:, 1] + 1e-12)).mean()
    assert least <= covered <= most
