"""CLAY's switches, each against its literal form, and the identities that tie the methods together."""

import numpy as np
import pytest
from method_literals import cosines, log_map, make, reflection, right_vectors, tangent, unit

from clay_eval import CLAY
from clay_eval.evaluator.methods.clay_spectrum import CLAYSpectrum
from clay_eval.evaluator.methods.controls import Complement, OtherCondition, RandomSubspace
from clay_eval.evaluator.methods.support.registry import resolve_method
from clay_eval.schemas.errors import InputError

WEIGHTED = [
    "clay",
    "ip-composer",
    "text-pca",
    "text-pca-centred",
    "crl",
    "crl-centred",
    "clay-spectrum",
    "asymmetric",
]

SCALED = {"crl", "crl-centred", "clay-spectrum"}


def scores(method, q, v):
    return getattr(method, "transform_queries", method.transform)(q) @ method.transform(v).T


def fitted(name, v, t, weights=None, **asked):
    return resolve_method(name)[1]().fit(v, t, **asked, text_weights=weights)


def karcher(rows):
    """By plain gradient descent on the sphere: a different way than ours to the same point."""
    mean = unit(rows.mean(axis=0))
    for _ in range(500):
        mean = unit(mean + 0.1 * np.mean([log_map(mean, x) for x in rows], axis=0))
    return mean


@pytest.mark.parametrize("k", [3, 19])
def test_without_the_log_map_texts_are_projected_flat(k):
    q, v, t, _ = make(0)
    mean = unit(t.mean(axis=0))
    columns = right_vectors(np.stack([x - mean * (x @ mean) for x in t]), k)
    h = reflection(unit(v.mean(axis=0)), mean)
    # The image side may be log-mapped or not: columns are orthogonal to the mean, the cosine cancels the factor.
    mapped = [np.stack([log_map(mean, h @ x) for x in rows]) @ columns for rows in (q, v)]
    found = scores(CLAY(k, log_map=False).fit(v, t), q, v)
    np.testing.assert_allclose(found, cosines(*mapped), atol=1e-10)
    np.testing.assert_allclose(found, cosines(q @ h @ columns, v @ h @ columns), atol=1e-10)


def test_with_karchers_mean_of_texts_and_images():
    q, v, t, _ = make(1, images=25, values=3)
    mean, h = karcher(t), reflection(karcher(v), karcher(t))
    columns = right_vectors(np.stack([log_map(mean, x) for x in t]), 4)
    mapped = [np.stack([log_map(mean, h @ x) for x in rows]) @ columns for rows in (q, v)]
    clay = CLAY(4, mean="karcher").fit(v, t)
    np.testing.assert_allclose(scores(clay, q, v), cosines(*mapped), atol=1e-7)
    np.testing.assert_allclose(karcher(v) @ clay.projection_, 0, atol=1e-8)
    assert np.abs(scores(CLAY(4).fit(v, t), q, v) - scores(clay, q, v)).max() > 1e-6


@pytest.mark.parametrize(
    "options",
    [
        {"log_map": "yes"},
        {"log_map": 1},
        {"mean": "median"},
        {"mean": None},
        {"alignment": "None"},
        {"n_components": "5"},
    ],
)
def test_bad_switches_are_refused(options):
    with pytest.raises(InputError):
        CLAY(**options)


@pytest.mark.parametrize("options", [{}, {"log_map": False}, {"mean": "karcher"}, {"alignment": "none"}])
def test_weights_count_as_repetitions_in_clay(options):
    q, v, t, _ = make(2)
    weights = np.arange(len(t)) % 3 + 1
    repeated = np.repeat(t, weights, axis=0)
    once, more = CLAY(6, **options).fit(v, t, weights * 0.7), CLAY(6, **options).fit(v, repeated)
    np.testing.assert_allclose(scores(once, q, v), scores(more, q, v), atol=1e-8)
    assert once.explained_ == pytest.approx(more.explained_)


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_count_as_repetitions(name):
    q, v, t, _ = make(3)
    weights = np.arange(len(t)) % 2 + 1.0
    repeated = np.repeat(t, weights.astype(int), axis=0)
    expected = scores(fitted(name, v, repeated), q, v)
    np.testing.assert_allclose(scores(fitted(name, v, t, weights), q, v), expected, atol=1e-9)
    if name in SCALED:  # the others span one and the same subspace, whatever the weights, at full rank
        assert np.abs(scores(fitted(name, v, t), q, v) - expected).max() > 1e-4
    np.testing.assert_allclose(
        scores(fitted(name, v, t, np.where(weights > 1, 5.0, 0)), q, v),
        scores(fitted(name, v, t[weights > 1]), q, v),
        atol=1e-9,
    )
    np.testing.assert_array_equal(
        scores(fitted(name, v, t, np.full(len(t), 4.0)), q, v), scores(fitted(name, v, t), q, v)
    )


