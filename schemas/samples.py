"""Sample specs: one line of plan.jsonl for each picture that is to be made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from .errors import InputError
from .fingerprint import canonical_json
from .reading import open_regular
from .validate import check, parse_json

MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SampleSpec:
    """What one picture shows and how it is asked for.

    `combination` numbers the core labels in the order in which the spec enumerates them, `index` the pictures of one
    combination; both decide the seed.
    """

    key: str
    entity: str
    combination: int
    index: int
    labels: Mapping[str, str]
    diversity: Mapping[str, str]
    prompt: str
    negative_prompt: str
    seed: int

    def to_json(self) -> str:
        """One line of JSON, without the newline."""
        return canonical_json({field.name: getattr(self, field.name) for field in fields(self)})


def attempt_seed(seed: int, attempt: int) -> int:
    """The seed of a sample's attempt 1, 2, ...: its own first, then 53 bits of a hash of both."""
    if attempt == 1:
        return seed
    digest = hashlib.sha256(f"{seed}|{attempt}".encode()).digest()
    return int.from_bytes(digest[:7], "big") >> 3


def read_plan(path: Path) -> Iterator[SampleSpec]:
    """Stream the sample specs of a plan.jsonl; the first bad line or repeated key raises InputError with its number."""
    seen: set[str] = set()
    with open_regular(path, "plan", hint="make one with: clay-eval plan") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES), b""), start=1):
            record = parse_json(line, f"{path} line {number}")
            check(record, "sample-spec", f"{path} line {number}")
            sample = SampleSpec(**record)
            if sample.key in seen:
                raise InputError(
                    "a key stands twice in the plan", where=f"{path} line {number}", found=sample.key
                )
            seen.add(sample.key)
            yield sample
