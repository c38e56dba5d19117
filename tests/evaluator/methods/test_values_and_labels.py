"""Methods that use the values which texts name, or labels: several conditions at once, and the edges."""

import numpy as np
import pytest
from method_literals import LITERALS, cosines, make, unit, value_texts
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from clay_eval.evaluator.methods.clay_spectrum import CLAYSpectrum
from clay_eval.evaluator.methods.clay_values import CLAYValues
from clay_eval.evaluator.methods.image_text import ImageText
from clay_eval.evaluator.methods.label_posterior import LabelPosterior
from clay_eval.evaluator.methods.pca import PCA
from clay_eval.evaluator.methods.pca_generic import PCAGeneric
from clay_eval.evaluator.methods.supervised_lda import SupervisedLDA
from clay_eval.evaluator.methods.support.registry import needs_of, resolve_method
from clay_eval.evaluator.methods.text_discriminant import TextDiscriminant
from clay_eval.evaluator.methods.whitened import Whitened
from clay_eval.schemas.errors import InputError


def scores(method, q, v):
    return getattr(method, "transform_queries", method.transform)(q) @ method.transform(v).T


def stacked(seed=0):
    """Two conditions, of which a value has the same name."""
    q, v, t, asked = make(seed)
    values = [f"{name}" for name in ("light", "dark", "round", "light", "dark") for _ in range(4)]
    return q, v, t, values, ["tone"] * 12 + ["ground"] * 8, asked


def test_posteriors_of_two_conditions_are_averaged():
    q, v, t, values, conditions, asked = stacked()
    both = scores(LabelPosterior().fit(v, t, values, conditions, logit_scale=9.0), q, v)
    singles = [
        LITERALS["label-posterior"](q, v, t[part], asked | {"text_values": values[part], "logit_scale": 9.0})
        for part in (slice(0, 12), slice(12, 20))
    ]
    np.testing.assert_allclose(both, np.mean(singles, axis=0), atol=1e-12)
    weights = np.array([3.0] * 12 + [1.0] * 8)
    weighted = LabelPosterior().fit(v, t, values, conditions, weights, logit_scale=9.0)
    np.testing.assert_allclose(scores(weighted, q, v), 0.75 * singles[0] + 0.25 * singles[1], atol=1e-12)


@pytest.mark.parametrize("name", ["label-posterior", "text-mixture"])
def test_similarities_of_posteriors_are_chances(name):
    q, v, t, values, conditions, asked = stacked(1)
    method = resolve_method(name)[1]().fit(v, t, values, conditions, logit_scale=asked["logit_scale"])
    found = scores(method, q, v)
    assert (found >= 0).all()
    assert (found <= 1 + 1e-12).all()


def test_posteriors_are_probabilities_at_any_scale():
    _, v, t, asked = make(1)
    for scale in (1e-3, 100.0, 1e6):
        rows = LabelPosterior().fit(v, t, asked["text_values"], logit_scale=scale).transform(v)
        assert (rows >= 0).all()
        np.testing.assert_allclose(rows.sum(axis=1), 1)
    assert LabelPosterior.similarity == "inner"
    assert needs_of(LabelPosterior) == "values"
    with pytest.raises(InputError, match="logit_scale"):
        LabelPosterior().fit(v, t, asked["text_values"], logit_scale=0.0)
    with pytest.raises(InputError, match="single value"):
        LabelPosterior().fit(v, t, ["a"] * 10 + ["b"] * 2 + ["c"] * 8, ["one"] * 10 + ["two"] * 10)


def test_values_of_one_name_in_two_conditions_are_two():
    q, v, t, values, conditions, _ = stacked(2)
    means = np.concatenate([value_texts(t[:12], values[:12]), value_texts(t[12:], values[12:])])
    expected = scores(CLAYSpectrum(50, 0.5).fit(v, means), q, v)
    found = CLAYValues(50, 0.5).fit(v, t, values, conditions)
    np.testing.assert_allclose(scores(found, q, v), expected, atol=1e-10)
    assert found.n_components_ == 4
    assert CLAYValues().fit(v, t, values).n_components_ == 2


def test_texts_of_a_value_lie_in_any_order():
    q, v, t, values, conditions, _ = stacked(3)
    order = np.random.default_rng(0).permutation(len(t))
    for kind in (CLAYValues, TextDiscriminant, LabelPosterior):
        one = kind().fit(v, t, values, conditions)
        other = kind().fit(v, t[order], [values[i] for i in order], [conditions[i] for i in order])
        np.testing.assert_allclose(scores(one, q, v), scores(other, q, v), atol=1e-9)


def test_weights_reach_the_values():
    q, v, t, values, conditions, _ = stacked(4)
    only_first = np.array([2.0] * 12 + [0.0] * 8)
    for kind in (CLAYValues, TextDiscriminant, LabelPosterior):
        one = kind().fit(v, t, values, conditions, only_first)
        other = kind().fit(v, t[:12], values[:12], conditions[:12])
        np.testing.assert_allclose(scores(one, q, v), scores(other, q, v), atol=1e-9)
    repeated = np.concatenate([t, t[:12]])
    more = TextDiscriminant().fit(v, repeated, values + values[:12], conditions + conditions[:12])
    weighted = TextDiscriminant().fit(v, t, values, conditions, np.array([2.0] * 12 + [1.0] * 8))
    np.testing.assert_allclose(scores(more, q, v), scores(weighted, q, v), atol=1e-9)


