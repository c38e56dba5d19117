"""Orders and rank correlations against scipy and brute force."""

from __future__ import annotations

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from clay_eval.evaluator.experiments.orders import (
    all_orders,
    order_of,
    order_scores,
    parse_orders,
    principal_coordinate,
    rank_sums,
    spearman,
)
from clay_eval.schemas.errors import InputError


def test_orders_are_read() -> None:
    assert parse_orders(["age=child,adult,elderly", " n = 1, 2 ,10"]) == {
        "age": ("child", "adult", "elderly"),
        "n": ("1", "2", "10"),
    }


@pytest.mark.parametrize("option", ["age", "=a,b,c", "age=", "age=a,,b", "age=a,b,a"])
def test_what_is_no_order_is_refused(option: str) -> None:
    with pytest.raises(InputError, match="cannot read this order"):
        parse_orders([option])
    with pytest.raises(InputError, match="cannot read this order"):
        parse_orders(["age=a,b,c", "age=c,b,a"])


def test_numbers_have_an_order_of_their_own_and_words_do_not() -> None:
    assert order_of("n", ["10", "9", "1.5", "9"], {}) == ("1.5", "9", "10")
    assert order_of("n", ["1", "two"], {}) is None
    assert order_of("n", ["1", "1.0", "2"], {}) is None
    assert order_of("n", ["1", "nan", "inf"], {}) is None
    assert order_of("n", ["2", "1"], {"n": ("2", "1", "0")}) == ("2", "1", "0")
    with pytest.raises(InputError, match="lacks values"):
        order_of("age", ["child", "adult"], {"age": ("child",)})


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.booleans(), st.booleans(), st.booleans())
def test_correlations_are_scipys(seed: int, values: int, others: bool, ties: bool, own: bool) -> None:
    generator = np.random.default_rng(seed)
    count, queries = int(generator.integers(3, 30)), 4
    scores = generator.normal(size=(queries, count))
    if ties:
        scores = np.round(scores)
    database = generator.integers(0, values, count)
    query_values = generator.integers(0, values, queries)
    places = generator.permutation(values)
    column = generator.integers(0, count, queries) if own else np.full(queries, -1)
    ranked = rank_sums(scores, query_values, database, column, values, others=others)
    found = order_scores(ranked, query_values, places)
    for row in range(queries):
        distance = np.abs(places[database] - places[query_values[row]])
        kept = np.ones(count, bool) if not others else database != query_values[row]
        if own:
            kept[column[row]] = False
        if len(set(distance[kept])) < 2 or len(set(scores[row, kept])) < 2:
            assert np.isnan(found[row])
        else:
            expected = spearmanr(scores[row, kept], -distance[kept]).statistic
            assert found[row] == pytest.approx(expected, abs=1e-9)


def test_spearman_of_lists_is_scipys_with_ties() -> None:
    first, second = [3, 1, 2, 2, 9], [1, 1, 5, 4, 4]
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert np.isnan(spearman([1, 1, 1], [1, 2, 3]))
    assert np.isnan(spearman([1], [2]))


@pytest.mark.parametrize("values", [2, 3, 4, 5, 6])
def test_all_orders_without_their_reverses(values: int) -> None:
    orders, complete = all_orders(values, 0)
    assert complete
    assert len(orders) == factorial(values) // 2
    seen = {tuple(order) for order in orders} | {tuple(order[::-1]) for order in orders}
    assert seen == set(permutations(range(values)))


def test_many_values_have_their_orders_drawn_by_the_seed_without_repeats() -> None:
    orders, complete = all_orders(9, 1)
    assert not complete
    assert len({min(tuple(o), tuple(o[::-1])) for o in orders}) == len(orders) == 360
    np.testing.assert_array_equal(orders, all_orders(9, 1)[0])


def test_the_principal_coordinate_follows_a_planted_line() -> None:
    generator = np.random.default_rng(0)
    direction = generator.normal(size=8)
    ranks = np.repeat(np.arange(5), 20)
    features = ranks[:, None] * direction + 0.01 * generator.normal(size=(100, 8))
    coordinate, explained = principal_coordinate(features, ranks)
    assert spearman(coordinate, np.arange(5)) == pytest.approx(1)
    assert explained > 0.99
    mixed = np.array([2, 0, 4, 1, 3])[ranks]
    coordinate, _ = principal_coordinate(features, mixed)
    assert abs(spearman(coordinate, np.arange(5))) < 0.7
