"""Means over sets of conditions, their intervals and tests, against literal formulas."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clay_eval.evaluator.statistics import bootstrap_interval
from clay_eval.evaluator.statistics.scoreboard import Pooled
from clay_eval.evaluator.submissions.means import interval_of, mean_of, p_values, rows_of
from clay_eval.evaluator.submissions.ranks import shared_ranks, signs_beside
from clay_eval.schemas.errors import InputError


def group(rows: list[int], values: list[float]) -> Pooled:
    return Pooled(np.array(rows, np.intp), np.array(values, np.float64))


def shifted(sets: list[list[Pooled]], by: dict[int, float]) -> list[list[Pooled]]:
    return [
        [Pooled(g.rows, g.values + np.array([by.get(int(row), 0.0) for row in g.rows])) for g in groups]
        for groups in sets
    ]


SETS = [
    [group([0, 1, 2, 3], [0.1, 0.4, 0.6, 1.0])],
    [group([0, 1], [0.5, 0.3]), group([2, 3], [0.2, 0.9])],
    [group([1, 3], [0.7, 0.0])],
]


def test_the_mean_is_that_of_its_formula() -> None:
    single = (0.1 + 0.4 + 0.6 + 1.0) / 4
    nested = ((0.5 + 0.3) / 2 + (0.2 + 0.9) / 2) / 2
    assert mean_of(SETS) == pytest.approx((single + nested + 0.35) / 3)
    assert rows_of(SETS).tolist() == [0, 1, 2, 3]


def literal_p(sets: list[list[Pooled]], reference: list[list[Pooled]], units: list[list[int]]) -> float:
    """All flips: a unit's scores change hands in all sets at once."""
    observed = abs(mean_of(sets) - mean_of(reference))
    extreme = 0
    for flips in product([False, True], repeat=len(units)):
        changed = {row for flip, unit in zip(flips, units, strict=True) if flip for row in unit}
        sides = []
        for mine, other in ((sets, reference), (reference, sets)):
            sides.append(
                [
                    [
                        Pooled(a.rows, np.where([r in changed for r in a.rows.tolist()], b.values, a.values))
                        for a, b in zip(xs, ys, strict=True)
                    ]
                    for xs, ys in zip(mine, other, strict=True)
                ]
            )
        extreme += abs(mean_of(sides[0]) - mean_of(sides[1])) >= observed - 1e-12
    return extreme / 2 ** len(units)


# Thousandths: differences near 1e-12, where scores count as equal, are no business of a literal reference.
THOUSANDTHS = st.integers(-1000, 1000).map(lambda number: number / 1000)


@given(st.lists(THOUSANDTHS, min_size=4, max_size=4), st.booleans())
def test_p_is_that_of_all_flips(by: list[float], clustered: bool) -> None:
    other = shifted(SETS, dict(enumerate(by)))
    other[0][0].values[1] += 0.2
    units = [[0, 2], [1], [3]] if clustered else [[0], [1], [2], [3]]
    found = p_values([other], SETS, draws=1 << 10, clusters=[5, 8, 5, 2] if clustered else None)
    assert found[0] == pytest.approx(literal_p(other, SETS, units))


def test_differences_of_rounding_alone_are_none() -> None:
    noise = shifted(SETS, {0: 4e-13, 1: -3e-13, 2: 1e-13, 3: 5e-13})
    assert p_values([noise], SETS, draws=100).tolist() == [1.0]


def test_equal_methods_are_equal() -> None:
    assert p_values([SETS, SETS], SETS, draws=100).tolist() == [1.0, 1.0]
    assert p_values([], SETS, draws=100).size == 0


def test_other_queries_are_no_pairs() -> None:
    with pytest.raises(InputError, match="other queries"):
        p_values([[[group([0, 1, 2, 4], [0, 0, 0, 0])], *SETS[1:]]], SETS, draws=10)
    with pytest.raises(InputError, match="other queries"):
        p_values([[SETS[0], [SETS[1][0]], SETS[2]]], SETS, draws=10)


@pytest.mark.parametrize("clusters", [None, [0, 0, 1, 1, 2, 2, 3, 3] * 5])
def test_the_interval_of_one_set_is_the_ordinary_one(clusters: list[int] | None) -> None:
    values = np.random.default_rng(0).random(40)
    found = interval_of(
        [[group(list(range(40)), values.tolist())]], draws=4000, confidence=0.9, clusters=clusters
    )
    wanted = bootstrap_interval([values], 4000, 0.9, 1, None if clusters is None else [clusters])
    assert found == pytest.approx(wanted, abs=0.02)


def test_the_same_queries_in_many_sets_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(0).random(40).tolist()
    one = [group(list(range(40)), values)]
    assert interval_of([one] * 9, draws=500, confidence=0.9) == pytest.approx(
        interval_of([one], draws=500, confidence=0.9)
    )


def test_groups_that_a_draw_misses_do_not_count_in_it() -> None:
    low, high = interval_of(
        [[group([0], [0.2]), group([1], [0.6])]], draws=500, confidence=0.99, percentiles=True
    )
    assert (low, high) == pytest.approx((0.2, 0.6))


def many(level: float, spread: float = 0.05, seed: int = 0) -> list[list[Pooled]]:
    values = np.random.default_rng(seed).normal(level, spread, 60)
    return [[group(list(range(60)), values.tolist())]]


def test_ranks_are_shared_by_what_cannot_be_told_apart() -> None:
    ordered = [many(0.8), many(0.7999, seed=1), many(0.5), many(0.49995, seed=2), many(0.1)]
    ordered.sort(key=lambda sets: -mean_of(sets))
    found = shared_ranks(ordered, alpha=0.05, draws=2000)
    assert [(one.rank, one.tied) for one in found] == [(1, True), (1, True), (3, True), (3, True), (5, False)]
    assert found[0].p is None
    assert found[1].p is not None
    assert found[1].p > 0.05
    assert all(one.p is not None and one.p < 0.01 for one in found[2:])


def test_equal_methods_share_the_first_rank() -> None:
    found = shared_ranks([many(0.5)] * 4, alpha=0.05, draws=100)
    assert [(one.rank, one.tied, one.p) for one in found] == [(1, True, None)] + [(1, True, 1.0)] * 3


def test_one_method_leads_alone() -> None:
    assert [(one.rank, one.tied, one.p) for one in shared_ranks([many(0.5)], alpha=0.05, draws=9)] == [
        (1, False, None)
    ]


def test_signs_are_of_cells_that_differ() -> None:
    found = signs_beside(
        {"worse": [many(0.3), many(0.5)], "gap": [None, many(0.9)]},
        [many(0.5), many(0.5)],
        alpha=0.05,
        draws=2000,
        clusters=[None, None],
    )
    assert found == {("worse", 0): "worse", ("gap", 1): "better"}
    assert signs_beside({}, [many(0.5)], alpha=0.05, draws=9, clusters=[None]) == {}
