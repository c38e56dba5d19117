"""Drawings of bags, facing left, standing on y = 0.86."""

from __future__ import annotations

import random

from .canvas import Canvas, shade
from .things_paint import BRASS, CREAM, EDGE, RUBBER, SILVER, STEEL, Paint, smooth, vary


def draw_backpack(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A rucksack with a front pocket, a side pocket and a shoulder strap."""
    top, pocket = 0.17 + vary(rng, 0.02), 0.54 + vary(rng, 0.03)
    canvas.line(
        smooth(
            [(0.42, top + 0.04), (0.44, top - 0.08), (0.56, top - 0.08), (0.58, top + 0.04)], closed=False
        ),
        paint.edge,
        0.04,
    )
    canvas.line(
        smooth([(0.74, 0.28), (0.93, 0.34), (0.95, 0.62), (0.80, 0.80)], closed=False), paint.edge, 0.065
    )
    canvas.line(
        smooth([(0.74, 0.28), (0.93, 0.34), (0.95, 0.62), (0.80, 0.80)], closed=False), paint.dark, 0.038
    )
    canvas.box(0.08, 0.54, 0.24, 0.82, paint.dark, paint.edge, EDGE, radius=0.06)
    canvas.polygon(
        smooth(
            [
                (0.17, 0.80),
                (0.17, 0.45),
                (0.23, top + 0.10),
                (0.36, top),
                (0.62, top),
                (0.77, top + 0.10),
                (0.83, 0.45),
                (0.84, 0.80),
                (0.77, 0.86),
                (0.24, 0.86),
            ]
        ),
        paint.base,
        paint.edge,
        EDGE,
    )
    canvas.polygon(
        smooth(
            [
                (0.73, 0.85),
                (0.73, 0.85),
                (0.77, 0.85),
                (0.83, 0.79),
                (0.82, 0.45),
                (0.76, top + 0.11),
                (0.63, top + 0.02),
                (0.72, 0.42),
            ]
        ),
        paint.dark,
    )
    canvas.line(
        smooth(
            [(0.23, 0.47), (0.28, 0.32), (0.38, 0.25), (0.56, 0.25), (0.66, 0.32), (0.71, 0.47)], closed=False
        ),
        paint.line,
        0.016,
    )
    canvas.line([(0.23, 0.47), (0.225, 0.53)], BRASS, 0.026)
    canvas.box(0.23, pocket, 0.71, 0.82, paint.light, paint.edge, EDGE, radius=0.07)
    canvas.line([(0.26, pocket + 0.075), (0.68, pocket + 0.075)], paint.line, 0.016)
    canvas.line([(0.33, pocket + 0.075), (0.33, pocket + 0.13)], BRASS, 0.026)
    if rng.random() < 0.5:
        canvas.box(0.40, 0.36, 0.54, 0.44, CREAM, paint.edge, 0.010, radius=0.015)
    canvas.line(smooth([(0.24, 0.40), (0.27, 0.30), (0.35, 0.22)], closed=False), paint.glint, 0.014)


def draw_handbag(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A handbag with two arched handles, a flap and a clasp."""
    top, arch = 0.46 + vary(rng, 0.02), 0.13 + vary(rng, 0.03)
    for shift, color in ((0.06, paint.dark), (0.0, paint.base)):
        handle = smooth(
            [
                (0.28 + shift, top + 0.06),
                (0.31 + shift, arch + 0.10),
                (0.48 + shift, arch),
                (0.65 + shift, arch + 0.10),
                (0.68 + shift, top + 0.06),
            ],
            closed=False,
        )
        canvas.line(handle, paint.edge, 0.062)
        canvas.line(handle, color, 0.034)
    canvas.polygon(
        [(0.78, top), (0.90, top + 0.05), (0.95, 0.82), (0.86, 0.86)], paint.dark, paint.edge, EDGE
    )
    canvas.polygon(
        smooth(
            [
                (0.15, top),
                (0.15, top),
                (0.79, top),
                (0.79, top),
                (0.85, 0.70),
                (0.87, 0.84),
                (0.82, 0.86),
                (0.10, 0.86),
                (0.06, 0.84),
                (0.08, 0.70),
            ]
        ),
        paint.base,
        paint.edge,
        EDGE,
    )
    flap = 0.66 + vary(rng, 0.03)
    canvas.polygon(
        smooth(
            [
                (0.15, top),
                (0.15, top),
                (0.79, top),
                (0.79, top),
                (0.80, flap - 0.06),
                (0.66, flap),
                (0.28, flap),
                (0.13, flap - 0.06),
            ]
        ),
        paint.light,
        paint.edge,
        EDGE,
    )
    canvas.box(0.42, flap - 0.05, 0.52, flap + 0.05, BRASS, (110, 92, 50), 0.010, radius=0.02)
    for x in (0.28, 0.68):
        canvas.ellipse((x, top + 0.06), 0.026, BRASS, (110, 92, 50), 0.008)
    canvas.line([(0.13, 0.82), (0.80, 0.82)], paint.line, 0.010)
    canvas.line([(0.20, top + 0.035), (0.24, top + 0.035)], paint.glint, 0.016)


def draw_suitcase(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A ribbed cabin case with a pull-out handle and wheels."""
    top, handle = 0.30 + vary(rng, 0.02), 0.06 + vary(rng, 0.02)
    canvas.line([(0.32, top), (0.32, handle), (0.56, handle), (0.56, top)], STEEL, 0.026)
    canvas.line([(0.31, handle), (0.57, handle)], RUBBER, 0.044)
    for x in (0.24, 0.58, 0.81):
        canvas.ellipse((x, 0.825), 0.042, RUBBER, (28, 28, 30), 0.008)
        canvas.ellipse((x, 0.825), 0.016, SILVER)
    canvas.polygon(
        [(0.60, top), (0.82, top + 0.03), (0.86, top + 0.07), (0.86, 0.76), (0.83, 0.80), (0.60, 0.81)],
        shade(paint.dark, -0.25),
        paint.edge,
        EDGE,
    )
    canvas.box(0.15, top - 0.01, 0.66, 0.81, paint.base, paint.edge, EDGE, radius=0.07)
    ribs = rng.choice((4, 5))
    for i in range(ribs):
        x = 0.22 + i * 0.37 / (ribs - 1)
        canvas.line([(x, top + 0.06), (x, 0.74)], paint.dark, 0.030)
        canvas.line([(x - 0.012, top + 0.06), (x - 0.012, 0.74)], paint.light, 0.010)
    canvas.box(0.34, top - 0.045, 0.50, top - 0.005, None, RUBBER, 0.020, radius=0.02)
    canvas.box(0.63, 0.50, 0.685, 0.58, SILVER, STEEL, 0.008, radius=0.01)
    if rng.random() < 0.5:
        canvas.box(0.27, 0.42, 0.43, 0.53, CREAM, shade(CREAM, -0.3), 0.008, radius=0.01)
    canvas.line([(0.185, top + 0.06), (0.185, top + 0.2)], paint.glint, 0.016)
