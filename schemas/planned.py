"""Samples held against the plan that they were made from, and a plan against its own fingerprint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from .errors import ClayEvalError
from .fingerprint import fingerprint
from .manifest import Tally, shard_name
from .samples import SampleSpec, attempt_seed, read_plan
from .shards import ShardSample

PLAN_LINES = "plan.jsonl"
_SAME = ("entity", "combination", "index", "labels", "diversity", "prompt", "negative_prompt")


def plan_settings(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What decided a plan, as its record (plan.json) has it: seed, count, and fingerprints of specs and texts."""
    entities = plan["entities"]
    return {
        **plan["settings"],
        "specs": {name: facts["spec"] for name, facts in entities.items()},
        "texts": {name: facts["texts"] for name, facts in entities.items()},
    }


def plan_fingerprint(plan: Mapping[str, Any]) -> str:
    """The fingerprint of a plan's record: of what decided it, and of its samples."""
    return fingerprint({"settings": plan_settings(plan), "samples": plan["files"][PLAN_LINES]})


class AgainstPlan:
    """Takes the samples of shards in their order and walks through plan.jsonl beside them, a line at a time.

    What the plan says of a sample, its JSON must say: everything but the seed word for word, the seed as the one of its
    attempt. Samples of the plan that are in no shard (rejected ones) are passed over. plan, manifest: the records beside
    them. shard_size: samples a shard, by which a sample's tar follows from the plan, or None where that is not known.
    `faults` has a line for each sample.
    """

    def __init__(
        self, path: Path, plan: Mapping[str, Any], manifest: Mapping[str, Any], shard_size: int | None
    ) -> None:
        self._path = path
        self._plan = plan
        self._manifest = manifest
        self._shard_size = shard_size
        self._judged = manifest["filter"]["judge"] is not None
        self._planned = Tally()
        self._lines = self._placed()
        self._ended = self._unreadable = False
        self.faults: list[str] = []

    def compare(self, shard: Path, sample: ShardSample) -> None:
        """Take the next sample, of the tar at `shard`."""
        if self._ended:
            return
        for name, spec in self._next_lines():
            if spec.key == sample.key:
                self._compare(shard, sample.record, spec, name)
                return
        if not self._ended:  # else the plan could not be read, which has been said
            self._ended = True
            self.faults.append(
                f"{shard}: {sample.key}: not in {self._path}, or not in its order; what follows was not compared"
            )

    def finish(self) -> list[str]:
        """All faults, once the last sample was taken.

        The number of samples, in all and of each entity, and the counts of every value in the manifest are recounted.
        """
        for _ in self._next_lines():
            pass
        if self._unreadable:
            return self.faults
        counted = {
            name: sum(next(iter(values.values())).values()) for name, values in self._planned.counts.items()
        }
        wanted = {name: facts["samples"] for name, facts in self._plan["entities"].items()}
        if counted != wanted or self._planned.samples != self._plan["samples"]:
            self.faults.append(f"{self._path}: the plan has another number of samples than plan.json says")
        if self._manifest["part"] is None:
            self._count()
        return self.faults

    def _count(self) -> None:
        balance = self._manifest["balance"]
        said = {
            of: {
                name: {value: counts[0] for value, counts in values.items()} for name, values in all_.items()
            }
            for of, all_ in balance.items()
        }
        if said != self._planned.counts or self._manifest["filter"]["planned"] != self._planned.samples:
            self.faults.append(f"{self._path}: its samples are not those that the manifest counts as planned")

    def _next_lines(self) -> Iterator[tuple[str | None, SampleSpec]]:
        """The lines of the plan from here on; one that cannot be read ends them."""
        try:
            for name, spec in self._lines:
                self._planned.add(spec.entity, spec.labels, spec.diversity)
                yield name, spec
        except ClayEvalError as error:
            self._ended = self._unreadable = True
            self.faults.append(" ".join(str(error).split()))

    def _placed(self) -> Iterator[tuple[str | None, SampleSpec]]:
        """(name of its tar, sample) of the plan, in order."""
        size, first = self._shard_size, dict[str, int]()
        for entity, samples in groupby(read_plan(self._path), key=lambda sample: sample.entity):
            start, number = first.get(entity, 0), 0
            for number, sample in enumerate(samples):
                yield None if size is None else shard_name(entity, start + number // size), sample
            first[entity] = start + (0 if size is None else number // size + 1)

    def _compare(self, shard: Path, record: Mapping[str, Any], spec: SampleSpec, tar: str | None) -> None:
        attempt = record.get("attempt")
        wrong = [name for name in _SAME if not _equal(record.get(name), getattr(spec, name))]
        # Without a judge a picture is drawn again only where nothing was to be seen, and then its record says so.
        again = self._judged or bool(record.get("rejected"))
        if type(attempt) is not int or not 1 <= attempt <= (
            self._manifest["filter"]["attempts"] if again else 1
        ):
            wrong.append("attempt")
        elif not _equal(record.get("seed"), attempt_seed(spec.seed, attempt)):
            wrong.append("seed")
        if wrong:
            said = ", ".join(name.replace("_", " ") for name in wrong)
            self.faults.append(f"{shard}: {spec.key}: its {said} not as in {self._path}")
        if record.get("renderer") != self._manifest["renderer"]:
            self.faults.append(f"{shard}: {spec.key}: its renderer is not the manifest's")
        if tar is not None and tar != shard.name:
            self.faults.append(f"{shard}: {spec.key}: belongs in {tar} by {self._path}")


def _equal(found: Any, wanted: Any) -> bool:
    return type(found) is type(wanted) and bool(found == wanted)
