"""The shipped entity specs: size, sense of the exclusions, names that cannot be mistaken for each other."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from clay_eval.schemas.entity import load_entity, shipped_entities

ROOT = Path(__file__).resolve().parents[2]
PAPER_ENTITIES = ["clay-object", "clay-human"]
ENTITIES = [*PAPER_ENTITIES, "demo-object", "demo-human"]


def raw(entity: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((ROOT / "data" / "entities" / f"{entity}.json").read_text("utf-8"))
    return record


def name_of(value: Any) -> str:
    return str(value if isinstance(value, str) else value["name"])


def groups(attribute: dict[str, Any]) -> list[list[Any]]:
    return [attribute["values"]] if "values" in attribute else list(attribute["values_by_parent"].values())


def combinations(record: dict[str, Any]) -> list[dict[str, str]]:
    """Every combination that the hierarchy allows, straight from the JSON."""
    attributes = {a["name"]: a for a in record["attributes"]}
    lists = [[name_of(v) for group in groups(a) for v in group] for a in attributes.values()]
    found = []
    for chosen in itertools.product(*lists):
        combination = dict(zip(attributes, chosen, strict=True))
        if all(
            combination[n] in map(name_of, a["values_by_parent"][combination[a["parent"]]])
            for n, a in attributes.items()
            if "parent" in a
        ):
            found.append(combination)
    return found


def hits(exclusion: dict[str, Any], combination: dict[str, str]) -> bool:
    return all(combination[name] in values for name, values in exclusion["when"].items())


def kept(record: dict[str, Any]) -> list[dict[str, str]]:
    return [c for c in combinations(record) if not any(hits(e, c) for e in record["exclusions"])]


def prompts(record: dict[str, Any]) -> list[str]:
    """A prompt for every kept combination, with the diversity values dealt in turn."""
    said = {
        (a["name"], name_of(v)): v if isinstance(v, str) else v.get("phrase", v["name"])
        for a in [*record["attributes"], *record["diversity"]]
        for group in groups(a)
        for v in group
    }
    made = []
    for i, combination in enumerate(kept(record)):
        others = {d["name"]: name_of(d["values"][i % len(d["values"])]) for d in record["diversity"]}
        labels = combination | others
        made.append(record["prompt"].format(**{n: said[n, v] for n, v in labels.items()}))
    return made


def test_every_shipped_spec_loads_and_is_one_of_these() -> None:
    assert shipped_entities() == sorted(ENTITIES)
    for entity in ENTITIES:
        assert load_entity(entity).entity == entity


@pytest.mark.parametrize("entity", PAPER_ENTITIES)
def test_planned_images_reach_the_papers_number_and_are_not_wildly_more(entity: str) -> None:
    tables = json.loads((ROOT / "data" / "paper_tables.json").read_text("utf-8"))
    record = raw(entity)
    planned = len(kept(record)) * record["images_per_combination"]
    paper = tables["dataset_size"][entity]
    assert paper <= planned <= 1.5 * paper


def test_sizes_of_clay_object() -> None:
    category, subcategory, color = raw("clay-object")["attributes"]
    names = [name_of(v) for v in category["values"]]
    assert 8 <= len(names) <= 12
    assert "shoes" in names
    assert list(subcategory["values_by_parent"]) == names
    assert all(5 <= len(values) <= 8 for values in subcategory["values_by_parent"].values())
    assert 10 <= len(color["values"]) <= 12


def test_sizes_of_clay_human() -> None:
    sizes = {a["name"]: len(a["values"]) for a in raw("clay-human")["attributes"]}
    assert list(sizes) == ["age", "action", "background"]
    assert 4 <= sizes["age"] <= 6
    assert 15 <= sizes["action"] <= 20
    assert 12 <= sizes["background"] <= 18


@pytest.mark.parametrize("entity", PAPER_ENTITIES)
def test_every_exclusion_has_a_reason_and_removes_what_no_other_does(entity: str) -> None:
    exclusions = raw(entity)["exclusions"]
    everything = combinations(raw(entity))
    assert exclusions
    for exclusion in exclusions:
        others = [e for e in exclusions if e is not exclusion]
        own = [c for c in everything if hits(exclusion, c) and not any(hits(e, c) for e in others)]
        assert own, exclusion
        assert len(exclusion["reason"].split()) >= 4
    assert len({e["reason"] for e in exclusions}) == len(exclusions)


@pytest.mark.parametrize("entity", PAPER_ENTITIES)
def test_every_value_keeps_enough_partners_to_stay_apart_from_the_other_attributes(entity: str) -> None:
    record = raw(entity)
    parents = {a["name"]: a.get("parent") for a in record["attributes"]}
    left = kept(record)
    for one, two in itertools.permutations(parents, 2):
        if two in (parents[one], one) or parents[two] == one:
            continue
        number = len({c[two] for c in left})
        for value in {c[one] for c in left}:
            partners = {c[two] for c in left if c[one] == value}
            assert len(partners) >= 0.4 * number, (one, value, two)


@pytest.mark.parametrize("entity", PAPER_ENTITIES)
def test_no_value_name_holds_a_rivals(entity: str) -> None:
    for attribute in raw(entity)["attributes"]:
        names = [name_of(v) for group in groups(attribute) for v in group]
        assert len({n.lower() for n in names}) == len(names)
        for one, two in itertools.permutations(names, 2):
            assert not re.search(rf"\b{re.escape(one)}\b", two, re.IGNORECASE), (one, two)


@pytest.mark.parametrize("entity", PAPER_ENTITIES)
def test_prompts_are_distinct_and_use_the_right_article(entity: str) -> None:
    made = prompts(raw(entity))
    assert len(set(made)) == len(made)
    for prompt in made:
        assert not re.search(r"\ba [aeio]|\ba u(?!ni)|\ban [^aeiou]|\ba an?\b|\s\s|\s,|[{}]", prompt), prompt


@pytest.mark.parametrize("entity", PAPER_ENTITIES)
def test_diversity_says_nothing_of_a_core_value(entity: str) -> None:
    record = raw(entity)
    core = [name_of(v) for a in record["attributes"] for group in groups(a) for v in group]
    for attribute in record["diversity"]:
        for value in attribute["values"]:
            for name in core:
                assert not re.search(rf"\b{re.escape(name)}\b", value["phrase"], re.IGNORECASE), (name, value)


@pytest.mark.parametrize("entity", PAPER_ENTITIES)
def test_diversity_is_varied_and_origin_is_told(entity: str) -> None:
    record = raw(entity)
    assert len(record["diversity"]) >= 5
    assert all(len(a["values"]) >= 2 for a in record["diversity"])
    assert record["negative_prompt"]
    assert record["origin"] == {
        "author": "clay-eval contributors",
        "method": "written by hand",
        "date": "2026-11-23",
    }
    assert all("{" + a["name"] + "}" in record["prompt"] for a in record["diversity"])


def test_paper_tables_have_a_number_in_every_cell() -> None:
    tables = json.loads((ROOT / "data" / "paper_tables.json").read_text("utf-8"))
    for table in ("single_condition", "multi_condition", "manifold_ablation", "genecis_focus_attribute"):
        for row in tables[table]["rows"].values():
            assert len(row) == len(tables[table]["columns"])
            assert all(0 <= number <= 100 for number in row)
