"""Average precision beside scikit-learn, the definition, and the mean over all orders of ties."""

from fractions import Fraction
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score

from clay_eval import average_precision
from clay_eval.evaluator import scoring as metrics
from clay_eval.evaluator.scoring import (
    chance_average_precision,
    mean_over_groups,
    ranking,
    retrieval_average_precision,
)
from clay_eval.evaluator.scoring import threads as scoring
from clay_eval.schemas.errors import InputError

FORMULAS = ("standard", "trapezoid")


def by_definition(ranked, formula):
    """AP of relevances in ranked order, in exact fractions."""
    found, total = 0, Fraction(0)
    for rank, relevant in enumerate(ranked, start=1):
        if relevant:
            before = Fraction(found, rank - 1) if rank > 1 else Fraction(1)
            found += 1
            now = Fraction(found, rank)
            total += now if formula == "standard" else (before + now) / 2
    return total / found


def over_all_orders(scores, relevant, formula, ties):
    """The mean, or the minimum, over all orders that the scores allow."""
    values = [
        by_definition([relevant[i] for i in order], formula)
        for order in permutations(range(len(scores)))
        if all(scores[i] >= scores[j] for i, j in pairwise(order))
    ]
    return float(min(values) if ties == "pessimistic" else sum(values) / len(values))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (1, -5), (100, 3), (1e-3, -2e-3)])
def test_equals_scikit_learn_without_ties(dtype, scale, shift):
    generator = np.random.default_rng(0)
    scores = np.stack([generator.permutation(500) for _ in range(40)]) / 500 * 1.9 - 0.95
    scores = (scores * scale + shift).astype(dtype)
    relevant = generator.random((40, 500)) < generator.uniform(0.01, 0.9, (40, 1))
    relevant[:, 0] = True
    expected = [average_precision_score(r, s) for r, s in zip(relevant, scores, strict=True)]
    np.testing.assert_allclose(average_precision(scores, relevant), expected, atol=1e-12)


tied_rows = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([-1.5, -0.25, 0.0, 0.5]), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n).filter(any),
    )
)


@pytest.mark.parametrize("ties", ["expected", "pessimistic"])
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(row=tied_rows)
@settings(max_examples=60, deadline=None)
def test_ties_are_the_mean_or_the_worst_of_all_orders(dtype, formula, ties, row):
    scores, relevant = row
    found = average_precision(np.array([scores], dtype), np.array([relevant]), formula, ties)
    assert found[0] == pytest.approx(over_all_orders(scores, relevant, formula, ties), abs=1e-12)


def test_trapezoid_of_a_single_hit_at_rank_two():
    scores, relevant = [[0.9, 0.8, 0.1]], [[False, True, False]]
    assert average_precision(scores, relevant, "trapezoid")[0] == pytest.approx(0.25)
    assert average_precision(scores, relevant)[0] == pytest.approx(0.5)


def test_negative_scores_count_like_others():
    # Libraries that drop relevant items of a score of 0 or less get 1.0 here.
    scores, relevant = [[0.5, -0.1, -0.2, -0.3]], [[True, False, True, True]]
    assert average_precision(scores, relevant)[0] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_minus_zero_ties_with_zero():
    for dtype in (np.float32, np.float64):
        scores = np.array([[0.0, -0.0]], dtype)
        assert average_precision(scores, [[False, True]])[0] == pytest.approx(0.75)
        assert average_precision(scores, [[True, False]])[0] == pytest.approx(0.75)


def test_nothing_relevant_is_nan_and_everything_is_one():
    found = average_precision(np.eye(3), [[False] * 3, [True] * 3, [False] * 3])
    np.testing.assert_array_equal(found, [np.nan, 1, np.nan])
    assert np.isnan(average_precision(np.zeros((2, 0)), np.zeros((2, 0), bool))).all()
    assert average_precision(np.zeros((0, 4)), np.zeros((0, 4), bool)).shape == (0,)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("value", [0.0, -0.3, 1.7, 1e9, np.inf, -np.inf])
