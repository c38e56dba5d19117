"""What speaks for the label of a picture: its neighbours' labels, and the posterior of its values' texts.

Both are looked at for two values of each picture: its own label, and one drawn by lot from the other values, by which
`calibration` learns what a wrong label looks like here. Nothing is (pictures x values): blocks are, and are dropped again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ..pictures.labelled import Codes
from ..scoring.search import top_k
from ..vectors.arrays import Float64Array, FloatArray

UNKNOWN = -1
"""The code of a value that there is not."""
_BLOCK_NUMBERS = 1 << 22


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one source says of n pictures. chances (n, 2): of the own and of the drawn value, in [0, 1], NaN where it knows
    nothing of them; other (n,): the most likely of the other values, UNKNOWN for none, and other_chance (n,), its chance."""

    chances: Float64Array
    other: Codes
    other_chance: Float64Array

    @property
    def margin(self) -> Float64Array:
        """The own value's chance less the best other's, (n,), in [-1, 1]; below 0 it speaks against the label."""
        return self.chances[:, 0] - self.other_chance


@runtime_checkable
class Posterior(Protocol):
    """A fitted method with posteriors."""

    def posterior(self, features: npt.ArrayLike) -> FloatArray | Float64Array:
        """(n, K + U): chances of K values that texts name, and of U groups that none does."""
        ...


def nearest(queries: FloatArray, database: FloatArray, count: int) -> tuple[Codes, Float64Array]:
    """Return rows (n, count) and similarities (n, count) of the nearest other pictures; row i of both is picture i."""
    rows, scores = top_k(np.ascontiguousarray(queries), np.ascontiguousarray(database), count + 1)
    own = rows == np.arange(len(rows))[:, None]
    own[~own.any(axis=1), -1] = True  # more pictures than are looked at are as near as it itself
    shape = (len(rows), count)
    return rows[~own].reshape(shape), scores[~own].reshape(shape).astype(np.float64)


def neighbour_evidence(rows: Codes, scores: Float64Array, codes: Codes, asked: Codes) -> Evidence:
    """Return what the neighbours (n, k) say: a vote, in which a neighbour counts exp((s - s_1) / h).

    codes (n,): labels; asked (n, 2): the own and the drawn value. h is the median over the pictures of s_1 - s_k, so that
    far neighbours count less than near ones whatever the space's scale. A vote has half a vote for and half a vote against
    each value beforehand: k neighbours never make it certain.
    """
    count = rows.shape[1]
    width = float(np.median(scores[:, 0] - scores[:, -1]))
    weights = np.exp((scores - scores[:, :1]) / max(width, np.finfo(np.float64).eps))
    weights *= count / weights.sum(axis=1, keepdims=True)
    chances = np.empty((len(rows), 2))
    other = np.full(len(rows), UNKNOWN, np.int64)
    best = np.zeros(len(rows))
    step = max(1, _BLOCK_NUMBERS // (count * count))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        found, votes = codes[rows[block]], weights[block]
        for column in range(2):
            chances[block, column] = (votes * (found == asked[block, column, None])).sum(axis=1)
        totals = ((found[:, :, None] == found[:, None, :]) * votes[:, None, :]).sum(axis=2)
        totals[found == codes[block, None]] = -1
        first = totals.argmax(axis=1)
        most = totals[np.arange(len(first)), first]
        best[block] = np.maximum(most, 0)
        other[block] = np.where(most >= 0, found[np.arange(len(first)), first], UNKNOWN)
    return Evidence((chances + 0.5) / (count + 1), other, best / count)


def text_evidence(
    fitted: Posterior, features: FloatArray, named: Codes, asked: Codes, known: npt.NDArray[np.bool_]
) -> tuple[Evidence, Float64Array]:
    """Return what the texts' posterior says of `features` (n, d), and the chance (n,) that no text names what is shown.

    named (K,): the values' codes, in the order of the posterior's columns, UNKNOWN for one that no picture has. known
    (C,): which codes any text names at all; of others the posterior knows nothing.
    """
    chances = np.full((len(features), 2), np.nan)
    other = np.full(len(features), UNKNOWN, np.int64)
    best, unnamed = np.zeros(len(features)), np.zeros(len(features))
    place = np.full(len(known), UNKNOWN, np.int64)
    place[named[named >= 0]] = np.flatnonzero(named >= 0)
    step = max(1, _BLOCK_NUMBERS // max(len(named), features.shape[1]))
    for start in range(0, len(features), step):
        block = slice(start, start + step)
        posterior = np.asarray(fitted.posterior(features[block]), np.float64)
        unnamed[block] = posterior[:, len(named) :].sum(axis=1)
        posterior = posterior[:, : len(named)]
        each = np.arange(len(posterior))
        for column in range(2):
            wanted = asked[block, column]
            there = (wanted >= 0) & known[wanted]
            at = place[wanted]
            chances[block, column] = np.where(
                there, np.where(at >= 0, posterior[each, np.maximum(at, 0)], 0), np.nan
            )
        own = place[asked[block, 0]]
        posterior[each[own >= 0], own[own >= 0]] = -1
        first = posterior.argmax(axis=1)
        best[block] = np.maximum(posterior[each, first], 0)
        other[block] = named[first]
    return Evidence(chances, other, best), unnamed


def nothing(count: int) -> Evidence:
    """Evidence of a source that knows nothing of so many pictures."""
    return Evidence(np.full((count, 2), np.nan), np.full(count, UNKNOWN, np.int64), np.full(count, np.nan))
