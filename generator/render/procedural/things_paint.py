"""Paints, curves and jitter that the drawings of things share."""

from __future__ import annotations

import colorsys
import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from .canvas import Canvas, Color, Point, mix, shade

COLORS: dict[str, Color] = {
    "red": (212, 34, 40),
    "orange": (244, 126, 22),
    "yellow": (248, 212, 44),
    "green": (44, 156, 70),
    "blue": (38, 96, 210),
    "purple": (124, 58, 176),
    "pink": (246, 130, 192),
    "black": (40, 40, 44),
}

CREAM: Color = (244, 240, 230)
SILVER: Color = (190, 194, 200)
STEEL: Color = (132, 136, 144)
RUBBER: Color = (52, 52, 56)
GLASS: Color = (206, 222, 230)
WOOD: Color = (150, 116, 84)
BRASS: Color = (206, 182, 124)
COFFEE: Color = (92, 66, 50)
EDGE = 0.016


@dataclass(frozen=True)
class Paint:
    """The shades of one labelled colour; `line` is for seams, and stands out on `base` whatever the colour."""

    base: Color
    dark: Color
    light: Color
    glint: Color
    edge: Color
    line: Color


def make_paint(name: str, rng: random.Random) -> Paint:
    """The paint of the colour called `name`, in a shade that `rng` picks within the colour's identity."""
    turn, strength, value = rng.uniform(-0.010, 0.010), rng.uniform(0.93, 1.0), rng.uniform(0.93, 1.03)
    h, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in COLORS[name]))
    red, green, blue = colorsys.hsv_to_rgb((h + turn) % 1, s * strength, min(1.0, v * value))
    base = (round(red * 255), round(green * 255), round(blue * 255))
    if name == "black":
        return Paint(
            base, shade(base, -0.4), shade(base, 0.12), shade(base, 0.3), (10, 10, 12), shade(base, 0.34)
        )
    if name == "yellow":
        return Paint(
            base,
            mix(base, (186, 142, 0), 0.36),
            shade(base, 0.34),
            shade(base, 0.7),
            (132, 104, 14),
            (168, 130, 10),
        )
    return Paint(
        base, shade(base, -0.2), shade(base, 0.16), shade(base, 0.46), shade(base, -0.52), shade(base, -0.42)
    )


def vary(rng: random.Random, spread: float) -> float:
    """A uniform number from `-spread` to `spread`."""
    return rng.uniform(-spread, spread)


def smooth(points: Sequence[Point], *, closed: bool = True, steps: int = 5) -> list[Point]:
    """A Catmull-Rom curve through `points`; a point given twice becomes a corner."""
    count = len(points)
    curve: list[Point] = []
    for i in range(count if closed else count - 1):
        if closed:
            p0, p1, p2, p3 = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        else:
            p0, p1, p2, p3 = (points[min(max(i + k, 0), count - 1)] for k in (-1, 0, 1, 2))
        if p1 == p2:
            continue
        for j in range(steps):
            t = j / steps
            curve.append((_blend(p0[0], p1[0], p2[0], p3[0], t), _blend(p0[1], p1[1], p2[1], p3[1], t)))
    if not closed:
        curve.append(points[-1])
    return curve


def _blend(a: float, b: float, c: float, d: float, t: float) -> float:
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def soft_shadow(canvas: Canvas, center: Point, radii: Point, strength: float) -> None:
    """Darken an ellipse that fades out towards its border, in untransformed unit coordinates."""
    side = canvas.side
    width, height = max(2, round(2 * radii[0] * side)), max(2, round(2 * radii[1] * side))
    fade = Image.radial_gradient("L").point(
        [round(max(0.0, 1 - v / 180) ** 1.3 * 255 * strength) for v in range(256)]
    )
    left, top = round(center[0] * side) - width // 2, round(center[1] * side) - height // 2
    canvas.image.paste((24, 24, 32), (left, top), fade.resize((width, height)))


def tint(canvas: Canvas, factors: tuple[float, float, float]) -> None:
    """Multiply each channel of what is drawn so far."""
    if factors != (1.0, 1.0, 1.0):
        table = [min(255, round(v * factor)) for factor in factors for v in range(256)]
        canvas.image.paste(canvas.image.point(table))
