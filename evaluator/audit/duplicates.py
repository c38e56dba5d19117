"""Groups of pictures that are nearly the same, whatever the condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..pictures.labelled import Codes
from ..vectors.arrays import Float64Array, FloatArray, unit_rows
from .evidence import nearest

_LOOKED_AT = 5
_SHARE = 0.05
_ROUNDING = 1e-6


@dataclass(frozen=True)
class DuplicateGroup:
    """rows: the pictures, in order; similarity: the least cosine of a link that holds them together; unlike: attributes in
    which their labels differ."""

    rows: tuple[int, ...]
    similarity: float
    unlike: tuple[str, ...]


def duplicate_groups(
    features: FloatArray, codes: Mapping[str, Codes], least: float | None = None
) -> tuple[list[DuplicateGroup], float]:
    """Return groups of near-duplicates among `features` (N, d), those with unlike labels first, and the least cosine.

    codes: attribute -> labels (N,). least: the cosine from which two pictures are near-duplicates; None sets it so that
    1 - cosine is a twentieth of what it is, in the median, between a picture and its nearest other one.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(features)
    if count < 2:
        return [], 1.0 if least is None else least
    units = unit_rows(features)
    rows, scores = nearest(units, units, min(_LOOKED_AT, count - 1))
    bound = _least(scores) if least is None else least
    first, place = np.nonzero(scores >= min(bound, 1 - _ROUNDING))
    second, linked = rows[first, place], scores[first, place]
    links = coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
    _, parts = connected_components(links, directed=False)
    members: dict[int, list[int]] = {}
    for row in np.union1d(first, second).tolist():
        members.setdefault(int(parts[row]), []).append(row)
    weakest: dict[int, float] = {}
    for part, score in zip(parts[first].tolist(), linked.tolist(), strict=True):
        weakest[part] = min(score, weakest.get(part, 1.0))
    groups = [
        DuplicateGroup(
            tuple(found),
            weakest[part],
            tuple(name for name, values in codes.items() if len(np.unique(values[found])) > 1),
        )
        for part, found in members.items()
    ]
    return sorted(groups, key=lambda g: (not g.unlike, -g.similarity, g.rows)), bound


def _least(scores: Float64Array) -> float:
    gap = float(np.median(1 - scores[:, 0]))
    return 1 - max(_SHARE * gap, _ROUNDING)
