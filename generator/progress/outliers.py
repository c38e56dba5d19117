"""Values that are rejected far more often than the others of their attribute.

A sample is one observation: whether any picture of it was rejected for the attribute. (Its attempts are no observations of
their own: they share prompt and labels.) Each value is held against all others of its attribute by Fisher's exact test, one-
sided; p values are Holm's over all values of all entities. What is significant at `ALPHA` and at least `TIMES` as frequent
as among the others is named. It speaks of one look: who looks on and on sees more than ALPHA.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .counting import ValueTally

ALPHA = 0.01
TIMES = 2.0


@dataclass(frozen=True)
class Outlier:
    """A value with its rejected and looked-at samples, those of the other values, and Holm's p."""

    entity: str
    attribute: str
    value: str
    missed: int
    looked: int
    others_missed: int
    others_looked: int
    p: float


def outliers(values: Mapping[str, Mapping[str, Mapping[str, ValueTally]]]) -> list[Outlier]:
    """The values that stand out, worst share first. values: entity -> attribute -> value -> counts."""
    from scipy.stats import hypergeom

    from clay_eval.evaluator.statistics.significance import holm

    found: list[Outlier] = []
    for entity, attributes in values.items():
        for attribute, tallies in attributes.items():
            missed = sum(tally.missed for tally in tallies.values())
            looked = sum(tally.looked for tally in tallies.values())
            for value, own in tallies.items():
                if not missed or own.looked in (0, looked):
                    continue
                p = float(hypergeom.sf(own.missed - 1, looked, missed, own.looked))
                rest = missed - own.missed, looked - own.looked
                found.append(Outlier(entity, attribute, value, own.missed, own.looked, *rest, min(p, 1.0)))
    if not found:
        return []
    adjusted = holm([one.p for one in found])
    named = [
        Outlier(**{**vars(one), "p": float(p)})
        for one, p in zip(found, adjusted, strict=True)
        if p < ALPHA and one.missed * one.others_looked >= TIMES * one.others_missed * one.looked
    ]
    return sorted(named, key=lambda one: (-one.missed / one.looked, one.entity, one.attribute, one.value))
