from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clay_eval.evaluator.statistics import bootstrap_interval, significance
from clay_eval.evaluator.statistics.significance import (
    compare,
    compare_many,
    holm,
    paired_randomisation,
    paired_randomisation_many,
)
from clay_eval.schemas.errors import InputError


def by_scipy(first: Any, second: Any, draws: int) -> float:
    def statistic(a: Any, b: Any, axis: int) -> Any:
        return np.mean(a - b, axis=axis)

    result = stats.permutation_test(
        (first, second),
        statistic,
        permutation_type="samples",
        n_resamples=draws,
        alternative="two-sided",
        vectorized=True,
        rng=5,
    )
    return float(result.pvalue)


def literal(differences_by_group: list[Any]) -> float:
    """All flips, one after the other, of the mean over groups of the means."""
    sizes = [len(d) for d in differences_by_group]
    joined = np.concatenate(differences_by_group)
    weights = np.concatenate([np.full(n, 1 / (n * len(sizes))) for n in sizes])
    bar = abs(float((joined * weights).sum())) - 1e-9
    flips = product([1, -1], repeat=len(joined))
    return float(np.mean([abs(float((np.array(f) * joined * weights).sum())) >= bar for f in flips]))


@pytest.mark.parametrize("seed", range(6))
def test_exact_p_is_that_of_scipy(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.random(10) + 0.1 * seed, generator.random(10)
    expected = by_scipy(first, second, draws=100_000)
    assert paired_randomisation([first - second], draws=1024) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.05])
def test_sampled_p_is_that_of_scipy(shift: float) -> None:
    generator = np.random.default_rng(1)
    first, second = generator.random(200) + shift, generator.random(200)
    ours = paired_randomisation([first - second], draws=20_000, seed=1)
    assert ours == pytest.approx(by_scipy(first, second, draws=20_000), abs=0.015)


@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=4), min_size=1, max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_exact_p_of_groups_with_ties_and_zeros(groups: list[list[int]]) -> None:
    differences = [np.array(group) / 10 for group in groups]
    assert paired_randomisation(differences, draws=1 << 12) == pytest.approx(literal(differences), abs=1e-12)


def test_exact_and_sampled_agree() -> None:
    differences = np.random.default_rng(2).normal(0.3, 1, 12)
    exact = paired_randomisation([differences], draws=4096)
    sampled = paired_randomisation([differences], draws=4095, seed=3)
    assert exact * 4096 == pytest.approx(round(exact * 4096), abs=1e-9)
    assert sampled * 4096 == pytest.approx(round(sampled * 4096), abs=1e-9)
    assert sampled != exact
    assert sampled == pytest.approx(exact, abs=0.03)


def test_p_is_uniform_where_nothing_differs() -> None:
    generator = np.random.default_rng(4)
    null = generator.standard_t(3, (400, 60))
    p = paired_randomisation_many([null], draws=999, seed=6)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.02 <= (p <= 0.05).mean() <= 0.08
    shifted = paired_randomisation_many([null + 0.6], draws=999, seed=6)
    assert (shifted <= 0.05).mean() > 0.6


def test_only_clusters_hold_the_level_where_queries_of_one_are_alike() -> None:
    generator = np.random.default_rng(5)
    clusters = np.repeat(np.arange(40), 6)
    null = generator.normal(size=(300, 40))[:, clusters] + generator.normal(0, 0.1, (300, 240))
    single = paired_randomisation_many([null], draws=499, seed=1)
    together = paired_randomisation_many([null], draws=499, seed=1, clusters_by_group=[clusters])
    assert (single <= 0.05).mean() > 0.2
    assert 0.02 <= (together <= 0.05).mean() <= 0.09


def test_a_cluster_flips_as_a_whole() -> None:
    differences, clusters = np.array([0.1, 0.2, -0.4, 0.3, 0.3]), np.array([7, 7, 2, 2, 9])
    sums = [np.array([0.3, -0.1, 0.3])]
    ours = paired_randomisation([differences], draws=64, clusters_by_group=[clusters])
    assert ours == pytest.approx(literal(sums), abs=1e-12)


def test_the_smallest_p_there_can_be() -> None:
    assert paired_randomisation([np.full(500, 0.1)], draws=999) == 1 / 1000
    assert paired_randomisation([np.full(5, 0.1)]) == 2 / 32
    assert paired_randomisation([np.zeros(500)]) == 1.0
    assert paired_randomisation([[0.25]]) == 1.0


def test_seeded_and_symmetric() -> None:
    d = np.random.default_rng(6).normal(0.1, 1, 100)
    assert paired_randomisation([d], 500, seed=1) == paired_randomisation([d], 500, seed=1)
    assert paired_randomisation([d], 500, seed=1) == paired_randomisation([-d], 500, seed=1)
    assert len({paired_randomisation([d], 500, seed=s) for s in range(5)}) > 1


