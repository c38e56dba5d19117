from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clay_eval.evaluator import statistics
from clay_eval.evaluator.statistics import (
    bootstrap_interval,
    bootstrap_means,
    bootstrap_means_many,
    percentile_intervals,
)
from clay_eval.schemas.errors import InputError


def test_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).beta(2, 3, 400)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", rng=1
    ).confidence_interval
    low, high = bootstrap_interval([values], draws=5000, seed=2)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.004)


def test_clusters_agree_with_scipy_on_the_ratio_of_their_sums() -> None:
    generator = np.random.default_rng(7)
    sizes = generator.integers(1, 9, 60)
    clusters = np.repeat(np.arange(60) * 10 - 5, sizes)
    values = generator.normal(0, 1, 60)[np.repeat(np.arange(60), sizes)] + generator.normal(
        0, 0.2, sizes.sum()
    )
    sums = np.array([values[clusters == c].sum() for c in np.unique(clusters)])
    expected = stats.bootstrap(
        (sums, sizes),
        lambda s, n, axis: s.sum(axis) / n.sum(axis),
        paired=True,
        n_resamples=8000,
        method="percentile",
        rng=1,
    ).confidence_interval
    shuffled = generator.permutation(len(values))
    means = bootstrap_means([values[shuffled]], 8000, 2, [clusters[shuffled]])
    percentiles = percentile_intervals(means[None])[0]
    assert tuple(percentiles) == pytest.approx((expected.low, expected.high), abs=0.015)
    clustered = bootstrap_interval([values[shuffled]], clusters_by_group=[clusters[shuffled]])
    assert clustered == pytest.approx((expected.low, expected.high), abs=0.03)
    plain = bootstrap_interval([values], draws=8000, seed=2)
    assert clustered[1] - clustered[0] > 1.5 * (plain[1] - plain[0])


def test_a_cluster_a_query_is_no_cluster() -> None:
    groups = [np.random.default_rng(8).random(30), np.random.default_rng(9).random(7)]
    single = [np.arange(30), np.arange(7)]
    together = bootstrap_means(groups, 50, 3, single)
    np.testing.assert_array_equal(together, bootstrap_means(groups, 50, 3))


def test_one_cluster_does_not_move() -> None:
    values = [np.random.default_rng(8).random(30)]
    means = bootstrap_means(values, 50, 3, [np.zeros(30, int)])
    np.testing.assert_allclose(means, values[0].mean(), rtol=1e-14)


def test_spread_is_that_of_a_stratified_mean() -> None:
    generator = np.random.default_rng(1)
    groups = [generator.normal(0, 1, 300), generator.normal(10, 2, 20)]
    means = bootstrap_means(groups, 20_000, seed=3)
    assert means.mean() == pytest.approx(np.mean([g.mean() for g in groups]), abs=0.02)
    expected = np.sqrt(sum(g.var() / len(g) for g in groups)) / 2
    assert means.std() == pytest.approx(expected, rel=0.03)


def test_the_interval_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(2)
    hits = 0
    for trial in range(300):
        low, high = bootstrap_interval([generator.exponential(1, 100)], draws=300, seed=trial)
        hits += low <= 1 <= high
    assert 0.89 <= hits / 300 <= 0.98


def test_only_clusters_cover_where_queries_of_one_are_alike() -> None:
    generator = np.random.default_rng(3)
    clusters = np.repeat(np.arange(50), 8)
    hits = np.zeros(2)
    for trial in range(200):
        values = generator.normal(0, 1, 50)[clusters] + generator.normal(0, 0.1, 400)
        for i, given_clusters in enumerate((None, [clusters])):
            low, high = bootstrap_interval([values], draws=300, seed=trial, clusters_by_group=given_clusters)
            hits[i] += low <= 0 <= high
    assert hits[0] / 200 < 0.7
    assert 0.89 <= hits[1] / 200 <= 0.99


