"""The quick yes never contradicts the library: what it lets pass has no error there, and every kind of record is sped up."""

from __future__ import annotations

import copy
from importlib import resources
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval.generator.plan.combinations import Plan
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.quick import quick
from clay_eval.schemas.validate import _validator, parse_json, schema, schema_errors

NAMES = sorted(
    path.name.removesuffix(".schema.json")
    for path in resources.files("clay_eval.schemas").iterdir()
    if path.name.endswith(".schema.json")
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(-2, 2)
    | st.sampled_from(["", "a", "color", "A b\n"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b_c", "x" * 300]), inner)
    ),
    max_leaves=6,
)
WORDS = st.sampled_from(
    ["", "a", "color", "a-b", "Red shoe", "sha256", "a\n", "0" * 64, "f" * 32, "2026-01-02", "x" * 400]
)


def near(of: Any, root: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that fit a schema, nearly."""
    if isinstance(of, bool) or depth > 6:
        return ANYTHING
    if "$ref" in of:
        found = root
        for step in of["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return near(found, root, depth + 1)
    if "const" in of:
        return st.just(of["const"])
    if "enum" in of:
        return st.sampled_from(of["enum"])
    for some in ("anyOf", "oneOf"):
        if some in of:
            return st.one_of([near(one, root, depth + 1) for one in of[some]])
    kind = of.get("type", "object" if "properties" in of else None)
    if isinstance(kind, list):
        return st.one_of([near({**of, "type": one}, root, depth + 1) for one in kind])
    if kind == "object":
        return members(of, root, depth)
    if kind == "array":
        least = of.get("minItems", 0)
        return st.lists(near(of.get("items", True), root, depth + 1), min_size=least, max_size=max(least, 2))
    return {
        "string": st.from_regex(of["pattern"], fullmatch=True) if "pattern" in of else WORDS,
        "integer": st.integers(of.get("minimum", -2) - 1, of.get("minimum", -2) + 5),
        "number": st.floats(of.get("minimum", -1), of.get("minimum", -1) + 2) | st.integers(0, 2),
        "boolean": st.booleans(),
        "null": st.none(),
    }.get(kind, ANYTHING)


def members(of: Any, root: Any, depth: int) -> st.SearchStrategy[Any]:
    known = {name: near(one, root, depth + 1) for name, one in of.get("properties", {}).items()}
    required = {name: one for name, one in known.items() if name in of.get("required", ())}
    optional = {name: one for name, one in known.items() if name not in required}
    fixed = st.fixed_dictionaries(required, optional=optional)
    more = of.get("additionalProperties", True)
    if more is False:
        return fixed
    return st.builds(
        lambda others, own: {**others, **own},
        st.dictionaries(st.sampled_from(["a", "color", "x y"]), near(more, root, depth + 1), max_size=2),
        fixed,
    )


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [pair for key, inner in items for pair in [(value, key), *places(inner)]]


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_yes_is_one_of_the_library_too(name: str, data: st.DataObject) -> None:
    record = copy.deepcopy(data.draw(near(schema(name), schema(name))))
    if data.draw(st.booleans()) and (found := places(record)):
        container, key = data.draw(st.sampled_from(found))
        container[key] = data.draw(ANYTHING)
    if quick(schema(name))(record):
        assert _validator(name).is_valid(record)


@pytest.mark.parametrize(
    "value", [True, 1, 1.0, "1", None, [1], {"a": 1}, [], {}, "", "a", "a\n", 0, -1, [1, 1], ["a", "a"]]
)
@pytest.mark.parametrize(
    "of",
    [
        *({"type": kind} for kind in ("object", "array", "string", "integer", "number", "boolean", "null")),
        {"type": ["integer", "null"]},
        {"enum": [1, "a"]},
        {"enum": [[1]]},
        {"const": True},
        {"const": 1.0},
        {"pattern": "^a$"},
        {"minLength": 1},
        {"maxLength": 0},
        {"minItems": 1},
        {"maxItems": 1},
        {"uniqueItems": True},
        {"items": {"type": "integer"}},
        {"minProperties": 1},
        {"maxProperties": 0},
        {"propertyNames": {"maxLength": 0}},
        {"minimum": 1},
        {"exclusiveMinimum": 0},
        {"maximum": 0},
        {"exclusiveMaximum": 1},
        {"required": ["a"]},
        {"additionalProperties": False},
        {"properties": {"a": {"type": "string"}}},
        {"anyOf": [{"type": "string"}, {"minimum": 1}]},
        {"allOf": [{"type": "integer"}, {"minimum": 1}]},
        {"oneOf": [{"type": "integer"}, {"minimum": 1}]},
        {"not": {"type": "integer"}},
        {"$defs": {"a": {"type": "integer"}}, "$ref": "#/$defs/a", "minimum": 1},
        {"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
    ],
    ids=str,
)
def test_every_keyword(of: dict[str, Any], value: Any) -> None:
    if quick(of)(value):
        assert schema_errors(value, of, 1) == []
        assert jsonschema.Draft202012Validator(of).is_valid(value)


def test_records_by_the_thousand_are_answered_quickly() -> None:
    fits = quick(schema("sample-spec"))
    for sample in Plan(load_entity("demo-object"), count=20):
        assert fits(parse_json(sample.to_json(), "a line"))