def test_a_constant_scorer_gets_chance(formula, value):
    relevant = np.random.default_rng(0).random((5, 3000)) < np.array([[0.001], [0.01], [0.1], [0.5], [1]])
    relevant[:, 7] = True
    for dtype in (np.float32, np.float64):
        found = average_precision(np.full(relevant.shape, value, dtype), relevant, formula)
        np.testing.assert_allclose(
            found, chance_average_precision(3000, relevant.sum(axis=1), formula), rtol=1e-11
        )


@pytest.mark.parametrize("formula", FORMULAS)
def test_chance_is_the_mean_of_random_orders(formula):
    for n, r in ((1, 1), (4, 1), (5, 2), (6, 6), (6, 4)):
        expected = over_all_orders([0] * n, [i < r for i in range(n)], formula, "expected")
        assert chance_average_precision(n, r, formula) == pytest.approx(expected, abs=1e-14)
    assert np.isnan(chance_average_precision(5, 0, formula))
    assert chance_average_precision(10_000, 1000, formula) == pytest.approx(0.1, abs=1e-3)
    with pytest.raises(InputError):
        chance_average_precision(3, 4)


score_blocks = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12),
    elements=st.integers(-20, 20),
)


@given(scores=score_blocks, seed=st.integers(0, 999), formula=st.sampled_from(FORMULAS))
@settings(max_examples=60, deadline=None)
def test_only_the_order_counts(scores, seed, formula):
    generator = np.random.default_rng(seed)
    relevant = generator.random(scores.shape) < 0.4
    base = average_precision(scores, relevant, formula)
    columns = generator.permutation(scores.shape[1])
    for same in (
        scores / 64,
        np.arctan(scores),
        scores**3 * 1e30,
        (scores / 64).astype(np.float32),
        np.float16(scores),
    ):
        np.testing.assert_allclose(average_precision(same, relevant, formula), base, atol=1e-12)
    np.testing.assert_allclose(
        average_precision(scores[:, columns], relevant[:, columns], formula), base, atol=1e-12
    )
    worst = average_precision(scores, relevant, formula, "pessimistic")
    assert np.all(np.isnan(base) | (worst <= base + 1e-12))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_that_differ_by_one_rounding_are_told_apart(dtype):
    for start in (0.3, -0.3, 1e-20, -7.5, 300.0):
        low = np.array(start, dtype)
        high = np.nextafter(low, np.array(np.inf, dtype))
        far = np.array(start - 1, dtype)
        assert average_precision(np.array([[low, high, far]]), [[False, True, False]])[0] == 1.0
        assert average_precision(np.array([[high, low, far]]), [[False, True, False]])[0] == 0.5


def test_infinite_scores_are_ranked():
    for dtype in (np.float32, np.float64):
        scores = np.array([[np.inf, 1, -np.inf, np.inf]], dtype)
        assert average_precision(scores, [[True, False, True, False]])[0] == pytest.approx((0.75 + 0.5) / 2)


def test_nan_names_its_row_and_options_are_checked():
    scores = np.zeros((2000, 300), np.float32)
    scores[1234, 5] = np.nan
    with pytest.raises(InputError, match="NaN") as caught:
        average_precision(scores, np.ones(scores.shape, bool))
    assert "row 1234" in str(caught.value)
    one = np.ones((1, 2))
    for arguments in (
        (one, one),
        (one, np.ones((2, 1), bool)),
        (one[0], np.ones(2, bool)),
        (one, one > 0, "area"),
        (one, one > 0, "standard", "lucky"),
        (one * 1j, one > 0),
    ):
        with pytest.raises(InputError):
            average_precision(*arguments)


def test_input_is_not_changed():
    scores = np.random.default_rng(0).random((50, 2000)).astype(np.float32)
    copy = scores.copy()
    average_precision(scores, scores > 0.9)
    np.testing.assert_array_equal(scores, copy)


