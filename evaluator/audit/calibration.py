"""How far evidence may be believed here: learnt by planting wrong labels, attribute by attribute.

Of every picture the log-odds x of the sources are known for its label and for a value that was drawn by lot from the others.
Logistic regression tells right labels from wrong ones, and gives the logarithm of their likelihoods' ratio

    r(x) = log p(x | right) / p(x | wrong) = b_0 + sum_s b_s x_s,   b_s >= 0.

Drawn values are wrong; of the labels a share e is, expected beforehand, and which they are is learnt on the way (EM): the
chance that a label is wrong is

    e / (e + (1 - e) exp r(x)).

An attribute that the encoder cannot see gets b = 0, and nobody is accused; a source that is often wrong gets a small b.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..vectors.arrays import Float64Array

_SURE = 1e-4
_RIDGE = 1e-4
_STEPS = 50
_CLOSE = 1e-10
_ROUNDS = 10
_LEAST = 1e-3
"""No picture is believed to be right or wrong beyond this, so that weights are finite where all can be told apart."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """offset b_0, slopes b_s (S,), and told: how often the label's r is above the drawn value's, ties half; .5 is chance."""

    offset: float
    slopes: Float64Array
    told: float

    def ratios(self, odds: Float64Array) -> Float64Array:
        """Return r (n,) of log-odds (n, S)."""
        found: Float64Array = self.offset + odds @ self.slopes
        return found


def log_odds(chances: Float64Array) -> Float64Array:
    """Return log p / (1 - p) of chances of any shape, none surer than 1 in 10,000; 0 for NaN, which says nothing."""
    sure = np.clip(np.nan_to_num(chances, nan=0.5), _SURE, 1 - _SURE)
    found: Float64Array = np.log(sure) - np.log1p(-sure)
    return found


def calibrated(own: Float64Array, drawn: Float64Array, noise: float) -> Calibration:
    """Return the calibration by log-odds of the labels and of the drawn values, each (n, S); noise: e, in (0, .5).

    Without any picture to learn from nothing is believed.
    """
    used = np.full(own.shape[1], len(own) > 0)
    weights = np.zeros(own.shape[1] + 1)
    while used.any():
        weights[:] = 0
        weights[np.append(True, used)] = _learnt(own[:, used], drawn[:, used], noise)
        if (weights[1:] >= 0).all():
            break
        used &= weights[1:] > 0
    if not used.any():
        weights[:] = 0
    ours, theirs = own @ weights[1:], drawn @ weights[1:]
    told = float(((ours > theirs) + (ours == theirs) / 2).mean()) if len(own) else 0.5
    return Calibration(float(weights[0]), weights[1:], told)


def suspicion(ratios: Float64Array, noise: float) -> Float64Array:
    """Return the chance (n,) that a label is wrong, of r (n,)."""
    found: Float64Array = noise / (noise + (1 - noise) * np.exp(np.clip(ratios, -50, 50)))
    return found


def _learnt(own: Float64Array, drawn: Float64Array, noise: float) -> Float64Array:
    """Weights (1 + S,) of r, by EM: how likely each label is right, then what tells right from wrong."""
    rows = np.concatenate([own, drawn])
    x = np.concatenate([np.ones((len(rows), 1)), rows], axis=1)
    right = np.full(len(own), 1 - noise)
    for _ in range(_ROUNDS):
        target = np.clip(np.concatenate([right, np.zeros(len(drawn))]), _LEAST, 1 - _LEAST)
        weights = _logistic(x, target)
        weights[0] -= np.log(target.sum() / (len(target) - target.sum()))
        right = 1 - suspicion(x[: len(own)] @ weights, noise)
    return weights


def _logistic(x: Float64Array, target: Float64Array) -> Float64Array:
    """Weights (1 + S,) of least cross-entropy with `target` (n,) in (0, 1), by Newton's method."""
    weights = np.zeros(x.shape[1])
    ridge = _RIDGE * len(x) * np.eye(x.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -50, 50)))
        gradient = x.T @ (target - chance) - ridge @ weights
        curvature = (x.T * (chance * (1 - chance))) @ x + ridge
        step = np.linalg.solve(curvature, gradient)
        weights += step
        if float(np.abs(step).max()) < _CLOSE:
            break
    return weights
