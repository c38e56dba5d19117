"""Every measure from one sorted block of keys: the ranks of the relevant items, and the ties among them.

Within a tie the sorted keys hold relevant items last, so the ranks as they stand are the pessimistic order. For
the expected value over all orders, each tie that mixes relevant and irrelevant items is replaced by its expected
sum: of c items above it, m items and r relevant ones in it, t of its ranks above the cutoff,

    hits among them: r t / m        discounts: (r / m) (D_{c+t} - D_c)        precisions: see `ties`.

Only "any hit" is no sum; there the first tie that holds a relevant item decides, by the hypergeometric law.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..vectors.arrays import Float64Array
from .families import Family
from .ranking import Keys, first_not_below
from .ties import (
    Counts,
    Formula,
    Weight,
    expected_precision_sum,
    harmonic_numbers,
    miss_probability,
    weight_sums,
)

_NEAR = 4


@dataclass(frozen=True, eq=False)
class TieGroups:
    """Ties (G,) of relevant with irrelevant items: c items and R relevant ones above, m and r within."""

    hit: Counts
    row: Counts
    before: Counts
    found: Counts
    items: Counts
    relevant: Counts


@dataclass(frozen=True, eq=False)
class RankedHits:
    """The relevant items of a block of B rankings of n items, in order of rank, one row after the other.

    bounds (B + 1,): row i owns the hits bounds[i] to bounds[i + 1]; counts (B,): how many those are. place (H,): where
    each stands in the flat block; rank (H,): 1 is best; found (H,): relevant items of the row up to and with this
    one. tied (B,): whether the row has a tie of relevant with irrelevant items; groups: these ties, or None where
    they need no care. It offers what `families.Hits` asks for, each (B,).
    """

    tables: Tables
    n: int
    bounds: Counts
    counts: Counts
    place: Counts
    rank: Counts
    found: Counts
    tied: npt.NDArray[np.bool_]
    groups: TieGroups | None

    @property
    def relevant(self) -> Counts:
        """How many are relevant, (B,)."""
        return self.counts

    def best(self, weight: Weight, k: int | None) -> Float64Array:
        """The sum of weights over the first R ranks."""
        sums: Float64Array = self.tables.sums(weight, k)[self.counts]
        return sums

    def above(self, depth: int | Counts) -> Float64Array:
        """Hits within the first `depth` ranks, an integer or (B,)."""
        depths = np.full(len(self.counts), np.minimum(depth, self.n))
        cuts = np.arange(len(self.counts)) * self.n + depths
        total: Float64Array = (np.searchsorted(self.place, cuts) - self.bounds[:-1]).astype(np.float64)
        if (groups := self.groups) is not None:
            above = _ranks_above(groups, depths[groups.row])
            present = np.maximum(above - (groups.items - groups.relevant), 0)
            total += self._by_row(groups.relevant * (above / groups.items) - present)
        return total

    def any_above(self, k: int) -> Float64Array:
        """Whether any of the first k ranks is a hit."""
        some = np.flatnonzero(self.counts)
        result = np.zeros(len(self.counts))
        result[some] = self.rank[self.bounds[some]] <= k
        if (groups := self.groups) is not None:
            leading = np.flatnonzero(groups.found == 0)
            missed = miss_probability(
                groups.items[leading],
                groups.relevant[leading],
                np.clip(k - groups.before[leading], 0, groups.items[leading]),
            )
            result[groups.row[leading]] = 1 - missed
        return result

    def weighted(self, weight: Weight, k: int | None) -> Float64Array:
        """The sum of weights over the hits, down to rank k."""
        sums = self.tables.sums(weight, k)
        total = self._row_sums(sums[self.rank] - sums[self.rank - 1])
        if (groups := self.groups) is not None:
            end = groups.before + groups.items
            expected = (sums[end] - sums[groups.before]) * (groups.relevant / groups.items)
            total += self._by_row(expected - (sums[end] - sums[end - groups.relevant]))
        return total

    def precisions(self, formula: Formula = "standard", *, among_first_r: bool = False) -> Float64Array:
        """The sum of precisions at the hits, or at those among the first R ranks (the standard formula only)."""
        precision = self.found.astype(np.float64)
        precision /= self.rank
        if formula == "trapezoid":
            earlier = np.where(self.rank > 1, (self.found - 1) / np.maximum(self.rank - 1, 1), 1.0)
            precision = 0.5 * (precision + earlier)
        elif among_first_r:
            precision *= self.rank <= np.repeat(self.counts, self.counts)
        if (groups := self.groups) is not None:
            upto = _ranks_above(groups, self.counts[groups.row]) if among_first_r else None
            harmonic = self.tables.harmonic
            expected = expected_precision_sum(
                groups.items, groups.relevant, groups.before, groups.found, harmonic, formula, upto
            )
            edges = np.stack([groups.hit, groups.hit + groups.relevant], axis=1).ravel()
            present = np.add.reduceat(np.append(precision, 0.0), edges)[::2]
            precision[groups.hit] += expected - present
        return self._row_sums(precision)

    def _row_sums(self, values: Float64Array) -> Float64Array:
        total = np.zeros(len(self.counts))
        some = self.counts > 0
        if some.any():
            total[some] = np.add.reduceat(values, self.bounds[:-1][some])
        return total

    def _by_row(self, values: Float64Array) -> Float64Array:
        assert self.groups is not None
        total: Float64Array = np.bincount(self.groups.row, values, len(self.counts)).astype(np.float64)
        return total


class Tables:
    """Running sums that are looked up, for rankings of n items; shared by all threads, built when first asked for."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.harmonic = harmonic_numbers(n)
        self._sums: dict[tuple[Weight, int | None], Float64Array] = {}

    def sums(self, weight: Weight, k: int | None) -> Float64Array:
        """As `ties.weight_sums`; two threads that ask at once build the same."""
        if (weight, k) not in self._sums:
            self._sums[weight, k] = weight_sums(weight, self.n, k)
        return self._sums[weight, k]


