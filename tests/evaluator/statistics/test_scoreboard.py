"""Means, intervals and comparisons from the scores of single queries."""

import numpy as np
import pytest
from scipy.stats import permutation_test

from clay_eval.evaluator.retrieval.results import GroupScores, Outcome
from clay_eval.evaluator.statistics import bootstrap_interval, bootstrap_means
from clay_eval.evaluator.statistics.intervals import mean_interval
from clay_eval.evaluator.statistics.scoreboard import (
    PERCENTILE,
    Inference,
    comparisons_of,
    pooled,
    results_of,
)


def group(values, seed=0, name=None, first=0):
    values = np.asarray(values, float)
    rows = np.arange(first, first + len(values))
    return GroupScores(seed, name, rows, {"AP": values}, {"AP": values * 0 + 0.1}, 9, 3, {})


def outcome(method, *groups, conditions=("color",)):
    return Outcome("object", method, "test", conditions, groups)


CLUSTERS = np.arange(200) // 4


def test_the_mean_is_over_groups_then_seeds():
    groups = [
        group([0.2, 0.4, np.nan], 0, "a"),
        group([1.0], 0, "b", 3),
        group([0.5], 1, "a"),
        group([0.7], 1, "b", 3),
    ]
    (result,) = results_of([outcome("clay", *groups)], ["AP"], Inference(draws=100), CLUSTERS)
    assert result.value == pytest.approx(np.mean([np.mean([0.3, 1.0]), 0.6]))
    assert result.seeds_std == pytest.approx(np.std([0.65, 0.6], ddof=1))
    assert (result.queries, result.queries_without_relevant) == (5, 1)
    assert result.chance == pytest.approx(0.1)


def test_an_image_that_two_seeds_ask_for_counts_once():
    first, second = group([0.2, 0.4, 0.9], 0), group([0.6, 0.5], 1, first=2)
    (result,) = results_of([outcome("clay", first, second)], ["AP"], Inference(draws=50), CLUSTERS)
    (images,) = pooled(outcome("clay", first, second), "AP")
    assert images.rows.tolist() == [0, 1, 2, 3]
    assert images.values == pytest.approx([0.2, 0.4, 0.75, 0.5])
    assert result.value == pytest.approx(np.mean([0.5, 0.55]))
    assert result.ci_low < result.value < result.ci_high


def test_intervals_are_those_of_each_outcome_alone():
    generator = np.random.default_rng(3)
    outcomes = [
        outcome(f"m{i}", group(generator.random(40)), group(generator.random(20), 0, "b", 40))
        for i in range(5)
    ]
    together = results_of(outcomes, ["AP"], Inference(draws=300), CLUSTERS)
    for one, result in zip(outcomes, together, strict=True):
        values = [g.values["AP"] for g in one.groups]
        low, high = bootstrap_interval(values, 300)
        assert (result.ci_low, result.ci_high) == pytest.approx((low, high), abs=1e-12)
        assert results_of([one], ["AP"], Inference(draws=300), CLUSTERS) == [result]


def test_percentiles_of_earlier_reports_can_be_made_again():
    values = np.random.default_rng(4).random(40)
    one, other = outcome("clay", group(values)), outcome("raw", group(values[::-1]))
    before = Inference(draws=300, seed=7, interval=PERCENTILE)
    (result,) = results_of([one], ["AP"], before, CLUSTERS)
    expected = np.quantile(bootstrap_means([values], 300, 7), [0.025, 0.975])
    assert (result.ci_low, result.ci_high) == pytest.approx(tuple(expected))
    (compared,) = comparisons_of([one, other], "clay", "AP", before, CLUSTERS)
    expected = np.quantile(bootstrap_means([values[::-1] - values], 300, 7), [0.025, 0.975])
    assert (compared.ci_low, compared.ci_high) == pytest.approx(tuple(expected))


