"""Splits: who is a query, whatever the order of the files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.retrieval.split_kinds import draw_split
from clay_eval.evaluator.retrieval.splits import combination_codes, read_split, split_queries
from clay_eval.evaluator.retrieval.tasks import make_task
from clay_eval.schemas.errors import InputError


def labelled(count=120, seed=0):
    generator = np.random.default_rng(seed)
    labels = {name: [str(v) for v in generator.integers(0, 5, count)] for name in ("a", "b")}
    return Labelled([f"k{i:03d}" for i in range(count)], labels)


@given(st.integers(0, 5), st.floats(0.05, 0.9), st.integers(0, 99))
def test_a_combination_lies_on_one_side(seed, share, data):
    data = labelled(seed=data)
    split = draw_split(data, "combination", seed, share)
    assert not (split.is_query & split.is_database).any()
    assert (split.is_query | split.is_database).all()
    pairs = list(zip(*data.labels.values(), strict=True))
    queries = {pair for pair, query in zip(pairs, split.is_query, strict=True) if query}
    others = {pair for pair, query in zip(pairs, split.is_query, strict=True) if not query}
    assert not queries & others
    assert queries
    assert others
    assert len(queries) == min(max(np.floor(share * len(set(pairs)) + 0.5), 1), len(set(pairs)) - 1)


def test_the_draw_of_combinations_does_not_depend_on_order():
    data = labelled()
    order = np.random.default_rng(1).permutation(len(data.keys))
    other = Labelled(
        [data.keys[i] for i in order], {n: [v[i] for i in order] for n, v in data.labels.items()}
    )
    ours = draw_split(data, "combination", 4).is_query
    assert (ours[order] == draw_split(other, "combination", 4).is_query).all()
    assert (ours != draw_split(data, "combination", 5).is_query).any()


def test_image_split_is_the_seeded_one():
    data = labelled()
    split = draw_split(data, "image", 3, 0.2)
    assert (split.is_query == split_queries(data.keys, 3, 0.2)).all()
    assert (split.is_database == ~split.is_query).all()


def test_leave_one_out_makes_everyone_both_and_knows_its_own_place():
    data = labelled()
    split = draw_split(data, "leave-one-out", 0)
    (group,) = make_task(data, ["a"], split.is_query, split.is_database).groups
    assert group.own.tolist() == list(range(120))
    assert set(group.sizes.tolist()) == {119}
    labels = np.array(data.labels["a"])
    task = make_task(data, ["a"], split.is_query, split.is_database)
    assert task.relevant_counts(group).tolist() == [(labels == v).sum() - 1 for v in labels]


def test_own_place_with_partial_overlap():
    data = labelled(10)
    is_query = np.array([True] * 4 + [False] * 6)
    is_database = np.array([False, False, True, True] + [True] * 6)
    (group,) = make_task(data, ["a"], is_query, is_database).groups
    assert group.own.tolist() == [-1, -1, 0, 1]
    assert group.sizes.tolist() == [8, 8, 7, 7]


def test_combination_codes_tell_combinations_apart():
    data = labelled()
    codes = combination_codes(data)
    pairs = list(zip(*data.labels.values(), strict=True))
    assert all((codes[i] == codes[j]) == (pairs[i] == pairs[j]) for i in range(30) for j in range(30))


def write(path, rows, header="key,split"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_given_split_is_read(tmp_path):
    data = labelled(4)
    rows = ["k001,query", "k003,unused", "k000,database", "k002,database"]
    split = read_split(write(tmp_path / "s.csv", rows), data)
    assert split.is_query.tolist() == [False, True, False, False]
    assert split.is_database.tolist() == [True, False, True, False]


def test_a_given_split_may_begin_with_a_mark_and_have_other_unicode_forms(tmp_path):
    data = Labelled(("caf\u00e9", "b"), {"a": ("x", "y")}, {})
    path = tmp_path / "s.csv"
    path.write_text("\ufeffkey,split\ncafe\u0301,query\nb,database\n", "utf-8")
    assert read_split(path, data).is_query.tolist() == [True, False]
    path.write_text('key,split\n"caf\u00e9"x,query\n', "utf-8")
    with pytest.raises(InputError, match=r"not a readable CSV[\s\S]*line 2"):
        read_split(path, data)


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        (["k000,query"], "key,split", "3 missing"),
        (["k000,query", "k000,query"], "key,split", "line 3"),
        (["k009,query"], "key,split", "line 2"),
        (["k000,train"], "key,split", "train"),
        (["k000,query"], "file,role", "two columns"),
        ([], "", "two columns"),
    ],
)
def test_a_given_split_that_does_not_fit_is_refused(tmp_path, rows, header, words):
    with pytest.raises(InputError, match=words):
        read_split(write(tmp_path / "s.csv", rows, header), labelled(4))


@pytest.mark.parametrize("kind", ["image", "combination", "leave-one-out"])
def test_too_little_to_split_is_refused(kind):
    with pytest.raises(InputError, match="too few"):
        draw_split(Labelled(["k"], {"a": ["x"]}), kind, 0)


def test_one_combination_cannot_be_split_and_unknown_kinds_are_refused():
    with pytest.raises(InputError, match="combinations of labels"):
        draw_split(Labelled(["k", "l"], {"a": ["x", "x"]}), "combination", 0)
    with pytest.raises(InputError, match="unknown split"):
        draw_split(labelled(), "random", 0)
    with pytest.raises(InputError, match="between 0 and 1"):
        draw_split(labelled(), "combination", 0, 1.0)
