"""Hard negatives of tasks: which attributes count, by group, and what stands in a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from clay_eval.evaluator.methods.support.specs import prepare_methods
from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.retrieval.engine import Settings, evaluate_features
from clay_eval.evaluator.retrieval.hard_negatives import hard_chance, other_pairs
from clay_eval.evaluator.retrieval.results import Outcome, Result
from clay_eval.evaluator.retrieval.split_kinds import draw_split
from clay_eval.evaluator.retrieval.splits import combination_codes
from clay_eval.evaluator.retrieval.tasks import RetrievalGroup, RetrievalTask, make_task
from clay_eval.evaluator.statistics.scoreboard import Inference, results_of

VALUES = {"color": ("red", "green", "blue"), "shape": ("ball", "cube")}


def labelled(count: int = 60, seed: int = 0, **more: Sequence[str]) -> Labelled:
    generator = np.random.default_rng(seed)
    labels: dict[str, Sequence[str]] = {
        name: generator.choice(values, count).tolist() for name, values in VALUES.items()
    }
    return Labelled([f"k{i}" for i in range(count)], labels | more)


def task_of(data: Labelled, *conditions: str, split: str = "image") -> RetrievalTask:
    drawn = draw_split(data, split, 0, 0.3)
    return make_task(data, conditions, drawn.is_query, drawn.is_database)


def brute_chance(
    data: Labelled, task: RetrievalTask, group: RetrievalGroup, others: Sequence[str]
) -> list[float]:
    """By the labels' names, image by image."""
    found = []
    for query in group.queries:
        items = [i for i in group.database if i != query]

        def equal(names: Sequence[str], item: int, query: int = query) -> bool:
            return all(data.labels[name][query] == data.labels[name][item] for name in names)

        hard = [not equal(task.conditions, i) and any(equal([o], i) for o in others) for i in items]
        relevant = any(equal(task.conditions, i) for i in items)
        found.append(float(np.mean(hard)) if relevant else np.nan)
    return found


@pytest.mark.parametrize("split", ["image", "leave-one-out"])
@pytest.mark.parametrize("condition", list(VALUES))
def test_chance_is_that_of_brute_force(split: str, condition: str) -> None:
    data = labelled(size=[str(i % 4) for i in range(60)])
    task = task_of(data, condition, split=split)
    (group,) = task.groups
    others = [name for name in data.labels if name != condition]
    chance = hard_chance(task, group)
    assert chance is not None
    np.testing.assert_allclose(chance, brute_chance(data, task, group, others))


def test_where_all_is_asked_or_nothing_else_tells_apart_there_are_none() -> None:
    data = labelled(place=["here"] * 60)
    both = task_of(data, "color", "shape", "place")
    assert hard_chance(both, both.groups[0]) is None
    task = task_of(data, "color", "shape")
    assert other_pairs(task, task.groups[0]) == []
    assert hard_chance(task, task.groups[0]) is None
    single = task_of(data, "color")
    assert len(other_pairs(single, single.groups[0])) == 1


def nested() -> Labelled:
    """Kinds within groups; "other" is a kind of both, and not the same one."""
    kinds = {"cup": ("mug", "other"), "tool": ("saw", "other")}
    generator = np.random.default_rng(3)
    groups = generator.choice(list(kinds), 80).tolist()
    labels: Mapping[str, Sequence[str]] = {
        "group": groups,
        "kind": [kinds[group][generator.integers(2)] for group in groups],
        "color": generator.choice(["red", "blue"], 80).tolist(),
    }
    return Labelled([f"k{i}" for i in range(80)], labels, {"kind": "group"})


def test_the_parent_that_divides_the_data_makes_no_hard_negatives() -> None:
    data = nested()
    task = task_of(data, "kind")
    assert len(task.groups) == 2
    for group in task.groups:
        assert len(other_pairs(task, group)) == 1
        chance = hard_chance(task, group)
        assert chance is not None
        np.testing.assert_allclose(chance, brute_chance(data, task, group, ["color"]))


def test_a_nested_value_matches_only_within_the_same_parent() -> None:
    data = nested()
    task = task_of(data, "color")
    chance = hard_chance(task, task.groups[0])
    whole = Labelled(
        data.keys,
        {
            **data.labels,
            "kind": [f"{g}/{k}" for g, k in zip(data.labels["group"], data.labels["kind"], strict=True)],
        },
    )
    assert chance is not None
    np.testing.assert_allclose(chance, brute_chance(whole, task, task.groups[0], ["group", "kind"]))


def one_hot(data: Labelled, weights: Mapping[str, float]) -> np.ndarray:
    parts = [weights[name] * np.eye(codes.max() + 1)[codes] for name, codes in data.codes.items()]
    return np.concatenate(parts, axis=1) + 1e-3 * np.random.default_rng(0).normal(size=(len(data.keys), 5))


def result(data: Labelled, features: np.ndarray, condition: str, seeds: tuple[int, ...] = (0,)) -> Result:
    found, _ = evaluate_features(
        features,
        data,
        {},
        prepare_methods(["raw"]),
        entity="things",
        encoder="e",
        settings=Settings(seeds=seeds),
        conditions=[(condition,)],
    )
    (one,) = results_of(found, ["AP"], Inference(), combination_codes(data))
    return one


def test_a_method_that_sees_only_the_other_attribute_finds_hard_negatives_alone() -> None:
    data = labelled(300)
    sees_shape = result(data, one_hot(data, {"color": 0.0, "shape": 1.0}), "color", seeds=(0, 1, 2))
    sees_color = result(data, one_hot(data, {"color": 1.0, "shape": 0.0}), "color", seeds=(0, 1, 2))
    assert sees_color.hard_negatives == 0
    assert sees_shape.hard_negatives == pytest.approx(2 / 3, abs=0.1)
    assert sees_shape.hard_negatives_chance == pytest.approx(1 / 3, abs=0.05)
    assert sees_shape.hard_negatives_chance == sees_color.hard_negatives_chance
    assert {"hard_negatives", "hard_negatives_chance"} <= set(sees_color.row())


def test_without_other_attributes_a_row_has_no_such_number() -> None:
    data = Labelled([f"k{i}" for i in range(40)], {"color": ["red", "blue"] * 20})
    one = result(data, np.random.default_rng(0).normal(size=(40, 3)), "color")
    assert one.hard_negatives is None
    assert not [name for name in one.row() if name.startswith("hard")]


def test_databases_and_seeds_weigh_alike() -> None:
    from clay_eval.evaluator.retrieval.results import GroupScores

    def group(seed: int, name: str, hard: Sequence[float] | None) -> GroupScores:
        rows = np.arange(2)
        share = None if hard is None else np.array(hard)
        return GroupScores(seed, name, rows, {"AP": np.ones(2)}, {"AP": np.ones(2)}, 9, 0, {}, share, share)

    groups = (
        group(0, "a", [0.2, 0.4]),
        group(0, "b", [0.9, np.nan]),
        group(1, "a", [0.1, 0.1]),
        group(1, "b", None),
    )
    (one,) = results_of([Outcome("e", "m", "e", ("c",), groups)], ["AP"], Inference(), np.arange(2))
    assert one.hard_negatives == pytest.approx(((0.3 + 0.9) / 2 + 0.1) / 2)
