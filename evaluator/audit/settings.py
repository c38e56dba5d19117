"""What an audit goes by."""

from __future__ import annotations

from dataclasses import dataclass

from clay_eval.schemas.errors import InputError

from ..methods.support.specs import Method, prepare_methods
from .evidence import Posterior


@dataclass(frozen=True)
class AuditSettings:
    """method: the space in which neighbours are near; posterior: a method whose `posterior` speaks of values; neighbours:
    how many; noise: the share of wrong labels that is expected beforehand; near: the cosine of near-duplicates, None for
    one that the data set; seed: draws the wrong labels that the audit learns from.

    Raises InputError for numbers out of range.
    """

    method: str = "clay-values"
    posterior: str = "text-mixture"
    neighbours: int = 10
    noise: float = 0.02
    near: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise InputError(
                "too few neighbours", where="--neighbours", expected="1 or more", found=self.neighbours
            )
        if not 0 < self.noise < 0.5:
            raise InputError(
                "not a share of wrong labels",
                where="--noise",
                expected="above 0, below 0.5",
                found=self.noise,
            )
        if self.near is not None and not -1 <= self.near <= 1:
            raise InputError("not a cosine", where="--near", expected="-1 to 1", found=self.near)

    def prepared(self) -> tuple[Method, Method]:
        """The methods, checked: neighbours', and the posterior's.

        Raises InputError for unknown ones, those that see labels or embed pictures anew, and a posterior that is none.
        """
        space, posterior = prepare_methods([self.method])[0], prepare_methods([self.posterior])[0]
        for method, option in ((space, "--method"), (posterior, "--posterior")):
            if method.privileged:
                raise InputError(
                    f"{method.name} is told the labels that it is to judge",
                    where=option,
                    expected="a method of texts or of the values that they name",
                )
        if not isinstance(posterior.factory(), Posterior):
            raise InputError(
                f"{posterior.name} has no posterior over values",
                where="--posterior",
                expected="text-mixture or label-posterior",
            )
        return space, posterior