def test_what_tells_conditions_apart_is_no_direction_of_the_discriminant():
    _, v, t, values, conditions, _ = stacked(5)
    method = TextDiscriminant().fit(v, t, values, conditions)
    assert method.n_components_ == 3
    assert TextDiscriminant().fit(v, t, values).n_components_ == 2


def test_one_text_a_value_leaves_the_discriminant_the_spectrum_of_value_means():
    q, v, t, asked = make(6, values=8, wordings=1)
    found = TextDiscriminant().fit(v, t, asked["text_values"])
    assert found.n_components_ == 7
    # log_mu of the texts, but for their mean, which the spectrum does not take off.
    mapped = t - np.outer(t @ unit(t.mean(axis=0)), unit(t.mean(axis=0)))
    angles = np.arccos(t @ unit(t.mean(axis=0)))
    mapped *= (angles / np.sin(angles))[:, None]
    mapped -= mapped.mean(axis=0)
    m = v.mean(axis=0)
    expected = cosines((q - m) @ mapped.T, (v - m) @ mapped.T)
    np.testing.assert_allclose(scores(found, q, v), expected, atol=1e-9)
    twice = TextDiscriminant().fit(v, np.concatenate([t, t]), asked["text_values"] * 2)
    np.testing.assert_allclose(scores(twice, q, v), expected, atol=1e-9)


def test_texts_that_cancel_are_refused():
    _, v, t, _ = make(7)
    with pytest.raises(InputError, match="cancel"):
        CLAYValues().fit(v, np.concatenate([t, t[:1], -t[:1]]), ["a"] * 10 + ["b"] * 10 + ["c", "c"])


def test_lda_is_scikit_learns_where_both_are_defined():
    q, v, t, asked = make(8, images=400, d=10)
    ours = SupervisedLDA(shrinkage=1e-12).fit(v, t, asked["database_labels"])
    theirs = LinearDiscriminantAnalysis(solver="svd").fit(v, asked["database_labels"])
    np.testing.assert_allclose(
        scores(ours, q, v), cosines(theirs.transform(q), theirs.transform(v)), atol=1e-6
    )
    assert (ours.n_components_, ours.n_classes_) == (3, 4)
    two = SupervisedLDA(2, shrinkage=1e-12).fit(v, t, asked["database_labels"])
    theirs = LinearDiscriminantAnalysis(solver="svd", n_components=2).fit(v, asked["database_labels"])
    np.testing.assert_allclose(
        scores(two, q, v), cosines(theirs.transform(q), theirs.transform(v)), atol=1e-6
    )


@pytest.mark.parametrize("labels", [[0, 1] * 6, [7, 7, *range(10)], [5] * 11 + [9], [-3, 2**40] * 6])
def test_lda_of_few_images_small_classes_and_any_codes(labels):
    q, v, t, _ = make(9, images=12, d=60)
    method = SupervisedLDA().fit(v, t, np.array(labels))
    assert method.n_components_ == len(set(labels)) - 1
    rows = method.transform(v)
    assert np.isfinite(method.transform(q)).all()
    alike = np.equal.outer(labels, labels)
    assert (rows @ rows.T)[alike].min() > (rows @ rows.T)[~alike].mean()


def test_lda_of_classes_of_equal_images():
    _, v, t, _ = make(10)
    rows = SupervisedLDA().fit(v[[0, 1, 2, 0, 1, 2]], t, [0, 1, 2, 0, 1, 2]).transform(v[:3])
    assert np.linalg.matrix_rank(rows) == 2


@pytest.mark.parametrize(
    "labels", [np.zeros(70, int), np.arange(70), np.zeros(69, int), np.zeros((70, 1), int)]
)
def test_lda_refuses_labels_that_tell_nothing(labels):
    _, v, t, _ = make(11)
    with pytest.raises(InputError, match="label"):
        SupervisedLDA().fit(v, t, labels)


def test_the_name_of_one_condition_is_the_text_of_the_query():
    q, v, t, asked = make(12)
    name = 5 * asked["condition_features"][:1]
    method = ImageText().fit(v, t, name)
    np.testing.assert_allclose(method.transform_queries(q), unit(unit(q) + unit(name)), atol=1e-12)
    assert not method.transform_queries(-name).any()
    np.testing.assert_allclose(method.transform(q), unit(q), atol=1e-12)
    with pytest.raises(InputError, match="no direction"):
        ImageText().fit(v, t, np.concatenate([name, -name]))


def test_components_are_clamped_and_recorded():
    _, v, t, asked = make(13, images=9)
    assert PCA(50).fit(v, t).n_components_ == 8
    assert PCA(3).fit(v, t).explained_ < PCA(50).fit(v, t).explained_ == pytest.approx(1)
    assert PCAGeneric().fit(v, t, asked["generic_features"]).n_components_ == 12
    assert PCAGeneric(50).fit(v, t, asked["generic_features"]).n_components_ == 24
    assert PCAGeneric().fit(v, t, asked["generic_features"][:6]).n_components_ == 5


@pytest.mark.parametrize(
    "make_it",
    [
        lambda: Whitened(0),
        lambda: Whitened(-1),
        lambda: Whitened(float("nan")),
        lambda: Whitened("x"),
        lambda: PCA(0),
        lambda: CLAYSpectrum(power=-0.1),
        lambda: CLAYSpectrum(power=float("inf")),
        lambda: TextDiscriminant(ridge=0),
        lambda: SupervisedLDA(shrinkage=1.5),
        lambda: SupervisedLDA(n_components=True),
        lambda: PCAGeneric(0),
    ],
)
def test_bad_options_are_refused(make_it):
    with pytest.raises(InputError):
        make_it()
