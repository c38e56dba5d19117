"""The procedural renderer: all demo labels, nothing it does not know."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image

from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.render.base import Renderer
from clay_eval.generator.render.procedural import ProceduralRenderer, draw
from clay_eval.schemas.entity import load_entity, parse_entity
from clay_eval.schemas.errors import InputError

ENTITIES = Path(__file__).parents[3] / "data" / "entities"
DEMOS = ("demo-object", "demo-human")
Record = dict[str, Any]


def record(name: str) -> Record:
    content: Record = json.loads((ENTITIES / f"{name}.json").read_text())
    return content


@pytest.mark.parametrize("name", DEMOS)
def test_every_combination_is_drawn(name: str) -> None:
    plan = Plan(load_entity(name))
    renderer = ProceduralRenderer(64)
    renderer.check(plan.spec)
    samples = [s for s in plan if s.index == 0]
    assert len(samples) == len(plan.numbers)
    pictures = renderer.render(samples)
    assert {(p.mode, p.size) for p in pictures} == {("RGB", (64, 64))}
    assert len({p.tobytes() for p in pictures}) == len(pictures)
    assert min(np.asarray(p).std() for p in pictures) > 5, "no picture is empty"


def test_a_picture_depends_on_its_own_sample_only() -> None:
    samples = list(Plan(load_entity("demo-human"), count=4))
    renderer = ProceduralRenderer(64)
    together = [p.tobytes() for p in renderer.render(samples)]
    assert [renderer.render([s])[0].tobytes() for s in reversed(samples)] == together[::-1]
    s = samples[0]
    assert draw(s.labels, s.diversity, s.seed, 64).tobytes() == together[0]
    assert draw(s.labels, s.diversity, s.seed + 1, 64).tobytes() != together[0]


@pytest.mark.parametrize("size", [64, 65, 200])
def test_sizes(size: int) -> None:
    sample = next(iter(Plan(load_entity("demo-object"))))
    assert ProceduralRenderer(size).render([sample])[0].size == (size, size)


@pytest.mark.parametrize("size", [0, 63, 2049, -64])
def test_sizes_out_of_range(size: int) -> None:
    with pytest.raises(InputError) as caught:
        ProceduralRenderer(size)
    assert (caught.value.where, caught.value.found) == ("--size", str(size))


def test_the_identity_says_what_decides_the_pixels() -> None:
    one = ProceduralRenderer(64).identity
    assert one["type"] == "procedural"
    assert one["pillow"] == PIL.__version__
    assert one != ProceduralRenderer(65).identity
    assert json.loads(json.dumps(one)) == one


class Three:
    identity = {"type": "three lines"}  # noqa: RUF012
    check = staticmethod(lambda spec: None)
    render = staticmethod(lambda samples: [Image.new("RGB", (64, 64)) for _ in samples])


def test_what_looks_like_a_renderer_is_one() -> None:
    assert isinstance(Three(), Renderer)
    assert isinstance(ProceduralRenderer(64), Renderer)
    assert not isinstance(object(), Renderer)
    fake: Renderer = ProceduralRenderer(64)
    assert fake.render([]) == []


def subcategories(spec: Record) -> Record:
    groups: Record = spec["attributes"][1]["values_by_parent"]
    return groups


def flat(spec: Record) -> None:
    spec["attributes"][1] = {"name": "subcategory", "values": ["boot", "mug"]}
    spec["prompt"] += " {category}"


def move_mug(spec: Record) -> None:
    subcategories(spec)["kitchenware"].remove("mug")
    subcategories(spec)["shoes"].append("mug")


def rename(spec: Record) -> None:
    spec["attributes"][2]["name"] = "colour"
    spec["prompt"] = spec["prompt"].replace("{color}", "{colour}")


@pytest.mark.parametrize(
    ("name", "change", "found"),
    [
        ("demo-object", lambda s: s["attributes"][2]["values"].append("mauve"), "mauve"),
        ("demo-object", move_mug, "mug"),
        ("demo-object", lambda s: subcategories(s)["shoes"].append("clog"), "clog"),
        ("demo-object", flat, "None"),
        ("demo-object", rename, "colour"),
        ("demo-object", lambda s: s["diversity"][0]["values"].append("from hell"), "from hell"),
        ("demo-human", lambda s: s["attributes"][0]["values"].append("ancient"), "ancient"),
        ("demo-human", lambda s: s["diversity"][1]["values"].append("green"), "green"),
        ("demo-human", lambda s: s["diversity"].append({"name": "hat", "values": ["yes"]}), "hat"),
        ("demo-human", lambda s: s.update(diversity=[], prompt="{age} {action} {background}"), "[]"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is(
    name: str, change: Callable[[Record], object], found: str
) -> None:
    content = copy.deepcopy(record(name))
    change(content)
    spec = parse_entity(content, "x.json")
    with pytest.raises(InputError) as caught:
        ProceduralRenderer(64).check(spec)
    assert found in str(caught.value.found)
    assert caught.value.expected


def test_part_of_a_demo_can_be_drawn() -> None:
    content = copy.deepcopy(record("demo-object"))
    content["entity"] = "mine"
    content["attributes"][0]["values"] = ["hat"]
    content["attributes"][1]["values_by_parent"] = {"hat": ["beanie"]}
    content["diversity"][1]["values"] = ["lawn"]
    spec = parse_entity(content, "x.json")
    renderer = ProceduralRenderer(64)
    renderer.check(spec)
    assert len(renderer.render(list(Plan(spec, count=3)))) == 3


@pytest.mark.parametrize("name", ["clay-object", "clay-human"])
def test_the_papers_entities_are_beyond_it(name: str) -> None:
    with pytest.raises(InputError) as caught:
        ProceduralRenderer(64).check(load_entity(name))
    assert caught.value.exit_code == 2
    assert "--model" in str(caught.value.hint)
    assert "<function" not in str(caught.value)


def test_unknown_attributes_are_not_drawn() -> None:
    with pytest.raises(InputError, match="no drawing code"):
        draw({"breed": "pug"}, {}, 0, 64)
