"""Drawings of things to wear and to carry: shoes, hats and bags, facing left, standing on y = 0.86."""

from __future__ import annotations

import random

from .canvas import Canvas, Color, arc_points, shade
from .things_paint import BRASS, CREAM, EDGE, RUBBER, SILVER, STEEL, Paint, smooth, vary


def draw_sneaker(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    rise = vary(rng, 0.025)
    top = 0.40 + rise
    collar = [(0.60, top + 0.01), (0.72, top + 0.05), (0.89, top - 0.03)]
    canvas.polygon(smooth([(0.56, top), (0.64, top - 0.06), (0.70, top - 0.03), (0.74, top + 0.10), (0.60, top + 0.08)]), paint.dark, paint.edge, EDGE)
    body = [
        (0.93, 0.76), (0.93, 0.76), (0.92, 0.58), (0.89, top - 0.03), (0.89, top - 0.03), (0.76, top + 0.05),
        (0.57, top), (0.57, top), (0.46, 0.52), (0.31, 0.59), (0.15, 0.64), (0.08, 0.72), (0.08, 0.77), (0.08, 0.77),
    ]
    canvas.polygon(smooth(body), paint.base, paint.edge, EDGE)
    canvas.polygon(smooth([(0.93, 0.76), (0.93, 0.76), (0.92, 0.58), (0.895, top), (0.895, top), (0.82, 0.56), (0.79, 0.76), (0.79, 0.76)]), paint.dark)
    canvas.polygon(smooth([(0.28, 0.765), (0.28, 0.765), (0.25, 0.68), (0.19, 0.63), (0.12, 0.66), (0.085, 0.72), (0.085, 0.765), (0.085, 0.765)]), CREAM, paint.edge, 0.010)
    canvas.polygon(smooth([(0.58, top + 0.02), (0.58, top + 0.02), (0.47, 0.525), (0.33, 0.59), (0.37, 0.63), (0.52, 0.58), (0.64, top + 0.05)]), paint.light)
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
    top, toe = 0.13 + vary(rng, 0.03), 0.15 + vary(rng, 0.03)
    body = [
        (0.83, 0.78), (0.83, 0.78), (0.81, 0.55), (0.85, top), (0.85, top), (0.49, top), (0.49, top), (0.52, 0.36),
        (0.48, 0.52), (0.36, 0.58), (toe + 0.08, 0.63), (toe, 0.72), (toe, 0.78), (toe, 0.78),
    ]
    canvas.polygon(smooth(body), paint.base, paint.edge, EDGE)
    canvas.polygon(smooth([(0.82, 0.77), (0.82, 0.77), (0.80, 0.55), (0.83, top + 0.02), (0.83, top + 0.02), (0.74, top + 0.02), (0.74, top + 0.02), (0.72, 0.5), (0.70, 0.77), (0.70, 0.77)]), paint.dark)
    canvas.line(smooth([(toe + 0.17, 0.77), (toe + 0.20, 0.69), (toe + 0.15, 0.62)], closed=False), paint.line, 0.012)
    canvas.line(smooth([(0.50, 0.52), (0.60, 0.58), (0.70, 0.60), (0.82, 0.58)], closed=False), paint.line, 0.012)
    canvas.box(0.465, top - 0.015, 0.875, top + 0.085, paint.light, paint.edge, EDGE, radius=0.03)
    canvas.line(smooth([(0.57, top + 0.12), (0.59, 0.4), (0.55, 0.53)], closed=False), paint.glint, 0.016)
    for i in range(4 if rng.random() < 0.5 else 5):
        y = top + 0.13 + 0.075 * i
        canvas.line([(0.495, y), (0.58, y + 0.03)], CREAM, 0.018)
        canvas.ellipse((0.585, y + 0.032), 0.012, SILVER)
    canvas.polygon([(toe - 0.02, 0.775), (0.85, 0.775), (0.86, 0.86), (0.62, 0.86), (0.60, 0.825), (toe + 0.02, 0.825)], RUBBER, (28, 28, 30), 0.010)
    canvas.line([(toe, 0.782), (0.84, 0.782)], BRASS, 0.010)


def draw_high_heel(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    high, lean = 0.32 + vary(rng, 0.03), vary(rng, 0.012)
    canvas.polygon(
        smooth([(0.79, 0.56), (0.79, 0.56), (0.93, 0.46), (0.93, 0.46), (0.915, 0.62), (0.885 + lean, 0.86), (0.885 + lean, 0.86), (0.85 + lean, 0.86), (0.85 + lean, 0.86), (0.845, 0.68)]),
        paint.dark, paint.edge, EDGE,
    )
    canvas.polygon(smooth([(0.36, 0.63), (0.56, 0.58), (0.74, 0.42), (0.90, high), (0.90, high), (0.84, 0.50), (0.62, 0.70), (0.40, 0.72)]), (232, 214, 192), paint.edge, EDGE)
    body = [
        (0.90, high), (0.90, high), (0.945, 0.42), (0.935, 0.52), (0.86, 0.57), (0.76, 0.62), (0.62, 0.76), (0.47, 0.845),
        (0.30, 0.858), (0.13, 0.858), (0.06, 0.84), (0.07, 0.815), (0.20, 0.75), (0.33, 0.64), (0.355, 0.61), (0.355, 0.61), (0.44, 0.70), (0.56, 0.69), (0.70, 0.56), (0.83, 0.44),
    ]
    canvas.polygon(smooth(body), paint.base, paint.edge, EDGE)
    canvas.polygon(smooth([(0.93, 0.52), (0.86, 0.57), (0.76, 0.62), (0.62, 0.76), (0.47, 0.845), (0.30, 0.855), (0.30, 0.855), (0.46, 0.80), (0.60, 0.70), (0.74, 0.56), (0.86, 0.50)]), paint.dark)
    canvas.line(smooth([(0.16, 0.79), (0.25, 0.74), (0.33, 0.67)], closed=False), paint.glint, 0.022)
    canvas.line([(0.08, 0.858), (0.46, 0.858)], RUBBER, 0.016)
    if rng.random() < 0.5:
        canvas.ellipse((0.355, 0.65), 0.03, BRASS, paint.edge, 0.008)


def draw_baseball_cap(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    top, bill = 0.28 + vary(rng, 0.03), 0.06 + vary(rng, 0.02)
    canvas.ellipse((0.645, top - 0.005), (0.04, 0.025), paint.dark, paint.edge, EDGE)
    dome = [(0.37, 0.72), (0.37, 0.72), (0.38, 0.52), (0.47, top + 0.07), (0.64, top), (0.82, top + 0.07), (0.92, 0.54), (0.93, 0.74), (0.93, 0.74), (0.66, 0.80)]
    canvas.polygon(smooth(dome), paint.base, paint.edge, EDGE)
    canvas.polygon(smooth([(0.925, 0.735), (0.925, 0.735), (0.91, 0.54), (0.81, top + 0.08), (0.66, top + 0.01), (0.66, top + 0.01), (0.76, 0.5), (0.78, 0.77), (0.78, 0.77)]), paint.dark)
    canvas.polygon(smooth([(0.385, 0.70), (0.385, 0.70), (0.395, 0.53), (0.48, top + 0.08), (0.62, top + 0.015), (0.62, top + 0.015), (0.52, 0.48), (0.50, 0.74)]), paint.light)
    for end in (0.50, 0.78):
        canvas.line(smooth([(0.64, top), (0.64 + (end - 0.64) * 0.8, 0.48), (end, 0.77)], closed=False), paint.line, 0.010)
    for x, y in ((0.57, 0.45), (0.73, 0.45), (0.86, 0.5)):
        canvas.ellipse((x, y), 0.013, paint.edge)
    badge = 0.055 + vary(rng, 0.01)
    canvas.ellipse((0.455, 0.57), (badge * 0.72, badge), CREAM, paint.edge, 0.008)
    canvas.polygon(smooth([(0.37, 0.68), (0.37, 0.68), (0.22, 0.68), (bill + 0.04, 0.75), (bill, 0.81), (bill + 0.03, 0.835), (0.22, 0.79), (0.42, 0.79), (0.60, 0.82), (0.68, 0.80), (0.62, 0.74), (0.50, 0.70)]), paint.base, paint.edge, EDGE)
    canvas.polygon(smooth([(bill, 0.81), (bill + 0.03, 0.835), (0.22, 0.79), (0.42, 0.79), (0.60, 0.82), (0.67, 0.80), (0.67, 0.80), (0.45, 0.755), (0.22, 0.755)]), paint.dark)
    canvas.line(smooth([(bill + 0.07, 0.755), (0.22, 0.705), (0.36, 0.70)], closed=False), paint.glint, 0.014)


def draw_top_hat(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    top, flare = 0.16 + vary(rng, 0.03), 0.03 + vary(rng, 0.01)
    band: Color = (226, 222, 214) if sum(paint.base) < 200 else (58, 56, 60)
    canvas.ellipse((0.5, 0.75), (0.43, 0.105), paint.dark, paint.edge, EDGE)
    canvas.ellipse((0.5, 0.735), (0.43, 0.095), paint.base, paint.edge, EDGE)
    canvas.ellipse((0.47, 0.725), (0.33, 0.065), paint.light)
    left, right = 0.25, 0.75
    side = smooth([(left - flare, top), (left - flare, top), (left + 0.02, 0.45), (left, 0.72), (left, 0.72), (0.5, 0.79), (right, 0.72), (right, 0.72), (right - 0.02, 0.45), (right + flare, top), (right + flare, top)])
    canvas.polygon(side, paint.base, paint.edge, EDGE)
    canvas.polygon(smooth([(0.63, 0.765), (0.63, 0.765), (right - 0.005, 0.715), (right - 0.005, 0.715), (right - 0.025, 0.45), (right + flare - 0.01, top), (right + flare - 0.01, top), (0.65, top + 0.04), (0.62, 0.45)]), paint.dark)
    canvas.polygon(smooth([(0.30 - flare / 2, top + 0.07), (0.35, top + 0.09), (0.365, 0.45), (0.36, 0.58), (0.31, 0.57), (0.31, 0.40)]), paint.glint)
    canvas.polygon(smooth([(left + 0.005, 0.60), (left + 0.005, 0.60), (0.5, 0.665), (right - 0.005, 0.60), (right - 0.005, 0.60), (right, 0.72), (right, 0.72), (0.5, 0.79), (left, 0.72), (left, 0.72)]), band)
    canvas.ellipse((0.5, top), (0.25 + flare, 0.062), paint.light, paint.edge, EDGE)
    if rng.random() < 0.6:
        canvas.box(0.58, 0.655, 0.66, 0.755, None, BRASS, 0.016)


def draw_beanie(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    top, ball = 0.30 + vary(rng, 0.03), 0.095 + vary(rng, 0.02)
    canvas.ellipse((0.55, top - 0.05), ball, paint.light, paint.edge, EDGE)
    for i in range(9):
        angle = arc_points((0.55, top - 0.05), ball * 0.72, i * 40 + vary(rng, 12), 360 + i * 40)[0]
        canvas.line([angle, (angle[0] * 0.6 + 0.55 * 0.4, angle[1] * 0.6 + (top - 0.05) * 0.4)], paint.glint if i % 2 else paint.dark, 0.014)
    dome = [(0.14, 0.66), (0.14, 0.66), (0.17, 0.47), (0.32, top + 0.06), (0.53, top), (0.72, top + 0.07), (0.84, 0.48), (0.86, 0.66), (0.86, 0.66)]
    canvas.polygon(smooth(dome), paint.base, paint.edge, EDGE)
    canvas.polygon(smooth([(0.85, 0.66), (0.85, 0.66), (0.83, 0.48), (0.71, top + 0.08), (0.58, top + 0.01), (0.68, 0.46), (0.70, 0.66), (0.70, 0.66)]), paint.dark)
    for i in range(1, 8):
        x = 0.14 + i * 0.09
        canvas.line(smooth([(x, 0.64), (0.52 + (x - 0.52) * 0.86, 0.48), (0.53 + (x - 0.53) * 0.35, top + 0.05)], closed=False), paint.line, 0.009)
    low = 0.62 + vary(rng, 0.015)
    canvas.box(0.10, low, 0.90, 0.85, paint.light, paint.edge, EDGE, radius=0.06)
    canvas.box(0.72, low + 0.012, 0.886, 0.838, paint.base, radius=0.05)
    for i in range(12):
        x = 0.145 + i * 0.0645
        canvas.line([(x, low + 0.03), (x, 0.82)], paint.line, 0.013)


def draw_backpack(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    top, pocket = 0.17 + vary(rng, 0.02), 0.54 + vary(rng, 0.03)
    canvas.line(smooth([(0.42, top + 0.04), (0.44, top - 0.08), (0.56, top - 0.08), (0.58, top + 0.04)], closed=False), paint.edge, 0.04)
    canvas.line(smooth([(0.74, 0.28), (0.93, 0.34), (0.95, 0.62), (0.80, 0.80)], closed=False), paint.edge, 0.065)
    canvas.line(smooth([(0.74, 0.28), (0.93, 0.34), (0.95, 0.62), (0.80, 0.80)], closed=False), paint.dark, 0.038)
    canvas.box(0.08, 0.54, 0.24, 0.82, paint.dark, paint.edge, EDGE, radius=0.06)
    canvas.polygon(smooth([(0.17, 0.80), (0.17, 0.45), (0.23, top + 0.10), (0.36, top), (0.62, top), (0.77, top + 0.10), (0.83, 0.45), (0.84, 0.80), (0.77, 0.86), (0.24, 0.86)]), paint.base, paint.edge, EDGE)
    canvas.polygon(smooth([(0.70, 0.85), (0.77, 0.85), (0.83, 0.79), (0.82, 0.45), (0.76, top + 0.11), (0.63, top + 0.02), (0.70, 0.42)]), paint.dark)
    canvas.line(smooth([(0.23, 0.47), (0.28, 0.32), (0.38, 0.25), (0.56, 0.25), (0.66, 0.32), (0.71, 0.47)], closed=False), paint.line, 0.016)
    canvas.line([(0.23, 0.47), (0.225, 0.53)], BRASS, 0.026)
    canvas.box(0.23, pocket, 0.71, 0.82, paint.light, paint.edge, EDGE, radius=0.07)
    canvas.line([(0.26, pocket + 0.075), (0.68, pocket + 0.075)], paint.line, 0.016)
    canvas.line([(0.33, pocket + 0.075), (0.33, pocket + 0.13)], BRASS, 0.026)
    if rng.random() < 0.5:
        canvas.box(0.40, 0.36, 0.54, 0.44, CREAM, paint.edge, 0.010, radius=0.015)
    canvas.line(smooth([(0.24, 0.40), (0.27, 0.30), (0.35, 0.22)], closed=False), paint.glint, 0.014)


def draw_handbag(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    top, arch = 0.46 + vary(rng, 0.02), 0.13 + vary(rng, 0.03)
    for shift, color in ((0.06, paint.dark), (0.0, paint.base)):
        handle = smooth([(0.28 + shift, top + 0.06), (0.31 + shift, arch + 0.10), (0.48 + shift, arch), (0.65 + shift, arch + 0.10), (0.68 + shift, top + 0.06)], closed=False)
        canvas.line(handle, paint.edge, 0.062)
        canvas.line(handle, color, 0.034)
    canvas.polygon([(0.78, top), (0.90, top + 0.05), (0.95, 0.82), (0.86, 0.86)], paint.dark, paint.edge, EDGE)
    canvas.polygon(smooth([(0.15, top), (0.15, top), (0.79, top), (0.79, top), (0.85, 0.70), (0.87, 0.84), (0.82, 0.86), (0.10, 0.86), (0.06, 0.84), (0.08, 0.70)]), paint.base, paint.edge, EDGE)
    flap = 0.66 + vary(rng, 0.03)
    canvas.polygon(smooth([(0.15, top), (0.15, top), (0.79, top), (0.79, top), (0.80, flap - 0.06), (0.66, flap), (0.28, flap), (0.13, flap - 0.06)]), paint.light, paint.edge, EDGE)
    canvas.box(0.42, flap - 0.05, 0.52, flap + 0.05, BRASS, (110, 92, 50), 0.010, radius=0.02)
    for x in (0.28, 0.68):
        canvas.ellipse((x, top + 0.06), 0.026, BRASS, (110, 92, 50), 0.008)
    canvas.line([(0.13, 0.82), (0.80, 0.82)], paint.line, 0.010)
    canvas.line([(0.20, top + 0.035), (0.24, top + 0.035)], paint.glint, 0.016)


def draw_suitcase(canvas: Canvas, paint: Paint, rng: random.Random) -> None:
    top, handle = 0.30 + vary(rng, 0.02), 0.06 + vary(rng, 0.02)
    canvas.line([(0.36, top), (0.36, handle), (0.60, handle), (0.60, top)], STEEL, 0.026)
    canvas.line([(0.35, handle), (0.61, handle)], RUBBER, 0.044)
    for x in (0.27, 0.66, 0.79):
        canvas.ellipse((x, 0.825), 0.042, RUBBER, (28, 28, 30), 0.008)
        canvas.ellipse((x, 0.825), 0.016, SILVER)
    canvas.polygon([(0.68, top), (0.80, top + 0.03), (0.83, top + 0.07), (0.83, 0.76), (0.80, 0.80), (0.68, 0.81)], paint.dark, paint.edge, EDGE)
    canvas.box(0.19, top - 0.01, 0.74, 0.81, paint.base, paint.edge, EDGE, radius=0.07)
    ribs = rng.choice((4, 5))
    for i in range(ribs):
        x = 0.265 + i * 0.40 / (ribs - 1)
        canvas.line([(x, top + 0.06), (x, 0.74)], paint.dark, 0.030)
        canvas.line([(x - 0.012, top + 0.06), (x - 0.012, 0.74)], paint.light, 0.010)
    canvas.box(0.40, top - 0.045, 0.56, top - 0.005, None, RUBBER, 0.020, radius=0.02)
    canvas.box(0.705, 0.50, 0.76, 0.58, SILVER, STEEL, 0.008, radius=0.01)
    if rng.random() < 0.5:
        canvas.box(0.30, 0.42, 0.46, 0.53, CREAM, shade(CREAM, -0.3), 0.008, radius=0.01)
    canvas.line([(0.225, top + 0.06), (0.225, top + 0.2)], paint.glint, 0.016)
