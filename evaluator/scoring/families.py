"""Families of measures: each is one class, the same for NumPy, torch and the runs of TREC.

A measure is what a ranking has earned over what a perfect one could: `earned / possible`. Both are written in terms of
`Hits`, which every backend offers, so a class says once what its measure is. A graded measure sums both over the
levels "at least t conditions match". To add one, write a class in a file of its own and register it; an entry point in the
group `clay_eval.measures` makes it known to the command line.

>>> sorted(FAMILIES)[:3]
['AP', 'AP(trapezoid)', 'AP@R']
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.registry import Registry

from ..vectors.arrays import Float64Array
from .ties import (
    Counts,
    Formula,
    Weight,
    expected_precision_sum,
    harmonic_numbers,
    log_discount,
    miss_probability,
    weight_sums,
)

Cutoff = Literal["never", "always", "maybe"]
Values = Any
"""One number a ranking: float64 (B,) of NumPy, or (B, 1) of torch; arithmetic with plain operators works on both."""


class Relevant(Protocol):
    """How many items are relevant to each query."""

    @property
    def relevant(self) -> Values:
        """R, integers."""

    def best(self, weight: Weight, k: int | None) -> Values:
        """The sum of weight(rank) over the first R ranks, down to rank k."""


class Hits(Relevant, Protocol):
    """The relevant items of rankings; every method gives expected values over the orders of ties."""

    def above(self, depth: int | Values) -> Values:
        """Relevant items among the first `depth` ranks, which may differ by ranking."""

    def any_above(self, k: int) -> Values:
        """Whether any of the first k ranks is relevant: 0 to 1."""

    def weighted(self, weight: Weight, k: int | None) -> Values:
        """The sum of weight(rank) over the relevant items, down to rank k."""

    def precisions(self, formula: Formula = "standard", *, among_first_r: bool = False) -> Values:
        """The sum of precisions at the ranks of the relevant items, or only at those among the first R."""


class Family(ABC):
    """A measure's name, its meaning and its mathematics; `k` is the cutoff after the @, None without one.

    example: a name as users write it; cutoff: whether there is one; description: of one ranking's value; synonyms: what else
    it is called, in lower case without blanks and hyphens. binary: of a graded family, which counts the conditions that
    match, the name of the one that it is where there is only one; depth_by_relevant: whether `earned` looks at R; averaged:
    whether its mean over queries is called m<name>. trec: what trec_eval calls it without a cutoff and with the cutoff {k},
    None where it has no such measure.
    """

    name: ClassVar[str]
    example: ClassVar[str]
    cutoff: ClassVar[Cutoff] = "always"
    description: ClassVar[str]
    synonyms: ClassVar[tuple[str, ...]] = ()
    binary: ClassVar[str | None] = None
    depth_by_relevant: ClassVar[bool] = False
    averaged: ClassVar[bool] = False
    cutoff_hint: ClassVar[str | None] = None
    trec: ClassVar[tuple[str | None, str | None]] = (None, None)

    @property
    def graded(self) -> bool:
        """Whether it needs the codes of each condition, and not only which items are relevant."""
        return self.binary is not None

    @abstractmethod
    def earned(self, hits: Hits, k: int | None) -> Values:
        """What each ranking has earned."""

    @abstractmethod
    def possible(self, known: Relevant, k: int | None) -> Values:
        """What the best ranking would earn; only asked where something is relevant."""

    @abstractmethod
    def chance(self, n: Counts, r: Counts, k: int | None) -> Float64Array:
        """The exact expectation for a random order of n items, r of them relevant; 1 <= r <= n, arrays of one shape.

        Of a graded measure n is (...) and r (..., levels): the items of at least each gain.
        """


FAMILIES: Registry[Family] = Registry("measure", "clay_eval.measures")
"""Families of measures by name; R is the number of relevant items of a query, k the cutoff after the @."""


def register(family: type[Family]) -> type[Family]:
    """Add a family to `FAMILIES`, as a decorator of its class; raises InputError for a name that is taken."""
    if "@" in family.name and family.cutoff != "never":
        raise InputError("a measure with an @ in its name takes no cutoff", where=family.name)
    FAMILIES.register(family.name, family())
    return family


@register
class AveragePrecision(Family):
    name, example, cutoff = "AP", "AP", "never"
    trec: ClassVar[tuple[str | None, str | None]] = ("map", None)
    description = "average precision: the mean, over relevant items, of precision at their rank"
    synonyms: ClassVar[tuple[str, ...]] = ("ap", "map", "averageprecision", "meanaverageprecision")
    averaged = True
    cutoff_hint = "AP@R stops at rank R"
    formula: ClassVar[Formula] = "standard"

    def earned(self, hits: Hits, k: int | None) -> Values:
        return hits.precisions(self.formula, among_first_r=self.depth_by_relevant)

    def possible(self, known: Relevant, k: int | None) -> Values:
        return known.relevant

    def chance(self, n: Counts, r: Counts, k: int | None) -> Float64Array:
        none = np.zeros_like(n)
        harmonic = harmonic_numbers(int(n.max(initial=1)))
        upto = r if self.depth_by_relevant else None
        return expected_precision_sum(n, r, none, none, harmonic, self.formula, upto) / r


@register
class AveragePrecisionTrapezoid(AveragePrecision):
    name = example = "AP(trapezoid)"
    description = "average precision as the Oxford and Paris Buildings tools integrate it, by trapezoids"
    trec = (None, None)
    synonyms = ("ap(trapezoid)", "ap(trapezoidal)", "map(trapezoid)")
    formula = "trapezoid"


@register
class AveragePrecisionAtR(AveragePrecision):
    name = example = "AP@R"
    description = (
        "MAP@R of Musgrave et al. (ECCV 2020): precision at the relevant ranks among the first R, over R"
    )
    trec = (None, None)
    synonyms = tuple(f"{name}@r" for name in AveragePrecision.synonyms)
    depth_by_relevant = True


@register
class Precision(Family):
    name, example = "P", "P@10"
    trec = (None, "P_{k}")
    description = "precision: relevant items among the first k, over k"
    synonyms = ("p", "prec", "precision")

    def earned(self, hits: Hits, k: int | None) -> Values:
        return hits.above(k or 1)

    def possible(self, known: Relevant, k: int | None) -> Values:
        return float(k or 1)

    def chance(self, n: Counts, r: Counts, k: int | None) -> Float64Array:
        return np.asarray(r / n * np.minimum(n, k or 1) / np.float64(k or 1))


@register
class Recall(Family):
    name, example = "R", "R@10"
    trec = (None, "recall_{k}")
    description = "recall: relevant items among the first k, over all R relevant ones"
    synonyms = ("r", "recall")

    def earned(self, hits: Hits, k: int | None) -> Values:
        return hits.above(k or 1)

    def possible(self, known: Relevant, k: int | None) -> Values:
        return known.relevant

    def chance(self, n: Counts, r: Counts, k: int | None) -> Float64Array:
        return np.asarray(np.minimum(n, k or 1) / n)


@register
class Hit(Family):
    name, example = "Hit", "Hit@1"
    trec = (None, "success_{k}")
    description = (
        "success: 1 if any of the first k is relevant; what GeneCIS and metric learning call recall@k"
    )
    synonyms = ("hit", "hits", "hitrate", "success", "s")

    def earned(self, hits: Hits, k: int | None) -> Values:
        return hits.any_above(k or 1)

    def possible(self, known: Relevant, k: int | None) -> Values:
        return 1.0

    def chance(self, n: Counts, r: Counts, k: int | None) -> Float64Array:
        return np.asarray(1 - miss_probability(n, r, np.minimum(n, k or 1)))


@register
class DiscountedGain(Family):
    name, example, cutoff = "nDCG", "nDCG@10", "maybe"
    description = "discounted gain, 1 / log2(1 + rank) for each relevant item, whatever its grade, over the best possible"
    synonyms: ClassVar[tuple[str, ...]] = ("ndcg",)

    def earned(self, hits: Hits, k: int | None) -> Values:
        return hits.weighted(log_discount, k)

    def possible(self, known: Relevant, k: int | None) -> Values:
        return known.best(log_discount, k)

    def chance(self, n: Counts, r: Counts, k: int | None) -> Float64Array:
        sums = weight_sums(log_discount, int(n.max(initial=1)), k)
        return np.asarray(r / n * sums[n] / sums[r])


@register
class GradedDiscountedGain(DiscountedGain):
    name, example = "nDCG(graded)", "nDCG(graded)@10"
    description = (
        "the same where an item's gain is the number of conditions in which it matches the query, or its grade in qrels "
        "(what trec_eval calls ndcg)"
    )
    synonyms = ("ndcg(graded)", "gradedndcg")
    binary = "nDCG"
    trec = ("ndcg", "ndcg_cut_{k}")

    def chance(self, n: Counts, r: Counts, k: int | None) -> Float64Array:
        # The expected gain is the same at every rank, so it is (mean gain) D_k / ideal, D_k the sum of discounts.
        sums = weight_sums(log_discount, int(n.max(initial=1)), k)
        return np.asarray(r.sum(axis=-1) / n * sums[n] / sums[r].sum(axis=-1))


@register
class RPrecision(Family):
    name, example, cutoff = "Rprec", "Rprec", "never"
    trec = ("Rprec", None)
    description = "R-precision: relevant items among the first R, over R"
    synonyms = ("rprec", "rprecision")
    depth_by_relevant = True

    def earned(self, hits: Hits, k: int | None) -> Values:
        return hits.above(hits.relevant)

    def possible(self, known: Relevant, k: int | None) -> Values:
        return known.relevant

    def chance(self, n: Counts, r: Counts, k: int | None) -> Float64Array:
        return np.asarray(r / n)
