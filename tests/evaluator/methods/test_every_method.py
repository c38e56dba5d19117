"""What every built-in method does alike, and each against its formula, written literally."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from method_literals import LITERALS, make

from clay_eval.evaluator.conformance.check import check_method
from clay_eval.evaluator.methods.support.linear import LinearMethod
from clay_eval.evaluator.methods.support.registry import BUILT_IN as REGISTERED
from clay_eval.evaluator.methods.support.registry import (
    NEEDS,
    asked_names,
    is_privileged,
    method_names,
    needs_of,
    resolve_method,
)
from clay_eval.evaluator.vectors.fusion import fusion_of
from clay_eval.schemas.errors import InputError

BUILT_IN = [name for name in REGISTERED if name != "genecis-combiner"]
"""The combiner needs a file of weights, and has tests of its own."""
SHORT = {"indirect": ({"max_steps": 60}, {"steps": 60})}
"""Options of methods whose rounding grows with every step, for the comparison with the literal form, which has its own."""
TEXTLESS = {"raw", "centred", "whitened", "pca", "image-text", "pca-generic", "supervised-lda"}


def fitted(name, data, **options):
    _, database, texts, asked = data
    method = resolve_method(name, **options)[1]()
    return method.fit(database, texts, **{key: asked[key] for key in asked_names(method)})


def scores(method, queries, database):
    rows = getattr(method, "transform_queries", method.transform)(queries)
    return rows @ method.transform(database).T


def in_float32(data):
    q, v, t, asked = data
    floats = {"condition_features", "other_text_features", "generic_features"}
    asked = {key: value.astype(np.float32) if key in floats else value for key, value in asked.items()}
    return q.astype(np.float32), v.astype(np.float32), t.astype(np.float32), asked


def test_every_method_has_its_literal_form():
    assert set(LITERALS) | {"random-subspace"} == set(BUILT_IN)


@pytest.mark.parametrize("name", LITERALS)
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_its_formula_in_float64(name, seed):
    data = make(seed)
    ours, theirs = SHORT.get(name, ({}, {}))
    found = scores(fitted(name, data, **ours), data[0], data[1])
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, LITERALS[name](*data, **theirs), atol=1e-9)


@pytest.mark.parametrize("name", LITERALS)
def test_equals_its_formula_in_float32(name):
    data = in_float32(make(2))
    ours, theirs = SHORT.get(name, ({}, {}))
    found = scores(fitted(name, data, **ours), data[0], data[1])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, LITERALS[name](*make(2), **theirs), atol=3e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("whitened", {"eps": 0.3}),
        ("pca", {"k": 3}),
        ("ip-composer", {"k": 2}),
        ("text-pca-centred", {"k": 4}),
        ("clay", {"k": 5}),
        ("asymmetric", {"k": 5}),
        ("complement", {"k": 3}),
        ("clay-spectrum", {"k": 6, "power": 0.5}),
        ("clay-values", {"power": 1.0}),
        ("text-discriminant", {"ridge": 0.1}),
        ("supervised-lda", {"shrinkage": 0.6}),
        ("text-mixture", {"weight": 0.3}),
    ],
)
def test_options_do_what_the_formula_says(name, options):
    data = make(3)
    ours = {("n_components" if key == "k" else key): value for key, value in options.items()}
    found = scores(fitted(name, data, **ours), data[0], data[1])
    np.testing.assert_allclose(found, LITERALS[name](*data, **options), atol=1e-9)


@pytest.mark.parametrize("name", BUILT_IN)
def test_passes_the_check_for_authors(name):
    assert [finding for finding in check_method(resolve_method(name)[1]) if not finding.ok] == []


@pytest.mark.parametrize("name", BUILT_IN)
@given(seed=st.integers(0, 999))
@settings(max_examples=5, deadline=None)
def test_lengths_and_orders_do_not_matter(name, seed):
    data = make(seed, images=30)
    q, v, t, asked = data
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(v))
    stretched = {
        key: value * draw.uniform(0.1, 9, (len(value), 1)) if key.endswith("_features") else value
        for key, value in asked.items()
    }
    stretched["database_labels"] = asked["database_labels"][order]
    other = (
        q * draw.uniform(0.1, 9, (len(q), 1)),
        (v * draw.uniform(0.1, 9, (len(v), 1)))[order],
        t * draw.uniform(0.1, 9, (len(t), 1)),
        stretched,
    )
    expected = scores(fitted(name, data), q, v)[:, order]
    np.testing.assert_allclose(scores(fitted(name, other), other[0], other[1]), expected, atol=1e-6)


@pytest.mark.parametrize("name", BUILT_IN)
def test_rows_are_finite_and_alone_as_in_a_batch(name):
    data = in_float32(make(4))
    q, v, t, _ = data
    copies = [array.copy() for array in (q, v, t)]
    method = fitted(name, data)
    odd = np.concatenate([q, np.zeros((1, q.shape[1]), np.float32), q * 1e-30, q * 1e30])
    for step in {"transform", "transform_queries"} & set(dir(method)):
        rows = getattr(method, step)(odd)
        assert rows.dtype == np.float32
        assert rows.shape[0] == len(odd)
        assert np.isfinite(rows).all()
        alone = np.concatenate([getattr(method, step)(odd[i : i + 1]) for i in range(len(odd))])
        np.testing.assert_allclose(rows, alone, atol=1e-5)
        np.testing.assert_allclose(rows[: len(q)], rows[-len(q) :], atol=1e-5)
        assert getattr(method, step)(odd[:0]).shape == (0, rows.shape[1])
    np.testing.assert_array_equal(method.transform(q), fitted(name, data).transform(q))
    for before, after in zip(copies, (q, v, t), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", BUILT_IN)
def test_refuses_what_it_cannot_use(name):
    data = make(5)
    q, v, t, asked = data
    method = resolve_method(name)[1]()
    with pytest.raises(InputError, match="not fitted"):
        method.transform(q)
    with pytest.raises(InputError, match="not fitted"):
        getattr(method, "transform_queries", method.transform)(q)
    method = fitted(name, data)
    bad = q.copy()
    bad[1, 2] = np.nan
    for step in {"transform", "transform_queries"} & set(dir(method)):
        with pytest.raises(InputError, match="finite"):
            getattr(method, step)(bad)
        with pytest.raises(InputError, match="finite"):
            getattr(method, step)(np.where(np.isnan(bad), np.inf, bad).astype(np.float32))
        with pytest.raises(InputError, match="width"):
            getattr(method, step)(q[:, 1:])
        with pytest.raises(InputError, match="two axes"):
            getattr(method, step)(q[0])
    hole = v.copy()
    hole[3, 0] = np.inf
    with pytest.raises(InputError, match="database features"):
        fitted(name, (q, hole, t, asked))


@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - TEXTLESS - {"other-condition"}))
def test_refuses_texts_that_span_nothing(name):
    q, v, t, asked = make(6)
    few = asked | {"text_values": ["x"], "text_conditions": ["c"], "text_weights": np.ones(1)}
    with pytest.raises(InputError, match="at least two different texts"):
        fitted(name, (q, v, t[:1], few))
    with pytest.raises(InputError, match="at least two different texts"):
        fitted(name, (q, v, np.repeat(t[:1], len(t), axis=0).astype(np.float32), asked))
    with pytest.raises(InputError, match="width"):
        fitted(name, (q, v, t[:, 1:], asked))
    hole = t.copy()
    hole[1, 1] = np.nan
    with pytest.raises(InputError, match="text features"):
        fitted(name, (q, v, hole, asked))


@pytest.mark.parametrize("name", ["label-posterior", "clay-values", "text-discriminant", "text-mixture"])
def test_refuses_values_that_tell_nothing(name):
    q, v, t, asked = make(7)
    with pytest.raises(InputError, match="value"):
        fitted(name, (q, v, t, asked | {"text_values": ["red"] * len(t)}))
    with pytest.raises(InputError, match="every text names one value"):
        fitted(name, (q, v, t, asked | {"text_values": asked["text_values"][1:]}))


@pytest.mark.parametrize("name", ["centred", "whitened", "pca", "clay", "supervised-lda", "random-subspace"])
@pytest.mark.parametrize("copies", [1, 5])
def test_refuses_a_database_of_one_image(name, copies):
    q, v, t, asked = make(8)
    asked = asked | {"database_labels": np.arange(copies) // 2}
    with pytest.raises(InputError, match="equal"):
        fitted(name, (q, np.repeat(v[:1], copies, axis=0), t, asked))


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_database_of_two_images_is_enough(name):
    q, v, t, asked = make(9)
    v = np.concatenate([v[:2], v[:1]])
    data = (q, v, t, asked | {"database_labels": np.array([0, 1, 0])})
    assert np.isfinite(scores(fitted(name, data), q, v)).all()


def test_the_registry_and_its_marks():
    assert set(BUILT_IN) <= set(method_names())
    kinds = {name: resolve_method(name)[1]() for name in BUILT_IN}
    told = {needs: {name for name, kind in kinds.items() if needs_of(kind) == needs} for needs in NEEDS}
    posteriors = {"label-posterior", "text-mixture"}
    assert told["values"] == {"clay-values", "text-discriminant", *posteriors}
    assert (
        told["labels"] == {name for name, kind in kinds.items() if is_privileged(kind)} == {"supervised-lda"}
    )
    assert {name for name, kind in kinds.items() if not isinstance(kind, LinearMethod)} == posteriors
    assert {name for name, kind in kinds.items() if fusion_of(kind) == "product"} == posteriors


@pytest.mark.parametrize("name", LITERALS)
def test_says_rightly_whether_it_looks_at_the_texts(name):
    q, v, t, asked = make(10)
    turned = np.random.default_rng(0).permuted(t, axis=1) + 0.1
    before, after = (scores(fitted(name, (q, v, texts, asked)), q, v) for texts in (t, turned))
    says = getattr(resolve_method(name)[1](), "uses_texts", True) and name != "other-condition"
    assert np.array_equal(before, after) != says
