import numpy as np
import pytest
from scipy import stats

from clay_eval.evaluator import statistics
from clay_eval.evaluator.statistics import bootstrap_interval, bootstrap_means
from clay_eval.schemas.errors import InputError


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(0).beta(2, 3, 400)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", rng=1
    ).confidence_interval
    low, high = bootstrap_interval([values], draws=5000, seed=2)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.004)


def test_spread_is_that_of_a_stratified_mean():
    generator = np.random.default_rng(1)
    groups = [generator.normal(0, 1, 300), generator.normal(10, 2, 20)]
    means = bootstrap_means(groups, 20_000, seed=3)
    assert means.mean() == pytest.approx(np.mean([g.mean() for g in groups]), abs=0.02)
    expected = np.sqrt(sum(g.var() / len(g) for g in groups)) / 2
    assert means.std() == pytest.approx(expected, rel=0.03)


def test_the_interval_covers_as_often_as_it_says():
    generator = np.random.default_rng(2)
    hits = 0
    for trial in range(300):
        low, high = bootstrap_interval([generator.exponential(1, 100)], draws=300, seed=trial)
        hits += low <= 1 <= high
    assert 0.89 <= hits / 300 <= 0.98


def test_seeded_ordered_and_nested():
    values = [np.random.default_rng(3).random(50)]
    assert bootstrap_interval(values, seed=4) == bootstrap_interval(values, seed=4)
    assert bootstrap_interval(values, seed=4) != bootstrap_interval(values, seed=5)
    wide, narrow = bootstrap_interval(values, confidence=0.99), bootstrap_interval(values, confidence=0.5)
    assert wide[0] < narrow[0] < values[0].mean() < narrow[1] < wide[1]
    assert bootstrap_interval([[0.25]]) == (0.25, 0.25)


def test_chunks_bound_memory_and_do_not_show(monkeypatch):
    values = [np.random.default_rng(5).random(64)]
    whole = bootstrap_means(values, 100, 0)
    monkeypatch.setattr(statistics, "_CHUNK_ENTRIES", 640)
    np.testing.assert_allclose(bootstrap_means(values, 100, 0), whole, atol=1e-15)


@pytest.mark.parametrize("groups", [[], [[]], [[0.5], []], [[0.5, np.nan]]])
def test_empty_groups_and_nan_are_refused(groups):
    with pytest.raises(InputError):
        bootstrap_interval(groups)


def test_options_are_checked():
    with pytest.raises(InputError):
        bootstrap_interval([[0.5]], confidence=1.0)
    with pytest.raises(InputError):
        bootstrap_interval([[0.5]], draws=0)
