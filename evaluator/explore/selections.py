"""What a selection of pictures is written as: a table of keys, or decisions that `clay-eval review --apply` takes."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import check

_DECISIONS = "clay-eval/decisions/1"
_LONGEST_REASON = 200


def keys_table(keys: Sequence[str], columns: Mapping[str, Sequence[str]]) -> str:
    """A CSV with the column `key`, and one of each of `columns` (name -> a text a key)."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(["key", *columns])
    writer.writerows(zip(keys, *columns.values(), strict=True))
    return stream.getvalue()


def decisions_record(
    keys: Sequence[str], manifest: str, reason: str, now: datetime | None = None
) -> dict[str, Any]:
    """Decisions to remove the pictures `keys` of the shards with this manifest's fingerprint.

    reason: plain words on one line, "" for none. Raises InputError where there is no key, or the reason is none.
    """
    if not keys:
        raise InputError("nothing is selected", where="selection", expected="a picture or more")
    words = " ".join(reason.split())
    if len(words) > _LONGEST_REASON or not words.isprintable():
        raise InputError(
            "not a reason that can be kept",
            where="reason",
            expected=f"at most {_LONGEST_REASON} characters of plain words",
            found=f"{len(words)} characters",
        )
    decision = {"decision": "remove", **({"reason": words} if words else {})}
    record = {
        "schema": _DECISIONS,
        "manifest": manifest,
        "reviewer": "explore",
        "date": (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "decisions": dict.fromkeys(keys, decision),
    }
    check(record, "decisions", "selection")
    return record
