"""Reading JSON that strangers wrote: size-capped, schema-checked; errors name file, JSON path, expected and found."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema

from .errors import InputError, IntegrityError
from .fingerprint import is_sealed
from .quick import Fits, quick, whole
from .reading import read_bytes, refuse_wide_text

MAX_JSON_BYTES = 256 << 20
MAX_DEPTH = 64
MOST_ERRORS = 50
MAX_VALUES = 10_000_000
"""Of one JSON text: a list of nothing is two characters in a file and fifty times as much in memory."""
_WHOLE_AGAIN = "restore the file, or make it again"
_FLOAT_DIGITS = 309
"""Of the largest float64: an integer with fewer is below it."""
BOM = "\ufeff"
"""The byte order mark that some editors and spreadsheets put before a text."""


@cache
def schema(name: str) -> dict[str, Any]:
    """The shipped JSON Schema `name` ("entity-spec", "sample-spec", ...)."""
    text = resources.files(__package__).joinpath(f"{name}.schema.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _whole_pattern(
    _: Any, pattern: str, instance: Any, schema: dict[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    """The keyword "pattern" as JSON Schema means it: "$" is the very end, never before a last newline."""
    if isinstance(instance, str) and not re.search(whole(pattern), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _is_whole(_: Any, instance: Any) -> bool:
    return isinstance(instance, int) and not isinstance(instance, bool)


def _unique_items(
    _: Any, wanted: bool, instance: Any, schema: dict[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    """The keyword "uniqueItems", in time that grows with the items: the library compares all pairs of mixed ones."""
    if wanted and isinstance(instance, list) and len(set(map(_identity, instance))) < len(instance):
        yield jsonschema.ValidationError(f"{_short(instance)} has non-unique elements")


def _identity(item: Any) -> tuple[bool, Any]:
    """What is equal for two items exactly where JSON Schema calls them equal: 1 and 1.0 are, 1 and true are not."""
    nested = isinstance(item, (dict, list))
    return isinstance(item, bool), json.dumps(item, sort_keys=True) if nested else item


def _few(keyword: str) -> Any:
    """The library's `keyword`, which stops at MOST_ERRORS: a million items of a wrong kind need no million errors."""
    whole = jsonschema.Draft202012Validator.VALIDATORS[keyword]

    def some(
        validator: Any, value: Any, instance: Any, schema: dict[str, Any]
    ) -> Iterator[jsonschema.ValidationError]:
        too_many = isinstance(instance, list) and len(instance) > schema.get("maxItems", len(instance))
        return islice(() if too_many else whole(validator, value, instance, schema), MOST_ERRORS)

    return some


_Validator: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    {
        "pattern": _whole_pattern,
        "uniqueItems": _unique_items,
        **{
            keyword: _few(keyword)
            for keyword in ("items", "properties", "additionalProperties", "propertyNames")
        },
    },
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole),
)
"""Draft 2020-12, but 3.0 is no integer: it would not print, hash or count as one."""


@cache
def _validator(name: str) -> Any:
    return _Validator(schema(name))


@cache
def _quick(name: str) -> Fits:
    return quick(schema(name))


def schema_errors(record: Any, schema: dict[str, Any], most: int) -> list[jsonschema.ValidationError]:
    """The first `most` errors of `record` against a JSON Schema that is none of the shipped ones."""
    return list(islice(_Validator(schema).iter_errors(record), most))


def _short(value: object, limit: int = 120) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def check(record: Any, name: str, where: str | Path) -> None:
    """Raise InputError for the first place where `record` breaks the schema `name`."""
    if _quick(name)(record):
        return
    error = jsonschema.exceptions.best_match(_validator(name).iter_errors(record))
    if error is not None:
        raise InputError(
            f"not a valid {name.replace('-', ' ')}: {error.message[:300]}",
            where=f"{where} at {error.json_path}",
            expected=f"{error.validator} {_short(error.validator_value)}",
            found=_short(error.instance),
        )


def parse_json(text: str | bytes, where: str | Path, *, numbers: Callable[[str], Any] | None = None) -> Any:
    """Parse JSON (bytes as UTF-8, a byte order mark skipped).

    Broken text, duplicate keys, NaN, numbers beyond float64, half surrogates, and more than MAX_DEPTH levels or MAX_VALUES
    values raise InputError; with `numbers`, NaN, infinity and numbers beyond float64 are what it makes of their text (float,
    say).
    """
    try:
        if isinstance(text, bytes):
            refuse_wide_text(text, where)
            text = text.decode("utf-8").removeprefix(BOM)
        if len(text) > MAX_VALUES and sum(map(text.count, "[{,")) > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values")
        value = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=numbers or _no_constant,
            parse_float=numbers or _finite,
            parse_int=lambda digits: _whole_number(digits, numbers or _finite),
        )
        if r"\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except InputError:
        raise
    except json.JSONDecodeError as error:
        raise InputError(
            "not valid JSON", where=f"{where} line {error.lineno} column {error.colno}", found=error.msg
        ) from error
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", where=where, found=error.reason) from error
    except UnicodeEncodeError as error:
        raise InputError("JSON holds half a character (a lone surrogate)", where=where) from error
    except RecursionError as error:
        raise InputError("JSON is nested too deeply", where=where) from error
    except ValueError as error:
        raise InputError("not valid JSON", where=where, found=str(error)) from error
    if _depth(value) > MAX_DEPTH:
        raise InputError("JSON is nested too deeply", where=where, expected=f"at most {MAX_DEPTH} levels")
    return value


def _depth(value: Any) -> int:
    """Levels of nesting, counted up to MAX_DEPTH + 1."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        parents = [item for item in level if isinstance(item, (dict, list))]
        level = [child for p in parents for child in (p.values() if isinstance(p, dict) else p)]
    return depth


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text if len(text) <= 40 else text[:37] + '...'} is too large a number")
    return number


def _whole_number(digits: str, beyond: Callable[[str], Any]) -> Any:
    """An integer; of one beyond float64, which no float can be made of, what `beyond` makes of its text."""
    if len(digits) < _FLOAT_DIGITS:
        return int(digits)
    return beyond(digits) if math.isinf(float(digits)) else int(digits)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        times = Counter(key for key, _ in pairs)
        twice = next(key for key, count in times.items() if count > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return record


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def read_text(path: Path, *, limit: int = MAX_JSON_BYTES) -> str:
    """A text file's content, a byte order mark skipped; InputError as `read_bytes`, and for what is not UTF-8."""
    data = read_bytes(path, limit)
    refuse_wide_text(data, path)
    try:
        return data.decode("utf-8").removeprefix(BOM)
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
    data = read_bytes(path, MAX_JSON_BYTES)
    try:
        record = parse_json(data, path)
    except InputError as error:
        raise IntegrityError(error.what, where=error.where, found=error.found, hint=_WHOLE_AGAIN) from error
    if not isinstance(record, dict) or not is_sealed(data.decode("utf-8"), record):
        raise IntegrityError(
            "the file was changed or cut after it was written",
            where=path,
            expected="content that matches its own seal",
            hint=_WHOLE_AGAIN,
        )
    check(record, name, path)
    return record
