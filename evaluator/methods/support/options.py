"""Checks of constructors' parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from clay_eval.schemas.errors import InputError

_Choice = TypeVar("_Choice", bound=str)


def checked_components(n_components: object) -> int:
    """Return `n_components` as an int; raises InputError unless it is an integer of 1 or more."""
    if isinstance(n_components, bool) or not isinstance(n_components, int | np.integer) or n_components < 1:
        raise InputError(
            "n_components must be a positive integer",
            where="n_components",
            expected="1 or more",
            found=repr(n_components),
        )
    return int(n_components)


def checked_choice(value: _Choice, name: str, choices: Sequence[_Choice]) -> _Choice:
    """Return `value`; raises InputError, naming the option `name`, unless it is one of `choices`."""
    if value not in choices:
        raise InputError(
            f"unknown {name}", where=name, expected=f"one of {tuple(choices)}", found=repr(value)
        )
    return value


def checked_flag(value: bool, name: str) -> bool:
    """Return `value`; raises InputError, naming the option `name`, unless it is True or False."""
    if not isinstance(value, bool):
        raise InputError(
            f"{name} must be true or false", where=name, expected="true or false", found=repr(value)
        )
    return value


def checked_number(
    value: float, name: str, *, least: float = 0.0, most: float = math.inf, above: bool = False
) -> float:
    """Return `value` as a float in [least, most], or in (least, most] with above=True; raises InputError otherwise."""
    real = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not real or not (least <= value <= most and value < math.inf) or (above and value == least):
        low = f"above {least:g}" if above else f"{least:g} or more"
        raise InputError(
            f"{name} is out of range",
            where=name,
            expected=f"a number, {low}" + (f", {most:g} at most" if most < math.inf else ""),
            found=repr(value),
        )
    return float(value)
