"""Decisions of a review: a JSON file (schema: decisions) made for one manifest, and what they leave in a record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.manifest import ACCEPTED_BY_HAND, BY_HAND
from clay_eval.schemas.validate import read_json

ACCEPTED = ACCEPTED_BY_HAND
NO_REASON = "removed"
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Decisions:
    """What a reviewer decided: `marks` maps each key to the line that its record gains ("by hand: ...")."""

    manifest: str
    marks: Mapping[str, str]
    fingerprint: str

    @property
    def removed(self) -> list[str]:
        """Keys to take out of the shards."""
        return [key for key, mark in self.marks.items() if mark != ACCEPTED]

    @property
    def accepted(self) -> list[str]:
        """Keys to take out of quarantine."""
        return [key for key, mark in self.marks.items() if mark == ACCEPTED]


def read_decisions(path: Path) -> Decisions:
    """Read and check a decisions file; anything wrong with it raises InputError that says where."""
    record = read_json(path, "decisions")
    marks = {key: _mark(entry, f"{path}: {key}") for key, entry in record["decisions"].items()}
    content = {"manifest": record["manifest"], "decisions": record["decisions"]}
    return Decisions(record["manifest"], marks, fingerprint(content))


def _mark(entry: Mapping[str, Any], where: str) -> str:
    if entry["decision"] == "accept":
        return ACCEPTED
    reason: str = entry.get("reason", NO_REASON)
    mark = BY_HAND + reason
    if reason != reason.strip() or _UNSEEN.search(reason) or mark.casefold() == ACCEPTED:
        raise InputError(
            "a reason cannot be used as it is",
            where=where,
            expected='words on one line, without spaces around them, other than "accepted"',
            found=repr(reason),
        )
    return mark


def last_by_hand(record: Mapping[str, Any]) -> str | None:
    """The decision by hand that a sample's record ends with, if any."""
    rejected = record.get("rejected")
    last = rejected[-1] if isinstance(rejected, list) and rejected else None
    return last if isinstance(last, str) and last.startswith(BY_HAND) else None


def marked(record: Mapping[str, Any], mark: str) -> dict[str, Any]:
    """The record with one more line at the end of its "rejected"."""
    return {**record, "rejected": [*record.get("rejected", []), mark]}