def test_an_image_of_several_seeds_is_one_observation_of_more_weight():
    first, second = group([0.2, 0.4, 0.9], 0), group([0.6, 0.5, 0.1], 1, first=2)
    (result,) = results_of([outcome("clay", first, second)], ["AP"], Inference(), CLUSTERS)
    values = [0.2, 0.4, 0.75, 0.75, 0.5, 0.1]
    expected = mean_interval([values], clusters_by_group=[[0, 1, 2, 2, 3, 4]], bounds=(0, 1))
    assert (result.ci_low, result.ci_high) == pytest.approx(expected)


def test_the_intraclass_correlation_stands_beside_what_it_is_of():
    generator = np.random.default_rng(5)
    values = np.clip(np.repeat(generator.random(50), 4) + generator.normal(0, 0.01, 200), 0, 1)
    one, other = outcome("clay", group(values)), outcome("raw", group(generator.random(200)))
    first, second = results_of([one, other], ["AP"], Inference(), CLUSTERS)
    assert first.icc > 0.95
    assert abs(second.icc) < 0.2
    assert first.row()["icc"] == first.icc
    (compared,) = comparisons_of([one, other], "clay", "AP", Inference(), CLUSTERS)
    assert 0.2 < compared.icc < 0.8
    (alone,) = results_of([outcome("clay", group([0.5, 0.2]))], ["AP"], Inference(), np.arange(2))
    assert alone.icc is None
    assert "icc" not in alone.row()


def test_drawing_combinations_widens_the_interval_where_they_agree_within():
    generator = np.random.default_rng(0)
    values = np.clip(np.repeat(generator.random(50), 4) + generator.normal(0, 0.01, 200), 0, 1)
    one = outcome("clay", group(values))
    (plain,) = results_of([one], ["AP"], Inference(draws=2000), CLUSTERS)
    (drawn,) = results_of([one], ["AP"], Inference(draws=2000, resample="combinations"), CLUSTERS)
    assert drawn.ci_high - drawn.ci_low > 1.5 * (plain.ci_high - plain.ci_low)


def test_comparisons_are_paired_and_agree_with_scipy():
    generator = np.random.default_rng(1)
    base = generator.random(60) * 0.5
    better = base + np.abs(generator.normal(0.02, 0.05, 60))
    same = base + generator.normal(0, 0.02, 60)
    outcomes = [outcome("clay", group(base)), outcome("ours", group(better)), outcome("noise", group(same))]
    found = {c.method: c for c in comparisons_of(outcomes, "clay", "AP", Inference(), CLUSTERS)}
    assert set(found) == {"ours", "noise"}
    for name, values in (("ours", better), ("noise", same)):
        expected = permutation_test(
            (values, base), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=9999, random_state=0
        )  # fmt: skip
        assert found[name].p == pytest.approx(expected.pvalue, abs=0.02)
        difference = values - base
        assert found[name].difference == pytest.approx(difference.mean())
        assert found[name].effect == pytest.approx(difference.mean() / difference.std(ddof=1))
        assert found[name].better == pytest.approx((difference > 0).mean())
        assert found[name].ci_low < difference.mean() < found[name].ci_high
    assert found["ours"].significant
    assert not found["noise"].significant
    assert found["ours"].p_adjusted == pytest.approx(2 * found["ours"].p)


def test_p_values_are_adjusted_over_all_conditions():
    generator = np.random.default_rng(2)
    outcomes = []
    for name in ("a", "b", "c", "d"):
        base = generator.random(40)
        outcomes += [
            outcome("clay", group(base), conditions=(name,)),
            outcome("raw", group(np.clip(base - 0.05, 0, 1)), conditions=(name,)),
        ]
    found = comparisons_of(outcomes, "clay", "AP", Inference(), CLUSTERS)
    assert len(found) == 4
    assert all(c.p_adjusted == pytest.approx(min(1, 4 * min(d.p for d in found)), rel=0.5) for c in found)
    assert all(c.p_adjusted > c.p for c in found)


def test_what_has_no_scores_is_not_compared():
    empty = Outcome("object", "raw", "test", ("color",), ())
    outcomes = [outcome("clay", group([0.1, 0.2])), empty]
    assert comparisons_of(outcomes, "clay", "AP", Inference(), CLUSTERS) == []
    assert comparisons_of(outcomes, "absent", "AP", Inference(), CLUSTERS) == []
