"""Image methods through the feature store: once a set of conditions, resumed by shard, queries apart; and the registry."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clay_eval.evaluator.embedding.encoders import Encoder
from clay_eval.evaluator.embedding.store import EmbedCounts, FeatureStore, embed
from clay_eval.evaluator.methods.images import registry as image_methods
from clay_eval.evaluator.methods.images.conditioned import ConditionedEncoder, Selection, embed_conditioned
from clay_eval.evaluator.methods.images.protocol import aspect, check_template
from clay_eval.evaluator.methods.images.registry import (
    ImageMethod,
    image_method_names,
    is_image_method,
    load_image_method,
)
from clay_eval.evaluator.methods.raw import Raw
from clay_eval.evaluator.pictures.labelled import Labelled, Unit
from clay_eval.schemas.errors import ClayEvalError, InputError

PER_UNIT = 4


class Mean:
    """Someone else's method: colours by condition; counts what it reads, and imports nothing of ours."""

    def __init__(self, weight: float = 2.0) -> None:
        self.identity = {"name": "mean", "weight": weight}
        self.weight = weight
        self.read = 0

    def encode(self, images: Sequence[Image.Image], conditions: Sequence[str]) -> np.ndarray:
        self.read += len(images)
        means = np.stack([np.asarray(image, float).mean(axis=(0, 1)) for image in images])
        return np.hstack([means, np.full((len(images), 1), self.weight * sum(map(len, conditions)))])


class Asymmetric(Mean):
    def encode_queries(self, images: Sequence[Image.Image], conditions: Sequence[str]) -> np.ndarray:
        return self.encode(images, conditions) * [1, 1, 1, -1]


class Pictures:
    """Two entities in three units, held in memory; units that are listed in `broken` raise."""

    fingerprint = "0"

    def __init__(self) -> None:
        self.names = ("cat-0", "cat-1", "dog-0")
        self.broken: set[str] = set()

    def units(self) -> tuple[Unit, ...]:
        return tuple(
            Unit(n, f"sha of {n}", n[:3], tuple(f"{n}-{i}" for i in range(PER_UNIT))) for n in self.names
        )

    @property
    def entities(self) -> dict[str, Labelled]:
        keys: dict[str, list[str]] = {}
        for unit in self.units():
            keys.setdefault(unit.entity, []).extend(unit.keys)
        return {
            name: Labelled(tuple(k), {"hue": tuple(f"hue {key}" for key in k)}, {}, name)
            for name, k in keys.items()
        }

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        if unit.name in self.broken:
            raise KeyboardInterrupt
        for key in unit.keys:
            stream = io.BytesIO()
            self.picture(key).save(stream, "PNG")
            yield key, stream.getvalue()

    @staticmethod
    def picture(key: str) -> Image.Image:
        rng = np.random.default_rng(list(key.encode()))
        return Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))


@pytest.fixture
def source() -> Pictures:
    return Pictures()


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_the_adapter_has_the_shape_of_an_encoder() -> None:
    method = Mean()
    encoder = ConditionedEncoder(method, ["color", "shape"])
    assert isinstance(method, ImageMethod)
    assert isinstance(encoder, Encoder)
    assert encoder.dimension == 4
    images = [Pictures.picture(key) for key in "abc"]
    rows = encoder.encode_images(images)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, unit(method.encode(images, ["color", "shape"])), atol=1e-6)
    assert encoder.encode_images([]).shape == (0, 4)
    with pytest.raises(InputError, match="no texts"):
        encoder.encode_texts(["a"])


def test_identities_differ_with_method_conditions_and_role() -> None:
    encoders = [
        ConditionedEncoder(Asymmetric(), ["color"]),
        ConditionedEncoder(Asymmetric(), ["color"], "queries"),
        ConditionedEncoder(Asymmetric(3.0), ["color"]),
        ConditionedEncoder(Asymmetric(), ["shape"]),
        ConditionedEncoder(Asymmetric(), ["color", "shape"]),
    ]
    seen = [str(dict(encoder.identity)) for encoder in encoders]
    assert len(set(seen)) == 5
    assert dict(ConditionedEncoder(Asymmetric(), ["color"]).identity) == dict(encoders[0].identity)


