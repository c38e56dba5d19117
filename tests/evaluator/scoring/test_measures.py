"""Names of measures, and their chance levels beside the mean over all orders."""

import copy
import pickle
from itertools import permutations

import numpy as np
import pytest
from measures_by_definition import MEASURES, by_definition, graded_by_definition

from clay_eval.evaluator.scoring import retrieval_scores, score_rankings
from clay_eval.evaluator.scoring.chance import retrieval_chance
from clay_eval.evaluator.scoring.measures import (
    FAMILIES,
    Measure,
    graded_chance,
    parse_measure,
    parse_measures,
)
from clay_eval.evaluator.scoring.ties import miss_probability
from clay_eval.schemas.errors import InputError


@pytest.mark.parametrize("name", MEASURES)
def test_a_name_is_the_identity(name):
    measure = parse_measure(name)
    assert str(measure) == name
    assert measure == parse_measure(f" {name} ")
    assert hash(measure) == hash(copy.deepcopy(measure))
    assert pickle.loads(pickle.dumps(measure)) == measure  # noqa: S301
    assert measure.description


def test_every_family_parses_and_leading_zeros_do_not_count():
    assert {parse_measure(family.example).family for family in FAMILIES.values()} == set(FAMILIES)
    assert parse_measure("P@010") == Measure("P", 10)
    assert parse_measures(["AP", "P@1"]) == (Measure("AP"), Measure("P", 1))
    with pytest.raises(AttributeError):
        Measure("AP").k = 3


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("map", "AP"),
        ("MAP@R", "AP@R"),
        ("ap@r", "AP@R"),
        ("mean average precision", "AP"),
        ("recall@5", "R@5"),
        ("Precision@3", "P@3"),
        ("success@1", "Hit@1"),
        ("NDCG@7", "nDCG@7"),
        ("ndcg(graded)@7", "nDCG(graded)@7"),
        ("R-precision", "Rprec"),
        ("Rprek", "Rprec"),
        ("hit", "Hit@1"),
    ],
)
def test_a_near_name_is_suggested_and_is_right(name, likely):
    with pytest.raises(InputError) as caught:
        parse_measure(name)
    assert f"did you mean {likely!r}?" in str(caught.value)
    assert str(parse_measure(likely)) == likely


@pytest.mark.parametrize(
    "name", ["P@0", "R@-3", "Hit@1.5", "nDCG@x", "P@", "P@9999999999999", "P@" + "9" * 5000, "P@²"]
)
def test_a_bad_cutoff_says_what_is_expected(name):
    with pytest.raises(InputError, match="whole number"):
        parse_measure(name)


@pytest.mark.parametrize(
    "name", ["", "@", "xyz", "P", "AP@10", "Rprec@5", "AP(trapezoid)@3", "P@1@2", "p@" + "9" * 5000]
)
def test_other_names_are_refused(name):
    with pytest.raises(InputError):
        parse_measure(name)


def test_lists_of_measures_and_fields_are_checked():
    for names in ([], ["AP", "AP"], ["P@1", "P@01"]):
        with pytest.raises(InputError):
            parse_measures(names)
    for arguments in (("P", True), ("P", 2.0), ("Q", 3), ("P", 0)):
        with pytest.raises(InputError):
            Measure(*arguments)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize(("n", "r"), [(1, 1), (4, 1), (5, 2), (6, 6), (6, 4), (7, 3)])
def test_chance_is_the_mean_over_all_orders(name, n, r):
    orders = set(permutations([i < r for i in range(n)]))
    expected = float(sum(by_definition(name, order) for order in orders)) / len(orders)
    assert parse_measure(name).chance(n, r) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("name", MEASURES)
def test_a_constant_scorer_gets_chance(name):
    measure = parse_measure(name)
    relevant = np.random.default_rng(0).random((5, 3000)) < np.array([[0.001], [0.01], [0.1], [0.5], [1]])
    relevant[:, 7] = True
    for value in (-0.3, 0.0, 1e9, -np.inf):
        for dtype in (np.float32, np.float64):
            found = score_rankings(np.full(relevant.shape, value, dtype), relevant, [measure])[name]
            np.testing.assert_allclose(found, measure.chance(3000, relevant.sum(axis=1)), rtol=1e-10)


def test_chance_broadcasts_and_is_nan_without_relevant_items():
    chance = parse_measure("P@5").chance(10, [[0, 5], [10, 1]])
    np.testing.assert_allclose(chance, [[np.nan, 0.5], [1, 0.1]])
    for n, r in ((3, 4), (3, -1)):
        with pytest.raises(InputError):
            parse_measure("AP").chance(n, r)
    with pytest.raises(InputError, match="gain"):
        parse_measure("nDCG(graded)").chance(3, 1)


@pytest.mark.parametrize("k", [None, 1, 2, 4, 9])
@pytest.mark.parametrize("gains", [(0, 1, 2, 3), (0, 0, 2, 2, 1), (1,), (3, 0, 0, 0)])
def test_graded_chance_is_the_mean_over_all_orders(k, gains):
    expected = np.mean([graded_by_definition(order, k) for order in permutations(gains)])
    counts = np.bincount(gains, minlength=4)
    measure = Measure("nDCG(graded)", k)
    assert graded_chance(measure, counts) == pytest.approx(expected, abs=1e-13)
    assert np.isnan(graded_chance(measure, [[5, 0, 0]])).all()


def test_hypergeometric_probability_beside_scipy():
    from scipy.stats import hypergeom

    generator = np.random.default_rng(1)
    n = generator.integers(1, 5000, 200)
    r, t = generator.integers(0, n + 1), generator.integers(0, n + 1)
    r[:50] %= 5
    t[50:100] %= 5
    np.testing.assert_allclose(miss_probability(n, r, t), hypergeom.pmf(0, n, r, t), rtol=1e-9, atol=1e-280)


def test_chance_of_queries_is_what_a_constant_scorer_gets():
    generator = np.random.default_rng(2)
    first, second = generator.integers(0, 3, (2, 60)), generator.integers(0, 4, (2, 60))
    codes, own = first * 10 + second, generator.integers(-1, 60, 60)
    own[1], codes[0, 1] = 5, 99
    measures = [parse_measure(name) for name in (*MEASURES, "nDCG(graded)", "nDCG(graded)@4")]
    pairs = [(first[0], first[1]), (second[0], second[1])]
    for places in (None, own):
        chance = retrieval_chance(codes[0], codes[1], measures, own=places, graded_codes=pairs)
        space = (np.full((60, 2), -0.5), np.ones((60, 2)))
        found = retrieval_scores([space], codes[0], codes[1], measures, own=places, graded_codes=pairs)
        assert list(chance) == [str(measure) for measure in measures]
        assert np.isnan(found["AP"]).any()
        for measure in measures:
            np.testing.assert_allclose(found[str(measure)], chance[str(measure)], atol=1e-12)
    with pytest.raises(InputError, match="codes of each condition"):
        retrieval_chance(codes[0], codes[1], measures)
