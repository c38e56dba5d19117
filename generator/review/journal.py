"""The note of a decision file that is being applied: it lies in the shards folder from the first change to the last.

While it is there, the shards are between two states; applying the same decisions again brings them to the second.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import IntegrityError
from clay_eval.schemas.files import remove_file, write_sealed
from clay_eval.schemas.validate import check, read_sealed

JOURNAL = "applying.json"
_SCHEMA = "clay-eval/applying/1"


def write_journal(folder: Path, decisions: str, manifest: dict[str, Any]) -> None:
    """Note the fingerprint of the decisions and the manifest of the shards as they were before."""
    write_sealed(folder / JOURNAL, {"schema": _SCHEMA, "decisions": decisions, "manifest": manifest})


def read_journal(folder: Path) -> tuple[str, dict[str, Any]] | None:
    """(fingerprint of the decisions, manifest before), or None if nothing is being applied."""
    path = folder / JOURNAL
    if not path.exists():
        return None
    record = read_sealed(path, "applying")
    check(record["manifest"], "manifest", path)
    return record["decisions"], record["manifest"]


def end_journal(folder: Path) -> None:
    """Take the note away: all is done."""
    remove_file(folder / JOURNAL)


def refuse_unfinished(folder: Path) -> None:
    """Raise IntegrityError while decisions are half applied to the shards in `folder`."""
    if (folder / JOURNAL).exists():
        raise IntegrityError(
            "decisions of a review are half applied to these shards",
            where=folder / JOURNAL,
            hint="run clay-eval review --apply again with the same decisions",
        )
