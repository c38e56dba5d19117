"""Drawings of vehicles, facing left, standing on y = 0.86."""

from __future__ import annotations

import random

from .canvas import Canvas
from .things_paint import CREAM, EDGE, GLASS, RUBBER, SILVER, STEEL, Paint, smooth, vary


def _wheel(canvas: Canvas, x: float, y: float, radius: float) -> None:
    canvas.ellipse((x, y), radius, RUBBER, (26, 26, 28), 0.010)
    canvas.ellipse((x, y), radius * 0.56, SILVER, STEEL, 0.008)
    canvas.ellipse((x, y), radius * 0.2, STEEL)


def draw_car(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A saloon car, from the side."""
    roof, bonnet, wheel = 0.36 + vary(rng, 0.02), 0.57 + vary(rng, 0.012), 0.095 + vary(rng, 0.008)
    body = [
        (0.04, 0.78),
        (0.04, 0.78),
        (0.035, 0.68),
        (0.06, 0.61),
        (0.16, bonnet),
        (0.29, bonnet - 0.02),
        (0.29, bonnet - 0.02),
        (0.37, roof + 0.06),
        (0.44, roof),
        (0.66, roof - 0.005),
        (0.76, roof + 0.04),
        (0.85, 0.54),
        (0.85, 0.54),
        (0.94, 0.57),
        (0.965, 0.66),
        (0.965, 0.78),
        (0.965, 0.78),
    ]
    canvas.polygon(smooth(body), paint.base, paint.edge, EDGE)
    canvas.polygon([(0.045, 0.71), (0.96, 0.71), (0.96, 0.775), (0.045, 0.775)], paint.dark)
    canvas.line(
        smooth([(0.08, 0.635), (0.18, bonnet + 0.03), (0.30, bonnet + 0.012)], closed=False),
        paint.glint,
        0.014,
    )
    canvas.polygon(
        smooth(
            [
                (0.335, 0.555),
                (0.335, 0.555),
                (0.40, roof + 0.07),
                (0.46, roof + 0.04),
                (0.55, roof + 0.04),
                (0.55, roof + 0.04),
                (0.55, 0.555),
                (0.55, 0.555),
            ]
        ),
        GLASS,
        paint.edge,
        0.012,
    )
    canvas.polygon(
        smooth(
            [
                (0.59, 0.555),
                (0.59, 0.555),
                (0.59, roof + 0.04),
                (0.59, roof + 0.04),
                (0.66, roof + 0.04),
                (0.73, roof + 0.075),
                (0.79, 0.555),
                (0.79, 0.555),
            ]
        ),
        GLASS,
        paint.edge,
        0.012,
    )
    canvas.line([(0.42, 0.53), (0.475, roof + 0.07)], (242, 247, 250), 0.020)
    canvas.line([(0.57, 0.56), (0.57, 0.755)], paint.line, 0.010)
    canvas.line([(0.61, 0.61), (0.67, 0.61)], SILVER, 0.018)
    canvas.ellipse((0.075, 0.645), (0.034, 0.028), (250, 246, 222), paint.edge, 0.010)
    canvas.box(0.935, 0.60, 0.965, 0.66, (150, 60, 62), paint.edge, 0.008)
    canvas.box(0.025, 0.735, 0.15, 0.78, STEEL, radius=0.02)
    canvas.box(0.87, 0.735, 0.975, 0.78, STEEL, radius=0.02)
    for x in (0.245, 0.765):
        canvas.ellipse((x, 0.775), wheel + 0.022, paint.edge, start=180, stop=360)
        _wheel(canvas, x, 0.86 - wheel, wheel)
    if rng.random() < 0.5:
        canvas.line([(0.62, roof - 0.01), (0.68, roof - 0.10)], RUBBER, 0.010)


def draw_bus(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """A single-deck bus with a front door, from the side."""
    top, sill, count = 0.29 + vary(rng, 0.025), 0.55 + vary(rng, 0.012), rng.choice((4, 5))
    canvas.box(0.025, top, 0.975, 0.80, paint.base, paint.edge, EDGE, radius=0.06)
    canvas.box(0.035, 0.69, 0.965, 0.79, paint.dark, radius=0.02)
    canvas.line([(0.08, top + 0.025), (0.92, top + 0.025)], paint.light, 0.024)
    canvas.polygon(
        [(0.035, top + 0.075), (0.115, top + 0.075), (0.115, sill + 0.02), (0.035, sill + 0.02)],
        GLASS,
        paint.edge,
        0.012,
    )
    canvas.box(0.145, top + 0.075, 0.255, 0.775, GLASS, paint.edge, 0.014, radius=0.01)
    canvas.line([(0.20, top + 0.08), (0.20, 0.77)], paint.edge, 0.012)
    pitch = 0.66 / count
    for i in range(count):
        x = 0.29 + i * pitch
        canvas.box(x, top + 0.075, x + pitch - 0.025, sill, GLASS, paint.edge, 0.012, radius=0.015)
        canvas.line([(x + 0.03, sill - 0.03), (x + 0.075, top + 0.105)], (242, 247, 250), 0.014)
    canvas.line([(0.275, sill + 0.065), (0.965, sill + 0.065)], CREAM, 0.026)
    canvas.ellipse((0.065, 0.69), (0.028, 0.024), (250, 246, 222), paint.edge, 0.008)
    canvas.box(0.015, 0.765, 0.985, 0.805, RUBBER, radius=0.015)
    for x in (0.36, 0.79):
        canvas.ellipse((x, 0.785), 0.095, paint.edge, start=180, stop=360)
        _wheel(canvas, x, 0.785, 0.075)
    canvas.line([(0.03, top + 0.06), (0.0, top + 0.09), (0.0, top + 0.15)], RUBBER, 0.016)


def draw_aeroplane(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    """An airliner with swept wings, on its wheels."""
    nose, fin = 0.56 + vary(rng, 0.012), 0.19 + vary(rng, 0.025)
    for x in (0.20, 0.55):
        canvas.line([(x, 0.66), (x, 0.82)], STEEL, 0.022)
        canvas.ellipse((x, 0.825), 0.036, RUBBER, (26, 26, 28), 0.008)
    canvas.polygon([(0.42, 0.50), (0.55, 0.50), (0.73, 0.29), (0.65, 0.29)], paint.dark, paint.edge, EDGE)
    canvas.polygon([(0.74, 0.47), (0.86, fin), (0.97, fin), (0.94, 0.48)], paint.dark, paint.edge, EDGE)
    canvas.line([(0.80, 0.40), (0.955, 0.40)], CREAM, 0.032)
    body = [
        (0.03, nose),
        (0.05, 0.51),
        (0.14, 0.455),
        (0.28, 0.435),
        (0.70, 0.435),
        (0.84, 0.43),
        (0.98, 0.42),
        (0.98, 0.45),
        (0.86, 0.57),
        (0.70, 0.645),
        (0.50, 0.67),
        (0.22, 0.67),
        (0.08, 0.64),
    ]
    canvas.polygon(smooth(body), paint.base, paint.edge, EDGE)
    canvas.polygon(
        smooth(
            [
                (0.045, 0.60),
                (0.22, 0.615),
                (0.55, 0.615),
                (0.75, 0.57),
                (0.92, 0.50),
                (0.85, 0.57),
                (0.70, 0.635),
                (0.50, 0.66),
                (0.22, 0.66),
                (0.09, 0.64),
            ]
        ),
        paint.dark,
    )
    canvas.polygon([(0.075, 0.515), (0.13, 0.468), (0.20, 0.46), (0.19, 0.525)], GLASS, paint.edge, 0.012)
    for i in range(rng.choice((6, 7))):
        canvas.ellipse((0.275 + 0.072 * i, 0.525), (0.020, 0.024), GLASS, paint.edge, 0.008)
    canvas.line([(0.26, 0.462), (0.62, 0.462)], paint.glint, 0.012)
    canvas.polygon([(0.84, 0.49), (0.92, 0.475), (1.00, 0.56), (0.95, 0.57)], paint.light, paint.edge, 0.012)
    canvas.polygon([(0.35, 0.60), (0.52, 0.60), (0.80, 0.80), (0.70, 0.815)], paint.light, paint.edge, EDGE)
    canvas.box(0.38, 0.69, 0.54, 0.765, CREAM, paint.edge, 0.012, radius=0.035)
    canvas.ellipse((0.395, 0.7275), (0.018, 0.034), STEEL, paint.edge, 0.008)
