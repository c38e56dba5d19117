import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval.evaluator import subspace
from clay_eval.schemas.errors import InputError


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def cone(generator, n, d, spread=0.5):
    return unit(generator.standard_normal((n, d)) * spread + 1)


def householder_matrix(source, target):
    normal = unit(source - target)
    return np.eye(len(source)) - 2 * np.outer(normal, normal)


def test_log_map_is_tangent_and_as_long_as_the_angle():
    generator = np.random.default_rng(0)
    points, base = cone(generator, 20, 7, 2.0), unit(np.ones(7))
    mapped = subspace.log_map(points, base)
    np.testing.assert_allclose(mapped @ base, 0, atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), np.arccos(points @ base), atol=1e-12)
    back = np.cos(np.linalg.norm(mapped, axis=1))[:, None] * base + np.sin(
        np.linalg.norm(mapped, axis=1, keepdims=True)
    ) * unit(mapped)
    np.testing.assert_allclose(back, points, atol=1e-12)


def test_log_map_of_the_base_is_zero_and_of_its_opposite_an_error():
    base = unit(np.arange(1.0, 5))
    np.testing.assert_allclose(subspace.log_map(base[None], base), 0, atol=1e-15)
    with pytest.raises(InputError, match="opposite"):
        subspace.log_map(-base[None], base)


def test_mean_direction_needs_a_mean():
    with pytest.raises(InputError, match="no direction"):
        subspace.mean_direction(np.array([[1.0, 0], [-1, 0]]), "texts")


@given(st.integers(2, 40), st.integers(3, 30), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_tangent_directions_are_orthonormal_and_orthogonal_to_the_mean(n, d, seed):
    texts = cone(np.random.default_rng(seed), n, d)
    mean = subspace.mean_direction(texts, "texts")
    directions, singular = subspace.tangent_directions(texts, mean, np.finfo(float).eps)
    assert len(singular) == min(n - 1, d - 1) == directions.shape[1]
    np.testing.assert_allclose(directions.T @ directions, np.eye(len(singular)), atol=1e-9)
    np.testing.assert_allclose(mean @ directions, 0, atol=1e-14)


def test_rank_ignores_what_rounding_adds():
    generator = np.random.default_rng(1)
    texts = unit(generator.standard_normal((60, 4)) @ generator.standard_normal((4, 32)) + 3).astype(
        np.float32
    )
    directions, _ = subspace.principal_directions(texts.astype(float), float(np.finfo(np.float32).eps))
    assert directions.shape == (32, 5)
    assert subspace.principal_directions(np.full((3, 4), 1e-17), 2e-16)[0].shape == (4, 0)


@given(st.integers(2, 20), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_householder_is_the_reflection_that_swaps_the_means(d, seed):
    generator = np.random.default_rng(seed)
    source, target = unit(generator.standard_normal((2, d)))
    matrix = subspace.householder(np.eye(d), source, target)
    np.testing.assert_allclose(matrix, householder_matrix(source, target), atol=1e-12)
    np.testing.assert_allclose(matrix @ source, target, atol=1e-12)
    np.testing.assert_allclose(matrix @ matrix, np.eye(d), atol=1e-12)


@given(st.integers(2, 20), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_rotation_is_smallest_and_proper(d, seed):
    generator = np.random.default_rng(seed)
    source, target = unit(generator.standard_normal((2, d)) + 0.3)
    matrix = subspace.rotation(np.eye(d), source, target).T
    np.testing.assert_allclose(matrix @ source, target, atol=1e-10)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(d), atol=1e-10)
    assert np.linalg.det(matrix) == pytest.approx(1)
    # Smallest: everything outside the plane of the two stays, and the turn is the angle between them.
    assert np.trace(matrix) == pytest.approx(d - 2 + 2 * source @ target)


def test_equal_and_opposite_means():
    mean = unit(np.arange(1.0, 6))
    np.testing.assert_array_equal(subspace.householder(np.eye(5), mean, mean), np.eye(5))
    np.testing.assert_allclose(subspace.rotation(np.eye(5), mean, mean), np.eye(5), atol=1e-15)
    np.testing.assert_allclose(subspace.householder(np.eye(5), mean, -mean) @ mean, -mean, atol=1e-15)
    with pytest.raises(InputError, match="not unique"):
        subspace.rotation(np.eye(5), mean, -mean)


def test_projection_of_rows_of_every_size():
    generator = np.random.default_rng(2)
    projection = np.linalg.qr(generator.standard_normal((8, 3)))[0]
    rows = generator.standard_normal((9, 8))
    expected = unit(rows @ projection)
    scales = 10.0 ** np.array([-300, -200, -100, -1, 0, 1, 100, 200, 300])
    np.testing.assert_allclose(
        subspace.project_rows(rows * scales[:, None], projection), expected, atol=1e-13
    )
    small = (rows * (10.0 ** np.arange(-36, 36, 8.0))[:, None]).astype(np.float32)
    projected = subspace.project_rows(small, projection)
    assert projected.dtype == np.float32
    np.testing.assert_allclose(projected, expected, atol=2e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_only_rounding_becomes_zero(dtype):
    generator = np.random.default_rng(3)
    basis = np.linalg.qr(generator.standard_normal((64, 64)))[0]
    outside = unit(generator.standard_normal((5, 32)) @ basis[:, 32:].T)
    rows = np.concatenate([outside, np.zeros((1, 64)), unit(generator.standard_normal((5, 64)))]).astype(
        dtype
    )
    projected = subspace.project_rows(rows, basis[:, :32])
    assert not projected[:6].any()
    np.testing.assert_allclose(np.linalg.norm(projected[6:], axis=1), 1, rtol=1e-6)
    assert not subspace.project_rows(rows[:1], basis[:, :32]).any()


def test_projection_refuses_what_is_not_finite_or_of_another_width():
    rows = np.ones((4, 8), np.float32)
    rows[2, 3] = np.inf
    with pytest.raises(InputError, match="finite") as caught:
        subspace.project_rows(rows, np.eye(8)[:, :2])
    assert "row 2" in str(caught.value)
    with pytest.raises(InputError, match="width"):
        subspace.project_rows(rows, np.eye(7))
    assert subspace.project_rows(np.ones((0, 8)), np.eye(8)[:, :2]).shape == (0, 2)
