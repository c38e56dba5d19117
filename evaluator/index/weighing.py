"""What weights of conditions say, checked: how much each counts, and which are to be disregarded.

w > 0    the condition counts, by its share w / sum of the positive weights;
w = 0    it is left out;
w < 0    regardless of it: its subspace is taken out of the pictures by the share -w, see `removal`; -1 is all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isfinite

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import did_you_mean, nearest

Weighted = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Weights:
    """counted: (condition, weight above 0); removed: (condition, share in (0, 1] to take out); each in order of name."""

    counted: Weighted
    removed: Weighted

    @property
    def names(self) -> tuple[str, ...]:
        """The conditions that count."""
        return tuple(name for name, _ in self.counted)


def parse_weights(weights: Mapping[str, float], known: Collection[str]) -> Weights:
    """Return what `weights` say; raises InputError for unknown conditions and weights that are no number of -1 or more."""
    for name, weight in weights.items():
        require_known(name, known)
        if isinstance(weight, bool) or not isfinite(weight) or weight < -1:
            raise InputError(
                "not a weight",
                where=f"condition {name!r}",
                expected="a number: above 0 to count, 0 to be left out, down to -1 for regardless of it",
                found=repr(weight),
            )
    ordered = sorted((name, float(weight)) for name, weight in weights.items())
    return Weights(
        tuple((name, weight) for name, weight in ordered if weight > 0),
        tuple((name, -weight) for name, weight in ordered if weight < 0),
    )


def require_known(name: str, known: Collection[str]) -> None:
    """Raise InputError unless the condition `name` is one of `known`."""
    if name not in known:
        raise InputError(
            f"the index has no condition {name!r}",
            where="condition",
            expected=f"one of {sorted(known)}" if known else "a condition that was added",
            found=repr(name),
            hint=did_you_mean(nearest(name, known)) or "add it with its texts first",
        )
