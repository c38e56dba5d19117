import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval.evaluator.vectors import subspace
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


@given(st.integers(2, 30), st.integers(3, 20), st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_at_the_karcher_mean_the_log_mapped_rows_cancel(n, d, seed):
    draw = np.random.default_rng(seed)
    rows, weights = cone(draw, n, d), draw.uniform(0.1, 1, n)
    mean = subspace.karcher_mean(rows, "rows")
    np.testing.assert_allclose(subspace.log_map(rows, mean).mean(axis=0), 0, atol=1e-11)
    assert np.linalg.norm(mean) == pytest.approx(1)
    # It has the least mean squared angle, less than the normalised mean.
    angles = [np.arccos(np.clip(rows @ m, -1, 1)) for m in (mean, subspace.mean_direction(rows, "rows"))]
    assert (angles[0] ** 2).mean() <= (angles[1] ** 2).mean() + 1e-12
    weighted = subspace.karcher_mean(rows, "rows", weights)
    np.testing.assert_allclose(weights @ subspace.log_map(rows, weighted), 0, atol=1e-10)


def test_the_karcher_mean_of_two_points_is_half_way():
    rows = unit(np.array([[1.0, 0.0, 0.0], [0.3, 1.0, 0.2]]))
    np.testing.assert_allclose(subspace.karcher_mean(rows, "rows"), unit(rows.sum(axis=0)), atol=1e-12)
    with pytest.raises(InputError, match="no direction"):
        subspace.karcher_mean(np.array([[1.0, 0], [-1, 0]]), "rows")


def test_weights_of_the_mean_count_repetitions():
    rows = cone(np.random.default_rng(4), 3, 5)
    repeated = rows[[0, 0, 1, 2, 2, 2]]
    weights = np.array([2.0, 1, 3])
    for find in (subspace.mean_direction, subspace.karcher_mean):
        np.testing.assert_allclose(find(rows, "rows", weights), find(repeated, "rows"), atol=1e-11)


def test_without_the_stretch_the_tangent_is_flat():
    texts = cone(np.random.default_rng(5), 9, 6)
    mean = subspace.mean_direction(texts, "texts")
    directions, singular = subspace.tangent_directions(texts, mean, 2e-16, stretched=False)
    flat = texts - np.outer(texts @ mean, mean)
    np.testing.assert_allclose(
        singular**2, np.linalg.eigvalsh(flat.T @ flat)[::-1][: len(singular)], atol=1e-12
    )
    np.testing.assert_allclose(mean @ directions, 0, atol=1e-14)
