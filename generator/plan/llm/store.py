"""Every call in a file of its own: what was asked, the raw reply, and what was made of it. Also the cache.

<folder>/<fingerprint>.json         a reply; the fingerprint covers all that determines it
<folder>/<fingerprint>.fault.json   what a server sent that was no reply
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.files import write_text
from clay_eval.schemas.validate import parse_json, read_text

SCHEMA = "clay-eval/llm-call/1"


class CallStore:
    """Calls in `folder`, by fingerprint."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the call `key` lies, or would."""
        return self.folder / f"{key}.json"

    def load(self, key: str) -> dict[str, Any] | None:
        """The record of a call that was answered, or None; a damaged one raises IntegrityError."""
        path = self.path(key)
        if not path.exists():
            return None
        try:
            record = parse_json(read_text(path), path)
            reply = record["reply"]
            sound = record["schema"] == SCHEMA and record["fingerprint"] == key
            sound = sound and all(isinstance(reply[name], str) for name in ("text", "refusal", "finish"))
        except (InputError, LookupError, TypeError) as error:
            raise _damaged(path) from error
        if not sound:
            raise _damaged(path)
        result: dict[str, Any] = record
        return result

    def save(self, key: str, record: dict[str, Any]) -> Path:
        """Write a call, whole or not at all."""
        return _write(self.path(key), {"schema": SCHEMA, "fingerprint": key, **record})

    def save_fault(self, key: str, record: dict[str, Any]) -> Path:
        """Write what came instead of a reply; it is never read back as one."""
        return _write(self.folder / f"{key}.fault.json", {"schema": SCHEMA, "fingerprint": key, **record})


def _write(path: Path, record: dict[str, Any]) -> Path:
    # A model may send half a surrogate, which UTF-8 cannot hold: escapes can.
    write_text(path, json.dumps(record, indent=2) + "\n")
    return path


def _damaged(path: Path) -> IntegrityError:
    return IntegrityError(
        "a kept reply was damaged or changed",
        where=path,
        hint="delete this file to have the question asked again",
    )
