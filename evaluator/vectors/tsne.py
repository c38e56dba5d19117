"""t-SNE of a few hundred points (van der Maaten and Hinton, *Visualizing Data using t-SNE*, JMLR 2008), exact and in NumPy.

scikit-learn's takes longer to import than a whole evaluation may take, and three times as long to draw so few points. The
choices are its own: early exaggeration 12 for half of the steps, learning rate n/48 or 50, momentum .5 and then .8, gains.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .arrays import Float64Array

EXAGGERATION = 12.0
_TOLERANCE = 1e-5
_BISECTIONS = 100
_LEAST_RATE = 50.0
_LEAST_GAIN = 0.01
_NOTHING = 1e-20
"""Shares below it pull at nothing, and numbers that small are slow."""


def affinities(distances: Float64Array, perplexity: float) -> Float64Array:
    """Return P (n, n), symmetric, of sum 1 and zero on its diagonal, for n > 1 points `distances` (n, n) apart.

    P = (C + C') / 2n, each row of C a Gaussian of the squared distances whose entropy is log(perplexity), found by
    bisection; a row that cannot have it (neighbours equally far) is as near as it gets.
    """
    n = len(distances)
    others = ~np.eye(n, dtype=bool)
    squared = distances[others].reshape(n, n - 1) ** 2
    squared -= squared.min(axis=1, keepdims=True)
    wanted = np.log(perplexity)
    low, high = np.zeros(n), np.full(n, np.inf)
    precision = 1 / np.maximum(squared.mean(axis=1), np.finfo(np.float64).tiny ** 0.25)
    for _ in range(_BISECTIONS):
        weights = np.exp(-squared * precision[:, None])
        total = weights.sum(axis=1)
        excess = np.log(total) + precision * np.einsum("ij,ij->i", squared, weights) / total - wanted
        if np.abs(excess).max() < _TOLERANCE:
            break
        low, high = np.where(excess > 0, precision, low), np.where(excess > 0, high, precision)
        precision = np.where(np.isinf(high), np.minimum(precision * 2, 1e150), (low + high) / 2)
    joint = np.zeros((n, n))
    joint[others] = (weights / total[:, None]).ravel()
    symmetric: Float64Array = (joint + joint.T) / (2 * n)
    return symmetric


def embed(joint: Float64Array, start: Float64Array, steps: int) -> Float64Array:
    """Return n points (n, 2) that lie near each other as `joint` (n, n) says, after `steps` from `start` (n, 2).

    Gradient descent on the Kullback-Leibler divergence of `divergence`, in float32.
    """
    n = len(joint)
    points = start.astype(np.float32)
    target = np.where(joint > _NOTHING, joint, 0).astype(np.float32)
    kernel, force = np.empty((2, n, n), np.float32)
    with_sums = np.ones((n, 3), np.float32)
    rate = np.float32(max(n / EXAGGERATION / 4, _LEAST_RATE))
    for exaggeration, momentum, count in ((EXAGGERATION, 0.5, steps // 2), (1.0, 0.8, steps - steps // 2)):
        wanted = target * np.float32(exaggeration)
        velocity, gains = np.zeros_like(points), np.ones_like(points)
        for _ in range(count):
            total = _kernel(points, kernel)
            np.multiply(kernel, -1 / total, out=force)
            force += wanted
            force *= kernel
            with_sums[:, :2] = points
            pull = force @ with_sums
            gradient = 4 * (pull[:, 2:] * points - pull[:, :2])
            onward = velocity * gradient < 0
            gains = np.maximum(np.where(onward, gains + 0.2, gains * 0.8), _LEAST_GAIN).astype(np.float32)
            velocity = np.float32(momentum) * velocity - rate * gains * gradient
            points = points + velocity
    return points.astype(np.float64)


def divergence(joint: Float64Array, points: Float64Array) -> float:
    """Return sum p log(p / q), q the shares of the points' Student kernel 1 / (1 + squared distance)."""
    kernel = np.empty((len(points), len(points)), np.float32)
    total = _kernel(points.astype(np.float32), kernel)
    near = joint > 0
    shares = np.maximum(kernel[near].astype(np.float64) / total, np.finfo(np.float32).tiny)
    return float((joint[near] * np.log(joint[near] / shares)).sum())


def _kernel(points: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> np.float32:
    """Fill `out` (n, n) with the kernel of all pairs, zero on the diagonal, and return its sum."""
    lengths = np.einsum("ij,ij->i", points, points)[:, None]
    ones = np.ones_like(lengths)
    np.matmul(np.hstack([-2 * points, lengths + 1, ones]), np.hstack([points, ones, lengths]).T, out=out)
    np.reciprocal(out, out=out)
    np.fill_diagonal(out, 0)
    return np.float32((out @ ones).sum())
