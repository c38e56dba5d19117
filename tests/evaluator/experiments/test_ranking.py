"""Planted orders are found, shuffled ones are not."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from matplotlib.figure import Figure
from planted_world import WIDTH, orthogonal, study
from scipy.stats import spearmanr

from clay_eval.evaluator.experiments.ranking import RankSettings, find_orderings, plane, require_orders
from clay_eval.evaluator.experiments.ranking_findings import ranking_findings
from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.retrieval.study import Study, TextFeatures
from clay_eval.schemas.errors import InputError

AGES = ("baby", "child", "teen", "adult", "elder")
VALUES = {"age": AGES, "color": ("red", "green", "blue")}
ORDER = {"age": AGES}


def ordered_study(order: tuple[str, ...] = AGES) -> Study:
    """Ages lie on an arc in the given order, so that the cosine falls with the distance."""
    vectors = orthogonal(VALUES)
    one, two = np.eye(WIDTH)[1], np.eye(WIDTH)[2]
    for place, name in enumerate(order):
        angle = 0.35 * place
        vectors[name] = 2 * (np.cos(angle) * one + np.sin(angle) * two)
    for i, name in enumerate(VALUES["color"]):
        vectors[name] = 1.5 * np.eye(WIDTH)[5 + i]
    return study(VALUES, vectors=vectors, copies=12, noise=0.02)


def settings(**changes: object) -> RankSettings:
    return RankSettings(
        **{"orders": ORDER, "methods": ("raw", "clay"), "seeds": (0, 1), "draws": 100, **changes}
    )  # type: ignore[arg-type]


def test_a_planted_order_is_found_and_clay_shows_it_better_than_raw() -> None:
    found, _ = find_orderings([ordered_study()], settings())
    raw, clay = found
    assert (raw.method, clay.method) == ("raw", "clay")
    assert clay.spearman > 0.9
    assert clay.others > 0.75
    assert clay.spearman > raw.spearman + 0.1
    assert (clay.order_rank, clay.orders) == (1, 60)
    assert clay.p == pytest.approx(1 / 60)
    assert clay.ci_low <= clay.spearman <= clay.ci_high
    assert abs(clay.shuffled) < 0.1
    assert clay.coordinate >= 0.9 - 1e-9
    assert 0 < clay.coordinate_chance < 0.6


def test_another_order_than_the_planted_one_is_not_confirmed() -> None:
    planted = ("teen", "baby", "elder", "child", "adult")
    found, _ = find_orderings([ordered_study(planted)], settings(methods=("clay",)))
    assert found[0].spearman < 0.75
    assert found[0].others < 0.3
    assert found[0].p > 0.05


def test_values_without_any_order_give_zero_among_others() -> None:
    vectors = orthogonal(VALUES)
    found, _ = find_orderings(
        [study(VALUES, vectors=vectors, copies=12, noise=0.05)], settings(methods=("clay",))
    )
    assert abs(found[0].others) < 0.2


def test_features_that_know_nothing_of_the_attribute_are_at_chance() -> None:
    vectors = {**orthogonal(VALUES), **dict.fromkeys(AGES, np.zeros(WIDTH))}
    found, _ = find_orderings(
        [study(VALUES, vectors=vectors, copies=12, noise=0.2)], settings(methods=("raw",))
    )
    assert abs(found[0].spearman) < 0.1


def test_the_same_again_gives_the_same_and_other_seeds_others() -> None:
    first, second = (find_orderings([ordered_study()], settings(methods=("raw",)))[0][0] for _ in range(2))
    assert (first.spearman, first.ci_low, first.p) == (second.spearman, second.ci_low, second.p)
    other = find_orderings([ordered_study()], settings(methods=("raw",), seeds=(5,)))[0][0]
    assert other.spearman != first.spearman


def test_a_method_that_fails_costs_only_itself() -> None:
    one = ordered_study()
    texts = {**one.texts, "age": type(one.texts["age"])(one.texts["age"].features)}
    broken = replace(one, texts=texts)
    found, notes = find_orderings([broken], settings(methods=("raw", "clay-values")))
    assert [ordering.method for ordering in found] == ["raw"]
    assert any("clay-values failed on age" in note for note in notes)
    with pytest.raises(InputError, match="no method could be measured"):
        find_orderings([broken], settings(methods=("clay-values",)))


LABELS = {
    "one": {"age": AGES, "count": ("1", "2", "10"), "few": ("1", "2")},
    "two": {"color": ("red", "blue")},
}


def test_orders_come_from_options_and_numbers() -> None:
    assert require_orders(LABELS, {}) == {"one": {"count": ("1", "2", "10")}}
    assert require_orders(LABELS, {"age": (*AGES, "ancient")})["one"]["age"] == AGES


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        ({"size": ("s", "m", "l")}, "unknown attribute"),
        ({"color": ("red", "blue")}, "fewer than three values"),
        ({"age": AGES[:3]}, "lacks values"),
    ],
)
def test_orders_that_make_no_sense_are_refused(orders: dict[str, tuple[str, ...]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        require_orders(LABELS, orders)


def test_no_order_at_all_is_an_error_that_shows_the_way() -> None:
    with pytest.raises(InputError, match="--order age=child,adult,elderly"):
        require_orders({"two": {"color": ("red", "blue", "green")}}, {})


def test_a_plane_of_few_dimensions_has_zeros() -> None:
    points = plane(np.array([[1.0], [2.0], [4.0]]))
    assert points.shape == (3, 2)
    np.testing.assert_allclose(points[:, 1], 0)
    np.testing.assert_allclose(np.diff(points[:, 0]), [1, 2])


def test_findings_say_that_three_values_are_few() -> None:
    three = study({"age": ("baby", "adult", "elder"), "color": ("red", "green")}, copies=8)
    asked = settings(orders={"age": ("baby", "adult", "elder")}, seeds=(0,))
    found = ranking_findings(*find_orderings([three], asked))
    assert any("cannot be below 0.333" in warning for warning in found.warnings)
    assert [drawing.name for drawing in found.drawings] == ["orders", "map-0"]
    assert found.tables[0].rows[0][:4] == ("planted", "age", "baby < adult < elder", "raw")


def test_orders_are_of_the_values_that_each_database_has() -> None:
    """Against every order, counted by hand: one parent has the values 1, 2 and 3, the other 3, 4 and 5."""
    rng = np.random.default_rng(3)
    counts = [1, 2, 3] * 8 + [3, 4, 5] * 8
    angles = np.array(counts) * 0.3
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1) + rng.normal(0, 0.02, (48, 2))
    kinds = ["few"] * 24 + ["many"] * 24
    labelled = Labelled(
        [f"p{i}" for i in range(48)], {"kind": kinds, "count": list(map(str, counts))}, {"count": "kind"}
    )
    nothing = TextFeatures(np.empty((0, 2), np.float32))
    found, _ = find_orderings(
        [Study(rows, {"kind": nothing, "count": nothing}, labelled=labelled)],
        RankSettings(methods=("raw",), seeds=(0,), split="leave-one-out"),
    )
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def mean_spearman(order: tuple[int, ...]) -> float:
        means = []
        for kind in ("few", "many"):
            own = [i for i in range(48) if kinds[i] == kind]
            ranks = {c: r for r, c in enumerate(sorted({counts[i] for i in own}, key=lambda c: order[c - 1]))}
            queries = []
            for q in own:
                others = [i for i in own if i != q]
                steps = [-abs(ranks[counts[i]] - ranks[counts[q]]) for i in others]
                queries.append(spearmanr(unit[others] @ unit[q], steps).statistic)
            means.append(np.mean(queries))
        return float(np.mean(means))

    every = [order for order in permutations(range(5)) if order[0] < order[-1]]
    observed = mean_spearman((0, 1, 2, 3, 4))
    place = sum(mean_spearman(order) >= observed - 1e-9 for order in every)
    count = next(one for one in found if one.condition == "count")
    assert count.spearman == pytest.approx(observed)
    assert (count.orders, count.order_rank) == (60, place)
    assert count.coordinate_chance == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert [one.values for one in found] == [("1", "2", "3")]
    assert {count.values[rank] for rank in count.ranks} == {"1", "2", "3"}


def test_a_map_names_the_values_of_its_own_database() -> None:
    """A database of 3, 4 and 5, where others have 1 and 2 as well, is not drawn as one of 1, 2 and 3."""
    rng = np.random.default_rng(4)
    counts = [3, 4, 5] * 8 + [1, 2, 3] * 8
    labelled = Labelled(
        [f"p{i}" for i in range(48)],
        {"kind": ["a"] * 24 + ["b"] * 24, "count": list(map(str, counts))},
        {"count": "kind"},
    )
    nothing = TextFeatures(np.empty((0, 4), np.float32))
    found, notes = find_orderings(
        [Study(rng.standard_normal((48, 4)), {"kind": nothing, "count": nothing}, labelled=labelled)],
        RankSettings(methods=("raw",), seeds=(0,), split="leave-one-out"),
    )
    drawing = next(d for d in ranking_findings(found, notes).drawings if d.name == "map-0")
    assert "from 3 (dark) to 5 (bright)" in drawing.alt
    figure = Figure()
    drawing.draw(figure)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["3", "4", "5"]