def test_seeded_ordered_and_nested() -> None:
    values = [np.random.default_rng(3).random(50)]
    assert (bootstrap_means(values, 9, 4) == bootstrap_means(values, 9, 4)).all()
    assert (bootstrap_means(values, 9, 4) != bootstrap_means(values, 9, 5)).any()
    assert bootstrap_interval(values, seed=4) == bootstrap_interval(values, 7, seed=5)
    wide, narrow = bootstrap_interval(values, confidence=0.99), bootstrap_interval(values, confidence=0.5)
    assert wide[0] < narrow[0] < values[0].mean() < narrow[1] < wide[1]
    assert bootstrap_interval([[0.25]], bounds=(0, 1)) == (0, 1)


def test_the_literal_loop_gives_the_same_replicates() -> None:
    groups = [np.random.default_rng(6).random(12), np.random.default_rng(7).random(5)]
    generator = np.random.Generator(np.random.PCG64(11))
    expected = np.zeros(40)
    for values in groups:
        expected += [values[row].mean() / 2 for row in generator.integers(0, len(values), (40, len(values)))]
    np.testing.assert_allclose(bootstrap_means(groups, 40, 11), expected, atol=1e-15)


@given(st.integers(1, 40), st.integers(0, 5), st.booleans())
@settings(max_examples=30, deadline=None)
def test_many_methods_at_once_are_each_alone(methods: int, seed: int, clustered: bool) -> None:
    generator = np.random.default_rng(seed)
    groups = [generator.normal(size=(methods, 20)), generator.normal(size=(methods, 9))]
    clusters = [generator.integers(0, 6, 20), generator.integers(0, 3, 9)] if clustered else None
    means = bootstrap_means_many(groups, 30, seed, clusters)
    assert means.shape == (methods, 30)
    for i in range(methods):
        alone = bootstrap_means([g[i] for g in groups], 30, seed, clusters)
        np.testing.assert_allclose(means[i], alone, atol=1e-14)
    order = generator.permutation(methods)
    moved = bootstrap_means_many([g[order] for g in groups], 30, seed, clusters)
    np.testing.assert_allclose(moved, means[order], atol=1e-14)


def test_differences_of_replicates_are_replicates_of_the_difference() -> None:
    values = np.random.default_rng(4).random((2, 80))
    both = bootstrap_means_many([values], 200, 1)
    np.testing.assert_allclose(
        both[0] - both[1], bootstrap_means([values[0] - values[1]], 200, 1), atol=1e-14
    )
    intervals = percentile_intervals(both, 0.8)
    assert tuple(intervals[1]) == pytest.approx(np.quantile(both[1], [0.1, 0.9]), abs=1e-14)


def test_chunks_bound_memory_and_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [np.random.default_rng(5).random(63), np.random.default_rng(5).random(11)]
    clusters = [np.arange(63) // 3, np.arange(11) // 2]
    whole, clustered = bootstrap_means(groups, 101, 0), bootstrap_means(groups, 101, 0, clusters)
    monkeypatch.setattr(statistics, "_CHUNK_ENTRIES", 640)
    np.testing.assert_allclose(bootstrap_means(groups, 101, 0), whole, atol=1e-15)
    np.testing.assert_allclose(bootstrap_means(groups, 101, 0, clusters), clustered, atol=1e-15)


@pytest.mark.parametrize("groups", [[], [[]], [[0.5], []], [[0.5, np.nan]], [[0.5, np.inf]]])
def test_empty_groups_and_nan_are_refused(groups: Any) -> None:
    with pytest.raises(InputError, match="finite numbers in every group"):
        bootstrap_interval(groups)


def test_options_are_checked() -> None:
    with pytest.raises(InputError, match="confidence"):
        bootstrap_interval([[0.5]], confidence=1.0)
    with pytest.raises(InputError, match="draws"):
        bootstrap_interval([[0.5]], draws=0)
    with pytest.raises(InputError, match="numbers of methods"):
        bootstrap_means_many([np.ones((2, 3)), np.ones((3, 3))], 10, 0)


@pytest.mark.parametrize("clusters", [[], [[0]], [[0, 1, 2]], [[0.0, 1.0]], [[0, 1], [0, 1]]])
def test_clusters_that_do_not_fit_are_refused(clusters: Any) -> None:
    with pytest.raises(InputError, match="one integer a query"):
        bootstrap_means([[0.5, 0.25]], 10, 0, clusters)
