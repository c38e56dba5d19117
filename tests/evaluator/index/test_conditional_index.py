"""The index beside the product's own spaces: the same similarities, for every fusion, and what weights do to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clay_eval.evaluator.index.conditional_index import ConditionalIndex
from clay_eval.evaluator.index.conditions import Condition
from clay_eval.evaluator.methods.controls import Complement
from clay_eval.evaluator.methods.support.specs import prepare_methods
from clay_eval.evaluator.retrieval.spaces import make_space
from clay_eval.evaluator.retrieval.study import Encoded, Extras, TextFeatures
from clay_eval.evaluator.retrieval.tasks import RetrievalGroup, RetrievalTask
from clay_eval.schemas.errors import InputError, IntegrityError

World = tuple[np.ndarray, list[str], dict[str, Condition]]
IMAGES, WIDTH = 300, 32
VALUES = {
    "color": ["red", "green", "blue"],
    "shape": ["round", "square"],
    "count": ["one", "two", "three", "many"],
}


@pytest.fixture(scope="module")
def world() -> World:
    """Pictures (300, 32) that lie near the texts of their values, with a gap between pictures and texts."""
    draw = np.random.default_rng(7)
    base = {value: draw.standard_normal(WIDTH) for values in VALUES.values() for value in values}
    gap = 3 * draw.standard_normal(WIDTH)
    pictures = np.array(
        [
            sum(base[values[draw.integers(len(values))]] for values in VALUES.values())
            + gap
            + 0.5 * draw.standard_normal(WIDTH)
            for _ in range(IMAGES)
        ]
    )
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    conditions = {}
    for name, values in VALUES.items():
        named = [value for value in values for _ in range(3)]
        texts = np.array([base[value] + 2 + 0.2 * draw.standard_normal(WIDTH) for value in named])
        texts /= np.linalg.norm(texts, axis=1, keepdims=True)
        conditions[name] = Condition(name, texts.astype(np.float32), named)
    return pictures.astype(np.float32), [f"p{i:03}" for i in range(IMAGES)], conditions


def built(world: World, method: str = "clay(fusion=sum)", **options: Any) -> ConditionalIndex:
    pictures, keys, conditions = world
    index = ConditionalIndex(pictures, keys, method=method, **options)
    for condition in conditions.values():
        index.add(condition)
    return index


def product_scores(world: World, spec: str, weights: dict[str, float]) -> np.ndarray:
    """What an evaluation ranks by, of the first picture as the query."""
    pictures, _, conditions = world
    names = tuple(sorted(weights))
    rows = np.arange(len(pictures))
    group = RetrievalGroup(None, rows[:1], rows, dict.fromkeys(names))
    task = RetrievalTask(names, (group,), np.zeros(len(rows), np.int64))
    texts = {n: TextFeatures(np.asarray(c.features), None, c.values) for n, c in conditions.items()}
    (method,) = prepare_methods([spec])
    return make_space(method, Encoded(pictures, texts, Extras(weights=weights)), task, group).scores(0)


@pytest.mark.parametrize(
    "spec",
    [
        "clay",
        "clay(fusion=sum)",
        "clay(fusion=product)",
        "clay(fusion=min)",
        "clay(fusion=qr)",
        "clay(fusion=rrf)",
        "clay(n_components=1, fusion=sum)",
        "clay-values",
        "clay-spectrum(fusion=sum)",
        "text-pca(fusion=sum)",
        "label-posterior",
        "label-posterior(fusion=stack)",
        "text-mixture",
        "asymmetric(fusion=sum)",
    ],
)
@pytest.mark.parametrize("conditions", [("color",), ("color", "shape"), ("color", "count", "shape")])
def test_with_equal_weights_it_is_what_an_evaluation_ranks_by(
    world: World, spec: str, conditions: tuple[str, ...]
) -> None:
    weights = dict.fromkeys(conditions, 1.0)
    found = built(world, spec).similarities("p000", weights)
    assert found == pytest.approx(product_scores(world, spec, weights), abs=2e-6)


@pytest.mark.parametrize(
    "spec", ["clay", "clay(fusion=sum)", "clay(fusion=product)", "clay(fusion=rrf)", "text-mixture"]
)
def test_with_other_weights_too(world: World, spec: str) -> None:
    weights = {"color": 2.0, "shape": 0.5, "count": 1.0}
    found = built(world, spec).similarities("p000", weights)
    assert found == pytest.approx(product_scores(world, spec, weights), abs=2e-6)


def test_without_a_condition_it_is_the_raw_cosine(world: World) -> None:
    pictures, _, _ = world
    index = built(world)
    assert index.similarities("p003") == pytest.approx(pictures @ pictures[3], abs=1e-6)
    assert index.similarities("p003", {"color": 0}) == pytest.approx(pictures @ pictures[3], abs=1e-6)
    scaled = ConditionalIndex(pictures * 7, index.keys)
    assert scaled.similarities(pictures[3]) == pytest.approx(pictures @ pictures[3], abs=1e-6)


def test_regardless_of_one_condition_is_the_complement_of_its_subspace(world: World) -> None:
    pictures, _, conditions = world
    rows = Complement(alignment="householder").fit(pictures, conditions["shape"].features).transform(pictures)
    for method in ("clay(fusion=sum)", "text-mixture"):
        found = built(world, method).similarities("p003", {"shape": -1})
        assert found == pytest.approx(rows @ rows[3], abs=1e-5)


def test_regardless_of_two_takes_out_all_that_they_span_in_whatever_order(world: World) -> None:
    pictures, _keys, _conditions = world
    index = built(world)
    both = np.concatenate([index._subspace(name).projection_ for name in ("shape", "color")], axis=1)
    inside = np.linalg.qr(both)[0]
    rest = pictures - pictures @ inside @ inside.T
    rest /= np.linalg.norm(rest, axis=1, keepdims=True)
    assert index.similarities("p003", {"shape": -1, "color": -1}) == pytest.approx(rest @ rest[3], abs=1e-5)


@pytest.mark.parametrize(
    "method",
    [
        "clay(fusion=sum)",
        "clay-values(fusion=sum)",
        "clay-spectrum(fusion=sum)",
        "text-mixture",
        "asymmetric(fusion=sum)",
    ],
)
def test_regardless_of_another_is_the_same_as_pictures_without_its_subspace(
    world: World, method: str
) -> None:
    """One equation for all methods: the similarity under color of R v and R v'."""
    pictures, _keys, _conditions = world
    index = built(world, method)
    basis = index._subspace("shape").projection_
    removed = (pictures - 0.6 * pictures @ basis @ basis.T).astype(np.float32)
    space = index._spaces["color"]
    step = getattr(space.fitted, "transform_queries", space.fitted.transform)
    expected = space.fitted.transform(removed) @ step(removed[:1])[0]
    found = index.similarities("p000", {"color": 1, "shape": -0.6})
    assert found == pytest.approx(expected, abs=2e-5)


