"""What a whole plan will take, from a few pictures of it: hours, bytes, and what will be rejected of each value.

Shares have Clopper and Pearson's interval, means of pictures Student's. The hours are the product of seconds a picture and
pictures a sample, each with an interval of 97.5 %, so that the interval of the product has 95 % at least. The samples are
chosen to show every value, and are no random draw: rare values count for more than in the plan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .counting import ValueTally


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Estimate:
        """The same, so many times."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Timing:
    """How long a preview took: (pictures, seconds) of each call of the renderer, and seconds and pictures of all else."""

    calls: tuple[tuple[int, float], ...]
    other_seconds: float = 0.0


def share(hits: int, of: int, confidence: float = 0.95) -> Estimate:
    """A share with Clopper and Pearson's interval; 0 to 1 where nothing was seen."""
    from scipy.special import betaincinv

    if not of:
        return Estimate(0.0, 0.0, 1.0)
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, of - hits + 1, tail))
    high = 1.0 if hits == of else float(betaincinv(hits + 1, of - hits, 1 - tail))
    return Estimate(hits / of, low, high)


def mean(values: Sequence[float], least: float, most: float = math.inf, confidence: float = 0.95) -> Estimate:
    """A mean with Student's interval, between `least` and `most`; all of that for fewer than two values."""
    from scipy.special import stdtrit

    if not values:
        return Estimate(least, least, most)
    number = len(values)
    middle = math.fsum(values) / number
    if number == 1:
        return Estimate(middle, least, most)
    spread = math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (number - 1) / number)
    half = spread * float(stdtrit(number - 1, (1 + confidence) / 2))
    return Estimate(middle, max(least, middle - half), min(most, middle + half))


def seconds_a_picture(timing: Timing) -> Estimate | None:
    """Seconds a picture takes to be drawn and judged; None where nothing was timed.

    The first call, which warms up, is left out where there are others. With fewer than three left, the interval is that of
    the fastest and the slowest call of all.
    """
    if not timing.calls:
        return None
    steady = timing.calls[1:] or timing.calls
    pictures = sum(number for number, _ in timing.calls)
    other = timing.other_seconds / pictures
    each = [seconds / number for number, seconds in timing.calls]
    middle = sum(seconds for _, seconds in steady) / sum(number for number, _ in steady)
    if len(steady) >= 3:
        found = mean([seconds / number for number, seconds in steady], 0.0, confidence=0.975)
        return Estimate(middle + other, min(found.low, middle) + other, max(found.high, middle) + other)
    return Estimate(middle + other, min(*each, middle) + other, max(*each, middle) + other)


def hours(timing: Timing, pictures: Sequence[int], attempts: int, samples: int) -> Estimate | None:
    """Hours for so many samples; pictures: how many each sample of the preview took, `attempts` at most."""
    seconds = seconds_a_picture(timing)
    if seconds is None or not pictures:
        return None
    each = mean(pictures, 1.0, float(attempts), confidence=0.975)
    return Estimate(
        seconds.value * each.value * samples / 3600,
        seconds.low * each.low * samples / 3600,
        seconds.high * each.high * samples / 3600,
    )


def rejected(tally: ValueTally) -> Estimate:
    """The share of a value's samples of which a picture will be rejected for it."""
    return share(tally.missed, tally.looked)


def quarantined(tally: ValueTally) -> Estimate:
    """The share of a value's samples that will end in quarantine."""
    return share(tally.quarantined, tally.quarantined + tally.drawn)
