"""The drawn objects: exact labels, visible diversity, determinism."""

from __future__ import annotations

import colorsys
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval.generator.render.procedural.objects import (
    COLORS,
    FRAMINGS,
    LIGHTS,
    SETTINGS,
    SUBCATEGORIES,
    VIEWPOINTS,
    draw_object,
)
from clay_eval.schemas.errors import InputError

SPEC = Path(__file__).parents[3] / "data" / "entities" / "demo-object.json"
THINGS = [(category, thing) for category, things in SUBCATEGORIES.items() for thing in things]
DIVERSITY = {"viewpoint": VIEWPOINTS, "setting": SETTINGS, "light": LIGHTS, "framing": FRAMINGS}
PLAIN = {"viewpoint": "left", "setting": "studio", "light": "daylight", "framing": "medium"}
CHANGES = [
    (attribute, one, other)
    for attribute, values in DIVERSITY.items()
    for i, one in enumerate(values)
    for other in list(values)[i + 1 :]
]


def picture(
    category: str, thing: str, color: str, seed: int = 0, size: int = 64, **diversity: str
) -> np.ndarray:
    labels = {"category": category, "subcategory": thing, "color": color}
    image = draw_object(labels, PLAIN | diversity, random.Random(seed), size)
    assert image.mode == "RGB"
    return np.asarray(image).astype(float)


def body_mask(category: str, thing: str, seed: int, size: int = 64, **diversity: str) -> np.ndarray:
    """Where the picture depends on the colour label: blue against yellow, all else equal."""
    blue = picture(category, thing, "blue", seed, size, **diversity)
    yellow = picture(category, thing, "yellow", seed, size, **diversity)
    return np.abs(blue - yellow).max(axis=2) > 60


def color_shares(pixels: np.ndarray) -> dict[str, float]:
    """The share of `pixels` (n, 3) of each known colour: black if dull or dark, otherwise the nearest hue."""
    hues = {
        name: colorsys.rgb_to_hsv(*(c / 255 for c in rgb))[0]
        for name, rgb in COLORS.items()
        if name != "black"
    }
    counts = dict.fromkeys(COLORS, 0)
    for pixel in pixels:
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        if saturation < 0.3 or value < 0.28:
            counts["black" if value < 0.5 else "none"] = counts.get("black" if value < 0.5 else "none", 0) + 1
        else:
            counts[min(hues, key=lambda name: abs((hue - hues[name] + 0.5) % 1 - 0.5))] += 1
    return {name: count / len(pixels) for name, count in counts.items()}


def test_every_value_of_the_shipped_spec_can_be_drawn() -> None:
    spec = json.loads(SPEC.read_text(encoding="utf-8"))
    attributes = {a["name"]: a for a in spec["attributes"]}
    drawn = {category: list(things) for category, things in SUBCATEGORIES.items()}
    assert drawn == attributes["subcategory"]["values_by_parent"]
    assert list(COLORS) == [value["name"] for value in attributes["color"]["values"]]
    assert {d["name"]: [v["name"] for v in d["values"]] for d in spec["diversity"]} == {
        name: list(values) for name, values in DIVERSITY.items()
    }


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize(("category", "thing"), THINGS)
def test_labelled_color_dominates_the_thing(category: str, thing: str, color: str) -> None:
    for seed, light in enumerate(LIGHTS):
        mask = body_mask(category, thing, seed, light=light)
        assert mask.mean() > 0.04
        shares = color_shares(picture(category, thing, color, seed, light=light)[mask])
        assert max(shares, key=shares.__getitem__) == color, (light, shares)
        assert shares[color] > 0.6, (light, shares)


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_backdrop_is_never_of_a_label_color(setting: str, light: str) -> None:
    for seed in range(3):
        mask = body_mask("vehicle", "car", seed, setting=setting, light=light, framing="far")
        backdrop = picture("vehicle", "car", "blue", seed, setting=setting, light=light, framing="far")[~mask]
        spread = backdrop.max(axis=1) - backdrop.min(axis=1)
        assert np.quantile(spread / backdrop.max(axis=1), 0.95) < 0.45


