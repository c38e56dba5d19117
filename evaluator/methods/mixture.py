"""A mixture of Gaussians of one shared covariance, whose weights differ from point to point, fitted by EM in float64.

    p(x_i) = sum_c w_ic N(x_i; mu_c, S),      r_ic proportional to w_ic N(x_i; mu_c, S),

w_ic is given (the prior of component c at point i) and stays; mu_c and S are learnt. S is shrunk towards its mean variance
by the oracle approximating shrinkage of Chen, Wiesel, Eldar and Hero (IEEE TSP 58, 2010), eq. 23: by much where points are
few for their dimensions, by little where they are many, with nothing to choose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..vectors.arrays import Float64Array

_SMALLEST_SHARE = 1e-3


@dataclass(frozen=True, eq=False)
class Mixture:
    """means (C, k), and root: R (k, k) with R R^T = S^-1."""

    means: Float64Array
    root: Float64Array

    def log_joint(self, points: Float64Array, log_priors: Float64Array) -> Float64Array:
        """Return log w_ic + log N(x_i; mu_c, S) + k/2 log 2 pi, (n, C), for points (n, k) and log w (n, C)."""
        x, mu = points @ self.root, self.means @ self.root
        squares = np.vecdot(x, x)[:, None] - 2 * x @ mu.T + np.vecdot(mu, mu)
        determinant = float(np.log(np.abs(np.diag(self.root))).sum())
        joint: Float64Array = log_priors - squares / 2 + determinant
        return joint

    def posterior(self, points: Float64Array, log_priors: Float64Array) -> Float64Array:
        """Return r (n, C), rows of sum 1."""
        return np.exp(log_softmax(self.log_joint(points, log_priors)))


def fit_mixture(
    points: Float64Array, log_priors: Float64Array, start: Float64Array, steps: int
) -> tuple[Mixture, Float64Array, float]:
    """Return the mixture after so many steps of EM from responsibilities `start`, its posterior, and log-likelihood.

    points (n, k), log_priors (n, C), start (n, C). A component that holds no point gets the mean 0, the points' centre if
    they are centred. The log-likelihood leaves out n k/2 log 2 pi.
    """
    posterior = start
    for _ in range(steps):
        mixture = _maximise(points, posterior)
        posterior = mixture.posterior(points, log_priors)
    return mixture, posterior, float(log_sum(mixture.log_joint(points, log_priors)).sum())


def shrunk(covariance: Float64Array, points: int, total: Float64Array) -> Float64Array:
    """Return (1 - a) S + a tr(S)/k I for S = covariance (k, k) of so many points, a by the rule above, 1 at most.

    On its diagonal a thousandth of `total` (k,), the points' variances, stays in any case: points that coincide with
    their component's mean leave no spread of their own.
    """
    k = len(covariance)
    trace, squares = float(np.trace(covariance)), float((covariance**2).sum())
    spread = (points + 1 - 2 / k) * (squares - trace**2 / k)
    share = 1.0 if spread <= 0 else min(1.0, ((1 - 2 / k) * squares + trace**2) / spread)
    level = float(total.mean())
    least = _SMALLEST_SHARE * level if level > 0 else 1.0
    return (1 - share) * covariance + (share * trace / k + least) * np.eye(k)


def log_softmax(logits: Float64Array) -> Float64Array:
    """Return the logarithm of softmax, row by row."""
    return logits - log_sum(logits)[:, None]


def log_sum(logits: Float64Array) -> Float64Array:
    """Return log sum exp of each row."""
    largest = logits.max(axis=1)
    total: Float64Array = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    return total


def _maximise(points: Float64Array, posterior: Float64Array) -> Mixture:
    counts = posterior.sum(axis=0)
    means = posterior.T @ points / np.maximum(counts, np.finfo(np.float64).tiny)[:, None]
    second = points.T @ points / len(points)
    within = second - (means.T * counts) @ means / len(points)
    covariance = shrunk(within, len(points), np.diag(second))
    return Mixture(means, precision_root(covariance))


def precision_root(covariance: Float64Array) -> Float64Array:
    """Return R with R R^T = S^-1 for S = covariance (k, k), positive definite."""
    return np.linalg.inv(np.linalg.cholesky(covariance)).T