@dataclass(frozen=True, eq=False)
class Counted:
    """How many items are relevant (B,) to queries whose rankings are not known: all that a best value needs."""

    relevant: Counts

    def best(self, weight: Weight, k: int | None) -> Float64Array:
        """The sum of weights over the first R ranks, (B,)."""
        return np.asarray(weight_sums(weight, int(self.relevant.max(initial=0)), k)[self.relevant])


def read_hits(keys: Keys, tables: Tables, *, spread_ties: bool) -> RankedHits:
    """Return the hits of `keys` (B, n), each row sorted, odd where relevant; tables: for n items.

    spread_ties: whether ties are looked up, for expected values.
    """
    n = keys.shape[1]
    flat = keys.ravel()
    hits = np.flatnonzero((flat & 1).astype(np.bool_))
    starts = np.arange(len(keys)) * n
    bounds = np.searchsorted(hits, np.append(starts, flat.size))
    counts = np.diff(bounds)
    rank = hits - np.repeat(starts, counts) + 1
    found = np.arange(1, len(hits) + 1) - np.repeat(bounds[:-1], counts)
    # Relevant items stand last in a tie, so each mixed tie has exactly one such neighbourhood.
    mixed = np.flatnonzero((rank > 1) & (flat[hits - 1] == flat[hits] - 1))
    tied = np.zeros(len(keys), np.bool_)
    rows = hits[mixed] // n
    tied[rows] = True
    groups = None
    if mixed.size and spread_ties:
        at = hits[mixed]
        start = at - rank[mixed] + 1
        key = flat[at].astype(np.int64)
        # Most ties are short: look near by first.
        near, far = np.maximum(at - _NEAR, start), np.minimum(at + _NEAR, start + n - 1)
        first = first_not_below(flat, key - 1, np.where(flat[near] < key - 1, near, start), at)
        end = first_not_below(flat, key + 1, at, np.where(flat[far] > key, far, start + n))
        groups = TieGroups(mixed, rows, first - start, found[mixed] - 1, end - first, end - at)
    return RankedHits(tables, n, bounds, counts, hits, rank, found, tied, groups)


def measure_values(family: Family, k: int | None, hits: RankedHits) -> Float64Array:
    """Return a measure that is not graded of each ranking, (B,) float64, NaN where nothing is relevant."""
    earned = family.earned(hits, k)
    return share(earned, family.possible(hits, k), hits.counts)


def share(earned: Float64Array, possible: Float64Array, relevant: Counts | Float64Array) -> Float64Array:
    """Return earned / possible (B,), NaN where nothing is relevant."""
    out = np.full(earned.shape, np.nan)
    return np.asarray(np.divide(earned, possible, out=out, where=relevant > 0))


def _ranks_above(groups: TieGroups, depth: Counts) -> Counts:
    above: Counts = np.clip(depth - groups.before, 0, groups.items)
    return above
