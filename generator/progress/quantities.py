"""Estimates in words: a number with its interval, in the unit that suits it."""

from __future__ import annotations

from collections.abc import Sequence


def lasting(seconds: Sequence[float]) -> str:
    """A time [value, low, high], in seconds, minutes, hours or days."""
    return _in_units(seconds, ((1, "s"), (60, "min"), (3600, "h"), (86400, "days")), 2.0)


def size(count: Sequence[float]) -> str:
    """A size [value, low, high] in bytes, in MB, GB or TB."""
    return _in_units(count, ((1e6, "MB"), (1e9, "GB"), (1e12, "TB")), 1.0)


def number(found: Sequence[float], digits: int = 0) -> str:
    """A number [value, low, high], as 3 (1 to 8)."""
    value, low, high = (f"{one:,.{digits}f}" for one in found)
    return f"{value} ({low} to {high})"


def _in_units(found: Sequence[float], units: Sequence[tuple[float, str]], least: float) -> str:
    """In the largest unit of which the value is `least` or more, else in the first."""
    unit, name = next((u for u in reversed(units) if found[0] >= least * u[0]), units[0])
    value, low, high = (f"{one / unit:.3g}" if one / unit < 1000 else f"{one / unit:,.0f}" for one in found)
    return f"{value} {name} ({low} to {high})"
