"""What every query finds first, as it lies beside report.json, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.validate import check, parse_json, read_text

SCHEMA = "clay-eval/neighbours/1"
NEIGHBOURS = "neighbours.json"


def read_neighbours(folder: Path, entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record that a report's `neighbours` names, checked; None where the file is missing.

    Raises IntegrityError if it was changed, InputError if it does not fit its schema or points at images it does not list.
    """
    path = folder / str(entry["file"])
    if path.parent != folder or not path.is_file():
        return None
    if file_sha256(path) != entry["sha256"]:
        raise IntegrityError("the neighbours were changed", where=path, hint="evaluate again with --replace")
    record: dict[str, Any] = parse_json(read_text(path), path)
    check(record, "neighbours", path)
    for name, entity in record["entities"].items():
        _check_places(entity, f"{path}: {name}")
    return record


def _check_places(entity: Mapping[str, Any], where: str) -> None:
    """Every index is of something, and lists that go together are as long."""
    images = len(entity["keys"])
    fits = all(
        len(column["codes"]) == images and max(column["codes"], default=-1) < len(column["values"])
        for column in entity["labels"].values()
    )
    for one in entity["sets"]:
        size = len(one["queries"])
        fits = fits and set(one["conditions"]) <= set(entity["labels"]) and len(one["group"]) == size
        fits = fits and max(one["group"], default=-1) < len(one["groups"])
        shown = list(one["queries"])
        for ranked in one["methods"].values():
            fits = fits and len(ranked["scores"]) == len(ranked["neighbours"]) == size
            fits = fits and [len(n) for n in ranked["neighbours"]] == [len(s) for s in ranked["similarities"]]
            shown += [place for found in ranked["neighbours"] for place in found]
        fits = fits and max(shown, default=-1) < images
    if not fits:
        raise InputError(
            "the neighbours do not fit together", where=where, expected="places of listed images"
        )
