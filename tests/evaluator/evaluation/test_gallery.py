"""What a report shows of an entity, beside what the engine scored on the same splits."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clay_eval.evaluator.evaluation.gallery import browsed_methods, drawn_maps, show_entity
from clay_eval.evaluator.methods.support.specs import prepare_methods
from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.retrieval.engine import Settings, evaluate_features, seeded_splits
from clay_eval.evaluator.retrieval.spaces import make_space
from clay_eval.evaluator.retrieval.study import Encoded, Study, TextFeatures
from clay_eval.evaluator.retrieval.tasks import make_task

KINDS = {"bag": ("handbag", "backpack"), "shoes": ("boot", "sandal")}
COLORS = ("red", "blue", "green")
METHODS = ("raw", "clay", "ip-composer", "clay(fusion=min)", "random-subspace", "supervised-lda")


def world() -> tuple[np.ndarray, Labelled, dict[str, TextFeatures]]:
    rows = [(c, s, k) for c, subs in KINDS.items() for s in subs for k in COLORS for _ in range(8)]
    names = ("category", "subcategory", "color")
    labels = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    labelled = Labelled([f"k{i:03d}" for i in range(len(rows))], labels, {"subcategory": "category"}, "e")
    rng = np.random.default_rng(0)
    words = {value: rng.normal(size=24) for value in itertools.chain(*labels.values())}
    features = np.array([sum(words[v] for v in row) for row in rows]) + rng.normal(size=(len(rows), 24))
    parents = {kind: category for category, kinds in KINDS.items() for kind in kinds}
    texts = {}
    for name, values in labels.items():
        said = [v for v in sorted(set(values)) for _ in range(4)]
        array = np.array([words[v] for v in said]) + 0.1 * rng.normal(size=(len(said), 24))
        texts[name] = TextFeatures(array, [parents.get(v) for v in said], said)
    return features, labelled, texts


def shown_under(split: str) -> tuple[Any, ...]:
    features, labelled, texts = world()
    methods = prepare_methods(METHODS)
    settings = Settings(query_share=0.2, split=split)
    outcomes, _ = evaluate_features(
        features, labelled, texts, methods, entity="e", encoder="v", settings=settings
    )
    chosen = seeded_splits(labelled, settings)[0]
    gallery = show_entity(
        Study(features, texts, labelled=labelled, split=chosen), 0, methods, outcomes, "AP", reference="clay"
    )
    return labelled, outcomes, gallery, chosen


@pytest.fixture(scope="module")
def shown() -> tuple[Any, ...]:
    return shown_under("image")


def scores(outcomes: Any, labelled: Labelled) -> dict[Any, float]:
    return {
        (o.method, o.conditions, labelled.keys[row]): value
        for o in outcomes
        for group in o.groups
        for row, value in zip(group.rows, group.values["AP"], strict=True)
    }


def test_every_condition_set_has_retrievals_with_the_scored_average_precision(shown: tuple[Any, ...]) -> None:
    labelled, outcomes, gallery, split = shown
    assert {tuple(item["conditions"]) for item in gallery.retrievals} == {o.conditions for o in outcomes}
    scored = scores(outcomes, labelled)
    queries = {labelled.keys[row] for row in np.flatnonzero(split.is_query)}
    for item in gallery.retrievals:
        assert list(item["methods"]) == ["raw", "clay"]
        for method, ranked in item["methods"].items():
            assert ranked["ap"] == scored[method, tuple(item["conditions"]), item["query"]["key"]]
            assert len(ranked["neighbours"]) == 5
            assert not {neighbour["key"] for neighbour in ranked["neighbours"]} & queries
            if ranked["ap"] == 1.0:
                hits = [n["relevant"] for n in ranked["neighbours"]]
                assert hits == sorted(hits, reverse=True)


def test_nested_conditions_are_found_within_their_parent(shown: tuple[Any, ...]) -> None:
    for item in shown[2].retrievals:
        if item["conditions"] == ["subcategory"]:
            category = item["query"]["labels"]["category"]
            assert item["group"] == f"category={category}"
            found = [n for ranked in item["methods"].values() for n in ranked["neighbours"]]
            assert {n["labels"]["category"] for n in found} == {category}


@pytest.mark.parametrize("split", ["image", "leave-one-out"])
def test_maps_are_of_single_conditions_and_show_an_image_once(split: str, tmp_path: Path) -> None:
    labelled, _, gallery, _ = shown_under(split)
    made = drawn_maps([gallery], tmp_path)
    assert [(m["conditions"], m["method"]) for m in made] == [
        ([name], method) for name in ("category", "subcategory", "color") for method in ("raw", "clay")
    ]
    for drawn in made:
        (condition,) = drawn["conditions"]
        value = dict(zip(labelled.keys, labelled.labels[condition], strict=True))
        assert drawn["labels"] == [value[key] for key in drawn["keys"]]
        assert len(set(drawn["keys"])) == len(drawn["points"]) == (48 if condition == "subcategory" else 96)


@pytest.mark.parametrize("split", ["image", "leave-one-out"])
def test_neighbours_are_the_first_of_a_full_sort_without_the_query(split: str) -> None:
    labelled, outcomes, gallery, chosen = shown_under(split)
    features, _, texts = world()
    scored = scores(outcomes, labelled)
    by_name = {method.name: method for method in prepare_methods(METHODS)}
    for one in gallery.sets:
        task = make_task(labelled, one.conditions, chosen.is_query, chosen.is_database)
        assert one.of == len(one.queries) == sum(len(group.queries) for group in task.groups)
        assert list(one.methods) == ["raw", "clay", "ip-composer", "clay(fusion=min)"]
        for method, ranked in one.methods.items():
            at = 0
            for group in task.groups:
                space = make_space(by_name[method], Encoded(features, texts), task, group)
                for position, row in enumerate(group.queries):
                    assert (one.queries[at], one.groups[at]) == (row, group.name)
                    expected = sorted(
                        (-score, labelled.keys[i])
                        for i, score in zip(group.database, space.scores(position), strict=True)
                        if i != row
                    )[:5]
                    assert [labelled.keys[i] for i in ranked.neighbours[at]] == [key for _, key in expected]
                    assert ranked.similarities[at] == pytest.approx([-score for score, _ in expected])
                    assert ranked.scores[at] == scored[method, one.conditions, labelled.keys[row]]
                    at += 1


def test_browsed_are_raw_the_reference_and_the_best_rivals(shown: tuple[Any, ...]) -> None:
    outcomes, methods = shown[1], prepare_methods(METHODS)
    assert browsed_methods(methods, outcomes, "AP", "ip-composer") == [
        "raw",
        "clay",
        "ip-composer",
        "clay(fusion=min)",
    ]
    few = prepare_methods(["random-subspace", "supervised-lda", "raw"])
    assert browsed_methods(few, outcomes, "AP", None) == [m.name for m in few]
    assert browsed_methods(few, [], "AP", "raw") == []


def test_relevant_counts_are_those_of_the_labels(shown: tuple[Any, ...]) -> None:
    labelled, _, gallery, split = shown
    database = np.flatnonzero(split.is_database)
    for conditions, counts in gallery.relevant.items():
        if "subcategory" in conditions and "category" not in conditions:
            continue
        expected = [
            sum(all(labelled.labels[c][i] == labelled.labels[c][row] for c in conditions) for i in database)
            for row in np.flatnonzero(split.is_query)
        ]
        assert counts.tolist() == expected
    assert all(0.9 < share <= 1 for share in gallery.text_shares.values())


def test_methods_that_use_no_texts_need_none() -> None:
    features, labelled, _ = world()
    methods, settings = prepare_methods(["raw"]), Settings(query_share=0.2)
    outcomes, _ = evaluate_features(
        features, labelled, {}, methods, entity="e", encoder="v", settings=settings
    )
    split = seeded_splits(labelled, settings)[0]
    gallery = show_entity(Study(features, labelled=labelled, split=split), 0, methods, outcomes, "AP")
    assert {tuple(one["methods"]) for one in gallery.retrievals} == {("raw",)}
    assert gallery.text_shares == {}
