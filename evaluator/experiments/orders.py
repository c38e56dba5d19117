"""Orders of an attribute's values, such as age=child,adult,elderly, and how well similarity follows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import factorial

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import Float64Array, FloatArray

Ranks = npt.NDArray[np.int64]

_EVERY_ORDER = 720


def parse_orders(options: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read `age=child,adult,elderly` options: attribute -> its values in order.

    Raises InputError for what cannot be read, an attribute that stands twice, and values that are empty or stand twice.
    """
    orders: dict[str, tuple[str, ...]] = {}
    for option in options:
        name, equals, rest = option.partition("=")
        values = tuple(value.strip() for value in rest.split(","))
        name = name.strip()
        if not equals or not name or name in orders or not all(values) or len(set(values)) < len(values):
            raise InputError(
                "cannot read this order",
                where="--order",
                expected="ATTRIBUTE=LOWEST,...,HIGHEST, once an attribute, every value once",
                found=repr(option),
            )
        orders[name] = values
    return orders


def order_of(name: str, values: Sequence[str], given: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """Return the order of the different `values` of the attribute `name`: as given, or by number where all are numbers.

    None where there is none. Raises InputError for a given order that lacks one of the values.
    """
    distinct = list(dict.fromkeys(values))
    if name in given:
        if missing := sorted(set(distinct) - set(given[name])):
            raise InputError(
                f"the order of {name!r} lacks values that the data has",
                where="--order",
                expected=f"all of {sorted(distinct)}",
                found=f"without {missing}",
            )
        return tuple(given[name])
    numbers = {value: _number(value) for value in distinct}
    if any(number is None for number in numbers.values()) or len(set(numbers.values())) < len(distinct):
        return None
    return tuple(sorted(distinct, key=lambda value: numbers[value] or 0.0))


@dataclass(frozen=True, eq=False)
class RankSums:
    """What Spearman's correlation needs of a query's ranked scores, whatever the order of values: all (Q, V) or (Q,).

    sums: of the scores' ranks over the images of each value; counts: those images; squares: of the centred ranks, summed.
    """

    sums: Float64Array
    counts: Float64Array
    squares: Float64Array


def rank_sums(
    scores: FloatArray,
    query_values: Ranks,
    database_values: Ranks,
    own: npt.NDArray[np.intp],
    values: int,
    *,
    others: bool = False,
) -> RankSums:
    """Rank each query's scores (Q, N), its own image (column own, or -1) left out.

    query_values (Q,), database_values (N,): numbers of values from 0; others: images of the query's value are left out too.
    """
    from scipy.stats import rankdata

    sums, counts, squares = (
        np.zeros((len(scores), values)),
        np.zeros((len(scores), values)),
        np.zeros(len(scores)),
    )
    for row in range(len(scores)):
        kept = database_values != query_values[row] if others else np.ones(len(database_values), np.bool_)
        if own[row] >= 0:
            kept[own[row]] = False
        ranks = rankdata(scores[row, kept])
        sums[row] = np.bincount(database_values[kept], ranks, values)
        counts[row] = np.bincount(database_values[kept], minlength=values)
        squares[row] = np.sum((ranks - (len(ranks) + 1) / 2) ** 2)
    return RankSums(sums, counts, squares)


def order_scores(ranked: RankSums, query_values: Ranks, order: Ranks) -> Float64Array:
    """Return (Q,) Spearman between a query's scores and minus |order[query's value] - order[image's value]|.

    order (V,): the place of each value. NaN where scores or distances are constant.
    """
    distance = np.abs(order[None, :] - order[query_values][:, None])
    counts = ranked.counts
    nearer = np.where(distance[:, None, :] > distance[:, :, None], counts[:, None, :], 0).sum(axis=2)
    level = np.where(distance[:, None, :] == distance[:, :, None], counts[:, None, :], 0).sum(axis=2)
    ranks = nearer + (level + 1) / 2
    total = counts.sum(axis=1)
    middle = (total + 1) / 2
    products = np.sum(ranked.sums * ranks, axis=1) - total * middle**2
    lengths = np.sqrt(ranked.squares * np.sum(counts * (ranks - middle[:, None]) ** 2, axis=1))
    usable = lengths > 1e-9 * np.maximum(total, 1)
    return np.where(usable, products / np.where(usable, lengths, 1), np.nan)


def all_orders(values: int, seed: int, most: int = _EVERY_ORDER) -> tuple[Ranks, bool]:
    """Return orders of `values` values as ranks (orders, values), and whether these are all there are.

    An order and its reverse mean the same, so each such pair stands once. Beyond `most` they are drawn, without repeats.
    """
    if factorial(values) <= most:
        every = [order for order in permutations(range(values)) if order[0] < order[-1] or values == 1]
        return np.array(every, np.int64), True
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < most // 2:
        order = tuple(int(rank) for rank in generator.permutation(values))
        drawn[min(order, order[::-1])] = None
    return np.array(list(drawn), np.int64), False


def principal_coordinate(features: FloatArray, ranks: Ranks) -> tuple[Float64Array, float]:
    """Return the first principal coordinate (values,) of the values' centroids, and the share of their variance on it.

    features (N, k), ranks (N,) from 0, every one of 0 to values - 1 present. The sign is such that it rises with the rank.
    """
    centroids = np.stack(
        [features[ranks == r].astype(np.float64).mean(axis=0) for r in range(int(ranks.max()) + 1)]
    )
    centred = centroids - centroids.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    coordinate = left[:, 0] * singular[0]
    total = float(np.sum(singular**2))
    if coordinate @ np.arange(len(coordinate)) < 0:
        coordinate = -coordinate
    return coordinate, float(singular[0] ** 2 / total) if total > 0 else float("nan")


def spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Spearman's correlation of two lists; NaN where one is constant, or for fewer than two numbers."""
    from scipy.stats import rankdata

    one, two = (ranks - ranks.mean() for ranks in (rankdata(first), rankdata(second)))
    length = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(one @ two) / length if length > 0 else float("nan")


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