def test_weights_move_similarities_smoothly(world: World) -> None:
    for method in ("clay(fusion=sum)", "text-mixture"):
        index = built(world, method)
        at = [index.similarities("p000", {"color": 1, "shape": w}) for w in (0, 1e-4, 1, 1.0001)]
        assert np.abs(at[1] - at[0]).max() < 2e-3
        assert np.abs(at[3] - at[2]).max() < 2e-3
        less = index.similarities("p000", {"color": 1, "shape": -1e-4})
        assert np.abs(less - at[0]).max() < 2e-3


def test_a_query_names_the_first_pictures_in_order_and_not_itself(world: World) -> None:
    pictures, keys, _ = world
    index = built(world)
    scores = index.similarities("p010", {"color": 1, "count": 3})
    order = np.argsort(-scores, kind="stable")
    found = index.query("p010", {"color": 1, "count": 3}, top=7)
    assert [one.row for one in found] == [row for row in order if row != 10][:7]
    assert [one.key for one in found] == [keys[one.row] for one in found]
    assert [one.similarity for one in found] == [float(scores[one.row]) for one in found]
    by_vector = index.query(pictures[10], {"color": 1, "count": 3}, top=8)
    assert by_vector[0].key == "p010"
    assert by_vector[1:] == found
    assert len(index.query("p010", top=10_000)) == IMAGES - 1


