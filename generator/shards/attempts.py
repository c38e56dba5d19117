"""A sample on its way to a picture: its attempts, the record beside what came of them, and what became of it so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from clay_eval.schemas.samples import SampleSpec, attempt_seed
from clay_eval.schemas.shards import ShardSample

from .journal import AGAIN, FAILED, Fate, fate_of, rejections


@dataclass(frozen=True)
class Attempt:
    """A sample that waits for its next picture: the number of that, and why the earlier ones were rejected."""

    sample: SampleSpec
    number: int = 1
    rejected: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def asked(self) -> SampleSpec:
        """The sample spec with the seed of this attempt."""
        return replace(self.sample, seed=attempt_seed(self.sample.seed, self.number))

    def refused(self, reasons: Sequence[str], failed: Sequence[str] = ()) -> Attempt:
        """This attempt with the reasons why its picture was rejected, and what it failed at."""
        said = tuple(f"attempt {self.number}: {reason}" for reason in reasons)
        return replace(self, rejected=(*self.rejected, *said), failed=(*self.failed, *failed))

    def following(self) -> Attempt:
        """The next attempt at the same sample."""
        return replace(self, number=self.number + 1)

    def record(self, scores: Mapping[str, float], renderer: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON beside a picture: uniform keys and types within an entity."""
        sample = self.sample
        return {
            "key": sample.key,
            "entity": sample.entity,
            "combination": sample.combination,
            "index": sample.index,
            "labels": dict(sample.labels),
            "diversity": dict(sample.diversity),
            "prompt": sample.prompt,
            "negative_prompt": sample.negative_prompt,
            "seed": self.asked.seed,
            "attempt": self.number,
            "scores": dict(scores),
            "rejected": list(self.rejected),
            "failed": list(self.failed),
            "renderer": renderer,
        }


@dataclass
class Drawn:
    """Samples by key, as far as they were drawn."""

    accepted: dict[str, ShardSample] = field(default_factory=dict)
    quarantined: dict[str, ShardSample] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def fates(self, keys: Sequence[str], again: Sequence[Attempt]) -> Iterator[tuple[str, Fate]]:
        """What became of these samples, of which those in `again` wait for their next attempt."""
        waiting = {attempt.sample.key: attempt for attempt in again}
        for key in keys:
            if key in waiting:
                yield key, Fate(AGAIN, rejections(waiting[key].rejected), waiting[key].failed)
            elif key in self.failed:
                yield key, Fate(FAILED)
            else:
                drawn = key in self.accepted
                yield key, fate_of((self.accepted if drawn else self.quarantined)[key].record, drawn)
