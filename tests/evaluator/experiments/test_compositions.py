"""Composed texts: what they name, that they repeat, that they agree with each other."""

from __future__ import annotations

from collections import Counter

import pytest

from clay_eval.evaluator.experiments.compositions import (
    COMPOSITIONS,
    GIVEN,
    MIXED,
    PER_VALUE,
    TEMPLATED,
    TEMPLATES,
    VALUE,
    compose,
    subset,
    value_phrases,
)
from clay_eval.schemas.texts import ConditionText, shipped_texts

PARENTS = {"sort": "kind"}
GIVEN_TEXTS = {
    "kind": (
        ConditionText("a photo of a bag", "bag"),
        ConditionText("a picture of a bag", "bag"),
        ConditionText("hats!", "hat"),
    ),
    "sort": (
        ConditionText("a photo of a suitcase", "suitcase", "bag"),
        ConditionText("a photo of a backpack", "backpack", "bag"),
        ConditionText("a photo of a top hat", "top_hat", "hat"),
        ConditionText("A drawing of a beanie", "beanie", "hat"),
    ),
    "color": (
        ConditionText("a photo of a red object", "red"),
        ConditionText("a photo of a blue object", "blue"),
    ),
}


def test_a_value_is_called_what_its_first_text_calls_it_or_else_by_its_label() -> None:
    assert value_phrases(GIVEN_TEXTS["kind"]) == {("bag", None): "a bag", ("hat", None): "hat"}
    assert value_phrases(GIVEN_TEXTS["sort"])["beanie", "hat"] == "a beanie"
    assert value_phrases([ConditionText("such a thing", "deep_red")]) == {("deep_red", None): "deep red"}


def test_one_template_gives_one_text_a_value() -> None:
    texts = compose(VALUE, GIVEN_TEXTS, PARENTS)
    assert [item.text for item in texts["kind"]] == ["a photo of a bag", "a photo of hat"]
    assert [(item.value, item.parent) for item in texts["sort"]] == [
        ("suitcase", "bag"),
        ("backpack", "bag"),
        ("top_hat", "hat"),
        ("beanie", "hat"),
    ]


def test_all_templates_give_each_value_as_many_texts() -> None:
    texts = compose(TEMPLATED, GIVEN_TEXTS, PARENTS)["color"]
    assert Counter(item.value for item in texts) == {"red": len(TEMPLATES), "blue": len(TEMPLATES)}
    assert len({item.text for item in texts}) == len(texts)


def test_given_texts_stay_as_they_are() -> None:
    assert compose(GIVEN, GIVEN_TEXTS, PARENTS) == GIVEN_TEXTS


def test_mixed_texts_name_a_value_of_every_attribute_and_contradict_no_parent() -> None:
    sorts = {"bag": {"a suitcase", "a backpack"}, "hat": {"a top hat", "a beanie"}}
    for seed in range(20):
        texts = compose(MIXED, GIVEN_TEXTS, PARENTS, seed)
        for name, items in texts.items():
            for item in items:
                kind = "bag" if "a bag" in item.text else "hat"
                found = [phrase for phrase in sorts["bag"] | sorts["hat"] if phrase in item.text]
                assert len(found) == 1, item
                assert found[0] in sorts[kind], item
                assert ("red object" in item.text) != ("blue object" in item.text)
                if name == "sort":
                    assert item.parent == kind
        assert all(len({(i.parent, i.text) for i in items}) == len(items) for items in texts.values())


def test_mixed_texts_are_many_repeat_by_the_seed_and_change_with_it() -> None:
    texts = shipped_texts("demo-object")
    assert texts is not None
    parents = {"subcategory": "category"}
    first = compose(MIXED, texts.conditions, parents, 1)
    assert first == compose(MIXED, texts.conditions, parents, 1)
    assert first != compose(MIXED, texts.conditions, parents, 2)
    counts = Counter(item.value for item in first["color"])
    assert set(counts) == {item.value for item in texts.conditions["color"]}
    assert PER_VALUE - 2 <= min(counts.values()) <= max(counts.values()) <= PER_VALUE


def test_a_single_attribute_has_no_others_to_name() -> None:
    texts = compose(MIXED, {"color": GIVEN_TEXTS["color"]}, {}, 0)["color"]
    assert {item.text for item in texts if item.value == "red"} == {
        t.replace("{c}", "a red object") for t in TEMPLATES
    }


def test_braces_in_values_are_nothing_special() -> None:
    given = {
        "a": (ConditionText("{o}", "{o}"), ConditionText("{c}", "{c}")),
        "b": (ConditionText("x{0}", "x{0}"),),
    }
    for name in COMPOSITIONS:
        for item in compose(name, given, {}, 3)["b"]:
            assert "x{0}" in item.text


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_a_subset_names_as_many_values_as_it_can_of_every_parent(count: int) -> None:
    items = [ConditionText(f"{p} {v} {i}", v, p) for p in ("bag", "hat") for v in "abc" for i in range(3)]
    for seed in range(10):
        rows = subset(items, count, seed)
        assert rows == sorted(set(rows))
        for parent in ("bag", "hat"):
            chosen = [items[row].value for row in rows if items[row].parent == parent]
            assert len(chosen) == count
            assert len(set(chosen)) == min(count, 3)
            assert max(Counter(chosen).values()) - min(Counter(chosen).values()) <= (1 if count < 9 else 0)
    assert subset(items, 4, 0) == subset(items, 4, 0)
    assert len({tuple(subset(items, 4, seed)) for seed in range(10)}) > 1


def test_a_subset_of_more_than_there_is_is_all() -> None:
    items = [ConditionText(str(i), "v", None) for i in range(3)]
    assert subset(items, 10, 0) == [0, 1, 2]