def test_equal_pictures_come_in_order_of_row() -> None:
    rows = np.repeat(np.eye(4, dtype=np.float32), 3000, axis=0)
    index = ConditionalIndex(rows, [str(i) for i in range(len(rows))])
    assert [one.row for one in index.query("3000", top=5)] == [3001, 3002, 3003, 3004, 3005]


def test_an_index_beside_shares_pictures_and_conditions(world: World) -> None:
    index = built(world)
    other = index.beside("text-mixture")
    assert other.method == "text-mixture"
    assert list(other.conditions) == list(index.conditions)
    assert np.shares_memory(other.features, index.features)
    expected = built(world, "text-mixture").similarities("p000", {"color": 1})
    assert other.similarities("p000", {"color": 1}) == pytest.approx(expected, abs=0)


def test_why_names_the_values_with_their_chances(world: World) -> None:
    for method in ("clay(fusion=sum)", "label-posterior", "text-mixture"):
        found = built(world, method).explain("p000", "count")
        assert {one.value for one in found} >= set(VALUES["count"])
        assert sum(one.chance for one in found) == pytest.approx(1)
        assert [one.chance for one in found] == sorted((one.chance for one in found), reverse=True)


def test_a_condition_can_be_replaced_and_removed(world: World) -> None:
    _pictures, _keys, conditions = world
    index = built(world)
    before = index.similarities("p000", {"color": 1, "shape": -1})
    index.add(Condition("color", conditions["count"].features, conditions["count"].values))
    assert index.similarities("p000", {"color": 1}) == pytest.approx(index.similarities("p000", {"count": 1}))
    assert np.abs(index.similarities("p000", {"color": 1, "shape": -1}) - before).max() > 1e-3
    index.remove("color")
    with pytest.raises(InputError, match="no condition 'color'"):
        index.query("p000", {"color": 1})


def test_a_file_mapped_into_memory_is_read_block_by_block(world: World, tmp_path: Path) -> None:
    pictures, keys, conditions = world
    file = tmp_path / "vectors.npy"
    np.save(file, pictures)
    mapped = ConditionalIndex(np.load(file, mmap_mode="r"), keys).add(conditions["color"])
    assert mapped.similarities("p000", {"color": 1}) == pytest.approx(
        built(world).similarities("p000", {"color": 1}), abs=0
    )
    changed = np.load(file, mmap_mode="r+")
    changed[0] = changed[1]
    changed.flush()
    with pytest.raises(IntegrityError, match="changed since they were indexed"):
        mapped.query("p000", {"color": 1})


def test_what_cannot_be_asked_is_refused(world: World) -> None:
    pictures, keys, _conditions = world
    index = built(world)
    with pytest.raises(InputError, match="no picture of this key") as error:
        index.query("p0000")
    assert "'p000'" in str(error.value)
    with pytest.raises(InputError, match="no condition 'colour'") as error:
        index.query("p000", {"colour": 1})
    assert "did you mean 'color'" in str(error.value)
    for weight in (float("nan"), float("inf"), -1.5, True):
        with pytest.raises(InputError, match="not a weight"):
            index.query("p000", {"color": weight})
    for top in (0, -1, 2.5, True):
        with pytest.raises(InputError, match="top is a whole number"):
            index.query("p000", top=top)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not a finite number"):
        index.query(np.full(WIDTH, np.nan))
    with pytest.raises(InputError, match="another width"):
        index.query(np.ones(WIDTH + 1))
    with pytest.raises(InputError, match="takes no weights"):
        built(world, "clay(fusion=min)").query("p000", {"color": 1, "shape": 2})
    with pytest.raises(InputError, match="told labels"):
        ConditionalIndex(pictures, keys, method="supervised-lda")
    with pytest.raises(InputError, match="differ in number"):
        ConditionalIndex(pictures, keys[1:])
    with pytest.raises(InputError, match="two pictures have one key"):
        ConditionalIndex(pictures, [keys[0], *keys[:-1]])
    broken = pictures.copy()
    broken[7, 3] = np.nan
    with pytest.raises(InputError, match="not a finite number"):
        ConditionalIndex(broken, keys)


