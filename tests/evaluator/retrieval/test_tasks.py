from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.retrieval.condition_sets import condition_sets
from clay_eval.evaluator.retrieval.splits import split_queries
from clay_eval.evaluator.retrieval.tasks import make_task, relevance_codes
from clay_eval.schemas.errors import InputError

CATEGORIES = {"shoes": ("boot", "plain"), "bags": ("tote", "plain", "clutch")}


def nested(copies=4):
    """Objects of every category, sub-category and colour; "plain" is a sub-category of both categories."""
    rows = [
        (c, s, k)
        for c, subs in CATEGORIES.items()
        for s, k in product(subs, ("red", "blue"))
        for _ in range(copies)
    ]
    names = ("category", "subcategory", "color")
    labels = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    return Labelled([f"o{i:03d}" for i in range(len(rows))], labels, {"subcategory": "category"})


@given(st.sets(st.text(min_size=1, max_size=6), min_size=2, max_size=60), st.integers(0, 99), st.randoms())
@settings(max_examples=60, deadline=None)
def test_split_depends_on_the_set_of_keys_and_the_seed(keys, seed, random):
    keys = sorted(keys)
    mask = split_queries(keys, seed)
    assert 1 <= mask.sum() <= len(keys) - 1
    assert abs(mask.sum() - len(keys) / 10) <= 0.5 or mask.sum() == 1
    shuffled = keys.copy()
    random.shuffle(shuffled)
    again = split_queries(shuffled, seed)
    assert {k for k, q in zip(keys, mask, strict=True) if q} == {
        k for k, q in zip(shuffled, again, strict=True) if q
    }


def test_split_moves_with_the_seed_and_is_the_recorded_one():
    keys = [f"s{i:06d}" for i in range(1000)]
    assert split_queries(keys, 0).sum() == 100
    assert (split_queries(keys, 0) != split_queries(keys, 1)).any()
    assert split_queries(keys, 0, 0.9999).sum() == 999
    # Reports of earlier versions are comparable only as long as the same seed draws the same queries.
    assert np.flatnonzero(split_queries(keys[:20], 7)).tolist() == [3, 8]


@pytest.mark.parametrize(
    ("keys", "share"), [(["a"], 0.1), (["a", "a"], 0.1), (["a", "b"], 0.0), (["a", "b"], 1.0)]
)
def test_split_refuses(keys, share):
    with pytest.raises(InputError):
        split_queries(keys, 0, share)


def test_condition_sets_are_all_subsets_in_order():
    assert condition_sets(["a", "b", "c"]) == [
        ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c"),
    ]  # fmt: skip
    assert condition_sets(["a", "b", "c"], largest=2)[-1] == ("b", "c")
    assert condition_sets(["a"], largest=5) == [("a",)]


def test_codes_are_equal_where_all_labels_are():
    data = nested(2)
    for conditions in condition_sets(data.labels):
        codes = relevance_codes(data, conditions)
        labels = [tuple(data.labels[name][i] for name in conditions) for i in range(len(data.keys))]
        for i, j in product(range(len(labels)), repeat=2):
            assert (codes[i] == codes[j]) == (labels[i] == labels[j])


def test_a_nested_condition_is_divided_by_its_parent():
    data = nested()
    is_query = np.arange(len(data.keys)) % 4 == 0
    for conditions in (("subcategory",), ("subcategory", "color")):
        task = make_task(data, conditions, is_query)
        assert sorted(group.name for group in task.groups) == ["category=bags", "category=shoes"]
        for group in task.groups:
            value = group.name.removeprefix("category=")
            assert group.text_parents == {"subcategory": value} | (
                {"color": None} if len(conditions) == 2 else {}
            )
            assert {data.labels["category"][i] for i in [*group.queries, *group.database]} == {value}
            assert is_query[group.queries].all()
            assert not is_query[group.database].any()
        assert sum(len(group.queries) + len(group.database) for group in task.groups) == len(data.keys)


