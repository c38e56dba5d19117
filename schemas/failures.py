"""Lists of samples that could not be drawn: failures/<shard>.jsonl in a shards folder, {"key", "error"} a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from .errors import InputError, IntegrityError
from .files import remove_file, write_text
from .reading import read_bytes
from .validate import MAX_JSON_BYTES, parse_json


def failures_name(shard: str) -> str:
    """The name of the list that belongs to a shard."""
    return f"{shard}.jsonl"


def write_failures(path: Path, failures: Mapping[str, str]) -> None:
    """Write key -> error, atomically; no file at all for no failures."""
    if failures:
        lines = [json.dumps({"key": key, "error": error}) for key, error in failures.items()]
        write_text(path, "\n".join(lines) + "\n")
    else:
        remove_file(path)


def read_failures(path: Path) -> dict[str, str]:
    """Key -> error, in order; empty if there is no file. Raises IntegrityError for anything but such a list."""
    if not path.exists():
        return {}
    failures: dict[str, str] = {}
    for number, line in enumerate(read_bytes(path, MAX_JSON_BYTES).splitlines(), start=1):
        where = f"{path} line {number}"
        try:
            record = parse_json(line, where)
        except InputError as error:
            raise IntegrityError(error.what, where=error.where, found=error.found) from error
        whole = isinstance(record, dict) and record.keys() == {"key", "error"}
        if not whole or not all(isinstance(value, str) for value in record.values()):
            raise IntegrityError(
                "this is no failure of a sample", where=where, expected="texts under key and error"
            )
        if record["key"] in failures:
            raise IntegrityError("a sample is listed twice", where=where, found=record["key"])
        failures[record["key"]] = record["error"]
    return failures


def way_out(error: str) -> str:
    """The way out that an error's text names; empty for none."""
    return next(
        (line.partition("try:")[2].strip() for line in error.splitlines() if line.startswith("  try:")), ""
    )


def brief(error: str) -> str:
    """An error as it is listed, in one line: what is wrong, and what was found."""
    what, *details = error.splitlines() or [""]
    found = next((line.partition("found:")[2].strip() for line in details if line.startswith("  found:")), "")
    return f"{what} ({found})" if found else what
