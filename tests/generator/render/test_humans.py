"""The drawn people: exact, deterministic, and different wherever a label differs."""

from __future__ import annotations

import json
import random
from importlib import resources

import numpy as np
import pytest
from PIL import Image

from clay_eval.generator.render.procedural.figure import Figure, bend, reach
from clay_eval.generator.render.procedural.humans import (
    ACTIONS,
    AGES,
    BACKGROUNDS,
    DIVERSITY,
    LABELS,
    draw_human,
    pose,
)
from clay_eval.schemas.errors import InputError

BASE = {"age": "adult", "action": "waving", "background": "beach"}
LOOKS = {
    "appearance": "woman",
    "skin": "light",
    "clothing": "red",
    "direction": "right",
    "light": "daylight",
    "framing": "near",
}


def draw(seed: int = 3, size: int = 64, **values: str) -> Image.Image:
    """A picture of the base combination with some values replaced."""
    labels = {name: values.get(name, given) for name, given in BASE.items()}
    looks = {name: values.get(name, given) for name, given in LOOKS.items()}
    return draw_human(labels, looks, random.Random(seed), size)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two pictures, in grey levels."""
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


def figure_of(age: str, action: str, seed: int = 0) -> Figure:
    return pose(age, action, "man", "light", "blue", random.Random(seed))


def test_supports_exactly_the_values_of_the_entity_file() -> None:
    text = resources.files("clay_eval.data").joinpath("entities/demo-human.json").read_text(encoding="utf-8")
    spec = json.loads(text)
    for known, key in ((LABELS, "attributes"), (DIVERSITY, "diversity")):
        assert {a["name"]: tuple(v["name"] for v in a["values"]) for a in spec[key]} == known


@pytest.mark.parametrize("size", [64, 97, 200])
def test_size_and_mode(size: int) -> None:
    picture = draw(size=size)
    assert (picture.size, picture.mode) == ((size, size), "RGB")


@pytest.mark.parametrize("action", ACTIONS)
def test_same_state_same_bytes_and_other_seed_other_picture(action: str) -> None:
    for background in BACKGROUNDS:
        one, again, other = (draw(seed, action=action, background=background) for seed in (5, 5, 6))
        assert one.tobytes() == again.tobytes()
        assert difference(one, other) > 2.0


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [
        *(("age", value, 3.0) for value in AGES if value != BASE["age"]),
        *(("action", value, 5.0) for value in ACTIONS if value != BASE["action"]),
        *(("background", value, 25.0) for value in BACKGROUNDS if value != BASE["background"]),
        *(
            (name, value, 0.4)
            for name in ("appearance", "skin")
            for value in DIVERSITY[name]
            if value != LOOKS[name]
        ),
        *(("clothing", value, 2.0) for value in DIVERSITY["clothing"] if value != "red"),
        ("direction", "left", 5.0),
        *(("light", value, 5.0) for value in ("dusk", "overcast")),
        *(("framing", value, 5.0) for value in ("medium", "far")),
    ],
)
def test_every_value_changes_the_picture(name: str, value: str, least: float) -> None:
    assert difference(draw(), draw(**{name: value})) > least


def test_pairs_of_places_and_of_actions_differ_at_64_pixels() -> None:
    for name, values, least in (("background", BACKGROUNDS, 15.0), ("action", ACTIONS, 5.0)):
        drawn = [draw(**{name: value}) for value in values]
        distances = [difference(a, b) for i, a in enumerate(drawn) for b in drawn[:i]]
        assert min(distances) > least


def test_ages_have_their_proportions() -> None:
    heads = {age: body.heads_tall for age, body in AGES.items()}
    assert heads["child"] < 4.1 < heads["elderly"] < heads["adult"]
    assert heads["adult"] >= 5.4
    assert AGES["elderly"].stoop > AGES["adult"].stoop == AGES["child"].stoop == 0
    assert AGES["child"].stature < AGES["elderly"].stature < AGES["adult"].stature


def test_child_wears_a_wider_silhouette_than_an_adult_of_the_same_height() -> None:
    def aspect(age: str) -> float:
        left, bottom, right, top = figure_of(age, "jumping").bounds()
        return (right - left) / (top - bottom)

    assert aspect("child") > aspect("adult")


@pytest.mark.parametrize("age", AGES)
def test_only_jumping_leaves_the_ground(age: str) -> None:
    for seed in range(5):
        for action in ACTIONS:
            feet = min(
                y
                for part in figure_of(age, action, seed).parts
                if part.width is None
                for path in part.paths
                for _, y in path
            )
            if action == "jumping":
                assert feet > 0.2
            elif action != "cycling":
                assert -0.05 < feet < 0.05


def test_framing_sets_the_share_of_the_height() -> None:
    def rows(framing: str) -> int:
        with_person = np.asarray(draw(framing=framing, clothing="red"), dtype=int)
        changed = np.abs(with_person - np.asarray(draw(framing=framing, clothing="blue"), dtype=int)).sum(
            axis=2
        )
        return int((changed.max(axis=1) > 60).sum())

    assert rows("near") > rows("medium") > rows("far") > 8


@pytest.mark.parametrize("name", [*LABELS, *DIVERSITY])
def test_unknown_and_missing_values_are_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        draw(**{name: "purple-ish"})
    assert caught.value.where == name
    assert caught.value.found == "purple-ish"
    labels, looks = dict(BASE), dict(LOOKS)
    (labels if name in labels else looks).pop(name)
    with pytest.raises(InputError):
        draw_human(labels, looks, random.Random(0), 64)


@pytest.mark.parametrize("side", [-1, 1])
def test_two_bones_reach_their_target(side: int) -> None:
    root, target = (0.1, 0.6), (0.35, 0.3)
    upper, fore = bend(root, target, 0.25, 0.22, side)
    assert reach(reach(root, 0.25, upper), 0.22, fore) == pytest.approx(target)
