"""The shipped entity specs: size, sense of the exclusions, names that cannot be mistaken for each other."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.plan.llm.phrasing import spec_prompt_problems
from clay_eval.schemas.entity import EntitySpec, load_entity, shipped_entities
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.texts import shipped_texts

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


def whole(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The exclusions that name core attributes alone."""
    core = {a["name"] for a in record["attributes"]}
    return [e for e in record["exclusions"] if set(e["when"]) <= core]


def kept(record: dict[str, Any]) -> list[dict[str, str]]:
    return [c for c in combinations(record) if not any(hits(e, c) for e in whole(record))]


def templates(record: dict[str, Any]) -> list[str]:
    return [record["prompt"]] if isinstance(record["prompt"], str) else list(record["prompt"])


def prompts(record: dict[str, Any]) -> list[str]:
    """A prompt for every kept combination in every phrasing, with the diversity values dealt in turn."""
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
        made += [t.format(**{n: said[n, v] for n, v in labels.items()}) for t in templates(record)]
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
    exclusions = whole(raw(entity))
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
    for template in templates(record):
        assert all(template.count("{" + a["name"] + "}") == 1 for a in record["diversity"])


INDOORS = {"kitchen", "living room", "train station", "supermarket", "classroom", "museum"}
BRITISH = re.compile(
    r"\b(\w*colour\w*|grey|\w+ise[ds]?|\w+ising|harbours?|(off-)?cent(re|red)|jumper|lorry|tram|pushbike|mobile|parlour"
    r"|\w+lled|plough\w*|practis\w+|pedall\w+|woollen|aubergine|trousers|waistcoat|holdall|kitbag|tyre|pensioner)\b",
    re.IGNORECASE,
)
NOT_BRITISH = {
    "bruised",
    "raised",
    "exercised",
    "exercise",
    "otherwise",
    "precise",
    "wise",
    "rise",
    "disguised",
}


def british(text: str) -> set[str]:
    return {found[0].lower() for found in BRITISH.finditer(text)} - NOT_BRITISH


def planned(entity: str) -> list[SampleSpec]:
    return list(Plan(load_entity(entity)))


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_prompt_of_the_plan_is_its_own_and_well_formed(entity: str) -> None:
    made = [sample.prompt for sample in planned(entity)]
    assert len(set(made)) == len(made)
    for prompt in made:
        assert not re.search(
            r",\s*[,;.:]|\s\s|\s[,;:.]|[{}]|[,;:.]$|\band and\b|\ba an?\b|\ba [aeio]", prompt
        ), prompt
        assert not british(prompt), prompt


@pytest.mark.parametrize("entity", ENTITIES)
def test_phrasings_are_dealt_evenly_and_each_names_every_core_label_and_no_rival(entity: str) -> None:
    spec = load_entity(entity)
    samples = planned(entity)
    shapes = Counter(
        next(
            i
            for i, template in enumerate(spec.prompts)
            if sample.prompt == template.format(**said(spec, {**sample.labels, **sample.diversity}))
        )
        for sample in samples
    )
    assert len(shapes) == len(spec.prompts) >= (3 if entity in PAPER_ENTITIES else 1)
    assert max(shapes.values()) - min(shapes.values()) <= 0.01 * len(samples)
    count, wrong = spec_prompt_problems(spec)
    assert count == 0, wrong


def said(spec: EntitySpec, values: dict[str, str]) -> dict[str, str]:
    return {
        a.name: next(v.phrase for group in a.choices.values() for v in group if v.name == values[a.name])
        for a in (*spec.attributes, *spec.diversity)
    }


@pytest.mark.parametrize("entity", ["clay-human", "demo-human"])
def test_who_moves_much_is_not_sent_indoors(entity: str) -> None:
    """Running, jumping, dancing and ball games have the same places, and none among furniture or passengers."""
    lively = {"running", "jumping", "dancing", "kicking a ball"}
    places: dict[str, set[str]] = defaultdict(set)
    for combination in kept(raw(entity)):
        places[combination["action"]].add(combination["background"])
    for action in lively & places.keys():
        assert not places[action] & INDOORS, action
    assert len({frozenset(places[a] - {"harbor"}) for a in lively & places.keys()}) == 1


def test_toddlers_are_not_alone_where_it_is_dangerous() -> None:
    toddlers = [c for c in kept(raw("clay-human")) if c["age"] == "toddler"]
    assert toddlers
    assert not {c["background"] for c in toddlers} & {"train station", "harbor", "snowy mountain"}


def test_sleepers_do_not_face_the_camera() -> None:
    asleep = [s for s in planned("clay-human") if s.labels["action"] == "sleeping"]
    assert {s.diversity["direction"] for s in asleep} == {"left", "right"}


def test_lamps_hide_yellow_and_orange_alike() -> None:
    lamps = [c for c in kept(raw("clay-object")) if c["category"] == "lamp"]
    assert len({c["subcategory"] for c in lamps}) == 5
    assert not {c["color"] for c in lamps} & {"yellow", "orange"}


def test_large_things_stand_where_they_can_and_small_ones_are_not_far_away() -> None:
    small = {"shoes", "hat", "kitchenware", "clothing"}
    small_too = {
        "yo-yo",
        "rubber duck",
        "toy robot",
        "toy train",
        "teddy bear",
        "trumpet",
        "violin",
        "handbag",
    }
    for sample in planned("clay-object"):
        category, subcategory = sample.labels["category"], sample.labels["subcategory"]
        if category == "vehicle" or subcategory == "street lamp":
            assert sample.diversity["setting"] not in {"studio", "wooden deck"}
        if category in small or subcategory in small_too:
            assert sample.diversity["framing"] != "far"


def test_no_color_is_judged_against_the_light() -> None:
    assert not any("behind" in s.prompt for s in planned("clay-object"))


@pytest.mark.parametrize("entity", PAPER_ENTITIES)
def test_spelling_is_american(entity: str) -> None:
    assert not british(json.dumps(raw(entity)))
    shipped = shipped_texts(entity)
    assert shipped is not None
    for texts in shipped.conditions.values():
        for text in texts:
            assert not british(text.text), text


def test_paper_tables_have_a_number_in_every_cell() -> None:
    tables = json.loads((ROOT / "data" / "paper_tables.json").read_text("utf-8"))
    for table in ("single_condition", "multi_condition", "manifold_ablation", "genecis_focus_attribute"):
        for row in tables[table]["rows"].values():
            assert len(row) == len(tables[table]["columns"])
            assert all(0 <= number <= 100 for number in row)
