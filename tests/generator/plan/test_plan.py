"""The plan against an enumeration of its own from the JSON; evenness, independence, memory, refusals."""

from __future__ import annotations

import copy
import json
import math
import tracemalloc
from collections import Counter
from itertools import combinations as pairs_of
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clay_eval.generator.plan import combinations as plan_module
from clay_eval.generator.plan.combinations import Plan, combinations
from clay_eval.schemas.entity import EntitySpec, load_entity, parse_entity, shipped_entities
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.shards import KEY_PATTERN
from clay_eval.schemas.validate import check

Record = dict[str, Any]
ENTITIES = Path(__file__).parents[3] / "data" / "entities"
NESTED: Record = json.loads((Path(__file__).parents[1] / "nested.json").read_text())


def spec_of(record: Record = NESTED, **change: Any) -> EntitySpec:
    return parse_entity({**copy.deepcopy(record), **change}, "spec.json")


def every_combination(record: Record) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """(all, kept) by brute force from the JSON: the product of all values, less what parents and exclusions forbid."""

    def name(value: Any) -> str:
        return value if isinstance(value, str) else value["name"]

    def allowed(attribute: Record, row: dict[str, str]) -> bool:
        if "values" in attribute:
            return True
        return row[attribute["name"]] in map(name, attribute["values_by_parent"][row[attribute["parent"]]])

    names = [a["name"] for a in record["attributes"]]
    lists = [
        list(dict.fromkeys(name(v) for g in ([a["values"]] if "values" in a else a["values_by_parent"].values()) for v in g))
        for a in record["attributes"]
    ]  # fmt: skip
    rows = [dict(zip(names, values, strict=True)) for values in product(*lists)]
    possible = [row for row in rows if all(allowed(a, row) for a in record["attributes"])]
    kept = [
        row
        for row in possible
        if not any(all(row.get(n) in vs for n, vs in e["when"].items()) for e in record.get("exclusions", []))
    ]
    return possible, kept


def as_set(rows: Any) -> set[frozenset[tuple[str, str]]]:
    return {frozenset(row.items()) for row in rows}


SHIPPED = [json.loads(p.read_text()) for p in sorted(ENTITIES.glob("*.json"))]


@pytest.mark.parametrize("record", [NESTED, *SHIPPED], ids=lambda r: r["entity"])
def test_all_combinations_less_exclusions(record: Record) -> None:
    sizes = [
        len(a["values"])
        if "values" in a
        else len({str(v) for g in a["values_by_parent"].values() for v in g})
        for a in record["attributes"]
    ]
    assume_small = math.prod(sizes) < 500_000
    assert assume_small, "the brute force below would take too long"
    everything, kept = every_combination(record)
    plan = Plan(spec_of(record))
    found = combinations(plan.spec)
    assert len(found.codes) == len(everything)
    assert int(found.kept.sum()) == len(kept)
    samples = list(islice(plan, len(kept)))
    assert as_set(s.labels for s in samples) == as_set(kept)
    assert len(as_set(s.labels for s in samples)) == len(kept)
    assert len(plan) == len(kept) * record["images_per_combination"]
    for exclusion, count in zip(record.get("exclusions", []), found.excluded_by, strict=True):
        when = {n: vs for n, vs in exclusion["when"].items() if n in everything[0]}
        hit = [r for r in everything if all(r[n] in vs for n, vs in when.items())]
        assert count == len(hit)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_tree_of_attributes(data: st.DataObject) -> None:
    names = data.draw(st.permutations(["a", "b", "c", "d"]))
    attributes: list[Record] = []
    known: dict[str, list[str]] = {}
    for name in names:
        values = st.lists(st.sampled_from(["u", "v", "w", "x"]), min_size=1, max_size=3, unique=True)
        parent = data.draw(st.sampled_from([None, *known]))
        if parent is None:
            known[name] = data.draw(values)
            attributes.append({"name": name, "values": known[name]})
        else:
            groups = {p: data.draw(values) for p in known[parent]}
            known[name] = sorted({v for g in groups.values() for v in g})
            attributes.append({"name": name, "parent": parent, "values_by_parent": groups})
    when = st.dictionaries(st.sampled_from(names), st.none(), min_size=1, max_size=2)
    exclusions = [
        {
            "when": {
                n: data.draw(st.lists(st.sampled_from(known[n]), min_size=1, max_size=2, unique=True))
                for n in data.draw(when)
            },
            "reason": "x",
        }
        for _ in range(data.draw(st.integers(0, 2)))
    ]
    record = {
        **NESTED,
        "attributes": data.draw(st.permutations(attributes)),
        "exclusions": exclusions,
        "diversity": [],
        "prompt": "{a} {b} {c} {d}",
        "negative_prompt": "",
        "images_per_combination": 1,
    }
    everything, kept = every_combination(record)
    assume(kept)
    plan = Plan(spec_of(record))
    samples = list(plan)
    assert len(plan.combinations.codes) == len(everything)
    assert as_set(s.labels for s in samples) == as_set(kept)
    assert len(samples) == len(kept)