def test_chunks_and_company_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(7)
    d = [generator.normal(0.1, 1, (40, 70)), generator.normal(0.1, 1, (40, 30))]
    whole = paired_randomisation_many(d, 333, seed=2)
    alone = [paired_randomisation([g[i] for g in d], 333, seed=2) for i in range(40)]
    np.testing.assert_array_equal(whole, alone)
    np.testing.assert_array_equal(paired_randomisation_many([g[::-1] for g in d], 333, seed=2), whole[::-1])
    monkeypatch.setattr(significance, "_CHUNK_ENTRIES", 1000)
    np.testing.assert_array_equal(paired_randomisation_many(d, 333, seed=2), whole)


def test_holm_by_hand() -> None:
    # Worked example: 4 x .005, then 3 x .01, 2 x .03, and .04 held up by the one before.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.6]), [1.0, 1.0])
    assert holm([0.04]).tolist() == [0.04]
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_holm_is_its_definition(p: list[float], random: Any) -> None:
    adjusted = holm(p)
    ordered = sorted(p)
    for value, ours in zip(p, adjusted, strict=True):
        steps = [min(1.0, (len(p) - j) * ordered[j]) for j in range(ordered.index(value) + 1)]
        assert ours == pytest.approx(max(steps), abs=1e-12)
        assert value <= ours + 1e-15
        assert ours <= min(1.0, len(p) * value) + 1e-12
    order = list(range(len(p)))
    random.shuffle(order)
    np.testing.assert_allclose(holm([p[i] for i in order]), adjusted[order])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.2))
def test_holm_rejects_what_stepping_down_rejects(p: list[float], level: float) -> None:
    rejected = set()
    for step, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[i] * (len(p) - step) > level:
            break
        rejected.add(i)
    assert {i for i, adjusted in enumerate(holm(p)) if adjusted <= level} == rejected


@pytest.mark.parametrize("p", [[-0.1], [1.5], [np.nan], [[0.5]]])
def test_holm_refuses_what_is_no_p(p: Any) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        holm(p)


def test_comparison_by_hand() -> None:
    first, second = np.array([0.5, 0.7, 0.2, 0.9]), np.array([0.4, 0.7, 0.3, 0.5])
    found = compare([first], [second], draws=500, seed=3)
    d = first - second
    assert found.difference == pytest.approx(d.mean())
    assert found.effect == pytest.approx(d.mean() / d.std(ddof=1))
    assert (found.better, found.worse, found.ties) == (0.5, 0.25, 0.25)
    assert found.p == pytest.approx(literal([d]))
    assert (found.ci_low, found.ci_high) == pytest.approx(bootstrap_interval([d], 500, seed=3))


def test_comparison_over_groups_weighs_groups_alike() -> None:
    generator = np.random.default_rng(8)
    first, second = [generator.random(50), generator.random(5)], [generator.random(50), generator.random(5)]
    found = compare(first, second, draws=100)
    groups = [a - b for a, b in zip(first, second, strict=True)]
    mean = (groups[0].mean() + groups[1].mean()) / 2
    variance = sum(((g - mean) ** 2).mean() for g in groups) / 2 * 55 / 54
    assert found.difference == pytest.approx(mean)
    assert found.effect == pytest.approx(mean / variance**0.5)
    assert found.better + found.worse == pytest.approx(1)


def test_swapping_turns_the_sign() -> None:
    generator = np.random.default_rng(9)
    first, second = generator.random(80), generator.random(80)
    there, back = compare([first], [second]), compare([second], [first])
    assert there.difference == pytest.approx(-back.difference)
    assert (there.ci_low, there.ci_high) == pytest.approx((-back.ci_high, -back.ci_low))
    assert (there.p, there.better, there.worse) == (back.p, back.worse, back.better)


def test_equal_methods_and_constant_gains() -> None:
    values = np.random.default_rng(10).random(50)
    same = compare([values], [values + 1e-16])
    assert (same.difference, same.p, same.effect, same.ties) == (0.0, 1.0, 0.0, 1.0)
    ahead = compare([np.full(30, 0.75)], [np.full(30, 0.5)])
    assert (ahead.difference, ahead.effect, ahead.better) == (0.25, None, 1.0)
    assert (ahead.ci_low, ahead.ci_high) == (0.25, 0.25)


def test_many_comparisons_are_each_alone() -> None:
    generator = np.random.default_rng(11)
    values = [generator.random((20, 40)), generator.random((20, 11))]
    reference = [generator.random(40), generator.random(11)]
    clusters = [np.arange(40) // 2, np.arange(11) // 3]
    together = compare_many(values, reference, draws=100, randomisations=200, clusters_by_group=clusters)
    for i in (0, 13, 19):
        alone = compare(
            [g[i] for g in values], reference, draws=100, randomisations=200, clusters_by_group=clusters
        )
        for name in ("difference", "ci_low", "ci_high", "p", "effect", "better", "worse", "ties"):
            assert getattr(together[i], name) == pytest.approx(getattr(alone, name), abs=1e-12)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="both scores of every query"):
        compare([np.ones(3)], [np.ones(4)])
    with pytest.raises(InputError, match="finite numbers"):
        compare([np.array([0.5, np.nan])], [np.ones(2)])
    with pytest.raises(InputError, match="needs draws"):
        paired_randomisation([[0.5]], draws=0)
    with pytest.raises(InputError, match="finite numbers"):
        paired_randomisation([])
