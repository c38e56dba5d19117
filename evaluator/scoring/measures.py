"""Measures of a ranking as values: the string of a measure is its name, its identity and its column.

>>> [str(parse_measure(name)) for name in ("AP", "P@10", "nDCG(graded)@5")]
['AP', 'P@10', 'nDCG(graded)@5']
>>> parse_measure("AP").chance(10, [3, 1]).round(4)
array([0.45  , 0.2929])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import did_you_mean, nearest

from ..vectors.arrays import Float64Array
from .families import FAMILIES, Family, register

__all__ = [
    "FAMILIES",
    "Family",
    "Measure",
    "check_measures",
    "graded_chance",
    "measure_title",
    "parse_measure",
    "parse_measures",
    "register",
]

_MOST = 10**9


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
                hint=family.cutoff_hint,
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
    def formula(self) -> Family:
        """What it computes."""
        return FAMILIES[self.family]

    @property
    def graded(self) -> bool:
        """Whether it needs the codes of each condition, and not only which items are relevant."""
        return self.formula.graded

    @property
    def description(self) -> str:
        return self.formula.description

    @property
    def trec_name(self) -> str | None:
        """What trec_eval calls the same measure, None where it has none.

        >>> parse_measure("AP").trec_name, parse_measure("nDCG(graded)@5").trec_name, parse_measure("nDCG").trec_name
        ('map', 'ndcg_cut_5', None)
        """
        whole, cut = self.formula.trec
        return whole if self.k is None else None if cut is None else cut.replace("{k}", str(self.k))

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
        value = self.formula.chance(np.maximum(items, 1), np.maximum(hits, 1), self.k)
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
    """
    levels = np.asarray(counts, np.int64)
    at_least = np.cumsum(levels[..., :0:-1], axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(measure.formula.chance(levels.sum(axis=-1), at_least, measure.k))


def check_measures(measures: Sequence[Measure], conditions: int) -> None:
    """Raise InputError for a graded measure without the codes of any condition."""
    for measure in measures:
        if measure.graded and not conditions:
            raise InputError(
                f"{measure} needs the codes of each condition",
                where="graded_codes",
                expected="one pair a condition",
            )


def _unknown(name: str) -> InputError:
    likely = [_by_trec_name(name), _likely(name)]
    return InputError(
        f"unknown measure {name!r}",
        where="measures",
        expected=f"one of {', '.join(family.example for family in FAMILIES.values())} (any cutoff)",
        hint=did_you_mean(dict.fromkeys(filter(None, likely))),
    )


def _likely(name: str) -> str | None:
    """The measure that is probably meant: by what else it is called, or by how it is written."""
    head, at, tail = name.rpartition("@")
    called = {synonym: family for family in FAMILIES.values() for synonym in family.synonyms}
    family = called.get(_plain(name)) or called.get(_plain(head if at else tail))
    if family is None:
        return next(iter(nearest(name, (f.example for f in FAMILIES.values()))), None)
    if at and family.cutoff != "never" and tail.isascii() and tail.isdigit() and int(tail[:9]) > 0:
        return f"{family.name}@{int(tail[:9])}"
    return family.example


def _by_trec_name(name: str) -> str | None:
    """The measure that trec_eval calls `name`."""
    head, _, tail = name.rpartition("_")
    k = tail if tail.isascii() and tail.isdigit() and int(tail[:9]) > 0 else None
    for family in FAMILIES.values():
        whole, cut = family.trec
        if name == whole:
            return family.name
        if k is not None and cut == f"{head}_{{k}}":
            return f"{family.name}@{k}"
    return None


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c not in " -_")


def measure_title(measure: str) -> str:
    """The mean of a measure over queries as one reads it: mAP for AP, mAP@R for AP@R, else the measure's name.

    >>> measure_title("AP"), measure_title("AP(trapezoid)"), measure_title("P@10")
    ('mAP', 'mAP(trapezoid)', 'P@10')
    """
    family = FAMILIES.get(measure) or FAMILIES.get(measure.rpartition("@")[0])
    return f"m{measure}" if family is not None and family.averaged else measure