def test_each_set_of_conditions_is_embedded_once_and_resumed(source: Pictures, store: FeatureStore) -> None:
    method = Mean()
    source.broken = {"cat-1"}
    with pytest.raises(KeyboardInterrupt):
        embed_conditioned(source, method, ["color"], store)
    source.broken = set()
    again = Mean()
    rows = embed_conditioned(source, again, ["color"], store)
    assert again.read == 2 * PER_UNIT + 1  # the first unit is there; one small picture tells the width
    keys = source.entities["cat"].keys
    expected = unit(Mean().encode([source.picture(key) for key in keys], ["color"]))
    np.testing.assert_allclose(rows["cat"].database, expected, atol=1e-6)
    assert rows["cat"].keys == keys
    assert rows["cat"].queries is None
    warm = Mean()
    embed_conditioned(source, warm, ["color"], store)
    assert warm.read == 1
    assert [identity["conditions"] for identity in store.identities()] == [["color"]]
    both = embed_conditioned(source, warm, ["color", "shape"], store)
    assert np.abs(both["cat"].database - rows["cat"].database).max() > 1e-3
    seen: list[tuple[int, int]] = []
    embed_conditioned(source, warm, ["shape"], store, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (12, 12)


def test_queries_have_a_way_of_their_own(source: Pictures, store: FeatureStore) -> None:
    queries = {"cat": ["cat-1-2", "cat-0-3"], "dog": []}
    rows = embed_conditioned(source, Asymmetric(), ["color"], store, queries=queries)
    assert rows["cat"].query_keys == ("cat-0-3", "cat-1-2")
    found = rows["cat"].queries
    assert found is not None
    expected = unit(
        Asymmetric().encode_queries([source.picture(k) for k in rows["cat"].query_keys], ["color"])
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert rows["dog"].queries is not None
    assert rows["dog"].queries.shape == (0, 4)
    warm = Asymmetric()
    embed_conditioned(source, warm, ["color"], store, queries=queries)
    assert warm.read == 2
    other = embed_conditioned(source, warm, ["color"], store, queries={"cat": ["cat-0-0"]})
    np.testing.assert_allclose(
        other["cat"].queries, unit(warm.encode_queries([source.picture("cat-0-0")], ["color"])), atol=1e-6
    )
    symmetric = embed_conditioned(source, Mean(), ["color"], store, queries=queries)
    assert symmetric["cat"].queries is None


def test_a_selection_is_a_source(source: Pictures, store: FeatureStore) -> None:
    some = Selection(source, {"cat": {"cat-1-1", "cat-1-3", "elsewhere"}})
    assert [(u.name, u.keys) for u in some.units()] == [("cat-1", ("cat-1-1", "cat-1-3"))]
    assert [key for key, _ in some.images(some.units()[0])] == ["cat-1-1", "cat-1-3"]
    assert some.entities["cat"].labels == {"hue": ("hue cat-1-1", "hue cat-1-3")}
    assert set(some.entities) == {"cat"}
    assert Selection(source, {"dog": ()}).entities["dog"].keys == ()
    assert Selection(source, {"dog": source.entities["dog"].keys}).units() == source.units()[2:]
    assert some.fingerprint != Selection(source, {"cat": {"cat-1-1"}}).fingerprint
    assert embed(some, ConditionedEncoder(Mean(), ["color"]), store) == EmbedCounts(2, 0)


def test_one_entity_alone(source: Pictures, store: FeatureStore) -> None:
    method = Mean()
    rows = embed_conditioned(
        Selection(source, {"dog": source.entities["dog"].keys}), method, ["color"], store
    )
    assert set(rows) == {"dog"}
    assert method.read == PER_UNIT + 1
    whole = embed_conditioned(source, method, ["color"], store)
    assert method.read == 3 * PER_UNIT + 2  # each set of rows tells its width by a small picture
    np.testing.assert_array_equal(whole["dog"].database, rows["dog"].database)


@pytest.mark.parametrize(
    ("encode", "said"),
    [
        (lambda images, conditions: np.ones((len(images) + 1, 4)), "one row a picture"),
        (lambda images, conditions: np.ones(len(images)), "two axes"),
        (lambda images, conditions: np.full((len(images), 4), np.nan), "NaN"),
        (lambda images, conditions: np.zeros((len(images), 4)), "NaN"),
        (lambda images, conditions: [["a"]] * len(images), "real numbers"),
    ],
)
def test_methods_that_break_their_contract(
    source: Pictures, store: FeatureStore, encode: Callable[..., Any], said: str
) -> None:
    method = Mean()
    method.encode = encode  # type: ignore[method-assign]
    with pytest.raises(ClayEvalError, match=said):
        embed_conditioned(source, method, ["color"], store)


def test_identities_that_are_refused() -> None:
    for identity in ({}, {"name": ["a"]}, {"name": None}, {1: "a"}):
        method = Mean()
        method.identity = identity  # type: ignore[assignment]
        with pytest.raises(InputError, match="identity of an image method"):
            ConditionedEncoder(method, ["color"])
    with pytest.raises(InputError, match="no encode_queries"):
        ConditionedEncoder(Mean(), ["color"], "queries")


def test_conditions_as_words() -> None:
    assert aspect(["color"]) == "color"
    assert aspect(["color", "sub_category"]) == "color and sub category"
    assert aspect(["age", "action", "background"]) == "age, action and background"
    for none in ([], [""], ["_"]):
        with pytest.raises(InputError, match="no condition"):
            aspect(none)
    with pytest.raises(InputError, match="where the conditions go"):
        check_template("What is this?")


@given(st.lists(st.text(st.characters(categories=["L"]), min_size=1), min_size=1, max_size=6))
def test_every_condition_is_named_in_order(conditions: list[str]) -> None:
    words = aspect(conditions).replace(" and ", ", ").split(", ")
    assert words == conditions


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("someones_images")
    module.Mean, module.Raw, module.number = Mean, Raw, 3
    module.make_nothing = lambda: None
    monkeypatch.setitem(sys.modules, "someones_images", module)


def test_the_registry(plugin: None, models: Callable[[str], Path]) -> None:
    assert {"instructblip", "vlm-embedding", "dior", "qwen-embedding"} <= set(image_method_names())
    made = load_image_method("someones_images:Mean", runtime={"device": "cpu", "batch_size": 3}, weight=3.0)
    assert isinstance(made, Mean)
    assert made.weight == 3.0
    runtime = {"device": "cpu", "precision": "bf16", "batch_size": 3}
    vlm: Any = load_image_method("vlm-embedding", runtime=runtime, model=str(models("llava")), batch_size=5)
    assert (vlm.precision, vlm.batch_size) == ("bf16", 5)
    for name in image_methods.IMAGE_METHODS:
        target = image_methods._import(image_method_names()[name])
        assert is_image_method(target)
        assert target.name == name
    assert is_image_method(Mean())
    assert not is_image_method(Raw)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("instructblib", {}, r"unknown image method[\s\S]*did you mean 'instructblip'"),
        ("instructblip", {}, r"does not take these options[\s\S]*instructblip\(model"),
        ("instructblip", {"model": "x", "colour": 1}, "does not take these options"),
        ("someones_images:Raw", {}, "not an image method"),
        ("someones_images:number", {}, "not an image method"),
        ("someones_images:make_nothing", {}, "not an image method"),
        ("someones_images:Nothing", {}, "cannot be imported"),
        ("no_such_package_x:Thing", {}, "cannot be imported"),
    ],
)
def test_names_that_mean_nothing(plugin: None, name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_image_method(name, **options)
