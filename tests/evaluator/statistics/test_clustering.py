"""The intraclass correlation against analysis of variance, and what it is made for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from clay_eval.evaluator.statistics.clustering import intraclass_correlations


def test_is_that_of_the_analysis_of_variance() -> None:
    generator = np.random.default_rng(0)
    parts = [generator.normal(i % 3, 1, 5) for i in range(9)]
    f = stats.f_oneway(*parts).statistic
    expected = (f - 1) / (f + 4)
    found = intraclass_correlations([np.concatenate(parts)[None]], [np.repeat(np.arange(9), 5)])
    assert found == pytest.approx([expected], abs=1e-12)


@pytest.mark.parametrize("wanted", [0.0, 0.3, 0.6])
def test_finds_what_was_planted_whatever_the_groups_means(wanted: float) -> None:
    generator = np.random.default_rng(1)
    values, clusters = [], []
    for group in range(3):
        sizes = generator.integers(1, 9, 300)
        of = np.repeat(np.arange(300), sizes)
        shared, own = generator.normal(size=300)[of], generator.normal(size=len(of))
        values.append((10 * group + wanted**0.5 * shared + (1 - wanted) ** 0.5 * own)[None])
        clusters.append(of)
    assert intraclass_correlations(values, clusters) == pytest.approx([wanted], abs=0.05)


def test_there_is_none_without_clusters_or_spread() -> None:
    values = np.array([[0.1, 0.2, 0.4, 0.5]])
    for clusters in ([0, 1, 2, 3], [0, 0, 0, 0]):
        assert np.isnan(intraclass_correlations([values], [np.array(clusters)])).all()
    assert np.isnan(intraclass_correlations([values * 0 + 0.1], [np.array([0, 0, 1, 1])])).all()
    apart = intraclass_correlations([np.array([[0.0, 0.0, 1.0, 1.0]])], [np.array([0, 0, 1, 1])])
    assert apart == pytest.approx([1.0])
