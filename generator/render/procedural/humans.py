"""Demo people: from labels and diversity values to a picture; place, light and framing meet here."""

from __future__ import annotations

import random
from collections.abc import Mapping

from PIL import Image

from clay_eval.schemas.errors import InputError

from .canvas import Canvas, Color, mix
from .figure import Figure
from .people import AGES, CLOTHES, SKINS, make_person
from .places import BACKGROUNDS, GROUND
from .postures import POSTURES as ACTIONS

__all__ = ["ACTIONS", "AGES", "BACKGROUNDS", "DIVERSITY", "LABELS", "draw_human", "pose"]

TINTS: dict[str, tuple[float, float, float]] = {
    "daylight": (1.0, 1.0, 1.0),
    "dusk": (1.0, 0.90, 0.84),
    "overcast": (0.91, 0.94, 0.97),
}
FRAMINGS: dict[str, float] = {"near": 0.93, "medium": 0.80, "far": 0.68}
FEET: dict[str, float] = {"near": 0.965, "medium": 0.935, "far": 0.90}

LABELS: dict[str, tuple[str, ...]] = {
    "age": tuple(AGES),
    "action": tuple(ACTIONS),
    "background": tuple(BACKGROUNDS),
}
DIVERSITY: dict[str, tuple[str, ...]] = {
    "appearance": ("woman", "man"),
    "skin": tuple(SKINS),
    "clothing": tuple(CLOTHES),
    "direction": ("left", "right"),
    "light": tuple(TINTS),
    "framing": tuple(FRAMINGS),
}


def _value(given: Mapping[str, str], name: str, known: Mapping[str, tuple[str, ...]]) -> str:
    found = given.get(name)
    if found is None or found not in known[name]:
        raise InputError(
            f"the drawing code for people cannot draw this {name}",
            where=name,
            expected=", ".join(known[name]),
            found=found,
            hint="use one of the values listed, or another renderer",
        )
    return found


def pose(age: str, action: str, appearance: str, skin: str, clothing: str, rng: random.Random) -> Figure:
    """A person doing `action`; the ground is y = 0, and feet are as high above it as the action has them."""
    figure = Figure()
    ACTIONS[action](figure, make_person(age, appearance, skin, clothing, rng), rng)
    return figure


def draw_human(
    labels: Mapping[str, str], diversity: Mapping[str, str], rng: random.Random, size: int
) -> Image.Image:
    """One person as labelled.

    Parameters
    ----------
    labels: `age`, `action` and `background`, values as in `LABELS`.
    diversity: a value for each name in `DIVERSITY`.
    rng: decides everything else; the same state gives the same bytes.
    size: side of the picture in pixels, 64 or more is meant.

    Returns an RGB picture, `size` x `size`. Raises `InputError` for a value that is missing or unknown.
    """
    age, action, background = (_value(labels, name, LABELS) for name in ("age", "action", "background"))
    appearance, skin, clothing, direction, light, framing = (
        _value(diversity, name, DIVERSITY) for name in DIVERSITY
    )
    canvas = Canvas(size)
    BACKGROUNDS[background](canvas, light, rng)
    figure = pose(age, action, appearance, skin, clothing, rng)
    left, _, right, top = figure.bounds()
    first, last = figure.footprint(0.16)
    tall = FRAMINGS[framing] * rng.uniform(0.97, 1.0)
    scale = min(tall / top, 0.94 / (right - left)) * (0.5 + 0.5 * AGES[age].stature)
    mirror = 1.0 if direction == "right" else -1.0
    slack = max(0.0, (1 - (right - left) * scale) / 2 - 0.02)
    x = 0.5 - mirror * scale * (left + right) / 2 + rng.uniform(-0.08, 0.08) * min(1.0, slack / 0.08)
    y = FEET[framing] + rng.uniform(-0.008, 0.008)
    half = scale * max(0.24, (last - first) * 0.56)
    _shadow(canvas, (x + mirror * scale * (first + last) / 2, y), half, background)
    figure.paint(canvas, (x, y), (mirror * scale, scale), ink=0.011, halo=0.008)
    return canvas.finish(TINTS[light])


def _shadow(canvas: Canvas, center: tuple[float, float], half: float, background: str) -> None:
    dark: Color = mix(GROUND[background], (24, 28, 52), 0.5)
    canvas.ellipse(center, (half, 0.022), dark)
