"""The share of hard negatives among the first items, against a literal count over the orders of ties."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest

from clay_eval.evaluator.scoring import retrieval_scores
from clay_eval.evaluator.scoring.hard_negatives import HARD_NEGATIVES, TOP, hard_counts
from clay_eval.evaluator.scoring.measures import parse_measures
from clay_eval.evaluator.scoring.relevance import Codes
from clay_eval.schemas.errors import InputError

Pairs = list[tuple[Codes, Codes]]
AP = parse_measures(["AP"])


def is_hard(asked: tuple[Codes, Codes], others: Pairs, query: int, item: int) -> bool:
    return bool(asked[0][query] != asked[1][item]) and any(q[query] == c[item] for q, c in others)


def literal(
    scores: npt.NDArray[np.float64], asked: tuple[Codes, Codes], others: Pairs, own: Codes | None = None
) -> npt.NDArray[np.float64]:
    """Sort, cut, count; each item tied at the cut has the same chance to be above it."""
    found = []
    for query, row in enumerate(scores):
        items = [i for i in range(len(row)) if own is None or own[query] != i]
        depth = min(TOP, len(items))
        cut = sorted((row[i] for i in items), reverse=True)[depth - 1]
        above = [i for i in items if row[i] > cut]
        tied = [i for i in items if row[i] == cut]
        hard = sum(is_hard(asked, others, query, i) for i in above)
        share = np.mean([is_hard(asked, others, query, i) for i in tied])
        found.append((hard + (depth - len(above)) * share) / depth)
    return np.array(found)


def problem(seed: int, queries: int, n: int, coarse: bool) -> tuple[npt.NDArray[np.float64], ...]:
    generator = np.random.default_rng(seed)
    sides = [generator.normal(size=(count, 5)) for count in (queries, n)]
    return tuple(np.sign(side) for side in sides) if coarse else tuple(sides)


def codes(seed: int, queries: int, n: int, values: int = 3) -> tuple[Codes, Codes]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, values, queries), generator.integers(0, values, n)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("ties", ["expected", "pessimistic"])
@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize(("queries", "n"), [(4, 3), (5, 10), (6, 11), (30, 200), (40, 2500)])
def test_shares_are_what_counting_gives(backend: str, ties: str, coarse: bool, queries: int, n: int) -> None:
    one, other = problem(n, queries, n, coarse)
    asked, others = codes(1, queries, n), [codes(2, queries, n, 4), codes(3, queries, n, 2)]
    generator = np.random.default_rng(4)
    within = np.where(generator.random(queries) < 0.6, generator.integers(0, n, queries), -1)
    for own in (None, within):
        found = retrieval_scores(
            [(one, other)], *asked, AP, ties=ties, own=own, other_codes=others, backend=backend
        )
        np.testing.assert_allclose(
            found[HARD_NEGATIVES], literal(one @ other.T, asked, others, own), atol=1e-12
        )
        plain = retrieval_scores([(one, other)], *asked, AP, ties=ties, own=own, backend=backend)
        assert set(plain) == {"AP"}
        np.testing.assert_array_equal(found["AP"], plain["AP"])


def test_ties_count_the_mean_over_all_orders() -> None:
    """Twelve items, the last four tied for two places: all orders of the four."""
    scores = np.array([[12.0, 11, 10, 9, 8, 7, 6, 5, 1, 1, 1, 1]])
    asked = (np.array([0]), np.array([0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0]))
    others: Pairs = [(np.array([5]), np.array([5, 5, 6, 6, 6, 6, 6, 6, 5, 6, 5, 6]))]
    orders = []
    for order in permutations(range(8, 12)):
        first = [*range(8), *order][:TOP]
        orders.append(np.mean([is_hard(asked, others, 0, i) for i in first]))
    found = retrieval_scores([(np.eye(1), scores.T)], *asked, AP, other_codes=others)[HARD_NEGATIVES]
    assert found[0] == pytest.approx(np.mean(orders))
    assert found[0] == pytest.approx((1 + 2 / 4) / 10)


def test_a_constant_scorer_gets_the_chance_level() -> None:
    asked, others = codes(0, 7, 60), [codes(1, 7, 60), codes(2, 7, 60)]
    constant = retrieval_scores([(np.ones((7, 2)), np.ones((60, 2)))], *asked, AP, other_codes=others)
    counts = hard_counts(asked, others, np.ones(60, np.int64))
    np.testing.assert_allclose(constant[HARD_NEGATIVES], counts / 60)


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_those_of_brute_force(seed: int) -> None:
    asked, others = codes(seed, 9, 50, 4), [codes(seed + 10, 9, 50, 5), codes(seed + 20, 9, 50, 3)]
    times = np.random.default_rng(seed).integers(1, 4, 50)
    found = hard_counts(asked, others, times)
    for query in range(9):
        assert found[query] == sum(int(times[i]) for i in range(50) if is_hard(asked, others, query, i))


def test_a_query_whose_value_the_database_lacks_matches_nothing_by_it() -> None:
    asked = (np.array([0]), np.array([1, 1, 2]))
    others: Pairs = [(np.array([9]), np.array([1, 2, 2])), (np.array([4]), np.array([4, 5, 5]))]
    assert hard_counts(asked, others, np.ones(3, np.int64)).tolist() == [1]


def test_other_codes_are_checked_like_all_codes() -> None:
    asked = codes(0, 3, 5)
    with pytest.raises(InputError, match="one integer a row"):
        retrieval_scores(
            [(np.ones((3, 2)), np.ones((5, 2)))], *asked, AP, other_codes=[(asked[0], asked[1][:4])]
        )
