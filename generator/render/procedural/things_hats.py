"""Drawings of hats, facing left, standing on y = 0.86."""

from __future__ import annotations

import random

from .canvas import Canvas, Color, arc_points, shade
from .things_paint import BRASS, CREAM, EDGE, Paint, smooth, vary


def draw_baseball_cap(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A peaked cap with a badge, panels and a button."""
    top, bill = 0.28 + vary(rng, 0.03), 0.06 + vary(rng, 0.02)
    canvas.ellipse((0.645, top - 0.005), (0.04, 0.025), paint.dark, paint.edge, EDGE)
    dome = [
        (0.37, 0.72),
        (0.37, 0.72),
        (0.38, 0.52),
        (0.47, top + 0.07),
        (0.64, top),
        (0.82, top + 0.07),
        (0.92, 0.54),
        (0.93, 0.74),
        (0.93, 0.74),
        (0.66, 0.80),
    ]
    canvas.polygon(smooth(dome), paint.base, paint.edge, EDGE)
    canvas.polygon(
        smooth(
            [
                (0.925, 0.735),
                (0.925, 0.735),
                (0.91, 0.54),
                (0.81, top + 0.08),
                (0.66, top + 0.01),
                (0.66, top + 0.01),
                (0.76, 0.5),
                (0.78, 0.77),
                (0.78, 0.77),
            ]
        ),
        paint.dark,
    )
    canvas.polygon(
        smooth(
            [
                (0.385, 0.70),
                (0.385, 0.70),
                (0.395, 0.53),
                (0.48, top + 0.08),
                (0.62, top + 0.015),
                (0.62, top + 0.015),
                (0.52, 0.48),
                (0.50, 0.74),
            ]
        ),
        paint.light,
    )
    for end in (0.50, 0.78):
        canvas.line(
            smooth([(0.64, top), (0.64 + (end - 0.64) * 0.8, 0.48), (end, 0.77)], closed=False),
            paint.line,
            0.010,
        )
    for x, y in ((0.57, 0.45), (0.73, 0.45), (0.86, 0.5)):
        canvas.ellipse((x, y), 0.013, paint.edge)
    badge = 0.055 + vary(rng, 0.01)
    canvas.ellipse((0.455, 0.57), (badge * 0.72, badge), CREAM, paint.edge, 0.008)
    canvas.polygon(
        smooth(
            [
                (0.37, 0.68),
                (0.37, 0.68),
                (0.22, 0.68),
                (bill + 0.04, 0.75),
                (bill, 0.81),
                (bill + 0.03, 0.835),
                (0.22, 0.79),
                (0.42, 0.79),
                (0.60, 0.82),
                (0.68, 0.80),
                (0.62, 0.74),
                (0.50, 0.70),
            ]
        ),
        paint.base,
        paint.edge,
        EDGE,
    )
    canvas.polygon(
        smooth(
            [
                (bill, 0.81),
                (bill + 0.03, 0.835),
                (0.22, 0.79),
                (0.42, 0.79),
                (0.60, 0.82),
                (0.67, 0.80),
                (0.67, 0.80),
                (0.45, 0.755),
                (0.22, 0.755),
            ]
        ),
        paint.dark,
    )
    canvas.line(smooth([(bill + 0.07, 0.755), (0.22, 0.705), (0.36, 0.70)], closed=False), paint.glint, 0.014)


def draw_top_hat(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A tall hat with a wide brim and a band."""
    top, flare = 0.16 + vary(rng, 0.03), 0.03 + vary(rng, 0.01)
    band: Color = (226, 222, 214) if sum(paint.base) < 200 else (58, 56, 60)
    canvas.ellipse((0.5, 0.75), (0.43, 0.105), paint.dark, paint.edge, EDGE)
    canvas.ellipse((0.5, 0.735), (0.43, 0.095), paint.base, paint.edge, EDGE)
    canvas.ellipse((0.47, 0.725), (0.33, 0.065), paint.light)
    left, right = 0.25, 0.75
    side = smooth(
        [
            (left - flare, top),
            (left - flare, top),
            (left + 0.02, 0.45),
            (left, 0.72),
            (left, 0.72),
            (0.5, 0.79),
            (right, 0.72),
            (right, 0.72),
            (right - 0.02, 0.45),
            (right + flare, top),
            (right + flare, top),
        ]
    )
    canvas.polygon(side, paint.base, paint.edge, EDGE)
    canvas.polygon(
        smooth(
            [
                (0.63, 0.765),
                (0.63, 0.765),
                (right - 0.005, 0.715),
                (right - 0.005, 0.715),
                (right - 0.025, 0.45),
                (right + flare - 0.01, top),
                (right + flare - 0.01, top),
                (0.65, top + 0.04),
                (0.62, 0.45),
            ]
        ),
        paint.dark,
    )
    canvas.polygon(
        smooth(
            [
                (0.30 - flare / 2, top + 0.07),
                (0.35, top + 0.09),
                (0.365, 0.45),
                (0.36, 0.58),
                (0.31, 0.57),
                (0.31, 0.40),
            ]
        ),
        paint.glint,
    )
    canvas.polygon(
        smooth(
            [
                (left + 0.005, 0.60),
                (left + 0.005, 0.60),
                (0.5, 0.665),
                (right - 0.005, 0.60),
                (right - 0.005, 0.60),
                (right, 0.72),
                (right, 0.72),
                (0.5, 0.79),
                (left, 0.72),
                (left, 0.72),
            ]
        ),
        band,
    )
    canvas.ellipse((0.5, top), (0.25 + flare, 0.062), paint.light, paint.edge, EDGE)
    if rng.random() < 0.6:
        canvas.box(0.58, 0.655, 0.66, 0.755, None, BRASS, 0.016)


def draw_beanie(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A knitted hat with a ribbed fold and a bobble."""
    top, ball = 0.30 + vary(rng, 0.03), 0.095 + vary(rng, 0.02)
    canvas.ellipse((0.62, top - 0.05), ball, paint.light, paint.edge, EDGE)
    for i in range(9):
        angle = arc_points((0.62, top - 0.05), ball * 0.72, i * 40 + vary(rng, 12), 360 + i * 40)[0]
        canvas.line(
            [angle, (angle[0] * 0.6 + 0.62 * 0.4, angle[1] * 0.6 + (top - 0.05) * 0.4)],
            paint.glint if i % 2 else paint.dark,
            0.014,
        )
    dome = [
        (0.14, 0.66),
        (0.14, 0.66),
        (0.17, 0.47),
        (0.32, top + 0.06),
        (0.53, top),
        (0.72, top + 0.07),
        (0.84, 0.48),
        (0.86, 0.66),
        (0.86, 0.66),
    ]
    canvas.polygon(smooth(dome), paint.base, paint.edge, EDGE)
    canvas.polygon(
        smooth(
            [
                (0.85, 0.66),
                (0.85, 0.66),
                (0.83, 0.48),
                (0.71, top + 0.08),
                (0.55, top + 0.01),
                (0.60, 0.46),
                (0.61, 0.66),
                (0.61, 0.66),
            ]
        ),
        paint.dark,
    )
    for i in range(1, 8):
        x = 0.14 + i * 0.09
        canvas.line(
            smooth(
                [(x, 0.64), (0.52 + (x - 0.52) * 0.86, 0.48), (0.53 + (x - 0.53) * 0.35, top + 0.05)],
                closed=False,
            ),
            paint.line,
            0.009,
        )
    low = 0.62 + vary(rng, 0.015)
    canvas.box(0.10, low, 0.90, 0.85, paint.light, paint.edge, EDGE, radius=0.06)
    canvas.box(0.60, low + 0.012, 0.886, 0.838, paint.dark, radius=0.05)
    canvas.box(0.17, low + 0.06, 0.29, low + 0.16, CREAM, shade(CREAM, -0.3), 0.008, radius=0.01)
    for i in range(12):
        x = 0.145 + i * 0.0645
        canvas.line([(x, low + 0.03), (x, 0.82)], paint.line, 0.013)
