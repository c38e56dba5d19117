"""Drawings of kitchenware, facing left, standing on y = 0.86."""

from __future__ import annotations

import random

from .canvas import Canvas, arc_points, shade
from .things_paint import COFFEE, CREAM, EDGE, RUBBER, SILVER, STEEL, Paint, smooth, vary


def draw_mug(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A mug of coffee."""
    top, left, right = 0.28 + vary(rng, 0.03), 0.17 + vary(rng, 0.02), 0.67 + vary(rng, 0.02)
    low = 0.70 + vary(rng, 0.02)
    middle, half = (left + right) / 2, (right - left) / 2
    handle = smooth(
        [
            (right - 0.02, top + 0.10),
            (right + 0.15, top + 0.10),
            (right + 0.19, (top + low) / 2 + 0.03),
            (right + 0.13, low),
            (right - 0.02, low),
        ],
        closed=False,
    )
    canvas.line(handle, paint.edge, 0.112)
    canvas.line(handle, paint.dark, 0.080)
    wall = [(left, top), *arc_points((middle, 0.79), (half * 0.97, 0.07), 180, 0), (right, top)]
    canvas.polygon(wall, paint.base, paint.edge, EDGE)
    canvas.polygon(
        [
            (right - 0.14, top + 0.05),
            (right - 0.01, top + 0.01),
            (right - 0.018, 0.79),
            (right - 0.06, 0.825),
            (right - 0.14, 0.845),
        ],
        paint.dark,
    )
    canvas.box(left + 0.05, top + 0.12, left + 0.105, 0.74, paint.glint, radius=0.03)
    canvas.ellipse((middle, top), (half, 0.078), paint.light, paint.edge, EDGE)
    canvas.ellipse((middle, top + 0.01), (half * 0.86, 0.056), shade(paint.dark, -0.2))
    canvas.ellipse((middle, top + 0.022), (half * 0.76, 0.040), COFFEE)
    if rng.random() < 0.7:
        for x in (middle - 0.09, middle + 0.07):
            canvas.line(
                smooth(
                    [(x, top - 0.04), (x - 0.03, top - 0.09), (x + 0.02, top - 0.14), (x - 0.01, top - 0.20)],
                    closed=False,
                ),
                (240, 240, 240),
                0.016,
            )


def draw_teapot(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A round teapot with a spout, a lid and a knob."""
    top, tip = 0.36 + vary(rng, 0.02), 0.36 + vary(rng, 0.025)
    handle = smooth([(0.74, 0.46), (0.88, 0.41), (0.955, 0.52), (0.90, 0.67), (0.74, 0.74)], closed=False)
    canvas.line(handle, paint.edge, 0.090)
    canvas.line(handle, paint.dark, 0.058)
    canvas.polygon(
        smooth(
            [
                (0.34, 0.56),
                (0.34, 0.56),
                (0.22, 0.50),
                (0.15, tip + 0.03),
                (0.03, tip - 0.01),
                (0.03, tip - 0.01),
                (0.05, tip + 0.08),
                (0.12, 0.62),
                (0.32, 0.76),
                (0.32, 0.76),
            ]
        ),
        paint.base,
        paint.edge,
        EDGE,
    )
    canvas.ellipse((0.085, tip + 0.01), (0.055, 0.018), paint.edge)
    canvas.box(0.36, 0.80, 0.68, 0.86, paint.dark, paint.edge, EDGE, radius=0.02)
    wide = 0.295 + vary(rng, 0.015)
    canvas.ellipse((0.52, 0.60), (wide, 0.235), paint.base, paint.edge, EDGE)
    canvas.polygon(
        smooth(
            [
                (0.66, 0.41),
                (0.78, 0.50),
                (0.52 + wide - 0.015, 0.62),
                (0.75, 0.74),
                (0.60, 0.815),
                (0.46, 0.82),
                (0.64, 0.72),
                (0.71, 0.58),
            ]
        ),
        paint.dark,
    )
    canvas.polygon(
        smooth([(0.31, 0.58), (0.33, 0.49), (0.42, 0.43), (0.45, 0.46), (0.39, 0.51), (0.36, 0.59)]),
        paint.glint,
    )
    canvas.line(
        smooth([(0.245, 0.66), (0.40, 0.715), (0.64, 0.715), (0.79, 0.66)], closed=False), CREAM, 0.024
    )
    canvas.polygon([*arc_points((0.52, top + 0.06), (0.185, 0.115), 180, 360)], paint.light, paint.edge, EDGE)
    canvas.line([(0.33, top + 0.06), (0.71, top + 0.06)], paint.edge, 0.022)
    canvas.ellipse((0.52, top - 0.085), 0.045, paint.base, paint.edge, EDGE)


def draw_frying_pan(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A shallow pan with a long dark handle."""
    lift, wide = vary(rng, 0.03), 0.31 + vary(rng, 0.015)
    end = 0.34 + lift
    canvas.polygon(
        [(0.57, 0.57), (0.66, 0.51), (0.80, end + 0.07), (0.86, end + 0.13), (0.70, 0.66)],
        STEEL,
        (70, 72, 78),
        0.012,
    )
    canvas.line([(0.75, end + 0.16), (0.93, end)], (34, 34, 36), 0.098)
    canvas.line([(0.75, end + 0.16), (0.93, end)], RUBBER, 0.070)
    canvas.line([(0.76, end + 0.135), (0.90, end + 0.01)], STEEL, 0.014)
    canvas.ellipse((0.935, end - 0.003), 0.015, CREAM)
    middle = 0.365
    outside = [
        (middle - wide, 0.65),
        (middle - wide, 0.65),
        (middle - wide + 0.03, 0.75),
        (middle - wide + 0.11, 0.83),
        (middle, 0.86),
        (middle + wide - 0.11, 0.83),
        (middle + wide - 0.03, 0.75),
        (middle + wide, 0.65),
        (middle + wide, 0.65),
    ]
    canvas.polygon(smooth(outside), paint.dark, paint.edge, EDGE)
    canvas.ellipse((middle, 0.645), (wide, 0.168), paint.light, paint.edge, EDGE)
    canvas.ellipse((middle, 0.655), (wide * 0.9, 0.143), paint.dark, paint.line, 0.010)
    canvas.ellipse((middle, 0.668), (wide * 0.8, 0.118), paint.base)
    canvas.polygon(
        smooth([(0.16, 0.67), (0.21, 0.61), (0.31, 0.585), (0.33, 0.605), (0.24, 0.64), (0.19, 0.69)]),
        paint.glint,
    )
    for x in (0.585, 0.625):
        canvas.ellipse((x, 0.60 - (x - 0.585) * 0.5), 0.013, SILVER, STEEL, 0.006)
