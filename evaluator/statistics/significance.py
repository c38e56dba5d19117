"""Whether one method beats another on the same queries, and by how much.

With thousands of queries nearly every difference is significant, so a comparison carries its size as well: the interval of
the difference, Cohen's d_z, and the shares of queries that became better and worse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import Float64Array
from . import bootstrap_means_many, percentile_intervals
from .groups import Clusters, checked_groups, cluster_sums
from .intervals import mean_intervals

EQUAL = 1e-12
"""Scores of a query that differ by no more are equal: what rounding does is no difference between methods."""

_CHUNK_ENTRIES = 1 << 20
_TILE = 16


@dataclass(frozen=True, slots=True)
class Comparison:
    """A method less its reference, on the same queries.

    difference: of the means over groups, with its interval ci_low to ci_high, paired. p: two-sided, of the
    paired randomisation. effect: Cohen's d_z; None where all queries differ by one and the same amount. better, worse,
    ties: shares of the queries, which add up to 1.
    """

    difference: float
    ci_low: float
    ci_high: float
    p: float
    effect: float | None
    better: float
    worse: float
    ties: float


def compare(
    first_by_group: Sequence[npt.ArrayLike],
    second_by_group: Sequence[npt.ArrayLike],
    *,
    draws: int = 1000,
    randomisations: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
    clusters_by_group: Clusters = None,
    percentiles: bool = False,
) -> Comparison:
    """Return how the first method compares with the second, its reference: see `compare_many`.

    Both: one array (Q,) a group, query for query, without NaN.
    """
    rows = [np.asarray(values, np.float64)[None] for values in first_by_group]
    return compare_many(
        rows,
        second_by_group,
        draws=draws,
        randomisations=randomisations,
        confidence=confidence,
        seed=seed,
        clusters_by_group=clusters_by_group,
        percentiles=percentiles,
    )[0]


def compare_many(
    values_by_group: Sequence[npt.ArrayLike],
    reference_by_group: Sequence[npt.ArrayLike],
    *,
    draws: int = 1000,
    randomisations: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
    clusters_by_group: Clusters = None,
    percentiles: bool = False,
) -> tuple[Comparison, ...]:
    """Return how each of M methods compares with one reference, on the same queries and the same sign flips.

    values_by_group: one array (M, Q) a group; reference_by_group: one array (Q,) a group; clusters_by_group: see
    `statistics.groups.Clusters`, flipped as a whole. percentiles: intervals are those of `draws` bootstrap draws, as reports
    once had them. p is not adjusted: give all of a family to `holm`.

    Raises InputError for shapes that do not fit, empty groups, NaN, and draws or randomisations below 1.
    """
    groups = [np.asarray(values, np.float64) for values in values_by_group]
    reference = [np.asarray(values, np.float64) for values in reference_by_group]
    if [g.shape[-1:] for g in groups] != [r.shape for r in reference]:
        raise InputError(
            "a paired comparison needs both scores of every query",
            where="compare",
            expected=f"a reference of shapes {[g.shape[-1:] for g in groups]}",
            found=f"shapes {[r.shape for r in reference]}",
        )
    differences = [g - r for g, r in zip(groups, reference, strict=True)]
    differences = [np.where(np.abs(d) <= EQUAL, 0.0, d) for d in differences]
    if percentiles:
        replicates = bootstrap_means_many(differences, draws, seed, clusters_by_group)
        intervals = percentile_intervals(replicates, confidence)
    else:
        intervals = mean_intervals(differences, confidence, clusters_by_group)
    p_values = paired_randomisation_many(differences, randomisations, seed, clusters_by_group)
    mean = np.mean([d.mean(axis=1) for d in differences], axis=0)
    effects = _effect_sizes(differences, mean)
    joined = np.concatenate(differences, axis=1)
    better, worse = (joined > 0).mean(axis=1), (joined < 0).mean(axis=1)
    return tuple(
        Comparison(
            difference=float(mean[i]),
            ci_low=float(intervals[i, 0]),
            ci_high=float(intervals[i, 1]),
            p=float(p_values[i]),
            effect=effects[i],
            better=float(better[i]),
            worse=float(worse[i]),
            ties=float((joined[i] == 0).mean()),
        )
        for i in range(len(joined))
    )


def paired_randomisation(
    differences_by_group: Sequence[npt.ArrayLike],
    draws: int = 10_000,
    seed: int = 0,
    clusters_by_group: Clusters = None,
) -> float:
    """Return the two-sided p that the mean over groups of these differences is 0, by flipping signs.

    differences_by_group: one array (Q,) a group. A sign is a query's, or a cluster's (see `statistics.groups.Clusters`).
    p = (1 + #{|flipped| >= |observed|}) / (1 + draws) over `draws` random flips; where all 2^n flips of the n differences
    other than 0 are no more than `draws` (and 2^20), each is looked at once and p is exact.

    Raises InputError for empty groups, NaN, clusters that do not fit, and draws below 1.
    """
    rows = [np.asarray(values, np.float64)[None] for values in differences_by_group]
    return float(paired_randomisation_many(rows, draws, seed, clusters_by_group)[0])


def paired_randomisation_many(
    differences_by_group: Sequence[npt.ArrayLike],
    draws: int = 10_000,
    seed: int = 0,
    clusters_by_group: Clusters = None,
) -> Float64Array:
    """Return (M,) p of M methods, each that of `paired_randomisation`; all share the same flips.

    differences_by_group: one array (M, Q) a group. Memory is bounded by chunks of 2^20 signs.
    """
    if draws < 1:
        raise InputError("a randomisation needs draws", where="draws", expected="1 or more", found=draws)
    groups = checked_groups(differences_by_group, clusters_by_group)
    # The mean over groups is a sum of one part a cluster; a flip turns the sign of that part.
    parts = np.concatenate(
        [cluster_sums(d, clusters)[0] / (len(groups) * d.shape[1]) for d, clusters in groups], axis=1
    )
    most = min(draws, _CHUNK_ENTRIES).bit_length() - 1
    small = [i for i, row in enumerate(parts) if np.count_nonzero(row) <= most]
    p = np.empty(len(parts))
    for i in small:
        p[i] = _exact_p(parts[i][parts[i] != 0])
    rest = np.setdiff1d(np.arange(len(parts)), small)
    if rest.size:
        p[rest] = _sampled_p(parts[rest], draws, seed)
    return p


def holm(p_values: npt.ArrayLike) -> Float64Array:
    """Return p values adjusted for their number (Holm 1979), in the order given; no less than the originals, 1 at most.

    The i-th smallest of m becomes the largest of (m - j + 1) p_(j) over j <= i. Raises InputError outside [0, 1].
    """
    p = np.asarray(p_values, np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise InputError("p values lie between 0 and 1", where="p_values", expected="0 <= p <= 1", found=p)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def _effect_sizes(differences: Sequence[Float64Array], mean: Float64Array) -> list[float | None]:
    """Cohen's d_z of each method: mean over standard deviation of the differences, groups of equal weight in both."""
    queries = sum(d.shape[1] for d in differences)
    squares = np.mean([((d - mean[:, None]) ** 2).mean(axis=1) for d in differences], axis=0)
    deviation = np.sqrt(squares * queries / max(queries - 1, 1))
    return [
        0.0 if m == 0 else None if s <= EQUAL else float(m / s) for m, s in zip(mean, deviation, strict=True)
    ]


def _exact_p(parts: Float64Array) -> float:
    """Share of all flips of `parts` (n,) whose sum is as far from 0 as their own: n is small."""
    sums = np.zeros(1)
    for part in parts:
        sums = np.concatenate([sums + part, sums - part])
    return float((np.abs(sums) >= _bar(parts[None])[0]).mean())


def _sampled_p(parts: Float64Array, draws: int, seed: int) -> Float64Array:
    """(M,) shares of random flips of `parts` (M, U) whose sum is as far from 0 as its own, that one included."""
    bars = _bar(parts)
    extreme = np.zeros(len(parts), np.int64)
    for flipped in _flips(np.random.Generator(np.random.PCG64(seed)), draws, parts.shape[1]):
        for first in range(0, len(parts), _TILE):
            tile = np.zeros((parts.shape[1], _TILE))
            part = parts[first : first + _TILE].T
            tile[:, : part.shape[1]] = part
            sums = np.abs((flipped @ tile)[:, : part.shape[1]])
            extreme[first : first + _TILE] += (sums >= bars[first : first + _TILE]).sum(axis=0)
    return (1 + extreme) / (1 + draws)


def _bar(parts: Float64Array) -> Float64Array:
    """(M,) how far from 0 the sums of `parts` (M, U) are, lowered by what rounding can do to an equal sum."""
    bar: Float64Array = np.abs(parts.sum(axis=1)) - 1e-12 * np.abs(parts).sum(axis=1)
    return bar


def _flips(generator: np.random.Generator, draws: int, items: int) -> Iterator[Float64Array]:
    """Yield (rows, items) chunks of random signs, 1.0 or -1.0; `draws` rows in all."""
    words = -(-items // 64)
    step = max(1, _CHUNK_ENTRIES // (64 * words))
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        drawn = generator.integers(0, 2**64, (rows, words), dtype=np.uint64).astype("<u8")
        bits = np.unpackbits(drawn.view(np.uint8), axis=1, count=items)
        yield np.where(bits, -1.0, 1.0)
