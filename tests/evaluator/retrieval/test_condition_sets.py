"""Sets of conditions: their number before they are made, and what is left out of them."""

from __future__ import annotations

import time
from math import comb

import numpy as np
import pytest

from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.retrieval.condition_sets import (
    EVERY_SIZE,
    MOST_SETS,
    askable,
    askable_sets,
    condition_sets,
    default_largest,
    largest_for,
    only_entity,
)
from clay_eval.evaluator.retrieval.engine import Settings as EngineSettings
from clay_eval.evaluator.retrieval.engine import plan_tasks, seeded_splits
from clay_eval.evaluator.retrieval.split_kinds import draw_split
from clay_eval.evaluator.retrieval.splits import Split
from clay_eval.evaluator.retrieval.tasks import make_task
from clay_eval.schemas.errors import InputError


def columns(count: int, images: int = 12) -> dict[str, list[str]]:
    rng = np.random.default_rng(0)
    return {f"c{i}": [str(v) for v in rng.permutation(images) % 2] for i in range(count)}


def labelled(labels: dict[str, list[str]], parents: dict[str, str] | None = None) -> Labelled:
    images = len(next(iter(labels.values())))
    return Labelled([f"k{i:03d}" for i in range(images)], labels, parents or {})


def everyone(data: Labelled) -> list[Split]:
    return [draw_split(data, "leave-one-out", 0)]


@pytest.mark.parametrize("count", range(1, 5))
def test_a_few_conditions_are_asked_in_all_combinations(count: int) -> None:
    data = labelled(columns(count))
    assert len(plan_tasks(data, everyone(data)[0])) == 2**count - 1
    assert len(askable_sets(data, everyone(data), None).sets) == 2**count - 1


@pytest.mark.parametrize("count", [5, 9, 30, 40, 99])
def test_more_conditions_are_asked_alone_and_in_pairs(count: int) -> None:
    data = labelled(columns(count))
    sets = askable_sets(data, everyone(data), None).sets
    assert len(sets) == count + comb(count, 2) == len(plan_tasks(data, everyone(data)[0]))
    assert {len(conditions) for conditions in sets} == {1, 2}


@pytest.mark.parametrize(
    ("count", "largest"), [(40, None), (40, 40), (13, 13), (40, 3), (100_000, 1), (20_000, None), (10**6, 2)]
)
def test_too_many_sets_are_refused_before_any_is_made(count: int, largest: int | None) -> None:
    start = time.process_time()
    with pytest.raises(InputError, match="too many sets of conditions") as error:
        condition_sets((f"c{i}" for i in range(count)), largest)
    assert time.process_time() - start < 10
    assert f"{MOST_SETS:,}" in str(error.value)
    assert "--condition" in str(error.value)
    assert f"{count:,} conditions" in str(error.value)
    assert ("--largest-set" in str(error.value.hint)) == (count < 5000)


def test_what_is_below_the_most_is_made() -> None:
    assert len(condition_sets(map(str, range(12)), EVERY_SIZE)) == 4095
    assert len(condition_sets(map(str, range(MOST_SETS)), 1)) == MOST_SETS


def test_the_largest_set_of_data() -> None:
    assert [default_largest(n) for n in (1, 4, 5, 40)] == [EVERY_SIZE, EVERY_SIZE, 2, 2]
    assert largest_for({"a": "123", "b": "1234"}, None) == EVERY_SIZE
    assert largest_for({"a": "123", "b": "123456"}, None) == 2
    assert largest_for({"a": "123", "b": "123456"}, 3) == 3
    assert largest_for({"a": "123", "b": "123456"}, 6) == EVERY_SIZE


def test_a_condition_that_cannot_be_scored_is_left_out_of_all_sets() -> None:
    labels = columns(3) | {"same": ["x"] * 12, "id": [str(i) for i in range(12)]}
    data = labelled(labels)
    found = askable_sets(data, everyone(data), EVERY_SIZE)
    assert len(found.sets) == 7
    assert {name for conditions in found.sets for name in conditions} == {"c0", "c1", "c2"}
    assert [note.partition(" left out: ")[0] for note in found.notes] == ["same", "id"]
    with pytest.raises(InputError, match="same"):
        askable_sets(data, everyone(data), EVERY_SIZE, chosen=True)


def test_a_condition_counts_only_if_every_split_can_score_it() -> None:
    data = labelled({"c": ["a", "b"] * 6, "rare": ["a"] * 10 + ["b", "c"]})
    seeds = seeded_splits(data, EngineSettings(seeds=tuple(range(20)), query_share=0.1))
    found = askable_sets(data, list(seeds.values()), EVERY_SIZE)
    assert found.sets == (("c",),)
    assert "rare" in found.notes[0]


def test_one_entity_of_several_is_left_out() -> None:
    good, bad = labelled(columns(2)), labelled({"breed": ["pug"] * 12})
    entities = {"cats": good, "dogs": bad}
    sets, notes = askable(entities, lambda name: everyone(entities[name]), EVERY_SIZE)
    assert list(sets) == ["cats"]
    assert len(notes) == 1
    assert notes[0].startswith("dogs left out: all images have the same breed")
    with pytest.raises(InputError, match="all images have the same breed"):
        askable({"dogs": bad}, lambda _: everyone(bad), EVERY_SIZE)


def test_too_many_sets_of_one_entity_are_an_error_and_leave_nothing_out() -> None:
    entities = {"few": labelled(columns(2)), "many": labelled(columns(20))}
    with pytest.raises(InputError, match="too many sets") as error:
        askable(entities, lambda name: everyone(entities[name]), EVERY_SIZE)
    assert str(error.value.where).startswith("many: ")


def test_tasks_are_made_when_they_are_asked_for() -> None:
    data = labelled(columns(3))
    split = everyone(data)[0]
    tasks = plan_tasks(data, split, [("c0",), ("c0", "c2")])
    assert tasks.sets == (("c0",), ("c0", "c2"))
    assert tasks.conditions == {"c0", "c2"}
    assert [task.conditions for task in tasks] == [("c0",), ("c0", "c2")]
    assert tasks[1:].sets == (("c0", "c2"),)
    expected = make_task(data, ("c0", "c2"), split.is_query, split.is_database)
    np.testing.assert_array_equal(tasks[1].codes, expected.codes)


def test_groups_of_many_parent_values_take_linear_time() -> None:
    images = 60_000
    data = labelled(
        {"parent": [str(i // 2) for i in range(images)], "child": [str(i % 2) for i in range(images)]},
        {"child": "parent"},
    )
    start = time.process_time()
    task = make_task(data, ("child",), *[everyone(data)[0].is_query] * 2)
    assert len(task.groups) == images // 2
    assert task.groups[0].name == "parent=0"
    assert time.process_time() - start < 20


def test_columns_beyond_any_use_are_refused_at_once() -> None:
    with pytest.raises(InputError, match="too many sets") as error:
        largest_for({"few": "ab", "wide": [str(i) for i in range(100_000)]}, None)
    assert str(error.value.where).startswith("wide: ")


def test_what_is_of_one_entity_says_which_there_are() -> None:
    assert only_entity({"pets": 1}, "a split file is", "--split-file") == "pets"
    for entities in ({}, {"pets": 1, "cars": 2}):
        with pytest.raises(InputError, match="a split file is of one entity") as error:
            only_entity(entities, "a split file is", "--split-file")
        said = str(error.value)
        assert all(part in said for part in ("--split-file", str(sorted(entities)), "--entity"))
