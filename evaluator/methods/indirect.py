"""InDiReCT: a linear map of few dimensions that keeps the angles between the texts of a condition.

Kobs, Steininger, Hotho, *InDiReCT: Language-Guided Zero-Shot Deep Metric Learning for Images*, WACV 2023. With X the unit
texts without duplicates (n, d), N = normalise, and U (m, d) drawn from a normal distribution of standard deviation .01:

    V = N(X U^T),   X' = N(V U),   loss(U) = mean over i of arccos(x_i . x'_i),   z = N(U v)

arccos is continued by its tangent beyond 1 - 1e-7, where its slope has no bound. All texts at once, Adam with a learning
rate of .01, and the best U of all steps; it ends after 100 steps without a better one. Seeded, on the CPU, in float64.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..vectors.arrays import Float64Array, as_features
from .support.inputs import checked_texts
from .support.linear import LinearMethod
from .support.options import checked_components, checked_number

_RATE = 0.01
_SPREAD = 0.01
_PATIENCE = 100
_TURN = 1 - 1e-7


class InDiReCT(LinearMethod):
    """A map learnt to rebuild the texts' angles from few dimensions.

    n_components: m (the paper's 32 and 128), whatever the width. max_steps: where it ends at the latest. Fitted: loss_ (the
    least mean angle, radians), n_steps_, projection_ = U^T (d, m).
    """

    loss_: float
    n_steps_: int

    def __init__(self, n_components: int = 32, max_steps: int = 5000, random_state: int = 0) -> None:
        self.n_components = checked_components(n_components)
        self.max_steps = int(checked_number(max_steps, "max_steps", least=1))
        self.random_state = int(checked_number(random_state, "random_state"))

    def fit(self, database_features: npt.ArrayLike, text_features: npt.ArrayLike) -> Self:
        """Learn from `text_features` (n, d); of `database_features` (N, d) only the width is used.

        Raises InputError for NaN or infinity, rows of zeros, different widths, and fewer than two different texts.
        """
        width = as_features(database_features, "database features").shape[1]
        texts = np.unique(checked_texts(text_features, width).rows.round(12), axis=0)
        draw = np.random.default_rng(self.random_state)
        start = draw.normal(0, _SPREAD, (self.n_components, width))
        learnt, self.loss_, self.n_steps_ = learn_map(texts, start, self.max_steps)
        return self._fitted(np.ascontiguousarray(learnt.T))


def learn_map(texts: Float64Array, start: Float64Array, max_steps: int) -> tuple[Float64Array, float, int]:
    """Return the best U (m, d) on the way from `start`, its loss, and the number of steps; texts (n, d), unit rows."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the arrays are small, and sums do not depend on the machine's cores
    try:
        return _adam(texts, start, max_steps)
    finally:
        torch.set_num_threads(threads)


def _adam(texts: Float64Array, start: Float64Array, max_steps: int) -> tuple[Float64Array, float, int]:
    import torch

    rows = torch.from_numpy(np.ascontiguousarray(texts))
    weights = torch.from_numpy(start.copy()).requires_grad_(True)
    adam = torch.optim.Adam([weights], lr=_RATE)
    best, least, last, step = start, math.inf, 0, 0
    for step in range(1, max_steps + 1):
        loss = _mean_angle(rows, weights)
        if (value := float(loss.detach())) < least:
            best, least, last = weights.detach().numpy().copy(), value, step
        elif step - last >= _PATIENCE:
            break
        adam.zero_grad()
        loss.backward()
        adam.step()
    return best, least, step


def _mean_angle(rows: Any, weights: Any) -> Any:
    """The mean angle between texts (n, d) and what is rebuilt of them, a torch scalar."""
    from torch.nn.functional import normalize

    rebuilt = normalize(normalize(rows @ weights.T, dim=1) @ weights, dim=1)
    cosine = (rows * rebuilt).sum(dim=1)
    slope = -1 / math.sqrt(1 - _TURN**2)
    near = cosine.clamp(-_TURN, _TURN).arccos()
    return (near + slope * (cosine - cosine.clamp(-_TURN, _TURN))).mean()
