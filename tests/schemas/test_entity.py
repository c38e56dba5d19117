"""Entity specs: what they say is read as it stands, and nonsense is named with its place."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clay_eval.schemas.entity import load_entity, parse_entity, shipped_entities
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint

Record = dict[str, Any]
SPEC: Record = {
    "schema": "clay-eval/entity-spec/1",
    "entity": "toy",
    "attributes": [
        {
            "name": "model",
            "parent": "make",
            "values_by_parent": {"low": ["l1", "l2"], "high": ["h1"], "mid": ["m1"]},
        },
        {"name": "kind", "values": ["boat", {"name": "car", "phrase": "a motor car"}]},
        {
            "name": "make",
            "parent": "kind",
            "values_by_parent": {"boat": ["low"], "car": [{"name": "high", "phrase": "tall"}, "mid"]},
        },
        {"name": "color", "title": "Colour", "values": ["red", "blue"]},
    ],
    "diversity": [{"name": "light", "values": ["dim", "bright"]}],
    "exclusions": [{"when": {"color": ["red"], "kind": ["boat"]}, "reason": "red boats sink"}],
    "prompt": "{color} {model}, {{really}}, {light}",
    "images_per_combination": 2,
}
WHERE = "toy.json"


def changed(change: Callable[[Record], object]) -> Record:
    record = copy.deepcopy(SPEC)
    change(record)
    return record


def test_a_spec_is_read_as_it_stands() -> None:
    spec = parse_entity(SPEC, WHERE)
    assert (spec.entity, spec.title, spec.images_per_combination) == ("toy", "toy", 2)
    assert [a.name for a in spec.attributes] == ["model", "kind", "make", "color"]
    assert spec.parents == {"model": "make", "make": "kind"}
    order = [a.name for a in spec.ordered()]
    assert sorted(order) == sorted(a.name for a in spec.attributes)
    assert order.index("kind") < order.index("make") < order.index("model")
    model, kind, make, color = spec.attributes
    assert kind.values == ("boat", "car")
    assert (kind.phrase("boat"), kind.phrase("car")) == ("boat", "a motor car")
    assert make.phrase("high", "car") == "tall"
    assert model.values == ("l1", "l2", "h1", "m1")
    assert color.title == "Colour"
    assert spec.fingerprint == fingerprint(SPEC)
    assert spec.source == WHERE


@pytest.mark.parametrize(
    ("change", "place", "expected", "found"),
    [
        (lambda r: r["attributes"][2].update(parent="sort"), "$.attributes[2].parent", "kind", "'sort'"),
        (lambda r: r["attributes"][0].update(parent="light"), "$.attributes[0].parent", "make", "'light'"),
        (
            lambda r: r["attributes"][2]["values_by_parent"].update(plane=["x"]),
            "$.attributes[2].values_by_parent",
            "boat",
            "'plane'",
        ),
        (
            lambda r: r["attributes"][2]["values_by_parent"].pop("boat"),
            "$.attributes[2].values_by_parent",
            "'boat'",
            "car",
        ),
        (
            lambda r: r["attributes"][2].update(
                parent="model", values_by_parent={"l1": ["low"], "l2": ["high"], "h1": ["mid"], "m1": ["mid"]}
            ),
            "$.attributes[0].parent",
            "does not depend",
            "model -> make -> model",
        ),
        (
            lambda r: r["attributes"][0].update(parent="model", values_by_parent={"a": ["a"]}),
            "$.attributes[0].parent",
            "does not depend",
            "model -> model",
        ),
        (
            lambda r: r["exclusions"][0]["when"].update(size=["big"]),
            "$.exclusions[0].when",
            "color",
            "'size'",
        ),
        (
            lambda r: r["exclusions"][0]["when"].update(light=["dim", "mauve"]),
            "$.exclusions[0].when.light",
            "bright",
            "mauve",
        ),
        (
            lambda r: r["exclusions"][0]["when"].update(color=["red", "mauve"]),
            "$.exclusions[0].when.color",
            "blue",
            "mauve",
        ),
        (lambda r: r["attributes"][1]["values"].append("car"), "$.attributes[1].values", "once", "'car'"),
        (
            lambda r: r["attributes"][0]["values_by_parent"]["low"].append({"name": "l1"}),
            "$.attributes[0].values_by_parent['low']",
            "once",
            "'l1'",
        ),
        (lambda r: r["diversity"][0]["values"].append("dim"), "$.diversity[0].values", "once", "'dim'"),
        (lambda r: r["diversity"][0].update(name="color"), "$.attributes[3].name", "own", "'color'"),
        (lambda r: r["diversity"][0].update(name="key"), "$.diversity[0].name", "shard", "'key'"),
        (lambda r: r["attributes"][3].update(name="shard"), "$.attributes[3].name", "entity", "'shard'"),
        (lambda r: r["diversity"][0].update(name="image"), "$.diversity[0].name", "shard", "'image'"),
        (lambda r: r["diversity"][0].update(name="image_key"), "$.diversity[0].name", "shard", "'image_key'"),
        (lambda r: r["diversity"][0].update(name="image_sha256"), "$.diversity[0].name", "shard", "_sha256'"),
        (
            lambda r: r["diversity"][0].update(name="record_sha256"),
            "$.diversity[0].name",
            "shard",
            "'record_",
        ),
        (lambda r: r.update(prompt="{color} {model} {size}"), "$.prompt", "light", "{size}"),
        (lambda r: r.update(negative_prompt="{size}"), "$.negative_prompt", "light", "{size}"),
        (lambda r: r.update(prompt="{color} {model} {}"), "$.prompt", "light", "{}"),
        (lambda r: r.update(prompt="{color} {model.real}"), "$.prompt", "light", "{model.real}"),
        (lambda r: r.update(prompt="{color} {model!r}"), "$.prompt", "light", "{model}"),
        (lambda r: r.update(prompt="{color:>{light}} {model}"), "$.prompt", "light", "{color}"),
        (lambda r: r.update(prompt="{color} {model"), "$.prompt", "doubled", "{model"),
        (lambda r: r.update(prompt="{color} {light}"), "$.prompt", "{model}", "light"),
        (lambda r: r.update(prompt="{{color}} {model}"), "$.prompt", "{color}", "{{color}}"),
        (
            lambda r: r["attributes"][0]["values_by_parent"].update(mid=["h1"]),
            "$.prompt",
            "{kind}",
            "{model}",
        ),
        (lambda r: r.update(images_per_combination=0), "$.images_per_combination", "minimum 1", "0"),
        (lambda r: r.update(images_per_combination=2.0), "$.images_per_combination", "integer", "2.0"),
        (lambda r: r.update(entity="../toy"), "$.entity", "pattern", "../toy"),
        (lambda r: r.update(entity="toy\n"), "$.entity", "pattern", "toy"),
        (lambda r: r["attributes"][3]["values"].append("a\tb"), "$.attributes[3]", "", "a\\tb"),
        (lambda r: r["attributes"][3]["values"].append(7), "$.attributes[3]", "", "7"),
        (lambda r: r["attributes"][3].update(parent="kind"), "$.attributes[3]", "", "kind"),
        (lambda r: r.update(attributes=[]), "$.attributes", "minItems 1", "[]"),
        (lambda r: r["exclusions"][0].pop("reason"), "$.exclusions[0]", "reason", "color"),
    ],
)
def test_nonsense_is_named(change: Callable[[Record], object], place: str, expected: str, found: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_entity(changed(change), WHERE)
    error = caught.value
    assert error.exit_code == 2
    assert error.where is not None
    assert error.where.startswith(f"{WHERE} at {place}")
    assert error.expected is not None
    assert expected in error.expected
    assert error.found is not None
    assert found in error.found


def test_a_parent_is_said_by_a_child_that_tells_it_apart() -> None:
    """{model} says kind and make; with one phrase under two makes it says neither, until the prompt does."""

    def ambiguous(record: Record) -> None:
        record["attributes"][0]["values_by_parent"]["mid"] = [{"name": "h1", "phrase": "h1 of mid"}]

    parse_entity(changed(ambiguous), WHERE)
    with_make = changed(
        lambda r: (
            r["attributes"][0]["values_by_parent"].update(mid=["h1"]),
            r.update(prompt="{color} {make} {model}"),
        )
    )
    parse_entity(with_make, WHERE)


def test_shipped_specs_load_by_name_and_from_their_files() -> None:
    folder = Path(__file__).parents[2] / "data" / "entities"
    assert shipped_entities() == sorted(p.stem for p in folder.glob("*.json"))
    for name in shipped_entities():
        spec = load_entity(name)
        assert spec.entity == name
        assert spec == load_entity(folder / f"{name}.json")
        assert spec.fingerprint == fingerprint(json.loads((folder / f"{name}.json").read_text()))


def test_load_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "toy.json"
    with pytest.raises(InputError) as caught:
        load_entity(path)
    assert caught.value.where == str(path)
    path.write_text(json.dumps(changed(lambda r: r.update(prompt="{size}"))))
    with pytest.raises(InputError) as caught:
        load_entity(path)
    assert caught.value.where == f"{path} at $.prompt"
    path.write_text('{"schema": 1, "schema": 1}')
    with pytest.raises(InputError, match="stands twice"):
        load_entity(path)
    with pytest.raises(InputError, match="demo-object") as caught:
        load_entity("demo-objekt")
    assert caught.value.where == "demo-objekt"
    with pytest.raises(InputError):
        load_entity(tmp_path)


def test_a_spec_of_many_values_is_checked_in_linear_time() -> None:
    values = [f"v{i}" for i in range(20_000)]
    record = {
        "schema": "clay-eval/entity-spec/1",
        "entity": "wide",
        "attributes": [
            {"name": "kind", "values": values},
            {"name": "sort", "parent": "kind", "values_by_parent": {value: ["a", "b"] for value in values}},
        ],
        "exclusions": [{"when": {"kind": [value]}, "reason": "r"} for value in values[:2000]],
        "prompt": "{kind} {sort}",
        "images_per_combination": 1,
    }
    start = time.process_time()
    assert len(parse_entity(record, "wide.json").attributes[0].values) == 20_000
    assert time.process_time() - start < 20
    record["attributes"][0]["values"] = [*values, values[0]]  # type: ignore[index]
    with pytest.raises(InputError, match="a value stands twice"):
        parse_entity(record, "wide.json")


@pytest.mark.parametrize(
    "values", [["red", "Red"], ["stra\u00dfe", "STRASSE"], ["Caf\u00e9", "cafe\u0301"], ["\u0424", "\u0444"]]
)
@pytest.mark.parametrize("place", ["attributes", "diversity"])
def test_values_that_differ_in_case_only_are_refused(values: list[str], place: str) -> None:
    index = 3 if place == "attributes" else 0
    record = changed(lambda r: (r[place][index].update(values=values), r.pop("exclusions")))
    with pytest.raises(InputError, match=rf"differ in case only[\s\S]*{place}"):
        parse_entity(record, WHERE)


def test_values_of_several_parents_that_differ_in_case_only_are_refused() -> None:
    record = changed(
        lambda r: r["attributes"][0].update(values_by_parent={"low": ["x"], "high": ["X"], "mid": ["m"]})
    )
    with pytest.raises(InputError, match="differ in case only"):
        parse_entity(record, WHERE)


def test_values_in_two_unicode_forms_are_one() -> None:
    def both(record: Record) -> None:
        record["attributes"][3]["values"] = ["caf\u00e9", "cafe\u0301"]
        record["exclusions"] = []

    with pytest.raises(InputError, match="stands twice"):
        parse_entity(changed(both), WHERE)

    def mixed(record: Record) -> None:
        record["attributes"][3]["values"] = ["cafe\u0301", "tea"]
        record["exclusions"] = [{"when": {"color": ["caf\u00e9"], "kind": ["boat"]}, "reason": "no"}]

    spec = parse_entity(changed(mixed), WHERE)
    assert spec.attributes[3].values == ("caf\u00e9", "tea")


def test_what_a_report_could_not_hold_is_refused() -> None:
    for change in (
        lambda r: r.update(title="x" * 401),
        lambda r: r["exclusions"][0].update(reason="x" * 4001),
    ):
        with pytest.raises(InputError, match="maxLength"):
            parse_entity(changed(change), WHERE)
