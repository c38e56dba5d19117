"""Measures of a ranking as values: the string of a measure is its name, its identity and its column.

>>> [str(parse_measure(name)) for name in ("AP", "P@10", "nDCG(graded)@5")]
['AP', 'P@10', 'nDCG(graded)@5']
>>> parse_measure("AP").chance(10, [3, 1]).round(4)
array([0.45  , 0.2929])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import did_you_mean, nearest

from ..vectors.arrays import Float64Array
from .ties import (
    Formula,
    discount_sums,
    expected_precision_sum,
    harmonic_numbers,
    miss_probability,
)

Cutoff = Literal["never", "always", "maybe"]

_MOST = 10**9


@dataclass(frozen=True)
class Family:
    """What a measure's name may look like, and what it means."""

    example: str
    cutoff: Cutoff
    description: str


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "AP": Family(
            "AP", "never", "average precision: the mean, over relevant items, of precision at their rank"
        ),
        "AP(trapezoid)": Family(
            "AP(trapezoid)",
            "never",
            "average precision as the Oxford and Paris Buildings tools integrate it, by trapezoids",
        ),
        "AP@R": Family(
            "AP@R",
            "never",
            "MAP@R of Musgrave et al. (ECCV 2020): precision at the relevant ranks among the first R, over R",
        ),
        "P": Family("P@10", "always", "precision: relevant items among the first k, over k"),
        "R": Family("R@10", "always", "recall: relevant items among the first k, over all R relevant ones"),
        "Hit": Family(
            "Hit@1",
            "always",
            "success: 1 if any of the first k is relevant; what GeneCIS and metric learning call recall@k",
        ),
        "nDCG": Family(
            "nDCG@10",
            "maybe",
            "discounted gain, 1 / log2(1 + rank) for each relevant item, over the best possible",
        ),
        "nDCG(graded)": Family(
            "nDCG(graded)@10",
            "maybe",
            "the same where an item's gain is the number of conditions in which it matches the query",
        ),
        "Rprec": Family("Rprec", "never", "R-precision: relevant items among the first R, over R"),
    }
)
"""Families of measures by name; R is the number of relevant items of a query, k the cutoff after the @."""

_SYNONYMS = {
    "ap": "AP",
    "map": "AP",
    "averageprecision": "AP",
    "meanaverageprecision": "AP",
    "ap(trapezoid)": "AP(trapezoid)",
    "ap(trapezoidal)": "AP(trapezoid)",
    "map(trapezoid)": "AP(trapezoid)",
    "p": "P",
    "prec": "P",
    "precision": "P",
    "r": "R",
    "recall": "R",
    "hit": "Hit",
    "hits": "Hit",
    "hitrate": "Hit",
    "success": "Hit",
    "s": "Hit",
    "ndcg": "nDCG",
    "ndcg(graded)": "nDCG(graded)",
    "gradedndcg": "nDCG(graded)",
    "rprec": "Rprec",
    "rprecision": "Rprec",
}


@dataclass(frozen=True)
class Measure:
    """One measure of a ranking: a family of `FAMILIES` and, where it has one, the cutoff k.

    Raises InputError for an unknown family, and for a cutoff that is missing, below 1, or not wanted.

    >>> str(Measure("R", 5)), Measure("R", 5) == parse_measure("R@5")
    ('R@5', True)
    """

    family: str
    k: int | None = None

    def __post_init__(self) -> None:
        family = FAMILIES.get(self.family)
        if family is None:
            raise _unknown(str(self))
        if self.k is None:
            if family.cutoff == "always":
                raise InputError(
                    f"the measure {self.family} needs a cutoff",
                    where=str(self),
                    expected=f"{self.family}@k",
                    hint=f"for example {family.example}",
                )
            return
        if family.cutoff == "never":
            raise InputError(
                f"the measure {self.family} takes no cutoff",
                where=str(self),
                expected=self.family,
                hint="AP@R stops at rank R" if self.family.startswith("AP") else None,
            )
        if isinstance(self.k, bool) or not isinstance(self.k, int) or not 1 <= self.k <= _MOST:
            raise InputError(
                "a cutoff is a whole number, 1 or more",
                where=str(self),
                expected=f"{self.family}@k, 1 <= k <= {_MOST}",
                found=f"k = {self.k}",
                hint=f"for example {family.example}",
            )

    def __str__(self) -> str:
        return self.family if self.k is None else f"{self.family}@{self.k}"

    @property
    def graded(self) -> bool:
        """Whether it needs the codes of each condition, and not only which items are relevant."""
        return self.family == "nDCG(graded)"

    @property
    def description(self) -> str:
        return FAMILIES[self.family].description

    def chance(self, n: npt.ArrayLike, r: npt.ArrayLike) -> Float64Array:
        """Return the exact expectation of a random order of n items, r of them relevant; NaN where r = 0.

        The two are integers or arrays that broadcast, and give the shape of the result. It is what a constant
        scorer gets.

        Raises InputError unless 0 <= r <= n, and for a graded measure (see `graded_chance`).
        """
        if self.graded:
            raise InputError(
                "chance of a graded measure depends on how many items have each gain",
                where=str(self),
                hint="use graded_chance, or retrieval_chance",
            )
        items, hits = np.broadcast_arrays(np.asarray(n, np.int64), np.asarray(r, np.int64))
        if (hits < 0).any() or (hits > items).any():
            raise InputError(
                "relevant items must be between 0 and the number of items", where="r", expected="0 <= r <= n"
            )
        value = _chance(self, np.maximum(items, 1), np.maximum(hits, 1))
        return np.asarray(np.where(hits > 0, value, np.nan))


