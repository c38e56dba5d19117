"""What lies beside report.json, read back with care: the neighbours of every query, their sheets, and thumbnails."""

from __future__ import annotations

import base64
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.validate import check, parse_json, read_text

SCHEMA = "clay-eval/neighbours/1"
NEIGHBOURS = "neighbours.json"
SHEETS = "pictures"
THUMBNAILS = "thumbnails"
MAX_BYTES = 64 << 10
"""Of a thumbnail."""
_PATH = re.compile(rf"{THUMBNAILS}/[A-Za-z0-9][A-Za-z0-9_-]*\.jpg")


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


def sheet_path(number: int) -> str:
    """Path of a sheet, relative to the report."""
    return f"{SHEETS}/{number:04d}.jpg"


def missing_sheets(folder: Path, count: int) -> int:
    """How many of the `count` sheets are not there."""
    return sum(not (folder / sheet_path(number)).is_file() for number in range(count))


def pictured(retrievals: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys of all images in `retrievals`, sorted: those that need a thumbnail."""
    keys = {shown["query"]["key"] for shown in retrievals}
    for shown in retrievals:
        for ranked in shown["methods"].values():
            keys.update(neighbour["key"] for neighbour in ranked["neighbours"])
    return sorted(keys)


def data_uris(paths: Mapping[str, str], folder: Path) -> dict[str, str]:
    """key -> data URI of its thumbnail, for those that can be shown.

    A path that leaves `folder`/thumbnails (also by a link), a missing file, one over MAX_BYTES and one that is no JPEG
    are left out: the page shows a placeholder for them.
    """
    shown = {}
    for key, path in paths.items():
        content = _jpeg(folder, path)
        if content is not None:
            shown[key] = "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
    return shown


def _jpeg(folder: Path, path: str) -> bytes | None:
    if not _PATH.fullmatch(path):
        return None
    try:
        file = (folder / path).resolve(strict=True)
        status = file.stat()
        inside = file.parent == folder.resolve() / THUMBNAILS
        if not inside or not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return None
        content = file.read_bytes()
    except (OSError, RuntimeError):
        return None
    return content if content.startswith(b"\xff\xd8\xff") else None
