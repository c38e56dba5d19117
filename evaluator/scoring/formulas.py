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
from .measures import Measure
from .ranking import Keys, first_not_below
from .ties import Counts, Formula, discount_sums, expected_precision_sum, harmonic_numbers, miss_probability

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
    they need no care.
    """

    n: int
    bounds: Counts
    counts: Counts
    place: Counts
    rank: Counts
    found: Counts
    tied: npt.NDArray[np.bool_]
    groups: TieGroups | None


class Tables:
    """Running sums that the formulas look up, for rankings of n items; shared by all threads, built once."""

    def __init__(self, n: int, measures: tuple[Measure, ...]) -> None:
        self.harmonic = harmonic_numbers(n)
        self.discounts = {
            measure.k: discount_sums(n, measure.k)
            for measure in measures
            if measure.family.startswith("nDCG")
        }


def read_hits(keys: Keys, *, spread_ties: bool) -> RankedHits:
    """Return the hits of `keys` (B, n), each row sorted, odd where relevant.

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
    return RankedHits(n, bounds, counts, hits, rank, found, tied, groups)


def measure_values(measure: Measure, hits: RankedHits, tables: Tables) -> Float64Array:
    """Return a measure that is not graded of each ranking, (B,) float64, NaN where nothing is relevant."""
    family, relevant = measure.family, np.maximum(hits.counts, 1)
    if family in ("AP", "AP(trapezoid)", "AP@R"):
        total = _precision_sums(hits, tables.harmonic, family) / relevant
    elif family == "Hit":
        total = _any_hit(hits, measure.k or 1)
    elif family == "nDCG":
        total = discounted_gain(hits, tables, measure.k) / tables.discounts[measure.k][relevant]
    else:
        depth = relevant if measure.k is None else np.full(len(relevant), min(measure.k, hits.n))
        total = _hits_above(hits, depth) / (
            relevant if family in ("R", "Rprec") else np.float64(measure.k or 1)
        )
    return np.where(hits.counts > 0, total, np.nan)


def discounted_gain(hits: RankedHits, tables: Tables, k: int | None) -> Float64Array:
    """Return the sum of 1 / log2(1 + rank) over the hits of each ranking, (B,), down to rank k."""
    sums = tables.discounts[k]
    total = _row_sums(sums[hits.rank] - sums[hits.rank - 1], hits)
    if (groups := hits.groups) is not None:
        end = groups.before + groups.items
        expected = (sums[end] - sums[groups.before]) * (groups.relevant / groups.items)
        total += _by_row(expected - (sums[end] - sums[end - groups.relevant]), hits)
    return total


def _precision_sums(hits: RankedHits, harmonic: Float64Array, family: str) -> Float64Array:
    rank, found = hits.rank, hits.found
    precision = found.astype(np.float64)
    precision /= rank
    if family == "AP(trapezoid)":
        earlier = np.where(rank > 1, (found - 1) / np.maximum(rank - 1, 1), 1.0)
        precision = 0.5 * (precision + earlier)
    elif family == "AP@R":
        precision *= rank <= np.repeat(hits.counts, hits.counts)
    if (groups := hits.groups) is not None:
        formula: Formula = "trapezoid" if family == "AP(trapezoid)" else "standard"
        upto = _ranks_above(groups, hits.counts[groups.row]) if family == "AP@R" else None
        expected = expected_precision_sum(
            groups.items, groups.relevant, groups.before, groups.found, harmonic, formula, upto
        )
        edges = np.stack([groups.hit, groups.hit + groups.relevant], axis=1).ravel()
        present = np.add.reduceat(np.append(precision, 0.0), edges)[::2]
        precision[groups.hit] += expected - present
    return _row_sums(precision, hits)


def _hits_above(hits: RankedHits, depth: Counts) -> Float64Array:
    """Return the number of hits of each ranking within its first `depth` (B,) ranks, (B,)."""
    cuts = np.arange(len(hits.counts)) * hits.n + depth
    total = (np.searchsorted(hits.place, cuts) - hits.bounds[:-1]).astype(np.float64)
    if (groups := hits.groups) is not None:
        above = _ranks_above(groups, depth[groups.row])
        present = np.maximum(above - (groups.items - groups.relevant), 0)
        total += _by_row(groups.relevant * (above / groups.items) - present, hits)
    return total


def _any_hit(hits: RankedHits, k: int) -> Float64Array:
    some = np.flatnonzero(hits.counts)
    first = hits.bounds[some]
    result = np.zeros(len(hits.counts))
    result[some] = hits.rank[first] <= k
    if (groups := hits.groups) is not None:
        leading = np.flatnonzero(groups.found == 0)
        missed = miss_probability(
            groups.items[leading],
            groups.relevant[leading],
            np.clip(k - groups.before[leading], 0, groups.items[leading]),
        )
        result[groups.row[leading]] = 1 - missed
    return result


def _ranks_above(groups: TieGroups, depth: Counts) -> Counts:
    above: Counts = np.clip(depth - groups.before, 0, groups.items)
    return above


def _row_sums(values: Float64Array, hits: RankedHits) -> Float64Array:
    total = np.zeros(len(hits.counts))
    some = hits.counts > 0
    if some.any():
        total[some] = np.add.reduceat(values, hits.bounds[:-1][some])
    return total


def _by_row(values: Float64Array, hits: RankedHits) -> Float64Array:
    assert hits.groups is not None
    total: Float64Array = np.bincount(hits.groups.row, values, len(hits.counts)).astype(np.float64)
    return total
