"""Who leads, who cannot be told apart from whom, and where a method differs from the leader.

Methods are compared by paired randomisation over pictures (see `means`). Ranks are shared: the best method and all that are
not significantly worse than it stand first; of the rest, the best and all not significantly worse than it stand next; and
so on. In each step p-values are adjusted by Holm over the methods that are compared in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..statistics.significance import holm
from .means import Sets, mean_of, p_values

Clusters = npt.NDArray[np.int64] | None


@dataclass(frozen=True)
class Ranked:
    """A method's shared rank, from 1; tied: whether others share it; p: beside the leader, adjusted, None for the leader."""

    rank: int
    tied: bool
    p: float | None


def shared_ranks(
    ordered: Sequence[Sets], *, alpha: float, draws: int, clusters: Clusters = None
) -> list[Ranked]:
    """Return the rank of each method; ordered: from the highest mean to the lowest, all on the same queries."""
    found: dict[int, Ranked] = {}
    beside_leader: dict[int, float | None] = {0: None}
    remaining = list(range(len(ordered)))
    while remaining:
        first, rest = remaining[0], remaining[1:]
        p = holm(p_values([ordered[i] for i in rest], ordered[first], draws=draws, clusters=clusters))
        if first == 0:
            beside_leader |= {i: float(value) for i, value in zip(rest, p, strict=True)}
        together = [first, *(i for i, value in zip(rest, p, strict=True) if value >= alpha)]
        rank = 1 + len(found)
        for i in together:
            found[i] = Ranked(rank, len(together) > 1, beside_leader[i])
        remaining = [i for i in rest if i not in found]
    return [found[i] for i in range(len(ordered))]


def signs_beside(
    methods: Mapping[str, Sequence[Sets | None]],
    leader: Sequence[Sets | None],
    *,
    alpha: float,
    draws: int,
    clusters: Sequence[Clusters],
) -> dict[tuple[str, int], str]:
    """Return (method, column) -> "better" or "worse" than the leader, where that is significant over all cells (Holm).

    methods: name -> what each column is the mean of, None where the method has no scores; clusters: of each column.
    """
    cells: list[tuple[str, int]] = []
    p: list[float] = []
    for column, base in enumerate(leader):
        present = {name: sets[column] for name, sets in methods.items()}
        there = {name: sets for name, sets in present.items() if sets is not None}
        if base is None or not there:
            continue
        cells += [(name, column) for name in there]
        found = p_values(list(there.values()), base, draws=draws, clusters=clusters[column])
        p += found.tolist()
    adjusted = dict(zip(cells, holm(p).tolist(), strict=True)) if cells else {}
    return {
        (name, column): _sign(methods[name][column], leader[column])
        for (name, column), value in adjusted.items()
        if value < alpha
    }


def _sign(sets: Sets | None, base: Sets | None) -> str:
    assert sets is not None
    assert base is not None
    return "better" if mean_of(sets) > mean_of(base) else "worse"
