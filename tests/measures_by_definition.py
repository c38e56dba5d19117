"""Every measure, literally, of one ranking; and its mean or minimum over all orders that the scores allow."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, permutations
from math import log2

MEASURES = (
    *("AP", "AP(trapezoid)", "AP@R", "P@1", "P@3", "P@50", "R@1", "R@4", "R@50"),
    *("Hit@1", "Hit@2", "Hit@5", "nDCG", "nDCG@1", "nDCG@3", "nDCG@50", "Rprec"),
)


def average_precision_by_definition(ranked: Sequence[bool], trapezoid: bool, depth: int) -> Fraction:
    found, total = 0, Fraction(0)
    for rank, relevant in enumerate(ranked[:depth], start=1):
        if relevant:
            before = Fraction(found, rank - 1) if rank > 1 else Fraction(1)
            found += 1
            now = Fraction(found, rank)
            total += (before + now) / 2 if trapezoid else now
    return total / sum(ranked)


def graded_by_definition(gains: Sequence[float], k: int | None) -> float:
    made = sum(gain / log2(1 + rank) for rank, gain in enumerate(gains[:k], start=1))
    best = sum(gain / log2(1 + rank) for rank, gain in enumerate(sorted(gains, reverse=True)[:k], start=1))
    return made / best


def by_definition(name: str, ranked: Sequence[bool]) -> Fraction | float:
    """The measure of relevances in ranked order."""
    family, _, cutoff = name.partition("@")
    if family.startswith("AP"):
        depth = sum(ranked) if cutoff == "R" else len(ranked)
        return average_precision_by_definition(ranked, family == "AP(trapezoid)", depth)
    if family == "nDCG":
        return graded_by_definition([float(value) for value in ranked], int(cutoff) if cutoff else None)
    if family == "Rprec":
        return Fraction(sum(ranked[: sum(ranked)]), sum(ranked))
    hits = sum(ranked[: int(cutoff)])
    return Fraction(
        {"P": hits, "R": hits, "Hit": min(hits, 1)}[family],
        {"P": int(cutoff), "R": sum(ranked), "Hit": 1}[family],
    )


def over_all_orders(name, scores, relevant, ties="expected", of=by_definition):
    """The mean ("expected") or the minimum ("pessimistic") over all orders that the scores allow."""
    values = [
        of(name, [relevant[i] for i in order])
        for order in permutations(range(len(scores)))
        if all(scores[i] >= scores[j] for i, j in pairwise(order))
    ]
    return float(min(values) if ties == "pessimistic" else sum(values) / len(values))
