"""A quick yes for records that fit their schema; anything else is the library's to judge.

A predicate is made once from a JSON Schema, and takes a tenth of the library's time. Where it says yes, jsonschema would
find no error. Where it is not sure, for it knows only the keywords that nearly all of our schemas are made of, it says no,
and the library decides and words the error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sized
from typing import Any

Fits = Callable[[Any], bool]
Schema = Mapping[str, Any] | bool

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_SAID = {"$schema", "$id", "$defs", "title", "description"}
_SCALARS = (str, int, type(None))


def quick(schema: Schema) -> Fits:
    """The predicate of a JSON Schema (draft 2020-12): True only for values that fit it."""
    made: dict[str, Fits] = {}

    def refer(name: str) -> Fits:
        if name not in made:
            made[name] = _never  # a schema that refers to itself, or beyond what was given, is the library's
            found: Any = schema
            for step in name.removeprefix("#/").split("/"):
                found = found.get(step, False)
                if found is False:
                    return _never
            made[name] = _fits(found, refer)
        return made[name]

    return _fits(schema, refer)


def whole(pattern: str) -> str:
    """A "pattern" as JSON Schema means it: "$" is the very end, never before a last newline."""
    return re.sub(r"(?<!\\)\$$", r"\\Z", pattern)


def _never(_: Any) -> bool:
    return False


def _always(_: Any) -> bool:
    return True


def _fits(schema: Schema, refer: Callable[[str], Fits]) -> Fits:
    if isinstance(schema, bool):
        return _always if schema else _never
    tests: list[Fits] = []
    if schema.keys() & {"properties", "additionalProperties", "required"}:
        tests.append(_members(schema, refer))
    for keyword, value in schema.items():
        if keyword in _SAID or keyword in ("properties", "additionalProperties", "required"):
            continue
        make = _KEYWORDS.get(keyword)
        tests.append(_never if make is None else make(value, refer))
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


def _members(schema: Mapping[str, Any], refer: Callable[[str], Fits]) -> Fits:
    known = {name: _fits(of, refer) for name, of in schema.get("properties", {}).items()}
    required = frozenset(schema.get("required", ()))
    others = _fits(schema.get("additionalProperties", True), refer)

    def fits(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        return value.keys() >= required and all(known.get(k, others)(item) for k, item in value.items())

    return fits


def _type(names: str | list[str], _: Callable[[str], Fits]) -> Fits:
    kinds = tuple(kind for name in ([names] if isinstance(names, str) else names) for kind in _TYPES[name])
    if bool in kinds:
        return lambda value: isinstance(value, kinds)
    return lambda value: isinstance(value, kinds) and not isinstance(value, bool)


def _one_of_values(values: list[Any], _: Callable[[str], Fits]) -> Fits:
    if not all(isinstance(value, _SCALARS) for value in values):
        return _never
    allowed = {(type(value), value) for value in values}
    return lambda value: isinstance(value, _SCALARS) and (type(value), value) in allowed


def _pattern(pattern: str, _: Callable[[str], Fits]) -> Fits:
    search = re.compile(whole(pattern)).search
    return lambda value: not isinstance(value, str) or search(value) is not None


def _items(of: Schema, refer: Callable[[str], Fits]) -> Fits:
    test = _fits(of, refer)
    return lambda value: not isinstance(value, list) or all(map(test, value))


def _names(of: Schema, refer: Callable[[str], Fits]) -> Fits:
    test = _fits(of, refer)
    return lambda value: not isinstance(value, dict) or all(map(test, value))


def _unique(wanted: bool, _: Callable[[str], Fits]) -> Fits:
    def fits(value: Any) -> bool:
        if not wanted or not isinstance(value, list):
            return True
        return all(type(item) in (str, int) for item in value) and len(set(value)) == len(value)

    return fits


def _any_of(schemas: list[Schema], refer: Callable[[str], Fits]) -> Fits:
    tests = [_fits(of, refer) for of in schemas]
    return lambda value: any(test(value) for test in tests)


def _all_of(schemas: list[Schema], refer: Callable[[str], Fits]) -> Fits:
    tests = [_fits(of, refer) for of in schemas]
    return lambda value: all(test(value) for test in tests)


def _sized(
    kind: type[Sized], within: Callable[[int, int], bool]
) -> Callable[[int, Callable[[str], Fits]], Fits]:
    return lambda bound, _: lambda value: not isinstance(value, kind) or within(len(value), bound)


def _bounded(within: Callable[[Any, Any], bool]) -> Callable[[Any, Callable[[str], Fits]], Fits]:
    def make(bound: Any, _: Callable[[str], Fits]) -> Fits:
        return lambda value: (
            not isinstance(value, (int, float)) or isinstance(value, bool) or within(value, bound)
        )

    return make


_KEYWORDS: Mapping[str, Callable[[Any, Callable[[str], Fits]], Fits]] = {
    "$ref": lambda name, refer: refer(name) if name.startswith("#/") else _never,
    "type": _type,
    "const": lambda value, refer: _one_of_values([value], refer),
    "enum": _one_of_values,
    "pattern": _pattern,
    "items": _items,
    "propertyNames": _names,
    "uniqueItems": _unique,
    "anyOf": _any_of,
    "allOf": _all_of,
    "minLength": _sized(str, int.__ge__),
    "maxLength": _sized(str, int.__le__),
    "minItems": _sized(list, int.__ge__),
    "maxItems": _sized(list, int.__le__),
    "minProperties": _sized(dict, int.__ge__),
    "maxProperties": _sized(dict, int.__le__),
    "minimum": _bounded(lambda value, bound: value >= bound),
    "maximum": _bounded(lambda value, bound: value <= bound),
    "exclusiveMinimum": _bounded(lambda value, bound: value > bound),
    "exclusiveMaximum": _bounded(lambda value, bound: value < bound),
}
