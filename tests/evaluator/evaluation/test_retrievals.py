from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clay_eval.evaluator.evaluation import retrievals
from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.report import beside

KEYS = [f"k{i}" for i in range(10)]
LABELS = {"color": list("rrrrrbbbbb"), "shape": list("sctsctscts")}
LABELLED = Labelled(KEYS, LABELS, entity="e")
FEATURES = np.random.default_rng(0).normal(size=(10, 4))


def test_queries_are_the_median_the_lower_quartile_and_the_worst() -> None:
    ap = np.array([0.9, 0.1, np.nan, 0.5, 0.3, 0.7])
    assert retrievals.choose_queries(list("abcdef"), ap) == [
        (3, "median"),
        (4, "lower quartile"),
        (1, "worst"),
    ]


def test_few_queries_are_shown_once_and_none_is_fine() -> None:
    assert retrievals.choose_queries(["a"], np.array([0.4])) == [(0, "median")]
    assert retrievals.choose_queries(["a", "b"], np.array([np.nan, np.nan])) == []


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=20), st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_images(values: list[float], random: Any) -> None:
    keys = [f"k{i:02d}" for i in range(len(values))]
    order = list(range(len(values)))
    random.shuffle(order)
    chosen = retrievals.choose_queries(keys, np.array(values))
    shuffled = retrievals.choose_queries([keys[i] for i in order], np.array([values[i] for i in order]))
    assert [(keys[i], name) for i, name in chosen] == [(keys[order[i]], name) for i, name in shuffled]
    if len(values) > 1:
        assert values[chosen[-1][0]] == min(values)


@given(st.lists(st.sampled_from([-0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=30), st.integers(1, 8))
def test_top_is_a_full_sort_cut_off(scores: list[float], count: int) -> None:
    keys = [f"k{(7 * i) % 31:02d}" for i in range(len(scores))]
    expected = sorted(enumerate(scores), key=lambda pair: (-pair[1], keys[pair[0]]))[:count]
    assert retrievals.top(np.arange(len(scores)), np.array(scores), keys, count) == expected


def score(method: str, row: int) -> tuple[np.ndarray, np.ndarray]:
    sign = 1 if method == "clay" else -1
    return np.arange(4, 10), sign * (FEATURES[4:] @ FEATURES[row])


def test_neighbours_come_from_the_database_best_first_with_all_conditions_matched() -> None:
    queries = np.array([0, 1, 2, 3])
    ap = {"raw": np.array([0.1, 0.2, 0.3, 0.4]), "clay": np.array([0.8, np.nan, 0.2, 0.5])}
    shown = retrievals.choose_retrievals(
        LABELLED, ["color", "shape"], queries, ap, score, group=lambda row: f"row {row}"
    )
    assert [(r["query"]["key"], r["choice"]) for r in shown] == [("k3", "median"), ("k2", "worst")]
    for item in shown:
        row = KEYS.index(item["query"]["key"])
        assert item["group"] == f"row {row}"
        assert item["chosen_by"] == "clay"
        for method, ranked in item["methods"].items():
            assert ranked["ap"] == pytest.approx(ap[method][row])
            found = [KEYS.index(n["key"]) for n in ranked["neighbours"]]
            rows, scores = score(method, row)
            assert found == [int(rows[i]) for i in np.argsort(-scores)[:5]]
            for neighbour, place in zip(ranked["neighbours"], found, strict=True):
                assert neighbour["relevant"] == all(
                    values[place] == values[row] for values in LABELS.values()
                )
                assert neighbour["labels"] == {name: values[place] for name, values in LABELS.items()}
    assert set(beside.pictured(shown)) >= {"k2", "k3"}


def test_without_clay_the_first_method_chooses() -> None:
    ap = {"raw": np.array([0.3, 0.1])}
    shown = retrievals.choose_retrievals(LABELLED, ["color"], np.array([0, 1]), ap, score)
    assert [r["chosen_by"] for r in shown] == ["raw", "raw"]
    assert {n["relevant"] for r in shown for n in r["methods"]["raw"]["neighbours"]} == {True, False}
    assert shown[-1]["query"]["key"] == "k1"