@given(st.integers(1, 300), st.integers(0, 2**63))
@settings(max_examples=20, deadline=None)
def test_combinations_are_dealt_as_evenly_as_can_be(count: int, seed: int) -> None:
    plan = Plan(spec_of(), count=count, seed=seed)
    dealt = Counter(s.combination for s in plan)
    kept = len(plan.numbers)
    assert sum(dealt.values()) == count
    assert len(dealt) == min(count, kept)
    assert max(dealt.values()) - (min(dealt.values()) if count >= kept else 0) <= 1
    for combination, index in {(s.combination, s.index) for s in plan}:
        assert 0 <= index < dealt[combination]


def test_keys_and_seeds_are_distinct_and_every_sample_is_valid() -> None:
    for spec in [spec_of(), *map(load_entity, shipped_entities())]:
        samples = list(Plan(spec))
        assert len({s.key for s in samples}) == len(samples) == len({s.seed for s in samples})
        assert len({(s.combination, s.index) for s in samples}) == len(samples)
        for sample in samples[:: max(1, len(samples) // 100)]:
            assert KEY_PATTERN.fullmatch(sample.key)
            check(json.loads(sample.to_json()), "sample-spec", "plan")


def test_prompts_say_phrases() -> None:
    for s in Plan(spec_of()):
        color = {"red": "a red"}.get(s.labels["color"], s.labels["color"])
        kind = {"car": "a motor car"}.get(s.labels["kind"], s.labels["kind"])
        d = s.diversity
        assert s.prompt == (
            f"{color} {kind} {s.labels['make']} {s.labels['model']}, {d['light']} {d['view']} {d['place']}"
        )
        assert s.negative_prompt == f"not {d['light']}"
    labels = next(iter(Plan(spec_of()))).labels
    assert list(labels) == ["model", "kind", "make", "color"], "in the order of the spec"


def test_braces_in_phrases_stay() -> None:
    record = copy.deepcopy(NESTED)
    record["attributes"][3]["values"] = [{"name": "red", "phrase": "{kind} {0} {{"}]
    record["exclusions"] = []
    assert next(iter(Plan(spec_of(record)))).prompt.startswith("{kind} {0} {{ ")


@pytest.mark.parametrize("record", [NESTED, *SHIPPED], ids=lambda r: r["entity"])
def test_diversity_is_dealt_evenly(record: Record) -> None:
    spec = spec_of(record)
    plan = Plan(spec)
    samples = list(plan)
    kept, rounds = len(plan.numbers), spec.images_per_combination
    by_combination: dict[int, list[dict[str, str]]] = {}
    for s in samples:
        by_combination.setdefault(s.combination, []).append(dict(s.diversity))
    for attribute in spec.diversity:
        if any(attribute.name in e.when for e in spec.exclusions):
            continue  # below
        size = len(attribute.values)
        total = Counter(s.diversity[attribute.name] for s in samples)
        assert set(total) == set(attribute.values)
        assert max(total.values()) - min(total.values()) <= rounds % size
        for start in range(0, len(samples), kept):
            one_round = Counter(s.diversity[attribute.name] for s in samples[start : start + kept])
            assert max(one_round.values()) - min(one_round[v] for v in attribute.values) <= 1
        for rows in by_combination.values():
            own = Counter(row[attribute.name] for row in rows)
            assert max(own.values()) - min(own[v] for v in attribute.values) <= 1


def test_a_barred_value_goes_to_no_sample_and_the_others_take_its_turns_evenly() -> None:
    """Core by diversity, by two diversity attributes, and diversity alone, over several laps."""
    exclusions = [
        {"when": {"kind": ["boat"], "place": ["b"]}, "reason": "x"},
        {"when": {"color": ["red"], "place": ["a", "b"], "light": ["dim"]}, "reason": "x"},
        {"when": {"view": ["left"], "light": ["bright"]}, "reason": "x"},
    ]
    places = [*"abcde"]
    diversity = [
        {"name": "light", "values": ["dim", "bright"]},
        {"name": "view", "values": ["left", "right"]},
        {"name": "place", "values": places},
    ]
    plan = Plan(spec_of(exclusions=exclusions, diversity=diversity), count=33 * 20)
    own: dict[int, Counter[str]] = {}
    for s in plan:
        everything = {**s.labels, **s.diversity}
        for e in exclusions:
            assert not all(everything[n] in vs for n, vs in e["when"].items()), s
        if s.labels["color"] != "red":
            own.setdefault(s.combination, Counter())[s.diversity["place"]] += 1
        assert set(own.get(s.combination, ())) <= set(places)
    assert len(plan.numbers) == 33, "no combination is lost"
    for counts in own.values():
        assert max(counts.values()) - min(counts.values()) <= 1


def test_exclusions_that_leave_a_combination_no_value_name_it() -> None:
    exclusions = [
        {"when": {"kind": ["boat"], "light": ["dim"]}, "reason": "x"},
        {"when": {"color": ["red"], "light": ["bright"]}, "reason": "x"},
    ]
    with pytest.raises(InputError) as caught:
        Plan(spec_of(exclusions=exclusions))
    assert caught.value.where == "spec.json at $.exclusions"
    assert "kind 'boat'" in str(caught.value.expected)
    assert "'light'" in str(caught.value.found)


def test_a_dead_end_of_exclusions_among_diversity_values_is_named() -> None:
    exclusions = [
        {"when": {"light": [a], "view": [b]}, "reason": "x"}
        for a in ("dim", "bright")
        for b in ("left", "right")
    ]
    with pytest.raises(InputError, match="without diversity values"):
        list(Plan(spec_of(exclusions=exclusions)))


def test_phrasings_are_dealt_evenly() -> None:
    prompts = [f"{i} {{color}} {{kind}} {{make}} {{model}}, {{light}} {{view}} {{place}}" for i in range(3)]
    spec = spec_of(prompt=prompts, exclusions=[])
    plan = list(Plan(spec, count=33 * 6))
    assert Counter(s.prompt[0] for s in plan) == {"0": 66, "1": 66, "2": 66}
    by_combination: dict[int, Counter[str]] = {}
    for s in plan:
        by_combination.setdefault(s.combination, Counter())[s.prompt[0]] += 1
    assert all(set(c.values()) == {2} for c in by_combination.values())
    assert {s.prompt[0] for s in Plan(spec_of(prompt=prompts[0]))} == {"0"}


def cramers_v(pairs: list[tuple[str, str]]) -> float:
    """The textbook formula, cell by cell."""
    joint, rows, columns = Counter(pairs), Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = {(a, b): rows[a] * columns[b] / len(pairs) for a in rows for b in columns}
    chi2 = sum((joint[cell] - e) ** 2 / e for cell, e in expected.items())
    return math.sqrt(chi2 / (len(pairs) * (min(len(rows), len(columns)) - 1)))


@pytest.mark.parametrize("record", SHIPPED, ids=lambda r: r["entity"])
def test_diversity_is_independent_of_the_core_and_of_itself(record: Record) -> None:
    spec = spec_of(record)
    samples = list(Plan(spec))
    rows = [{**s.labels, **s.diversity} for s in samples]
    sizes = {a.name: len(a.values) for a in (*spec.attributes, *spec.diversity)}
    core = [a.name for a in spec.attributes]
    diversity = [a.name for a in spec.diversity]
    parents = {a.name: a.parent for a in spec.attributes}
    apart = {
        frozenset(pair)
        for e in spec.exclusions
        for pair in pairs_of(
            [*e.when, *(n for n, p in parents.items() if p in e.when or n in map(parents.get, e.when))], 2
        )
    }
    for a, b in [*product(core, diversity), *pairs_of(diversity, 2)]:
        if {a, b} in apart:
            continue  # an exclusion keeps some of their values apart
        freedom = (sizes[a] - 1) * (sizes[b] - 1)
        chance = math.sqrt(freedom / (len(rows) * (min(sizes[a], sizes[b]) - 1)))
        found = cramers_v([(row[a], row[b]) for row in rows])
        barred = any({a, b} & e.when.keys() for e in spec.exclusions)
        assert found < (1.0 * chance + 0.01 if a in core or barred else 0.03), (
            f"{a}, {b}: {found}, by chance {chance}"
        )


def test_attributes_of_the_same_size_do_not_go_in_step_within_a_combination() -> None:
    """Of one combination, over several laps, all pairs of two two-valued attributes come."""
    plan = Plan(spec_of(), count=24 * 24)
    pairs: dict[int, set[tuple[str, str]]] = {}
    for s in plan:
        pairs.setdefault(s.combination, set()).add((s.diversity["light"], s.diversity["view"]))
    assert np.mean([len(seen) for seen in pairs.values()]) > 3.9


def big() -> EntitySpec:
    attributes = [{"name": n, "values": [f"{n}{i}" for i in range(20)]} for n in ("a", "b", "c")]
    return spec_of(
        attributes=attributes,
        exclusions=[],
        prompt="{a} {b} {c}",
        images_per_combination=1000,
        negative_prompt="",
    )


def test_a_long_plan_is_streamed() -> None:
    samples = iter(Plan(big(), count=110_000))
    assert sum(1 for _ in islice(samples, 100_000)) == 100_000
    tracemalloc.start()
    try:
        count = sum(1 for _ in samples)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 10_000
    assert peak < 4 << 20, "10,000 more sample specs held at once would take 10 MB"


def test_exclusions_that_leave_nothing_name_the_place() -> None:
    exclusions = [{"when": {"color": ["red", "blue", "green"]}, "reason": "no colours"}]
    with pytest.raises(InputError) as caught:
        Plan(spec_of(exclusions=exclusions))
    error = caught.value
    assert error.exit_code == 2
    assert error.where == "spec.json at $.exclusions"
    assert error.expected == "at least one combination kept"
    assert error.found == "33 combinations, all excluded"


@pytest.mark.parametrize("options", [{"count": 0}, {"count": -1}, {"seed": -1}])
def test_counts_and_seeds_that_make_no_sense(options: dict[str, int]) -> None:
    with pytest.raises(InputError) as caught:
        Plan(spec_of(), **options)
    assert caught.value.where == "--" + next(iter(options))
    assert caught.value.found == str(next(iter(options.values())))


def test_too_many_combinations_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [{"name": n, "values": [str(i) for i in range(1000)]} for n in "abcd"]
    spec = spec_of(attributes=many, exclusions=[], prompt="{a} {b} {c} {d}", negative_prompt="")
    with pytest.raises(InputError, match="too many combinations"):
        Plan(spec)
    monkeypatch.setattr(plan_module, "MAX_VALUES", 999)
    with pytest.raises(InputError, match="too many values") as caught:
        Plan(spec)
    assert caught.value.where == "spec.json at $.attributes[0]"


def test_a_spec_without_diversity() -> None:
    plan = Plan(spec_of(diversity=[], prompt="{color} {kind} {make} {model}", negative_prompt=""))
    assert {tuple(s.diversity) for s in plan} == {()}
    assert plan.diversity_codes(0, 5).shape == (5, 0)


def test_pairs_of_values_that_cannot_be_counted_are_refused() -> None:
    """The coverage counts every pair of values of two attributes; no plan is made of more than fit a file."""
    record = {
        "schema": "clay-eval/entity-spec/1",
        "entity": "wide",
        "attributes": [{"name": "a", "values": ["x", "y"]}],
        "diversity": [{"name": name, "values": [f"v{i}" for i in range(3000)]} for name in ("b", "c")],
        "prompt": "{a} {b} {c}",
        "images_per_combination": 1,
    }
    with pytest.raises(InputError, match="too many pairs of values"):
        Plan(parse_entity(record, "wide.json"), count=10)
