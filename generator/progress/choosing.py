"""Which samples of a plan are looked at first: few, with every value among them where the number allows."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence

from clay_eval.schemas.samples import SampleSpec


def spread(samples: Sequence[SampleSpec], count: int) -> list[SampleSpec]:
    """`count` samples (or all), in the order of the plan, that show every value as evenly as can be, one by one chosen.

    Each next one is that whose values were shown least: a value shown n times adds 4^-n. Entities count as values, too, and
    so do combinations; ties go to the earlier sample. The first k of a choice are the choice of k.
    """
    if count >= len(samples):
        return list(samples)
    shown: Counter[tuple[str, str, str]] = Counter()
    values = [
        [
            (sample.entity, "", ""),
            (sample.entity, "", str(sample.combination)),
            *((sample.entity, *item) for item in (*sample.labels.items(), *sample.diversity.items())),
        ]
        for sample in samples
    ]
    # Weights only ever fall: one that is still as it was when it was put down is the largest, and no other is looked at.
    waiting = [(-float(len(of)), number) for number, of in enumerate(values)]
    chosen: list[int] = []
    while waiting and len(chosen) < count:
        weight, number = waiting[0]
        now = -sum(4.0 ** -shown[value] for value in values[number])
        if now > weight:
            heapq.heapreplace(waiting, (now, number))
            continue
        heapq.heappop(waiting)
        chosen.append(number)
        shown.update(values[number])
    return [samples[number] for number in sorted(chosen)]
