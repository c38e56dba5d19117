"""CLAY against the paper's six steps, written naively in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval import CLAY
from clay_eval.schemas.errors import InputError


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def log_map(mean, x):
    theta = np.arccos(np.clip(x @ mean, -1, 1))
    return (x - mean * (x @ mean)) * theta / np.sin(theta)


def literal_alignment(mean_v, mean, alignment):
    d = len(mean)
    if alignment == "none":
        return np.eye(d)
    if alignment == "householder":
        u = unit(mean_v - mean)
        return np.eye(d) - 2 * np.outer(u, u)
    # The rotation by theta in the plane of mean_v and w, which is perpendicular to mean_v.
    cosine = mean_v @ mean
    w = unit(mean - cosine * mean_v)
    theta = np.arccos(cosine)
    turn = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    plane = np.stack([mean_v, w], axis=1)
    return np.eye(d) + plane @ (turn - np.eye(2)) @ plane.T


def literal(queries, database, texts, k, alignment="householder"):
    """Steps 1 to 5, image by image; the similarities (Q, N)."""
    queries, database, texts = (unit(np.asarray(a, np.float64)) for a in (queries, database, texts))
    mean = unit(texts.mean(axis=0))
    right = np.linalg.svd(np.stack([log_map(mean, t) for t in texts]))[2][:k]
    project = right.T @ right
    matrix = literal_alignment(unit(database.mean(axis=0)), mean, alignment)
    m_queries, m_database = (
        unit(np.stack([project @ log_map(mean, matrix @ v) for v in rows])) for rows in (queries, database)
    )
    return m_queries @ m_database.T


def make(seed=0, n_images=60, n_texts=25, d=32, gap=1.0):
    generator = np.random.default_rng(seed)
    centre_v, centre_t = generator.standard_normal((2, d)) * gap
    images = unit(generator.standard_normal((n_images, d)) + centre_v)
    texts = unit(generator.standard_normal((n_texts, d)) * 0.5 + centre_t)
    return images[:10], images[10:], texts


@pytest.mark.parametrize("alignment", ["householder", "rotation", "none"])
@pytest.mark.parametrize("k", [1, 7, 24])
def test_equals_the_literal_steps_in_float64(alignment, k):
    queries, database, texts = make()
    clay = CLAY(k, alignment).fit(database, texts)
    found = clay.transform(queries) @ clay.transform(database).T
    assert clay.transform(queries).dtype == np.float64
    np.testing.assert_allclose(found, literal(queries, database, texts, k, alignment), atol=1e-12)


@pytest.mark.parametrize("alignment", ["householder", "rotation", "none"])
def test_equals_the_literal_steps_in_float32(alignment):
    queries, database, texts = (a.astype(np.float32) for a in make(3, 300, 80, 128))
    clay = CLAY(50, alignment).fit(database, texts)
    z = clay.transform(queries)
    assert z.dtype == np.float32
    assert clay.transform(queries.astype(np.float16)).dtype == np.float32
    np.testing.assert_allclose(
        z @ clay.transform(database).T, literal(queries, database, texts, 50, alignment), atol=1e-6
    )


@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(4, 40), st.integers(1, 50))
@settings(max_examples=50, deadline=None)
def test_equals_the_literal_steps_for_any_shape(seed, n_texts, d, k):
    queries, database, texts = make(seed, 20, n_texts, d)
    clay = CLAY(k).fit(database, texts)
    assert clay.n_components_ == min(k, n_texts - 1, d - 1)
    found = clay.transform(queries) @ clay.transform(database).T
    np.testing.assert_allclose(found, literal(queries, database, texts, clay.n_components_), atol=1e-9)


def test_projection_is_the_reflected_basis():
    _, database, texts = make(5)
    clay = CLAY(10).fit(database, texts)
    mean, mean_v = unit(texts.mean(axis=0)), unit(database.mean(axis=0))
    right = np.linalg.svd(np.stack([log_map(mean, t) for t in texts]))[2][:10]
    expected = literal_alignment(mean_v, mean, "householder") @ right.T
    assert clay.projection_.shape == (32, 10)
    np.testing.assert_allclose(clay.projection_ @ clay.projection_.T, expected @ expected.T, atol=1e-12)
    np.testing.assert_allclose(mean_v @ clay.projection_, 0, atol=1e-13)
    plain = CLAY(10, "none").fit(database, texts).projection_
    np.testing.assert_allclose(mean @ plain, 0, atol=1e-13)
    np.testing.assert_allclose(plain.T @ plain, np.eye(10), atol=1e-13)


def test_rotation_is_close_to_householder_and_not_equal():
    queries, database, texts = make(7, 400, 60, 64)
    both = []
    for alignment in ("householder", "rotation"):
        clay = CLAY(20, alignment).fit(database, texts)
        both.append((clay.transform(queries) @ clay.transform(database).T).ravel())
    assert 0.9 < np.corrcoef(both)[0, 1] < 1 - 1e-6


def test_lengths_cancel_and_order_does_not_matter():
    queries, database, texts = make(8)
    generator = np.random.default_rng(0)
    clay = CLAY(8).fit(database, texts)
    scaled = CLAY(8).fit(
        generator.permutation(database) * 3.0,
        generator.permutation(texts) * generator.uniform(0.1, 9, (25, 1)),
    )
    z, w = clay.transform(queries), scaled.transform(queries * generator.uniform(1e-3, 1e3, (10, 1)))
    np.testing.assert_allclose(z @ z.T, w @ w.T, atol=1e-12)


def test_shift_along_the_images_mean_is_invisible():
    queries, database, texts = make(9)
    clay = CLAY(8).fit(database, texts)
    shifted = queries + np.linspace(-2, 2, 10)[:, None] * unit(database.mean(axis=0))
    np.testing.assert_allclose(clay.transform(shifted), clay.transform(queries), atol=1e-10)


def test_a_common_rotation_of_both_spaces_is_invisible():
    queries, database, texts = make(10)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((32, 32)))[0]
    similarities = []
    for q, v, t in ((queries, database, texts), (queries @ turn, database @ turn, texts @ turn)):
        clay = CLAY(8).fit(v, t)
        similarities.append(clay.transform(q) @ clay.transform(v).T)
    np.testing.assert_allclose(*similarities, atol=1e-12)


def test_repeating_all_texts_changes_nothing():
    queries, database, texts = make(11)
    once, twice = (CLAY(8).fit(database, t) for t in (texts, np.concatenate([texts, texts])))
    np.testing.assert_allclose(
        once.transform(queries) @ once.transform(database).T,
        twice.transform(queries) @ twice.transform(database).T,
        atol=1e-12,
    )
    assert CLAY(50).fit(database, np.concatenate([texts, texts])).n_components_ == 24


def test_equal_means_need_no_reflection():
    _, database, _ = make(12)
    clay, plain = (CLAY(5, alignment).fit(database, database) for alignment in ("householder", "none"))
    np.testing.assert_allclose(clay.projection_, plain.projection_, atol=1e-12)


def test_rows_are_of_unit_length_or_zero_never_nan():
    _, database, texts = make(13)
    clay = CLAY(6).fit(database, texts)
    rows = np.concatenate([database, np.zeros((1, 32)), database.mean(axis=0, keepdims=True) * 7])
    lengths = np.linalg.norm(clay.transform(rows), axis=1)
    np.testing.assert_allclose(lengths[: len(database)], 1, atol=1e-12)
    # Nothing of a zero row lies in the subspace, and nothing of what points along the database's mean.
    assert lengths[-2] == 0
    centred = unit(database).mean(axis=0, keepdims=True)
    assert not clay.transform(centred).any()


def test_explained_share_counts_squares():
    _, database, texts = make(14)
    singular = np.linalg.svd(
        np.stack([log_map(unit(texts.mean(axis=0)), t) for t in texts]), compute_uv=False
    )
    assert CLAY(3).fit(database, texts).explained_ == pytest.approx(
        (singular[:3] ** 2).sum() / (singular**2).sum()
    )


def test_inputs_are_not_changed():
    arrays = make(15)
    copies = [a.copy() for a in arrays]
    CLAY(5).fit(arrays[1], arrays[2]).transform(arrays[0])
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def broken(array, value):
    array = array.copy()
    array[1, 2] = value
    return array


_, IMAGES, TEXTS = make(16)


@pytest.mark.parametrize(
    ("images", "texts", "words"),
    [
        (IMAGES, TEXTS[:1], "at least two different texts"),
        (IMAGES, np.repeat(TEXTS[:1], 5, axis=0), "at least two different texts"),
        (IMAGES, np.repeat(TEXTS[:1], 5, axis=0).astype(np.float32), "at least two different texts"),
        (np.repeat(IMAGES[:1], 5, axis=0), TEXTS, "all rows of database features are equal"),
        (broken(IMAGES, np.nan), TEXTS, "database features holds a value"),
        (IMAGES, broken(TEXTS, np.inf), "text features holds a value"),
        (IMAGES[:, :-1], TEXTS, "another width"),
        (IMAGES[0], TEXTS, "two axes"),
        (IMAGES[:0], TEXTS, "empty"),
        (IMAGES, np.concatenate([TEXTS, -TEXTS]), "mean of text features has no direction"),
        (np.concatenate([IMAGES, -IMAGES]), TEXTS, "mean of database features has no direction"),
        (IMAGES, np.zeros_like(TEXTS), "row of zeros"),
    ],
)
def test_bad_input_is_refused_in_words(images, texts, words):
    with pytest.raises(InputError, match=words):
        CLAY().fit(images, texts)


def test_alignment_none_needs_no_image_mean():
    images = np.concatenate([IMAGES, -IMAGES])
    assert np.isfinite(CLAY(alignment="none").fit(images, TEXTS).transform(images)).all()


@pytest.mark.parametrize(
    "options", [{"n_components": 0}, {"n_components": 2.5}, {"n_components": True}, {"alignment": "x"}]
)
def test_bad_options_are_refused(options):
    with pytest.raises(InputError):
        CLAY(**options)


def test_transform_needs_a_fit_and_its_width():
    with pytest.raises(InputError, match="not fitted"):
        CLAY().transform(IMAGES)
    with pytest.raises(InputError, match="width"):
        CLAY().fit(IMAGES, TEXTS).transform(IMAGES[:, 1:])
    with pytest.raises(InputError, match="finite"):
        CLAY().fit(IMAGES, TEXTS).transform(broken(IMAGES, np.nan))