@pytest.mark.parametrize(("attribute", "one", "other"), CHANGES)
def test_each_diversity_value_changes_the_picture(attribute: str, one: str, other: str) -> None:
    first = picture("shoes", "boot", "green", 3, **{attribute: one})
    second = picture("shoes", "boot", "green", 3, **{attribute: other})
    assert (np.abs(first - second).max(axis=2) > 12).mean() > 0.05


@pytest.mark.parametrize(("category", "thing"), THINGS)
def test_viewpoints_face_opposite_ways(category: str, thing: str) -> None:
    left = body_mask(category, thing, 1, viewpoint="left")
    right = body_mask(category, thing, 1, viewpoint="right")
    middle = [round(float(np.nonzero(mask)[1].mean())) for mask in (left, right)]
    mirrored = np.roll(left[:, ::-1], middle[1] - (63 - middle[0]), axis=1)
    agreement = (mirrored & right).sum() / (mirrored | right).sum()
    assert agreement > 0.7
    assert (left ^ right).any()


def test_framing_sets_the_size_of_the_thing() -> None:
    for category, thing in THINGS:
        areas = [body_mask(category, thing, 2, framing=f).mean() for f in ("far", "medium", "close")]
        assert areas[0] * 1.3 < areas[1]
        assert areas[1] * 1.2 < areas[2]


def test_things_differ_from_each_other() -> None:
    masks = [body_mask(category, thing, 4, framing="close") for category, thing in THINGS]
    for i, one in enumerate(masks):
        for other in masks[i + 1 :]:
            assert (one & other).sum() / (one | other).sum() < 0.9


@pytest.mark.parametrize("size", [64, 97, 224, 300])
def test_size_and_that_the_scene_does_not_depend_on_it(size: int) -> None:
    image = picture("hat", "beanie", "red", 5, size)
    assert image.shape == (size, size, 3)
    small = picture("hat", "beanie", "red", 5)
    assert abs(image.mean() - small.mean()) < 2
    assert abs(body_mask("hat", "beanie", 5, size).mean() - body_mask("hat", "beanie", 5).mean()) < 0.02


@settings(max_examples=25, deadline=None)
@given(
    thing=st.sampled_from(THINGS),
    color=st.sampled_from(list(COLORS)),
    viewpoint=st.sampled_from(VIEWPOINTS),
    setting=st.sampled_from(list(SETTINGS)),
    light=st.sampled_from(list(LIGHTS)),
    framing=st.sampled_from(list(FRAMINGS)),
    seed=st.integers(0, 2**64),
)
def test_same_seed_same_bytes_other_seed_other_picture(
    thing: tuple[str, str], color: str, viewpoint: str, setting: str, light: str, framing: str, seed: int
) -> None:
    diversity = {"viewpoint": viewpoint, "setting": setting, "light": light, "framing": framing}
    first = picture(*thing, color, seed, **diversity)
    assert (first == picture(*thing, color, seed, **diversity)).all()
    assert (first != picture(*thing, color, seed + 1, **diversity)).any()


@pytest.mark.parametrize("attribute", ["category", "subcategory", "color", *DIVERSITY])
@pytest.mark.parametrize("value", ["plaid", None])
def test_unknown_or_missing_value_is_an_input_error(attribute: str, value: str | None) -> None:
    values = {"category": "shoes", "subcategory": "boot", "color": "red"} | PLAIN
    if value is None:
        del values[attribute]
    else:
        values[attribute] = value
    with pytest.raises(InputError) as caught:
        draw_object(values, values, random.Random(0), 64)
    assert caught.value.where == attribute
    assert caught.value.expected


def test_thing_of_another_category_is_an_input_error() -> None:
    labels = {"category": "bag", "subcategory": "boot", "color": "red"}
    with pytest.raises(InputError, match="no drawing"):
        draw_object(labels, PLAIN, random.Random(0), 64)


def test_too_small_is_an_input_error() -> None:
    labels = {"category": "bag", "subcategory": "handbag", "color": "red"}
    with pytest.raises(InputError, match="too small"):
        draw_object(labels, PLAIN, random.Random(0), 63)
