from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from clay_eval.evaluator.vectors import tsne

Array = npt.NDArray[np.float64]


def clusters(count: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(5, 12)) * 3
    return centres[rng.integers(5, size=count)] + rng.normal(size=(count, 12))


def distances_of(points: Array) -> Array:
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def literal(distances: Array, perplexity: float) -> Array:
    """Row by row, the precision found on a fine grid and then by Newton's secant: slow and plain."""
    from scipy.optimize import brentq

    n = len(distances)
    conditional = np.zeros((n, n))
    for i in range(n):
        others = np.delete(np.arange(n), i)
        squared = distances[i, others] ** 2

        def shares(log_precision: float, squared: Array = squared) -> Array:
            weights = np.exp(-np.exp(log_precision) * (squared - squared.min()))
            return weights / weights.sum()

        def excess(log_precision: float) -> float:
            p = shares(log_precision)
            return float(-(p[p > 0] * np.log(p[p > 0])).sum() - np.log(perplexity))

        conditional[i, others] = shares(brentq(excess, -20, 20, xtol=1e-12))
    return (conditional + conditional.T) / (2 * n)


@pytest.mark.parametrize(("count", "perplexity"), [(6, 1.5), (40, 13.0), (90, 29.0)])
def test_affinities_are_those_of_the_formula(count: int, perplexity: float) -> None:
    distances = distances_of(clusters(count))
    found = tsne.affinities(distances, perplexity)
    np.testing.assert_allclose(found, literal(distances, perplexity), atol=2e-5 / count)
    np.testing.assert_array_equal(found, found.T)
    assert found.sum() == pytest.approx(1)
    assert not found.diagonal().any()


@pytest.mark.parametrize(
    "distances",
    [np.zeros((5, 5)), 1 - np.eye(5), np.full((2, 2), 0.5), 1e-9 * distances_of(clusters(9)), np.eye(7)],
    ids=["equal", "equally far", "two", "tiny", "repeated"],
)
def test_points_without_a_shape_stay_finite(distances: Array) -> None:
    n = len(distances)
    joint = tsne.affinities(distances, max(1.0, (n - 1) / 3))
    assert joint.sum() == pytest.approx(1)
    start = np.random.default_rng(0).normal(size=(n, 2)) * 1e-4
    assert np.isfinite(tsne.embed(joint, start, 100)).all()


@pytest.mark.parametrize("count", [60, 250])
def test_the_map_is_as_good_as_scikit_learns(count: int) -> None:
    """The same divergence, within what another start costs, for the same steps, perplexity and start."""
    from sklearn.manifold import TSNE

    points = clusters(count)
    start = np.random.default_rng(1).normal(size=(count, 2)) * 1e-4
    joint = tsne.affinities(distances_of(points), 20.0)
    ours = tsne.divergence(joint, tsne.embed(joint, start, 500))
    theirs = TSNE(perplexity=20.0, init=start.astype(np.float32), max_iter=500, method="exact").fit(points)
    assert tsne.divergence(joint, theirs.embedding_.astype(np.float64)) == pytest.approx(
        theirs.kl_divergence_, rel=1e-3
    )
    assert ours < theirs.kl_divergence_ * 1.15
    scattered = tsne.divergence(joint, start)
    assert ours < scattered / 2


def test_the_same_start_gives_the_same_map() -> None:
    joint = tsne.affinities(distances_of(clusters(30)), 9.0)
    start = np.random.default_rng(2).normal(size=(30, 2)) * 1e-4
    np.testing.assert_array_equal(tsne.embed(joint, start, 60), tsne.embed(joint, start, 60))
