"""Condition texts: read, found, refused, and made from values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clay_eval.schemas.entity import load_entity, shipped_entities
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.texts import (
    ConditionText,
    load_texts,
    parse_texts,
    shipped_texts,
    texts_from_values,
)

RECORD: dict[str, Any] = {
    "schema": "clay-eval/condition-texts/1",
    "entity": "toy",
    "origin": {"author": "a", "method": "written by hand", "date": "2026-01-01"},
    "conditions": {
        "color": [{"text": "a red thing", "value": "red"}, {"text": "something red", "value": "red"}],
        "make": [
            {"text": "another", "value": "other", "parent": "car"},
            {"text": "another", "value": "other", "parent": "boat"},
        ],
    },
}


def with_conditions(**conditions: object) -> dict[str, Any]:
    return {**RECORD, "conditions": conditions}


def test_texts_are_read_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "texts.json"
    path.write_text(json.dumps(RECORD))
    texts = load_texts(path)
    assert texts.entity == "toy"
    assert texts.condition("color") == (
        ConditionText("a red thing", "red"),
        ConditionText("something red", "red"),
    )
    assert texts.condition("make")[1] == ConditionText("another", "other", "boat")
    assert texts.fingerprint == fingerprint(RECORD)
    with pytest.raises(InputError) as caught:
        texts.condition("size")
    assert "'size'" in caught.value.what
    assert caught.value.expected == "one of ['color', 'make']"


@pytest.mark.parametrize(
    ("record", "place"),
    [
        (with_conditions(color=[{"text": "x", "value": "a"}, {"text": "x", "value": "b"}]), "$.conditions.color[1]"),
        (
            with_conditions(
                make=[{"text": "x", "value": v, "parent": "car"} for v in "ab"],
            ),
            "$.conditions.make[1]",
        ),
        (with_conditions(color=[]), "$.conditions.color"),
        (with_conditions(), "$.conditions"),
        (with_conditions(color=[{"text": "", "value": "a"}]), "$.conditions.color[0].text"),
        (with_conditions(color=[{"text": "x"}]), "$.conditions.color[0]"),
        (with_conditions(color=[{"text": "x", "value": 3}]), "$.conditions.color[0].value"),
        (with_conditions(Color=[{"text": "x", "value": "a"}]), "$.conditions"),
        ({**RECORD, "origin": {"author": "a"}}, "$.origin"),
        ({**RECORD, "schema": "clay-eval/condition-texts/2"}, "$.schema"),
        ({**RECORD, "entity": "a/b"}, "$.entity"),
    ],
)  # fmt: skip
def test_wrong_texts_are_named(record: dict[str, Any], place: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_texts(record, "texts.json")
    assert caught.value.where is not None
    assert caught.value.where == f"texts.json at {place}"
    assert caught.value.expected
    assert caught.value.found is not None


def test_texts_from_values_say_each_value_once_by_the_template() -> None:
    values = {"color": [("red", None), ("blue", None)], "make": [("other", "car"), ("other", "boat")]}
    texts = texts_from_values("toy", values)
    assert texts.condition("color") == (
        ConditionText("a photo of red", "red"),
        ConditionText("a photo of blue", "blue"),
    )
    assert [(t.text, t.parent) for t in texts.condition("make")] == [
        ("a photo of other", "car"),
        ("a photo of other", "boat"),
    ]
    again = parse_texts(json.loads(json.dumps(texts.record)), "again")
    assert again.conditions == texts.conditions
    assert texts_from_values("toy", values, "{c}!").condition("color")[0].text == "red!"
    assert (
        texts_from_values("toy", {"color": [("{c} {x}", None)]}).condition("color")[0].text
        == "a photo of {c} {x}"
    )
    with pytest.raises(InputError) as caught:
        texts_from_values("toy", values, "a photo")
    assert caught.value.expected == "{c}"


def test_every_shipped_entity_has_texts_for_its_conditions_only() -> None:
    for name in shipped_entities():
        texts = shipped_texts(name)
        assert texts is not None
        assert set(texts.conditions) == {a.name for a in load_entity(name).attributes}
    assert shipped_texts("no-such-entity") is None


def test_names_and_values_come_out_composed() -> None:
    items = [{"text": "cafe\u0301 au lait", "value": "cafe\u0301", "parent": "e\u0301te\u0301"}]
    texts = parse_texts(
        with_conditions(**{"fe\u0301tiche": items, "\u0444\u043e\u0440\u043c\u0430": items}), "x"
    )
    assert list(texts.conditions) == ["f\u00e9tiche", "\u0444\u043e\u0440\u043c\u0430"]
    assert texts.condition("f\u00e9tiche") == (
        ConditionText("cafe\u0301 au lait", "caf\u00e9", "\u00e9t\u00e9"),
    )


@pytest.mark.parametrize("name", ["Color", "\u0424", "\u202e", "a b", "1", "\u00a0x", "x" * 64])
def test_names_that_no_condition_has(name: str) -> None:
    with pytest.raises(InputError):
        parse_texts(with_conditions(**{name: [{"text": "t", "value": "v"}]}), "x")


def test_one_name_in_two_unicode_forms() -> None:
    items = [{"text": "t", "value": "v"}]
    with pytest.raises(InputError, match="same name"):
        parse_texts(with_conditions(**{"\u00e9": items, "e\u0301": items}), "x")