def parse_measure(text: str) -> Measure:
    """Return the measure named `text`, as listed in `FAMILIES`: "AP", "AP@R", "P@10", "nDCG(graded)@5".

    Raises InputError, with the nearest name where there is one, for anything else.
    """
    name = text.strip()
    if name in FAMILIES:
        return Measure(name)
    family, at, cutoff = name.rpartition("@")
    if not at or family not in FAMILIES:
        raise _unknown(name)
    digits = cutoff.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 12:
        raise InputError(
            "a cutoff is a whole number, 1 or more",
            where=f"measure {name!r}",
            expected=f"{family}@k",
            found=repr(cutoff),
            hint=f"for example {FAMILIES[family].example}",
        )
    return Measure(family, int(cutoff))


def parse_measures(texts: Sequence[str]) -> tuple[Measure, ...]:
    """Return the measures named `texts`, in order; raises InputError for none, and for one named twice."""
    measures = tuple(parse_measure(text) for text in texts)
    for measure in measures:
        if measures.count(measure) > 1:
            raise InputError(
                f"the measure {measure} is named twice", where="measures", found=", ".join(texts)
            )
    if not measures:
        raise InputError(
            "no measure is named", where="measures", expected="at least one", hint="for example AP"
        )
    return measures


def graded_chance(measure: Measure, counts: npt.ArrayLike) -> Float64Array:
    """Return the expectation of a graded measure under a random order, (...) float64; NaN without any gain.

    counts: (..., C + 1) integers, items of gain 0, 1, ..., C.

    The expected gain is the same at every rank, so it is (mean gain) D_k / ideal, D_k the sum of discounts.
    """
    levels = np.asarray(counts, np.int64)
    items = levels.sum(axis=-1)
    above = np.cumsum(levels[..., :0:-1], axis=-1)
    sums = discount_sums(int(items.max(initial=1)), measure.k)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(above.sum(axis=-1) / items * sums[items] / sums[above].sum(axis=-1))


def check_measures(measures: Sequence[Measure], conditions: int) -> None:
    """Raise InputError for a graded measure without the codes of any condition."""
    for measure in measures:
        if measure.graded and not conditions:
            raise InputError(
                f"{measure} needs the codes of each condition",
                where="graded_codes",
                expected="one pair a condition",
            )


def _chance(measure: Measure, n: npt.NDArray[np.int64], r: npt.NDArray[np.int64]) -> Float64Array:
    zero = np.zeros_like(n)
    if measure.family in ("AP", "AP(trapezoid)", "AP@R"):
        formula: Formula = "trapezoid" if measure.family == "AP(trapezoid)" else "standard"
        upto = r if measure.family == "AP@R" else None
        harmonic = harmonic_numbers(int(n.max(initial=1)))
        return expected_precision_sum(n, r, zero, zero, harmonic, formula, upto) / r
    if measure.family == "Rprec":
        return r / n
    first = n if measure.k is None else np.minimum(n, measure.k)
    if measure.family == "P":
        return r / n * first / np.float64(measure.k or 1)
    if measure.family == "R":
        return first / n
    if measure.family == "Hit":
        return 1 - miss_probability(n, r, first)
    sums = discount_sums(int(n.max(initial=1)), measure.k)
    return r / n * sums[n] / sums[r]


def _unknown(name: str) -> InputError:
    head, at, tail = name.rpartition("@")
    family = _SYNONYMS.get("".join(c for c in (head if at else tail).casefold() if c not in " -_"))
    if family is not None:
        cutoff = FAMILIES[family].cutoff
        if family == "AP" and tail.casefold() == "r":
            likely = ["AP@R"]
        elif at and cutoff != "never" and tail.isascii() and tail.isdigit() and int(tail[:9]) > 0:
            likely = [f"{family}@{int(tail[:9])}"]
        else:
            likely = [FAMILIES[family].example]
    else:
        likely = nearest(name, (family.example for family in FAMILIES.values()))
    return InputError(
        f"unknown measure {name!r}",
        where="measures",
        expected=f"one of {', '.join(family.example for family in FAMILIES.values())} (any cutoff)",
        hint=did_you_mean(likely),
    )


def measure_title(measure: str) -> str:
    """The mean of a measure over queries as one reads it: mAP for AP, mAP@R for AP@R, else the measure's name.

    >>> measure_title("AP"), measure_title("AP(trapezoid)"), measure_title("P@10")
    ('mAP', 'mAP(trapezoid)', 'P@10')
    """
    return f"m{measure}" if measure == "AP" or measure.startswith(("AP@", "AP(")) else measure
