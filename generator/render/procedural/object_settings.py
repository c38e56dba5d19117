"""Backdrops of the demo objects: all of muted colour, so that none is taken for the object's own."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

from .canvas import Canvas, Color, shade
from .things_paint import vary

Backdrop = Callable[[Canvas, random.Random], None]


def _tone(color: Color, rng: random.Random) -> Color:
    return shade(color, vary(rng, 0.06))


def _wooden_table(canvas: Canvas, rng: random.Random) -> None:
    horizon = 0.40 + vary(rng, 0.04)
    canvas.gradient(0, horizon, _tone((228, 224, 216), rng), (214, 209, 200))
    top = _tone((188, 167, 141), rng)
    canvas.gradient(horizon, 1, shade(top, 0.1), shade(top, -0.1))
    shift = vary(rng, 0.05)
    for i in range(-3, 10):
        x = i / 6 + shift
        canvas.line([(x, horizon), (0.5 + (x - 0.5) * 2.4, 1.02)], shade(top, -0.28), 0.008)
    for _ in range(16):
        y = rng.uniform(horizon + 0.03, 1)
        x, near = rng.random(), (y - horizon) / (1 - horizon)
        lean = (x - 0.5) * 0.14 * (0.3 + near)
        canvas.line([(x, y), (x + lean, y + 0.05 + 0.06 * near)], shade(top, -0.14), 0.006)
    canvas.box(-0.02, horizon - 0.012, 1.02, horizon + 0.012, shade(top, -0.2))


def _lawn(canvas: Canvas, rng: random.Random) -> None:
    horizon = 0.36 + vary(rng, 0.04)
    canvas.gradient(0, horizon, _tone((200, 216, 226), rng), (232, 238, 238))
    grass = _tone((150, 168, 126), rng)
    shift = vary(rng, 0.1)
    for x, radius in ((0.05, 0.16), (0.3, 0.12), (0.62, 0.15), (0.95, 0.14)):
        canvas.ellipse((x + shift, horizon + 0.03), (radius * 1.5, radius), shade(grass, -0.18))
    canvas.gradient(horizon, 1, shade(grass, 0.08), shade(grass, -0.12))
    for _ in range(46):
        x, depth = rng.random(), rng.random()
        y, tall = horizon + 0.04 + depth * (0.98 - horizon), 0.02 + 0.035 * depth
        color = shade(grass, rng.choice((-0.26, -0.18, 0.16)))
        canvas.polygon([(x - 0.007, y), (x + vary(rng, 0.02), y - tall), (x + 0.007, y)], color)
    for _ in range(5):
        x, y = rng.random(), rng.uniform(horizon + 0.08, 0.98)
        canvas.ellipse((x, y), 0.012, (246, 246, 240))


def _studio(canvas: Canvas, rng: random.Random) -> None:
    wall = _tone((150, 152, 158), rng)
    canvas.gradient(0, 1, wall, shade(wall, -0.12))
    edge = 0.10 + vary(rng, 0.03)
    paper = _tone((228, 228, 232), rng)
    outline = [(edge, 0.03), (1 - edge, 0.03), (1 - edge, 0.55), (1.08, 1.02), (-0.08, 1.02), (edge, 0.55)]
    canvas.polygon(outline, paper)
    canvas.box(edge - 0.04, 0.015, 1 - edge + 0.04, 0.05, shade(wall, -0.45))
    side = rng.choice((-1, 1))
    with canvas.transformed(scale=(side, 1)):
        canvas.line([(0.05, 0.2), (0.05, 0.86)], (70, 70, 76), 0.016)
        canvas.line([(0.0, 0.88), (0.05, 0.76), (0.11, 0.88)], (70, 70, 76), 0.014)
        canvas.polygon([(-0.02, 0.06), (0.12, 0.14), (0.12, 0.34), (-0.02, 0.38)], (66, 66, 72))
        canvas.polygon([(0.12, 0.12), (0.155, 0.13), (0.155, 0.33), (0.12, 0.36)], (252, 252, 250))


def _stone_floor(canvas: Canvas, rng: random.Random) -> None:
    horizon = 0.38 + vary(rng, 0.04)
    wall = _tone((206, 206, 204), rng)
    canvas.gradient(0, horizon, shade(wall, 0.1), wall)
    for row in range(4):
        y = horizon * row / 4
        canvas.line([(0, y), (1, y)], shade(wall, -0.12), 0.006)
        for i in range(5):
            x = i * 0.25 + (row % 2) * 0.125
            canvas.line([(x, y), (x, y + horizon / 4)], shade(wall, -0.12), 0.006)
    stone = _tone((158, 160, 162), rng)
    canvas.box(0, horizon, 1, 1, stone)
    rows = [horizon + (1.02 - horizon) * t for t in (0, 0.1, 0.24, 0.43, 0.68, 1)]
    shift = vary(rng, 0.08)
    for top, bottom in pairwise(rows):
        t0, t1 = ((y - horizon) / (1 - horizon) for y in (top, bottom))
        for i in range(-3, 9):
            xs = [(i + k) / 6 + shift - 0.5 for k in (0, 1)]
            corners = [
                (0.5 + xs[0] * (1 + 1.4 * t0), top),
                (0.5 + xs[1] * (1 + 1.4 * t0), top),
                (0.5 + xs[1] * (1 + 1.4 * t1), bottom),
                (0.5 + xs[0] * (1 + 1.4 * t1), bottom),
            ]
            canvas.polygon(corners, shade(stone, vary(rng, 0.13)), shade(stone, -0.3), 0.008)


def _carpet(canvas: Canvas, rng: random.Random) -> None:
    horizon = 0.26 + vary(rng, 0.03)
    canvas.gradient(0, horizon, _tone((226, 224, 220), rng), (212, 209, 204))
    ground = _tone((150, 136, 128), rng)
    pale, slate = (216, 206, 190), (108, 118, 124)
    canvas.box(0, horizon, 1, 1, (188, 182, 174))
    start = horizon + 0.07
    canvas.polygon([(0.05, start), (0.95, start), (1.3, 1.02), (-0.3, 1.02)], ground)
    for i in range(25):
        x = 0.06 + i * 0.0367
        canvas.line([(x, start - 0.02), (x, start)], pale, 0.010)
    canvas.line([(0.05, start + 0.01), (0.95, start + 0.01)], slate, 0.018)
    canvas.line([(0.04, start + 0.04), (0.96, start + 0.04)], pale, 0.010)
    y, tall, odd, shift = start + 0.12, 0.045, False, vary(rng, 0.04)
    while y < 1.05:
        reach = tall * 1.35
        for i in range(-8, 9):
            x = 0.5 + shift + (i + 0.5 * odd) * reach * 2.1
            if -0.1 < x < 1.1:
                canvas.polygon(
                    [(x - reach, y), (x, y - tall), (x + reach, y), (x, y + tall)], slate if odd else pale
                )
                canvas.polygon(
                    [(x - reach / 2, y), (x, y - tall / 2), (x + reach / 2, y), (x, y + tall / 2)],
                    pale if odd else slate,
                )
        y, tall, odd = y + tall * 1.9, tall * 1.22, not odd


SETTINGS: dict[str, Backdrop] = {
    "wooden table": _wooden_table,
    "lawn": _lawn,
    "studio": _studio,
    "stone floor": _stone_floor,
    "carpet": _carpet,
}