@pytest.mark.parametrize(
    "weights", [[1.0], np.zeros(20), np.full(20, -1.0), np.full(20, np.nan), np.full(20, np.inf)]
)
def test_weights_that_say_nothing_are_refused(weights):
    _, v, t, _ = make(4)
    with pytest.raises(InputError, match="weights"):
        CLAY().fit(v, t, weights)


def test_a_single_text_of_weight_is_not_enough():
    _, v, t, _ = make(4)
    with pytest.raises(InputError, match="at least two different texts"):
        CLAY().fit(v, t, np.eye(len(t))[0])


def test_spectrum_of_power_0_is_clay_on_centred_images():
    q, v, t, _ = make(5)
    clay, m = CLAY(7, alignment="none").fit(v, t), v.mean(axis=0)
    expected = cosines((q - m) @ clay.projection_, (v - m) @ clay.projection_)
    np.testing.assert_allclose(scores(CLAYSpectrum(7, power=0).fit(v, t), q, v), expected, atol=1e-10)


def test_spectrum_of_power_1_and_full_rank_is_crl_on_the_log_mapped_texts():
    q, v, t, _ = make(6)
    mapped, m = tangent(t)[1], v.mean(axis=0)
    spectrum = CLAYSpectrum(50, power=1).fit(v, t)
    assert spectrum.n_components_ == len(t) - 1
    np.testing.assert_allclose(
        scores(spectrum, q, v), cosines((q - m) @ mapped.T, (v - m) @ mapped.T), atol=1e-9
    )


def test_the_other_condition_is_clay_on_other_texts():
    _, v, t, asked = make(7)
    other = OtherCondition(4, mean="karcher").fit(v, t, asked["other_text_features"])
    clay = CLAY(4, mean="karcher").fit(v, asked["other_text_features"])
    np.testing.assert_array_equal(other.projection_, clay.projection_)
    with pytest.raises(InputError, match="no texts of other conditions"):
        OtherCondition().fit(v, t, t[:0])


@pytest.mark.parametrize("alignment", ["none", "householder", "rotation"])
def test_the_complement_is_all_that_clay_leaves(alignment):
    _, v, t, _ = make(8)
    clay, left = CLAY(5, alignment).fit(v, t), Complement(5, alignment).fit(v, t)
    np.testing.assert_allclose(left.projection_ @ clay.projection_, 0, atol=1e-12)
    project = clay.projection_ @ clay.projection_.T
    np.testing.assert_allclose(v @ left.projection_ + v @ project, v, atol=1e-12)
    assert np.linalg.matrix_rank(left.projection_) == v.shape[1] - 5
    assert left.n_components_ == 5


def test_random_directions_stand_as_clays_do():
    q, v, t, _ = make(9)
    one, same, other = (RandomSubspace(50, seed).fit(v, t) for seed in (0, 0, 1))
    assert one.n_components_ == CLAY(50).fit(v, t).n_components_ == len(t) - 1
    np.testing.assert_allclose(one.projection_.T @ one.projection_, np.eye(len(t) - 1), atol=1e-12)
    np.testing.assert_allclose(v.mean(axis=0) @ one.projection_, 0, atol=1e-12)
    np.testing.assert_array_equal(one.projection_, same.projection_)
    assert np.abs(scores(one, q, v) - scores(other, q, v)).max() > 0.05
    for bad in (-1, 0.5, True):
        with pytest.raises(InputError, match="random_state"):
            RandomSubspace(random_state=bad)
