"""Coverage against scipy, scikit-learn and plain counting."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import combinations as pairs_of
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats.contingency import association
from sklearn.metrics import normalized_mutual_info_score

from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.plan.coverage import (
    coverage,
    coverage_markdown,
    cramers_v,
    normalised_mutual_information,
)
from clay_eval.schemas.entity import EntitySpec, load_entity, parse_entity

SPEC: dict[str, Any] = {
    "schema": "clay-eval/entity-spec/1",
    "entity": "toy",
    "attributes": [
        {"name": "kind", "values": ["boat", "car", "kite"]},
        {
            "name": "make",
            "parent": "kind",
            "values_by_parent": {"boat": ["b1", "b2"], "car": ["c1"], "kite": ["k1", "b1"]},
        },
        {"name": "color", "values": ["red", "blue", "green"]},
    ],
    "diversity": [{"name": "light", "values": ["dim", "bright"]}, {"name": "only", "values": ["one"]}],
    "exclusions": [
        {"when": {"color": ["red"], "kind": ["boat", "car"]}, "reason": "red is for kites"},
        {"when": {"kind": ["car"], "make": ["k1"]}, "reason": "there are none of these anyway"},
    ],
    "prompt": "{color} {kind} {make} {light} {only}",
    "images_per_combination": 3,
}


def toy() -> EntitySpec:
    return parse_entity(SPEC, "toy.json")


tables = arrays(np.int64, st.tuples(st.integers(2, 5), st.integers(2, 5)), elements=st.integers(0, 30))


@given(tables)
@settings(max_examples=150, deadline=None)
def test_cramers_v_is_scipys(table: np.ndarray) -> None:
    assume((table.sum(0) > 0).all())
    assume((table.sum(1) > 0).all())
    assert cramers_v(table) == pytest.approx(association(table, method="cramer"), abs=1e-12)


@given(tables)
@settings(max_examples=150, deadline=None)
def test_nmi_is_scikit_learns(table: np.ndarray) -> None:
    assume((table.sum(0) > 0).sum() > 1 or (table.sum(1) > 0).sum() > 1)
    rows, columns = np.nonzero(table)
    a = np.repeat(rows, table[rows, columns])
    b = np.repeat(columns, table[rows, columns])
    assert normalised_mutual_information(table) == pytest.approx(normalized_mutual_info_score(a, b), abs=1e-9)


@given(tables)
def test_both_lie_between_0_and_1_and_do_not_mind_the_order_or_unused_values(table: np.ndarray) -> None:
    assume(table.sum() > 0)
    padded = np.pad(table, ((0, 2), (1, 0)))
    for measure in (cramers_v, normalised_mutual_information):
        value = measure(table)
        assert 0 <= value <= 1 + 1e-12
        assert measure(table.T) == pytest.approx(value, abs=1e-12)
        assert measure(table[::-1]) == pytest.approx(value, abs=1e-12)
        assert measure(padded) == pytest.approx(value, abs=1e-12)


def test_known_values() -> None:
    for measure in (cramers_v, normalised_mutual_information):
        assert measure(np.diag([3, 5, 7])) == pytest.approx(1)
        assert measure(np.outer([1, 2, 3], [4, 5])) == pytest.approx(0, abs=1e-7)
        assert measure(np.array([[3, 4]])) == 0
        assert measure(np.array([[3], [4]])) == 0
        assert measure(np.array([[7]])) == 0
    assert cramers_v(np.array([[2, 1], [1, 2]])) == pytest.approx(1 / 3)


@pytest.mark.parametrize("count", [None, 5, 1, 70_000])
def test_counts_are_those_of_the_samples(count: int | None) -> None:
    plan = Plan(toy(), count=count)
    record = coverage(plan)
    rows = [{**s.labels, **s.diversity} for s in plan]
    assert record["samples"] == len(rows)
    order = [*(a.name for a in plan.combinations.attributes), *(a.name for a in plan.spec.diversity)]
    values = {a.name: a.values for a in (*plan.spec.attributes, *plan.spec.diversity)}
    for name in order:
        counted = Counter(row[name] for row in rows)
        assert record["values"][name] == {v: counted[v] for v in values[name]}
    assert set(record["pairs"]) == {f"{a}|{b}" for a, b in pairs_of(order, 2)}
    for a, b in pairs_of(order, 2):
        pairs = Counter((row[a], row[b]) for row in rows)
        facts = record["pairs"][f"{a}|{b}"]
        assert facts["counts"] == {f"{x}|{y}": pairs[x, y] for x in values[a] for y in values[b]}
        seen = len({row[a] for row in rows}), len({row[b] for row in rows})
        if min(seen) > 1:
            table = [[n for y in values[b] if (n := pairs[x, y]) or any(pairs[z, y] for z in values[a])]
                     for x in values[a] if any(pairs[x, y] for y in values[b])]  # fmt: skip
            assert facts["cramers_v"]["after"] == pytest.approx(association(table), abs=1e-6)
            nmi = normalized_mutual_info_score([row[a] for row in rows], [row[b] for row in rows])
            assert facts["nmi"]["after"] == pytest.approx(nmi, abs=1e-6)
        else:
            assert facts["cramers_v"]["after"] == 0


def test_before_is_over_all_combinations_and_exclusions_show() -> None:
    record = coverage(Plan(toy()))
    assert record["combinations"] == {"all": 15, "excluded": 3, "kept": 12, "planned": 12}
    assert record["exclusions"] == [
        {
            "when": {"color": ["red"], "kind": ["boat", "car"]},
            "reason": "red is for kites",
            "combinations": 3,
        },
        {
            "when": {"kind": ["car"], "make": ["k1"]},
            "reason": "there are none of these anyway",
            "combinations": 0,
        },
    ]
    kind_color = record["pairs"]["kind|color"]
    assert kind_color["cramers_v"]["before"] == 0 == kind_color["nmi"]["before"]
    # kept: boat 2 makes x 2 colours, car 1 x 2, kite 2 x 3; red with kites only
    expected = association([[0, 2, 2], [0, 1, 1], [2, 2, 2]])
    assert kind_color["cramers_v"]["after"] == pytest.approx(expected, abs=1e-6)
    assert expected > 0.2
    kind_make = record["pairs"]["kind|make"]["cramers_v"]["before"]
    assert kind_make == pytest.approx(association([[3, 3, 0, 0], [0, 0, 3, 0], [3, 0, 0, 3]]), abs=1e-6)
    assert record["core"] == ["kind", "make", "color"]
    assert coverage(Plan(toy(), count=7))["combinations"]["planned"] == 7
    json.dumps(record, allow_nan=False)


def test_markdown_says_the_numbers() -> None:
    record = coverage(Plan(toy()))
    page = coverage_markdown("toy", record)
    assert "36 samples over 12 of 12 combinations (15 in all, 3 excluded)" in page
    assert "- excluded 3 combinations (color: red, kind: boat or car): red is for kites" in page
    fewest = record["values"]["color"]
    assert f"| color | 3 | red ({fewest['red']}) | blue ({fewest['blue']}) |" in page
    assert page.count("| light |") == 1
    assert page.count(" and ") == len(record["pairs"])


def test_of_the_shipped_specs_core_and_diversity_hardly_go_together() -> None:
    plan = Plan(load_entity("demo-object"))
    record = coverage(plan)
    diversity = {a.name for a in plan.spec.diversity}
    mixed = [f for pair, f in record["pairs"].items() if len(diversity & set(pair.split("|"))) == 1]
    assert len(mixed) == 3 * len(diversity)
    assert max(f["cramers_v"]["after"] for f in mixed) < 0.06
    assert math.isclose(record["pairs"]["category|subcategory"]["cramers_v"]["after"], 1)


def test_an_exclusion_of_a_diversity_value_is_counted_by_the_combinations_that_it_touches() -> None:
    barred = {"when": {"kind": ["boat"], "light": ["dim"]}, "reason": "boats carry lamps"}
    plan = Plan(parse_entity({**SPEC, "exclusions": [*SPEC["exclusions"], barred]}, "toy.json"))
    record = coverage(plan)
    assert record["combinations"] == coverage(Plan(toy()))["combinations"], "none is excluded by it"
    assert record["exclusions"][-1] == {**barred, "combinations": 6}
    assert record["pairs"]["kind|light"]["counts"]["boat|dim"] == 0
    page = coverage_markdown("toy", record)
    assert "- kept apart in 6 combinations (kind: boat, light: dim): boats carry lamps" in page