def test_a_condition_that_tells_nothing_apart_is_refused(world: World) -> None:
    pictures, keys, conditions = world
    index = ConditionalIndex(pictures, keys)
    texts = np.asarray(conditions["color"].features)
    with pytest.raises(InputError, match="single value"):
        index.add(Condition("color", texts, ["red"] * len(texts)))
    with pytest.raises(InputError, match="at least two different texts"):
        index.add(Condition("color", texts[:1]))
    with pytest.raises(InputError, match="different widths") as error:
        index.add(Condition("color", texts[:, :5]))
    assert "--write-texts" in str(error.value)
    with pytest.raises(InputError, match="differ in number"):
        index.add(Condition("color", texts, ["red", "green"]))
    index.add(Condition("color", texts))
    with pytest.raises(InputError, match="do not say which values"):
        index.explain("p000", "color")


def test_ten_thousand_values_are_a_condition_too(world: World) -> None:
    pictures, keys, _ = world
    texts = np.random.default_rng(0).standard_normal((10_000, WIDTH)).astype(np.float32)
    index = ConditionalIndex(pictures, keys).add(
        Condition("thing", texts, [f"thing {i}" for i in range(10_000)])
    )
    assert len(index.query("p000", {"thing": 1})) == 20
    assert len(index.explain("p000", "thing", top=5)) == 5
    with pytest.raises(InputError, match="too many"):
        index.beside("text-mixture")


def test_an_approximate_index_finds_most_of_what_the_exact_one_does() -> None:
    pytest.importorskip("faiss")
    draw = np.random.default_rng(3)
    pictures = draw.standard_normal((4000, 24)).astype(np.float32)
    index = ConditionalIndex(pictures, [f"p{i}" for i in range(4000)])
    for name in ("color", "shape"):
        index.add(Condition(name, draw.standard_normal((12, 24)), [str(i % 4) for i in range(12)]))
    near = index.approximate(["color", "shape"], recall=0.9)
    assert near.recall_ >= 0.9
    assert 1 <= near.probes < near.lists
    for weights in ({"color": 1.0, "shape": 1.0}, {"color": 3.0, "shape": 1.0}, {"color": 1.0}):
        found = []
        for row in range(0, 4000, 100):
            exact = {one.key for one in index.query(f"p{row}", weights, top=10)}
            approximate = near.query(f"p{row}", weights, top=10)
            assert f"p{row}" not in {one.key for one in approximate}
            found.append(len(exact & {one.key for one in approximate}) / 10)
        assert np.mean(found) > 0.75
    one = near.query(pictures[5], {"color": 1, "shape": 0.5}, top=1)[0]
    assert one.similarity == pytest.approx(
        index.query(pictures[5], {"color": 1, "shape": 0.5}, top=1)[0].similarity
    )
    with pytest.raises(InputError, match="no weights below 0"):
        near.query("p0", {"color": -1})
    with pytest.raises(InputError, match="whose similarities are summed"):
        index.beside("text-mixture").approximate(["color", "shape"])
    with pytest.raises(InputError, match="too few"):
        ConditionalIndex(pictures[:500], index.keys[:500]).add(index.conditions["color"]).approximate(
            ["color"]
        )