@pytest.mark.parametrize("n", [3, 511, 513, 1025, 5000, 10_000, 30_001])
@pytest.mark.parametrize("kind", ["random", "ascending", "few values", "constant"])
def test_both_sorts_sort(n, kind):
    generator = np.random.default_rng(n)
    keys = {
        "random": generator.integers(-(2**31), 2**31 - 1, (4, n)),
        "ascending": np.arange(4 * n).reshape(4, n),
        "few values": generator.integers(0, 5, (4, n)),
        "constant": np.zeros((4, n)),
    }[kind].astype(np.int32)
    expected = np.sort(keys, axis=1)
    for way in (ranking.sort_plainly, ranking.sort_by_columns):
        np.testing.assert_array_equal(way(keys.copy(), ranking.Workspace(5, n)), expected)


@pytest.mark.parametrize("way", [ranking.sort_plainly, ranking.sort_by_columns])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_blocks_equal_scikit_learn(way, dtype, monkeypatch):
    monkeypatch.setattr(metrics, "choose_sort", lambda sample, rows: way)
    generator = np.random.default_rng(1)
    scores = np.stack([generator.permutation(4001) for _ in range(150)]).astype(dtype) / 4001 - 0.5
    codes = generator.integers(0, 9, 4001)
    relevant = codes[:150, None] == codes
    expected = [average_precision_score(r, s) for r, s in zip(relevant[::10], scores[::10], strict=True)]
    np.testing.assert_allclose(average_precision(scores, relevant)[::10], expected, atol=1e-9)


def features(generator, rows, width, dtype=np.float64):
    array = generator.standard_normal((rows, width))
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(dtype)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("ties", ["expected", "pessimistic"])
def test_retrieval_equals_the_whole_score_matrix(formula, ties, monkeypatch):
    generator = np.random.default_rng(2)
    queries, database = generator.integers(-2, 3, (300, 4)) / 2, generator.integers(-2, 3, (700, 4)) / 2
    query_codes, database_codes = generator.integers(-3, 12, 300) * 7, generator.integers(0, 10, 700) * 7
    relevant = query_codes[:, None] == database_codes
    expected = average_precision(queries @ database.T, relevant, formula, ties)
    assert 0 < np.isnan(expected).sum() < 300
    for entries in (1 << 18, 700 * 3, 1):
        monkeypatch.setattr(scoring, "_BLOCK_ENTRIES", entries)
        found = retrieval_average_precision(queries, database, query_codes, database_codes, formula, ties)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_retrieval_in_float32_and_float64_agree():
    generator = np.random.default_rng(3)
    queries, database = features(generator, 200, 16), features(generator, 2000, 16)
    codes = generator.integers(0, 5, 2000)
    double = retrieval_average_precision(queries, database, codes[:200], codes)
    single = retrieval_average_precision(
        queries.astype(np.float32), database.astype(np.float32), codes[:200], codes
    )
    np.testing.assert_allclose(single, double, atol=1e-4)
    expected = [
        average_precision_score(codes == c, database @ q) for q, c in zip(queries, codes, strict=False)
    ]
    np.testing.assert_allclose(double, expected, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_features_tie_whatever_their_column(dtype):
    generator = np.random.default_rng(4)
    one = features(generator, 1, 61, dtype)
    codes = generator.integers(0, 7, 1009)
    found = retrieval_average_precision(
        np.repeat(one, 103, axis=0), np.repeat(one, 1009, axis=0), codes[:103], codes
    )
    np.testing.assert_allclose(
        found, chance_average_precision(1009, np.bincount(codes)[codes[:103]]), rtol=1e-11
    )


def test_retrieval_checks_its_input():
    rows, codes = np.eye(3), np.arange(3)
    for arguments in (
        (rows, np.eye(4), codes, np.arange(4)),
        (rows, rows, codes[:2], codes),
        (rows, rows, codes, codes * 0.5),
        (rows * np.nan, rows, codes, codes),
    ):
        with pytest.raises(InputError):
            retrieval_average_precision(*arguments)
    assert np.isnan(retrieval_average_precision(rows, rows[:0], codes, codes[:0])).all()


def test_mean_over_groups_weighs_groups_equally():
    nan = np.nan
    assert mean_over_groups(
        [np.array([1.0, nan]), np.array([0.0, 0.5, 0.1]), np.array([nan])]
    ) == pytest.approx(0.6)
    assert np.isnan(mean_over_groups([np.array([nan])]))
    assert np.isnan(mean_over_groups([]))