def test_with_its_parent_it_is_retrieved_from_everything():
    data = nested()
    task = make_task(data, ("category", "subcategory"), np.arange(len(data.keys)) % 4 == 0)
    assert [group.name for group in task.groups] == [None]
    assert task.groups[0].text_parents == {"category": None, "subcategory": None}
    plain = [i for i, s in enumerate(data.labels["subcategory"]) if s == "plain"]
    assert len(set(task.codes[plain])) == 2


def test_several_levels_are_divided_by_all_that_is_above():
    rows = list(product("xy", "12", "pq", range(4)))
    labels = {name: [row[i] for row in rows] for i, name in enumerate(("top", "middle", "low"))}
    data = Labelled([str(i) for i in range(len(rows))], labels, {"low": "middle", "middle": "top"})
    is_query = np.arange(len(rows)) % 4 == 0
    assert data.ancestors("low") == ["middle", "top"]
    names = {
        conditions: [group.name for group in make_task(data, conditions, is_query).groups]
        for conditions in condition_sets(labels)
    }
    both = [f"top={t}, middle={m}" for t, m in product("xy", "12")]
    assert names[("low",)] == both
    assert names[("middle",)] == names[("middle", "low")] == ["top=x", "top=y"]
    assert names[("top", "low")] == ["middle=1", "middle=2"]
    assert names[("top", "middle", "low")] == names[("top",)] == [None]
    assert make_task(data, ("low",), is_query).groups[1].text_parents == {"low": "2"}


def test_relevant_counts_are_counted_in_the_database():
    data = nested()
    task = make_task(data, ("color",), np.arange(len(data.keys)) % 4 == 0)
    (group,) = task.groups
    for query, count in zip(group.queries, task.relevant_counts(group), strict=True):
        same = [i for i in group.database if data.labels["color"][i] == data.labels["color"][query]]
        assert count == len(same)


def test_groups_that_are_too_small_are_left_out_with_a_warning():
    data = nested()
    queries = np.zeros(len(data.keys), bool)
    queries[:3] = True
    task = make_task(data, ("subcategory",), queries)
    assert [group.name for group in task.groups] == ["category=shoes"]
    assert "category=bags" in task.warnings[0]
    assert make_task(data, ("color",), queries).warnings == ()
    with pytest.raises(InputError, match="too few images"):
        make_task(data, ("color",), np.arange(len(data.keys)) > 0)


def test_a_group_with_one_value_is_left_out():
    species, breeds = ["cat"] * 10 + ["dog"] * 10, ["siamese"] * 10 + ["poodle", "boxer"] * 5
    data = Labelled([f"k{i}" for i in range(20)], {"species": species, "breed": breeds}, {"breed": "species"})
    task = make_task(data, ("breed",), np.arange(20) % 5 == 0)
    assert [group.name for group in task.groups] == ["species=dog"]
    assert "species=cat left out, with one value only" in task.warnings[0]
    assert [group.name for group in make_task(data, ("species", "breed"), np.arange(20) % 5 == 0).groups] == [
        None
    ]


@pytest.mark.parametrize("conditions", [(), ("size",), ("color", "color")])
def test_unknown_and_repeated_conditions_are_refused(conditions):
    with pytest.raises(InputError, match="conditions"):
        make_task(nested(), conditions, np.arange(40) % 4 == 0)


@pytest.mark.parametrize(
    ("keys", "labels", "parents", "words"),
    [
        (["a", "a"], {"x": ["1", "2"]}, {}, "twice"),
        (["a", "b"], {"x": ["1"]}, {}, "one value an image"),
        (["a", "b"], {"x": ["1", ""]}, {}, "has no value"),
        (["a", "b"], {"x": ["1", "2"]}, {"x": "y"}, "unknown"),
        (["a", "b"], {"x": ["1", "2"]}, {"y": "x"}, "unknown"),
        (["a", "b"], {"x": ["1", "2"], "y": ["1", "2"]}, {"x": "y", "y": "x"}, "circle"),
        (["a", "b"], {"x": ["1", "2"]}, {"x": "x"}, "circle"),
    ],
)
def test_bad_labels_are_refused(keys, labels, parents, words):
    with pytest.raises(InputError, match=words):
        Labelled(keys, labels, parents)
