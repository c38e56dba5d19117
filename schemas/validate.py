"""Reading JSON that strangers wrote: size-capped, schema-checked; errors name file, JSON path, expected and found."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from .errors import InputError, IntegrityError
from .fingerprint import is_sealed

MAX_JSON_BYTES = 256 << 20


@cache
def schema(name: str) -> dict[str, Any]:
    """The shipped JSON Schema `name` ("entity-spec", "sample-spec", ...)."""
    text = resources.files(__package__).joinpath(f"{name}.schema.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(name))


def _short(value: object, limit: int = 120) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def check(record: Any, name: str, where: str | Path) -> None:
    """Raise InputError for the first place where `record` breaks the schema `name`."""
    error = jsonschema.exceptions.best_match(_validator(name).iter_errors(record))
    if error is not None:
        raise InputError(
            f"not a valid {name.replace('-', ' ')}: {error.message[:300]}",
            where=f"{where} at {error.json_path}",
            expected=f"{error.validator} {_short(error.validator_value)}",
            found=_short(error.instance),
        )


def parse_json(text: str | bytes, where: str | Path) -> Any:
    """Parse JSON; duplicate keys, NaN and broken text raise InputError with line and column."""
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InputError(
            "not valid JSON", where=f"{where} line {error.lineno} column {error.colno}", found=error.msg
        ) from error
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", where=where, found=error.reason) from error
    except RecursionError as error:
        raise InputError("JSON is nested too deeply", where=where) from error
    except ValueError as error:
        raise InputError("not valid JSON", where=where, found=str(error)) from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return record


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def read_text(path: Path, *, limit: int = MAX_JSON_BYTES) -> str:
    """A text file's content; a missing, non-UTF-8 or oversized file raises InputError."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise InputError("file too large", where=path, expected=f"at most {limit} bytes", found=size)
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise InputError("file not found", where=path) from error
    except IsADirectoryError as error:
        raise InputError("expected a file, found a folder", where=path) from error
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", where=path, found=error.reason) from error


def read_json(path: Path, name: str) -> dict[str, Any]:
    """Read a JSON file and check it against the schema `name`."""
    record = parse_json(read_text(path), path)
    check(record, name, path)
    result: dict[str, Any] = record
    return result


def read_sealed(path: Path, name: str) -> dict[str, Any]:
    """Read JSON that clay-eval sealed; any byte that was changed since raises IntegrityError."""
    text = read_text(path)
    try:
        record = parse_json(text, path)
    except InputError as error:
        raise IntegrityError(error.what, where=error.where, found=error.found) from error
    if not isinstance(record, dict) or not is_sealed(text, record):
        raise IntegrityError(
            "the file was changed or cut after it was written",
            where=path,
            expected="content that matches its own seal",
            hint="restore the file, or make it again",
        )
    check(record, name, path)
    return record
