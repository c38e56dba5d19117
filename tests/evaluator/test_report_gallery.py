from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from clay_eval.evaluator.engine import Settings, TextFeatures, evaluate_features
from clay_eval.evaluator.methods import resolve_method
from clay_eval.evaluator.protocol import Labelled, split_queries
from clay_eval.evaluator.report.gallery import show_entity

KINDS = {"bag": ("handbag", "backpack"), "shoes": ("boot", "sandal")}
COLORS = ("red", "blue", "green")


@pytest.fixture(scope="module")
def shown() -> tuple[Any, ...]:
    rows = [(c, s, k) for c, subs in KINDS.items() for s in subs for k in COLORS for _ in range(8)]
    names = ("category", "subcategory", "color")
    labels = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    keys = [f"k{i:03d}" for i in range(len(rows))]
    labelled = Labelled(keys, labels, {"subcategory": "category"})
    rng = np.random.default_rng(0)
    words = {value: rng.normal(size=24) for value in itertools.chain(*labels.values())}
    features = np.array([sum(words[v] for v in row) for row in rows]) + rng.normal(size=(len(rows), 24))
    parents = {kind: category for category, kinds in KINDS.items() for kind in kinds}
    texts = {}
    for name, values in labels.items():
        said = [v for v in sorted(set(values)) for _ in range(4)]
        array = np.array([words[v] for v in said]) + 0.1 * rng.normal(size=(len(said), 24))
        texts[name] = TextFeatures(array, [parents.get(v) for v in said])
    methods = dict(map(resolve_method, ("raw", "clay")))
    settings = Settings(query_share=0.2, draws=50)
    is_query = split_queries(keys, settings.seed, settings.query_share)
    results = evaluate_features(
        features, labelled, texts, methods, entity="e", encoder="v", settings=settings
    )
    gallery = show_entity("e", labelled, is_query, features, texts, methods, results, 0)
    return labelled, results, (gallery.retrievals, gallery.maps)


def test_every_condition_set_has_retrievals_with_the_scored_average_precision(shown: tuple[Any, ...]) -> None:
    _, results, (retrievals, _) = shown
    sets = {result.conditions for result in results}
    assert {tuple(item["conditions"]) for item in retrievals} == sets
    assert len(sets) == 7
    scored = {(r.method, r.conditions, q.key): q for r in results for q in r.per_query}
    for item in retrievals:
        for method, ranked in item["methods"].items():
            query = scored[method, tuple(item["conditions"]), item["query"]["key"]]
            assert ranked["ap"] == query.average_precision
            assert item["group"] == query.group
            assert len(ranked["neighbours"]) == 5
            keys = {neighbour["key"] for neighbour in ranked["neighbours"]}
            assert not keys & {q.key for r in results[:1] for q in r.per_query}
            if query.average_precision == 1.0:
                hits = [n["relevant"] for n in ranked["neighbours"]]
                assert hits == sorted(hits, reverse=True)


def test_nested_conditions_are_found_within_their_parent(shown: tuple[Any, ...]) -> None:
    for item in shown[2][0]:
        if item["conditions"] == ["subcategory"]:
            category = item["query"]["labels"]["category"]
            assert item["group"] == f"category={category}"
            found = [n for ranked in item["methods"].values() for n in ranked["neighbours"]]
            assert {n["labels"]["category"] for n in found} == {category}


def test_maps_are_of_single_conditions_before_and_after(shown: tuple[Any, ...]) -> None:
    labelled, _, (_, maps) = shown
    assert [(m["conditions"], m["method"]) for m in maps] == [
        ([name], method) for name in ("category", "subcategory", "color") for method in ("raw", "clay")
    ]
    for drawn in maps:
        (condition,) = drawn["conditions"]
        value = dict(zip(labelled.keys, labelled.labels[condition], strict=True))
        assert drawn["labels"] == [value[key] for key in drawn["keys"]]
        assert len(drawn["points"]) == (48 if condition == "subcategory" else 96)
