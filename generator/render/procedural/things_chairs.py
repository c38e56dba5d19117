"""Drawings of chairs, facing left, standing on y = 0.86."""

from __future__ import annotations

import random

from .canvas import Canvas, shade
from .things_paint import EDGE, RUBBER, SILVER, STEEL, WOOD, Paint, smooth, vary


def draw_stool(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A round seat on four legs with rungs, the side turned away in shade."""
    seat, thick, splay = 0.26 + vary(rng, 0.03), 0.085 + vary(rng, 0.015), 0.05 + vary(rng, 0.015)
    for x, color in ((0.40, paint.dark), (0.66, paint.dark)):
        out = splay * (x - 0.5) * 4
        canvas.polygon(
            [(x - 0.03, seat), (x + 0.03, seat), (x + 0.025 + out, 0.80), (x - 0.025 + out, 0.80)],
            color,
            paint.edge,
            0.012,
        )
    rung = 0.60 + vary(rng, 0.03)
    canvas.line([(0.27, rung), (0.76, rung)], paint.edge, 0.048)
    canvas.line([(0.27, rung), (0.76, rung)], paint.dark, 0.026)
    canvas.line([(0.27, rung + 0.09), (0.40, rung + 0.03)], paint.edge, 0.03)
    for x, color in ((0.30, paint.light), (0.73, paint.dark)):
        out = splay * (x - 0.5) * 4
        canvas.polygon(
            [(x - 0.04, seat), (x + 0.04, seat), (x + 0.032 + out, 0.86), (x - 0.032 + out, 0.86)],
            color,
            paint.edge,
            EDGE,
        )
    canvas.ellipse((0.515, seat + thick), (0.33, 0.105), paint.dark, paint.edge, EDGE)
    canvas.box(0.185, seat, 0.845, seat + thick, paint.dark)
    canvas.box(0.56, seat, 0.845, seat + thick + 0.02, shade(paint.dark, -0.35))
    canvas.line([(0.185, seat), (0.185, seat + thick)], paint.edge, EDGE)
    canvas.line([(0.845, seat), (0.845, seat + thick)], paint.edge, EDGE)
    canvas.ellipse((0.515, seat), (0.33, 0.105), paint.base, paint.edge, EDGE)
    canvas.ellipse((0.41, seat - 0.01), (0.19, 0.065), paint.glint)


def draw_armchair(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """An upholstered chair with rolled arms and short wooden feet."""
    top, arm = 0.17 + vary(rng, 0.025), 0.47 + vary(rng, 0.02)
    for x in (0.15, 0.62, 0.86):
        canvas.polygon(
            [(x - 0.03, 0.78), (x + 0.035, 0.78), (x + 0.015, 0.86), (x - 0.015, 0.86)],
            WOOD,
            shade(WOOD, -0.4),
            0.010,
        )
    canvas.polygon(
        smooth(
            [
                (0.68, top + 0.02),
                (0.68, top + 0.02),
                (0.79, top + 0.035),
                (0.86, top + 0.10),
                (0.87, 0.40),
                (0.91, 0.56),
                (0.92, 0.80),
                (0.92, 0.80),
                (0.70, 0.81),
                (0.70, 0.81),
            ]
        ),
        paint.dark,
        paint.edge,
        EDGE,
    )
    canvas.polygon(
        smooth(
            [
                (0.20, 0.72),
                (0.20, 0.72),
                (0.19, 0.40),
                (0.22, top + 0.05),
                (0.34, top),
                (0.66, top),
                (0.78, top + 0.05),
                (0.80, 0.40),
                (0.80, 0.72),
                (0.80, 0.72),
            ]
        ),
        paint.base,
        paint.edge,
        EDGE,
    )
    canvas.polygon(
        smooth(
            [
                (0.27, 0.52),
                (0.27, 0.30),
                (0.36, top + 0.06),
                (0.62, top + 0.06),
                (0.62, top + 0.06),
                (0.44, 0.30),
                (0.38, 0.52),
                (0.38, 0.52),
            ]
        ),
        paint.light,
    )
    for x, y in ((0.39, 0.30), (0.50, 0.30), (0.61, 0.30), (0.445, 0.40), (0.555, 0.40)):
        canvas.ellipse((x, y), 0.014, paint.line)
    canvas.box(0.20, 0.64, 0.72, 0.81, paint.dark, paint.edge, EDGE, radius=0.02)
    canvas.box(0.21, 0.53, 0.71, 0.675, paint.light, paint.edge, EDGE, radius=0.05)
    canvas.line([(0.26, 0.56), (0.52, 0.56)], paint.glint, 0.014)
    for left, right in ((0.06, 0.245), (0.67, 0.855)):
        canvas.box(left, arm, right, 0.81, paint.base, paint.edge, EDGE, radius=0.08)
        canvas.ellipse(((left + right) / 2, arm + 0.085), 0.056, paint.light, paint.line, 0.010)


def draw_office_chair(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A padded swivel chair on five castors."""
    top, seat = 0.08 + vary(rng, 0.025), 0.53 + vary(rng, 0.015)
    canvas.line([(0.52, seat), (0.52, 0.76)], STEEL, 0.050)
    canvas.line([(0.505, seat), (0.505, 0.72)], SILVER, 0.014)
    for x, y in ((0.34, 0.76), (0.70, 0.76), (0.20, 0.82), (0.50, 0.835), (0.84, 0.82)):
        canvas.line([(0.52, 0.735), (x, y - 0.01)], RUBBER, 0.040)
    for x, y in ((0.34, 0.775), (0.70, 0.775), (0.20, 0.825), (0.50, 0.835), (0.84, 0.825)):
        canvas.ellipse((x, y), 0.035, RUBBER, (24, 24, 26), 0.008)
        canvas.ellipse((x, y), 0.012, SILVER)
    canvas.line([(0.68, 0.30), (0.78, 0.45), (0.60, seat + 0.03)], RUBBER, 0.036)
    back = [
        (0.33, top + 0.08),
        (0.38, top),
        (0.66, top),
        (0.74, top + 0.08),
        (0.77, 0.34),
        (0.72, 0.46),
        (0.60, 0.49),
        (0.42, 0.49),
        (0.34, 0.46),
        (0.32, 0.32),
    ]
    canvas.polygon(smooth([(x + 0.035, y + 0.005) for x, y in back]), paint.edge, paint.edge, EDGE)
    canvas.polygon(smooth(back), paint.base, paint.edge, EDGE)
    canvas.polygon(
        smooth(
            [
                (0.37, 0.40),
                (0.36, 0.25),
                (0.38, top + 0.07),
                (0.44, top + 0.04),
                (0.50, top + 0.05),
                (0.47, 0.25),
                (0.46, 0.42),
            ]
        ),
        paint.light,
    )
    for y in (top + 0.16, top + 0.27):
        canvas.line(smooth([(0.34, y), (0.54, y + 0.02), (0.75, y)], closed=False), paint.line, 0.010)
    canvas.line(
        smooth([(0.68, seat + 0.06), (0.84, seat + 0.03), (0.84, 0.43), (0.84, 0.43)], closed=False),
        RUBBER,
        0.030,
    )
    cushion = [
        (0.17, seat + 0.03),
        (0.25, seat - 0.05),
        (0.48, seat - 0.075),
        (0.74, seat - 0.05),
        (0.80, seat + 0.03),
        (0.74, seat + 0.09),
        (0.48, seat + 0.11),
        (0.23, seat + 0.09),
    ]
    canvas.polygon(smooth(cushion), paint.dark, paint.edge, EDGE)
    canvas.polygon(
        smooth([(x * 0.96 + 0.019, seat - 0.012 + (y - seat) * 0.62) for x, y in cushion]), paint.light
    )
    canvas.line(
        smooth([(0.30, seat + 0.06), (0.15, seat + 0.04), (0.17, 0.43), (0.17, 0.43)], closed=False),
        RUBBER,
        0.030,
    )
    for x in (0.17, 0.84):
        canvas.line([(x - 0.045, 0.42), (x + 0.05, 0.42)], RUBBER, 0.048)
