"""What a judge says for a value: written texts where there are any for all values, else sentences from the spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clay_eval.generator.alignment.texts import (
    TEMPLATES,
    AttributeTexts,
    spec_texts,
    texts_fingerprint,
    without_lead,
)
from clay_eval.generator.plan.combinations import Plan
from clay_eval.schemas.entity import EntitySpec, load_entity, parse_entity, shipped_entities
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import ConditionText, ConditionTexts

NESTED = Path(__file__).parents[1] / "nested.json"


def by_name(spec: EntitySpec, given: ConditionTexts | None = None) -> dict[str, AttributeTexts]:
    return {attribute.name: attribute for attribute in spec_texts(spec, given)}


def said(attribute: AttributeTexts) -> list[str]:
    return [value.said for value in attribute.values]


def spec(template: str, /, **values: list[Any]) -> EntitySpec:
    return parse_entity(
        {
            "schema": "clay-eval/entity-spec/1",
            "entity": "made-up",
            "attributes": [{"name": name, "values": items} for name, items in values.items()],
            "prompt": template,
            "images_per_combination": 1,
        },
        "made-up",
    )


@pytest.mark.parametrize("entity", shipped_entities())
def test_every_value_of_a_shipped_entity_has_texts_of_its_own(entity: str) -> None:
    loaded = load_entity(entity)
    for given in (None, ConditionTexts(entity, {}, {})):
        for attribute in spec_texts(loaded, given):
            texts = [frozenset(value.texts) for value in attribute.values]
            assert len(set(texts)) == len(texts)
            for i, value in enumerate(attribute.values):
                assert value.texts
                assert attribute.rivals(i) == [
                    j for j, other in enumerate(attribute.values) if other.value != value.value
                ]


def test_shipped_texts_serve_and_their_first_wording_is_what_is_asked() -> None:
    found = by_name(load_entity("demo-human"))
    assert said(found["action"])[0] == "a person running"
    assert found["action"].values[0].texts == ("a photo of a person running", "a picture of a person running")
    nested = by_name(load_entity("demo-object"))["subcategory"]
    assert {(v.parent, v.value) for v in nested.values} >= {("shoes", "boot"), ("vehicle", "bus")}


def test_texts_made_of_phrases_are_whole_phrases() -> None:
    found = by_name(load_entity("demo-object"), ConditionTexts("demo-object", {}, {}))
    assert said(found["color"])[:2] == ["a red object", "an orange object"]
    assert said(found["subcategory"])[:2] == ["a sneaker", "a boot"]
    assert said(found["subcategory"])[-1] == "a frying pan"
    assert said(found["category"])[-1] == "a piece of kitchenware"
    assert found["color"].values[0].texts == tuple(template.format("a red object") for template in TEMPLATES)
    people = by_name(load_entity("demo-human"), ConditionTexts("demo-human", {}, {}))
    assert said(people["age"])[0] == "a child"
    assert said(people["action"])[0] == "running"
    assert said(people["background"])[0] == "a scene on a beach"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a photo of a {color} mug on a table", "a red object"),
        ("a photo of a {color} {kind}", "a red object"),
        ("a photo of {kind} that is {color}", "a red"),
        ("a photo of {kind}, {color}", "a red"),
        ("a photo of a {color}, {kind}", "a red"),
        ("a photo of {color} on {kind}", "a red"),
    ],
)
def test_a_value_in_front_of_a_noun_describes_an_object(prompt: str, expected: str) -> None:
    kinds = ["mug", "plate"]
    made = spec(prompt if "{kind}" in prompt else prompt + ", {kind}", color=["red", "blue"], kind=kinds)
    assert said(by_name(made)["color"])[0] == expected
    assert said(by_name(made)["kind"]) == ["a mug", "a plate"]


def test_texts_that_lack_one_value_serve_no_value_of_that_attribute() -> None:
    made = spec("a {color} {kind}", color=["red", "blue"], kind=["mug", "plate"])
    given = ConditionTexts(
        "made-up",
        {
            "color": (ConditionText("crimson", "red"), ConditionText("azure", "blue")),
            "kind": (ConditionText("a cup", "mug"),),
        },
        {},
    )
    found = by_name(made, given)
    assert [value.texts for value in found["color"].values] == [("crimson",), ("azure",)]
    assert said(found["kind"]) == ["a mug", "a plate"]
    assert texts_fingerprint(spec_texts(made, given)) != texts_fingerprint(spec_texts(made))


def test_the_same_value_under_other_parents_is_no_rival_but_a_cousin_is() -> None:
    attribute = by_name(load_entity(NESTED))["make"]
    places = {(value.parent, value.value): i for i, value in enumerate(attribute.values)}
    rivals = [attribute.values[i] for i in attribute.rivals(places["boat", "low"])]
    assert {(value.parent, value.value) for value in rivals} == {
        ("car", "high"),
        ("car", "mid"),
        ("kite", "mid"),
    }


def test_values_that_are_said_alike_are_no_rivals() -> None:
    made = spec(
        "a {color} {kind}",
        color=["red", "blue"],
        kind=[{"name": "sneaker", "phrase": "gym shoe"}, {"name": "trainer", "phrase": "gym shoe"}, "boot"],
    )
    kind = by_name(made)["kind"]
    assert kind.rivals(0) == [2]
    assert kind.rivals(2) == [0, 1]


def test_a_sample_is_found_under_its_own_parent() -> None:
    loaded = load_entity(NESTED)
    found = by_name(loaded)
    for sample in Plan(loaded, count=40):
        for attribute in found.values():
            value = attribute.values[attribute.find(sample)]
            assert value.value == sample.labels[attribute.name]
            assert value.parent == (sample.labels[attribute.parent] if attribute.parent else None)


def test_an_attribute_may_not_have_the_name_of_the_prompts_score() -> None:
    with pytest.raises(InputError, match="whole prompt"):
        spec_texts(spec("a {prompt} mug", prompt=["red", "blue"]))


def test_what_a_prompt_shows_is_said_without_its_lead() -> None:
    assert without_lead("a photo of a red mug") == "a red mug"
    assert without_lead("seen in a photo of a mug") == "seen in a photo of a mug"
