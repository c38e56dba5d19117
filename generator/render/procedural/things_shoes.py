"""Drawings of shoes, facing left, standing on y = 0.86."""

from __future__ import annotations

import random

from .canvas import Canvas
from .things_paint import BRASS, CREAM, EDGE, RUBBER, SILVER, STEEL, Paint, smooth, vary


def draw_sneaker(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A trainer with a white sole, toe cap, laces and stripes."""
    rise = vary(rng, 0.025)
    top = 0.40 + rise
    collar = [(0.60, top + 0.01), (0.72, top + 0.05), (0.89, top - 0.03)]
    canvas.polygon(
        smooth([(0.56, top), (0.64, top - 0.06), (0.70, top - 0.03), (0.74, top + 0.10), (0.60, top + 0.08)]),
        paint.dark,
        paint.edge,
        EDGE,
    )
    body = [
        (0.93, 0.76),
        (0.93, 0.76),
        (0.92, 0.58),
        (0.89, top - 0.03),
        (0.89, top - 0.03),
        (0.76, top + 0.05),
        (0.57, top),
        (0.57, top),
        (0.46, 0.52),
        (0.31, 0.59),
        (0.15, 0.64),
        (0.08, 0.72),
        (0.08, 0.77),
        (0.08, 0.77),
    ]
    canvas.polygon(smooth(body), paint.base, paint.edge, EDGE)
    canvas.polygon(
        smooth(
            [
                (0.93, 0.76),
                (0.93, 0.76),
                (0.92, 0.58),
                (0.895, top),
                (0.895, top),
                (0.82, 0.56),
                (0.79, 0.76),
                (0.79, 0.76),
            ]
        ),
        paint.dark,
    )
    canvas.polygon(
        smooth(
            [
                (0.28, 0.765),
                (0.28, 0.765),
                (0.25, 0.68),
                (0.19, 0.63),
                (0.12, 0.66),
                (0.085, 0.72),
                (0.085, 0.765),
                (0.085, 0.765),
            ]
        ),
        CREAM,
        paint.edge,
        0.010,
    )
    canvas.polygon(
        smooth(
            [
                (0.58, top + 0.02),
                (0.58, top + 0.02),
                (0.47, 0.525),
                (0.33, 0.59),
                (0.37, 0.63),
                (0.52, 0.58),
                (0.64, top + 0.05),
            ]
        ),
        paint.light,
    )
    for i in range(4):
        x, y = 0.365 + 0.062 * i, 0.575 - (0.036 - rise * 0.1) * i - 0.004 * i * i
        canvas.line([(x - 0.022, y - 0.015), (x + 0.05, y + 0.055)], CREAM, 0.020)
    for i in range(2 + rng.randrange(2)):
        x = 0.56 + 0.065 * i
        canvas.line([(x, 0.74), (x + 0.08, 0.56)], CREAM, 0.024)
    canvas.line(smooth([(c[0], c[1]) for c in collar], closed=False), paint.glint, 0.014)
    sole = 0.09 + vary(rng, 0.012)
    canvas.box(0.06, 0.86 - sole, 0.95, 0.86, CREAM, STEEL, 0.012, radius=0.045)
    canvas.line([(0.09, 0.835), (0.92, 0.835)], STEEL, 0.014)


def draw_boot(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A laced ankle boot with a cuff and a heeled dark sole."""
    top, toe = 0.13 + vary(rng, 0.03), 0.15 + vary(rng, 0.03)
    body = [
        (0.83, 0.78),
        (0.83, 0.78),
        (0.81, 0.55),
        (0.85, top),
        (0.85, top),
        (0.49, top),
        (0.49, top),
        (0.52, 0.36),
        (0.48, 0.52),
        (0.36, 0.58),
        (toe + 0.08, 0.63),
        (toe, 0.72),
        (toe, 0.78),
        (toe, 0.78),
    ]
    canvas.polygon(smooth(body), paint.base, paint.edge, EDGE)
    canvas.polygon(
        smooth(
            [
                (0.82, 0.77),
                (0.82, 0.77),
                (0.80, 0.55),
                (0.83, top + 0.02),
                (0.83, top + 0.02),
                (0.74, top + 0.02),
                (0.74, top + 0.02),
                (0.72, 0.5),
                (0.70, 0.77),
                (0.70, 0.77),
            ]
        ),
        paint.dark,
    )
    canvas.line(
        smooth([(toe + 0.17, 0.77), (toe + 0.20, 0.69), (toe + 0.15, 0.62)], closed=False), paint.line, 0.012
    )
    canvas.line(
        smooth([(0.50, 0.52), (0.60, 0.58), (0.70, 0.60), (0.82, 0.58)], closed=False), paint.line, 0.012
    )
    canvas.box(0.465, top - 0.015, 0.875, top + 0.085, paint.light, paint.edge, EDGE, radius=0.03)
    canvas.line(smooth([(0.57, top + 0.12), (0.59, 0.4), (0.55, 0.53)], closed=False), paint.glint, 0.016)
    for i in range(4 if rng.random() < 0.5 else 5):
        y = top + 0.13 + 0.075 * i
        canvas.line([(0.495, y), (0.58, y + 0.03)], CREAM, 0.018)
        canvas.ellipse((0.585, y + 0.032), 0.012, SILVER)
    canvas.polygon(
        [(toe - 0.02, 0.775), (0.85, 0.775), (0.86, 0.86), (0.62, 0.86), (0.60, 0.825), (toe + 0.02, 0.825)],
        RUBBER,
        (28, 28, 30),
        0.010,
    )
    canvas.line([(toe, 0.782), (0.84, 0.782)], BRASS, 0.010)


def draw_high_heel(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A court shoe on a thin high heel."""
    high, lean = 0.32 + vary(rng, 0.03), vary(rng, 0.012)
    canvas.polygon(
        smooth(
            [
                (0.79, 0.56),
                (0.79, 0.56),
                (0.93, 0.46),
                (0.93, 0.46),
                (0.915, 0.62),
                (0.885 + lean, 0.86),
                (0.885 + lean, 0.86),
                (0.85 + lean, 0.86),
                (0.85 + lean, 0.86),
                (0.845, 0.68),
            ]
        ),
        paint.dark,
        paint.edge,
        EDGE,
    )
    canvas.polygon(
        smooth(
            [
                (0.36, 0.63),
                (0.56, 0.58),
                (0.74, 0.42),
                (0.90, high),
                (0.90, high),
                (0.84, 0.50),
                (0.62, 0.70),
                (0.40, 0.72),
            ]
        ),
        (232, 214, 192),
        paint.edge,
        EDGE,
    )
    body = [
        (0.90, high),
        (0.90, high),
        (0.945, 0.42),
        (0.935, 0.52),
        (0.86, 0.57),
        (0.76, 0.62),
        (0.62, 0.76),
        (0.47, 0.845),
        (0.30, 0.858),
        (0.13, 0.858),
        (0.06, 0.84),
        (0.07, 0.815),
        (0.20, 0.75),
        (0.33, 0.64),
        (0.355, 0.61),
        (0.355, 0.61),
        (0.44, 0.70),
        (0.56, 0.69),
        (0.70, 0.56),
        (0.83, 0.44),
    ]
    canvas.polygon(smooth(body), paint.base, paint.edge, EDGE)
    canvas.polygon(
        smooth(
            [
                (0.93, 0.52),
                (0.86, 0.57),
                (0.76, 0.62),
                (0.62, 0.76),
                (0.47, 0.845),
                (0.30, 0.855),
                (0.30, 0.855),
                (0.46, 0.80),
                (0.60, 0.70),
                (0.74, 0.56),
                (0.86, 0.50),
            ]
        ),
        paint.dark,
    )
    canvas.line(smooth([(0.16, 0.79), (0.25, 0.74), (0.33, 0.67)], closed=False), paint.glint, 0.022)
    canvas.line([(0.08, 0.858), (0.46, 0.858)], RUBBER, 0.016)
    if rng.random() < 0.5:
        canvas.ellipse((0.355, 0.65), 0.03, BRASS, paint.edge, 0.008)
