"""Evidence, calibration and duplicates, beside literal versions of them."""

from __future__ import annotations

import numpy as np
import pytest

from clay_eval.evaluator.audit.calibration import calibrated, log_odds, suspicion
from clay_eval.evaluator.audit.duplicates import duplicate_groups
from clay_eval.evaluator.audit.evidence import UNKNOWN, nearest, neighbour_evidence, text_evidence
from clay_eval.evaluator.methods.label_posterior import LabelPosterior


def units(count: int, width: int = 6, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_picture_is_not_its_own_neighbour_though_others_are_equal() -> None:
    rows = units(30)
    rows[10:20] = rows[10]
    found, scores = nearest(rows, rows, 4)
    assert found.shape == scores.shape == (30, 4)
    assert not (found == np.arange(30)[:, None]).any()
    products = rows.astype(np.float64) @ rows.T.astype(np.float64)
    np.fill_diagonal(products, -np.inf)
    assert np.allclose(scores, -np.sort(-products, axis=1)[:, :4], atol=1e-6)


def test_votes_are_those_of_the_formula() -> None:
    rows, codes = units(40), np.random.default_rng(1).integers(0, 3, 40)
    asked = np.stack([codes, (codes + 1) % 3], axis=1)
    near, scores = nearest(rows, rows, 7)
    found = neighbour_evidence(near, scores, codes, asked)
    width = np.median([s[0] - s[-1] for s in scores])
    for row in range(40):
        votes = np.zeros(3)
        for other, score in zip(near[row], scores[row], strict=True):
            votes[codes[other]] += np.exp((score - scores[row, 0]) / width)
        votes *= 7 / votes.sum()
        assert found.chances[row] == pytest.approx((votes[asked[row]] + 0.5) / 8)
        votes[codes[row]] = -1
        assert found.other_chance[row] == pytest.approx(max(votes.max(), 0) / 7)
        assert votes.max() <= 0 or found.other[row] == votes.argmax()


def test_neighbours_of_one_mind_leave_no_other_value() -> None:
    rows, codes = units(10), np.zeros(10, np.int64)
    found = neighbour_evidence(*nearest(rows, rows, 3), codes, np.stack([codes, codes + 1], axis=1))
    assert (found.other == UNKNOWN).all()
    assert found.chances[:, 0] == pytest.approx(3.5 / 4)


def test_what_texts_say_is_the_posterior_of_the_values() -> None:
    rows, texts = units(50), units(3, seed=2)
    fitted = LabelPosterior().fit(rows, texts, ["red", "blue", "teal"], logit_scale=10.0)
    posterior = fitted.posterior(rows)
    codes = np.random.default_rng(1).integers(0, 3, 50)  # blue, grey (of which there is no text), red
    asked = np.stack([codes, np.full(50, UNKNOWN)], axis=1)
    named, known = np.array([2, 0, UNKNOWN]), np.array([True, False, True])
    found, unnamed = text_evidence(fitted, rows, named, asked, known)
    column = {2: 0, 0: 1}
    for row, code in enumerate(codes.tolist()):
        if code == 1:
            assert np.isnan(found.chances[row, 0])
        else:
            assert found.chances[row, 0] == pytest.approx(float(posterior[row, column[code]]), rel=1e-5)
        others = [j for j in range(3) if j != column.get(code)]
        best = max(others, key=lambda j: posterior[row, j])
        assert found.other_chance[row] == pytest.approx(float(posterior[row, best]), rel=1e-5)
        assert found.other[row] == named[best]
    assert np.isnan(found.chances[:, 1]).all()
    assert not unnamed.any()


def test_calibration_finds_the_likelihood_ratio_of_two_gaussians() -> None:
    draw = np.random.default_rng(0)
    wrong = draw.random(40_000) < 0.02
    own = np.where(wrong, -1, 1)[:, None] + draw.standard_normal((40_000, 1))
    other = draw.standard_normal((40_000, 1)) - 1
    found = calibrated(own, other, 0.02)
    assert found.slopes[0] == pytest.approx(2, abs=0.1)  # log N(x; 1, 1) / N(x; -1, 1) = 2 x
    assert found.offset == pytest.approx(0, abs=0.1)
    chance = suspicion(found.ratios(own), 0.02)
    low = chance > 0.2
    assert wrong[low].mean() == pytest.approx(chance[low].mean(), abs=0.08), "chances are what they say"


def test_evidence_that_says_nothing_or_the_contrary_has_no_weight() -> None:
    draw = np.random.default_rng(0)
    noise, told = draw.standard_normal((500, 2)), draw.standard_normal((500, 2))
    found = calibrated(
        np.stack([noise[:, 0] - 1, told[:, 0] + 3], axis=1),
        np.stack([noise[:, 1] + 1, told[:, 1] - 3], axis=1),
        0.02,
    )
    assert found.slopes[0] == 0
    assert found.slopes[1] > 1
    nothing = calibrated(noise - 1, noise + 1, 0.02)
    assert (nothing.slopes == 0).all()
    assert suspicion(nothing.ratios(noise), 0.02) == pytest.approx(0.02)


def test_log_odds_are_bounded_and_unknown_ones_say_nothing() -> None:
    found = log_odds(np.array([0.0, 1.0, 0.5, np.nan]))
    assert found[:2] == pytest.approx([-np.log(9999), np.log(9999)])
    assert found[2:].tolist() == [0, 0]


def test_duplicates_are_grouped_and_unlike_ones_come_first() -> None:
    rows = units(60, 32)
    rows[1] = rows[0]
    rows[11] = rows[10] + 0.01 * units(1, 32, 5)[0]
    rows[12] = rows[10] + 0.01 * units(1, 32, 6)[0]
    codes = {"color": np.arange(60) % 2, "shape": np.zeros(60, np.int64)}
    found, least = duplicate_groups(rows, codes)
    assert [group.rows for group in found] == [(0, 1), (10, 11, 12)]
    assert found[0].unlike == found[1].unlike == ("color",)
    codes["color"][:2] = 0
    assert [group.rows for group in duplicate_groups(rows, codes)[0]] == [(10, 11, 12), (0, 1)]
    assert 0.9 < least < 1
    assert [g.rows for g in duplicate_groups(rows, codes, 1.0)[0]] == [(0, 1)]


def test_many_equal_pictures_are_one_group() -> None:
    rows = units(50, 32)
    rows[20:40] = rows[20]
    assert [g.rows for g in duplicate_groups(rows, {})[0]] == [tuple(range(20, 40))]
