"""Demo objects, drawn as labelled: the thing and its colour from the labels, the scene from the diversity values.

>>> labels = {"category": "bag", "subcategory": "backpack", "color": "red"}
>>> diversity = {"viewpoint": "left", "setting": "lawn", "light": "warm", "framing": "close"}
>>> draw_object(labels, diversity, random.Random(1), 64).size
(64, 64)
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from clay_eval.schemas.errors import InputError

from .canvas import Canvas
from .object_settings import SETTINGS
from .things_bags import draw_backpack, draw_handbag, draw_suitcase
from .things_chairs import draw_armchair, draw_office_chair, draw_stool
from .things_hats import draw_baseball_cap, draw_beanie, draw_top_hat
from .things_kitchen import draw_frying_pan, draw_mug, draw_teapot
from .things_paint import COLORS, Paint, make_paint, soft_shadow, tint, vary
from .things_shoes import draw_boot, draw_high_heel, draw_sneaker
from .things_vehicles import draw_aeroplane, draw_bus, draw_car

__all__ = ["COLORS", "FRAMINGS", "LIGHTS", "SETTINGS", "SUBCATEGORIES", "VIEWPOINTS", "draw_object"]

Drawer = Callable[[Canvas, Paint, random.Random], None]
Item = TypeVar("Item")

MIN_SIZE = 64
GROUND = 0.86
"""The y on which every drawer makes its thing stand, before the scene's own transform."""


@dataclass(frozen=True)
class Light:
    """Channel factors of the finished picture, further ones of the backdrop, and the contact shadow's
    darkness (0 to 1) and sideways shift (in picture widths).

    The thing itself is tinted mildly, so that its colour stays the labelled one; the backdrop carries the mood.
    """

    tint: tuple[float, float, float]
    backdrop: tuple[float, float, float]
    shadow: float
    shift: float


SUBCATEGORIES: dict[str, dict[str, Drawer]] = {
    "shoes": {"sneaker": draw_sneaker, "boot": draw_boot, "high heel": draw_high_heel},
    "bag": {"backpack": draw_backpack, "handbag": draw_handbag, "suitcase": draw_suitcase},
    "chair": {"stool": draw_stool, "armchair": draw_armchair, "office chair": draw_office_chair},
    "hat": {"baseball cap": draw_baseball_cap, "top hat": draw_top_hat, "beanie": draw_beanie},
    "vehicle": {"car": draw_car, "bus": draw_bus, "aeroplane": draw_aeroplane},
    "kitchenware": {"mug": draw_mug, "teapot": draw_teapot, "frying pan": draw_frying_pan},
}

VIEWPOINTS = ("left", "right", "tilted")

LIGHTS: dict[str, Light] = {
    "daylight": Light((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 0.55, 0.02),
    "warm": Light((1.02, 0.97, 0.91), (1.02, 0.97, 0.88), 0.65, 0.09),
    "cool": Light((0.94, 0.98, 1.04), (0.95, 0.98, 1.01), 0.45, -0.06),
    "dim": Light((0.89, 0.89, 0.91), (0.70, 0.70, 0.74), 0.75, 0.0),
}

FRAMINGS: dict[str, tuple[float, float]] = {
    "close": (0.97, 0.90),
    "medium": (0.77, 0.82),
    "far": (0.58, 0.75),
}
"""Scale of the thing, and the y of its ground."""


def draw_object(
    labels: Mapping[str, str], diversity: Mapping[str, str], rng: random.Random, size: int
) -> Image.Image:
    """One thing in one scene.

    Parameters
    ----------
    labels: `category`, `subcategory` and `color`.
    diversity: `viewpoint`, `setting`, `light` and `framing`.
    rng: decides the place, the proportions, the exact shade and the details; the same state draws the same bytes.
    size: pixels a side, at least 64.

    Returns
    -------
    A `size` x `size` RGB picture.

    Raises
    ------
    InputError
        For a missing attribute, a value that no drawing exists for, or a size below 64.
    """
    if size < MIN_SIZE:
        raise InputError(
            "the picture is too small to draw", where="size", expected=f">= {MIN_SIZE}", found=size
        )
    drawer = _pick(_pick(SUBCATEGORIES, labels, "category"), labels, "subcategory")
    _pick(COLORS, labels, "color")
    viewpoint = _pick({name: name for name in VIEWPOINTS}, diversity, "viewpoint")
    backdrop = _pick(SETTINGS, diversity, "setting")
    light = _pick(LIGHTS, diversity, "light")
    scale, ground = _pick(FRAMINGS, diversity, "framing")

    # One stream a concern: changing one value leaves everything else in the picture as it was.
    place, scene, shades, details = (random.Random(rng.getrandbits(64)) for _ in range(4))
    mirrored = place.random() < 0.5
    tilt = place.choice((-1, 1)) * place.uniform(15, 21)
    lean = vary(place, 2.0)
    scale *= 1 + vary(place, 0.05)
    room = max(0.015, (1 - scale) * 0.4)
    x, ground = 0.5 + vary(place, room), ground + vary(place, 0.02)
    if viewpoint != "tilted":
        mirrored, tilt = viewpoint == "right", lean

    canvas = Canvas(size)
    backdrop(canvas, scene)
    tint(canvas, light.backdrop)
    soft_shadow(canvas, (x + light.shift * scale, ground), (0.60 * scale, 0.12 * scale), light.shadow)
    move = (x - 0.5, ground - GROUND)
    with (
        canvas.transformed(center=(0.5, GROUND), move=move, scale=(-scale if mirrored else scale, scale)),
        canvas.transformed(center=(0.5, 0.6), degrees=tilt),
    ):
        drawer(canvas, make_paint(labels["color"], shades), details)
    return canvas.finish(light.tint)


def _pick(known: Mapping[str, Item], values: Mapping[str, str], attribute: str) -> Item:
    name = values.get(attribute)
    if name is None or name not in known:
        raise InputError(
            "no drawing exists for this value",
            where=attribute,
            expected=", ".join(known),
            found="nothing" if name is None else repr(name),
            hint="use one of the expected values, or another renderer",
        )
    return known[name]
