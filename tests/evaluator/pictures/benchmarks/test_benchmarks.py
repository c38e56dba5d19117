"""Every benchmark from a small tree of its real layout: labels, keys, units, pictures, identity; torchvision beside it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import benchmark_trees as trees
import pytest

from clay_eval.evaluator.pictures.benchmarks import source as source_module
from clay_eval.evaluator.pictures.benchmarks.catalogue import BENCHMARKS
from clay_eval.evaluator.pictures.benchmarks.source import BenchmarkSource
from clay_eval.evaluator.pictures.labelled import ImageSource
from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.schemas.decoding import decode_image
from clay_eval.schemas.errors import InputError, IntegrityError

NAMES = sorted(trees.TREES)


def opened(name: str, folder: Path, **options: Any) -> ImageSource:
    return open_source(Path(f"{name}:{folder}"), **options)


def read_all(source: ImageSource) -> list[tuple[str, bytes]]:
    return [item for unit in source.units() for item in source.images(unit)]


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_is_a_source_of_pictures(name: str, tmp_path: Path) -> None:
    source = opened(name, trees.TREES[name](tmp_path / "data"))
    assert isinstance(source, ImageSource)
    assert set(source.entities) == set(BENCHMARKS[name].conditions)
    by_entity: dict[str, list[str]] = {}
    for unit in source.units():
        by_entity.setdefault(unit.entity, []).extend(unit.keys)
        found = list(source.images(unit))
        assert [key for key, _ in found] == list(unit.keys)
        for key, data in found:
            assert min(decode_image(data, key).size) > 0
    for entity, labels in source.entities.items():
        assert list(labels.keys) == by_entity[entity]
        assert len(set(labels.keys)) == len(labels.keys)
        assert set(labels.labels) == set(BENCHMARKS[name].conditions[entity])
        for column in labels.labels.values():
            assert len(column) == len(labels.keys)
            assert len(set(column)) > 1


@pytest.mark.parametrize("name", NAMES)
def test_identity_follows_every_byte_and_nothing_else(name: str, tmp_path: Path) -> None:
    first = opened(name, trees.TREES[name](tmp_path / "a"))
    second = opened(name, trees.TREES[name](tmp_path / "b" / "elsewhere"))
    assert first.fingerprint == second.fingerprint
    assert [u.sha256 for u in first.units()] == [u.sha256 for u in second.units()]
    changed = min(p for p in (tmp_path / "b").rglob("*.??g") if p.name != "Abyssinian_999.jpg")
    times = changed.stat()
    data = bytearray(changed.read_bytes())
    data[-3] ^= 1
    changed.write_bytes(bytes(data))
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(IntegrityError, match="changed while it was in use"):
        read_all(second)
    third = opened(name, tmp_path / "b" / "elsewhere")
    assert third.fingerprint != first.fingerprint
    assert [u.sha256 for u in third.units()] != [u.sha256 for u in first.units()]


def test_units_hold_a_bounded_number_of_pictures(tmp_path: Path) -> None:
    folder = trees.clevr4(tmp_path)
    with patch.object(source_module, "UNIT_IMAGES", 10):
        source = opened("clevr4", folder)
    assert [len(unit.keys) for unit in source.units()] == [10, 10, 10, 10, 8]
    assert [unit.name for unit in source.units()][:2] == ["clevr4-00000", "clevr4-00001"]
    assert tuple(key for unit in source.units() for key in unit.keys) == source.entities["clevr4"].keys


def test_labels_are_those_of_the_lists(tmp_path: Path) -> None:
    stanford = opened("stanford40", trees.stanford40(tmp_path / "s")).entities
    assert Counter(stanford["stanford40"].labels["action"]) == {"applauding": 8, "riding a bike": 8}
    context = stanford["stanford40-location-mood"]
    assert len(context.keys) == 15
    place = context.keys.index("riding_a_bike_010")
    assert (context.labels["location"][place], context.labels["mood"][place]) == ("park", "tense")

    clevr = opened("clevr4", trees.clevr4(tmp_path / "c")).entities["clevr4"]
    place = clevr.keys.index("sCLEVR_new_000013")
    assert {name: column[place] for name, column in clevr.labels.items()} == {
        "shape": "cube",
        "color": "blue",
        "texture": "wave",
        "count": "10",
    }
    pets = opened("oxford-pets", trees.oxford_pets(tmp_path / "p"))
    assert set(pets.entities["oxford-pets-cat"].labels["breed"]) == {"Abyssinian", "Bengal"}
    assert set(pets.entities["oxford-pets-dog"].labels["breed"]) == {"beagle", "pug"}
    assert isinstance(pets, BenchmarkSource)
    assert pets.unlisted == 1
    ppmi = opened("ppmi", trees.ppmi(tmp_path / "m")).entities["ppmi"]
    assert Counter(ppmi.labels["instrument"])["french horn"] == 4
    flowers = opened("flowers102", trees.flowers102(tmp_path / "f")).entities["flowers102"]
    assert dict(zip(flowers.keys, flowers.labels["flower"], strict=True))["image_00003"] == "passion flower"
    cars = opened("stanford-cars", trees.stanford_cars(tmp_path / "a")).entities["stanford-cars"]
    assert dict(zip(cars.keys, cars.labels["car"], strict=True))["test-00001"] == trees.CARS[1]
    planes = opened("fgvc-aircraft", trees.fgvc_aircraft(tmp_path / "v")).entities["fgvc-aircraft"]
    assert Counter(planes.labels["aircraft"]) == dict.fromkeys(trees.VARIANTS, 8)
    food = opened("food101", trees.food101(tmp_path / "o")).entities["food101"]
    assert Counter(food.labels["food"]) == {"apple pie": 8, "ramen": 8}


@pytest.mark.parametrize(
    ("name", "tag", "share"),
    [
        ("stanford40", "test", (8, 16)),
        ("clevr4", "val", (12, 48)),
        ("oxford-pets", "test", (4, 12)),
        ("ppmi", "play+test", (12, 48)),
        ("flowers102", "val", (4, 12)),
        ("food101", "train", (8, 16)),
    ],
)
def test_a_part_is_chosen_by_its_tags(name: str, tag: str, share: tuple[int, int], tmp_path: Path) -> None:
    folder = trees.TREES[name](tmp_path)
    entity = next(iter(BENCHMARKS[name].conditions))
    some, everything = opened(f"{name}@{tag}", folder), opened(name, folder)
    assert (len(some.entities[entity].keys), len(everything.entities[entity].keys)) == share
    assert set(some.entities[entity].keys) <= set(everything.entities[entity].keys)
    assert some.fingerprint != everything.fingerprint


def test_entities_and_conditions_can_be_chosen(tmp_path: Path) -> None:
    pets = opened("oxford-pets", trees.oxford_pets(tmp_path / "p"), entity="oxford-pets-dog")
    assert list(pets.entities) == ["oxford-pets-dog"]
    clevr = trees.clevr4(tmp_path / "c")
    assert list(opened("clevr4", clevr, conditions=["count", "color"]).entities["clevr4"].labels) == [
        "color",
        "count",
    ]
    stanford = trees.stanford40(tmp_path / "s")
    assert list(opened("stanford40", stanford, conditions=["mood"]).entities) == ["stanford40-location-mood"]
    for options, said in (
        ({"entity": "cats"}, "no such entity"),
        ({"conditions": ["size"]}, "no such condition"),
        ({"parents": {"color": "shape"}}, "no parents"),
    ):
        with pytest.raises(InputError, match=said):
            opened("clevr4", clevr, **options)


def test_names_that_are_no_benchmark(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        opened("clever4", tmp_path)
    assert caught.value.hint == "did you mean 'clevr4'?"
    with pytest.raises(InputError, match="no such part"):
        opened("clevr4@tset", trees.clevr4(tmp_path / "c"))


def test_a_folder_of_that_very_name_stays_a_folder(
    tmp_path: Path, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_folder.rename(tmp_path / "clevr4:x")
    monkeypatch.chdir(tmp_path)
    assert list(open_source(Path("clevr4:x"), entity="mine").entities["mine"].labels) == ["color", "shape"]


def hashed(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def of_torchvision(name: str, root: Path) -> list[tuple[str, str]]:
    """(sha256 of the file, class) of every picture, by torchvision's reader over all parts."""
    from torchvision import datasets as tv

    if name == "stanford-cars":
        parts = [tv.StanfordCars(root, split) for split in ("train", "test")]
        return [(hashed(Path(f)), one.classes[c]) for one in parts for f, c in one._samples]
    if name == "oxford-pets":
        pets = [tv.OxfordIIITPet(root, split) for split in ("trainval", "test")]
        names = {number - 1: breed for breed, number, _ in trees.PETS}
        return [(hashed(f), names[c]) for one in pets for f, c in zip(one._images, one._labels, strict=True)]
    if name == "flowers102":
        with patch.object(
            tv.Flowers102, "_check_integrity", lambda self: True
        ):  # it knows the real files' MD5
            flowers = [tv.Flowers102(root, split) for split in ("train", "val", "test")]
        return [
            (hashed(f), tv.Flowers102.classes[c])
            for one in flowers
            for f, c in zip(one._image_files, one._labels, strict=True)
        ]
    kinds: dict[str, tuple[Callable[..., Any], tuple[str, str]]] = {
        "fgvc-aircraft": (tv.FGVCAircraft, ("trainval", "test")),
        "food101": (tv.Food101, ("train", "test")),
    }
    kind, splits = kinds[name]
    return [
        (hashed(Path(f)), one.classes[c].replace("_", " "))
        for one in (kind(root, split) for split in splits)
        for f, c in zip(one._image_files, one._labels, strict=True)
    ]


@pytest.mark.parametrize("name", ["oxford-pets", "flowers102", "stanford-cars", "fgvc-aircraft", "food101"])
def test_torchvisions_reader_finds_the_same_pictures_and_classes(name: str, tmp_path: Path) -> None:
    root = trees.TREES[name](tmp_path)
    source = opened(name, root)
    found = []
    for entity, labels in source.entities.items():
        (column,) = labels.labels.values()
        classes = dict(zip(labels.keys, column, strict=True))
        for unit in source.units():
            if unit.entity == entity:
                found += [(hashlib.sha256(d).hexdigest(), classes[k]) for k, d in source.images(unit)]
    assert sorted(found) == sorted(of_torchvision(name, root))


def test_flowers_are_named_as_torchvision_names_them() -> None:
    from torchvision.datasets import Flowers102

    from clay_eval.evaluator.pictures.benchmarks.class_names import FLOWERS

    assert list(FLOWERS) == [name.rstrip("?") for name in Flowers102.classes]
