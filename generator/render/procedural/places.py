"""Six places behind a person, with landmarks at the sides, where the person does not hide them."""

from __future__ import annotations

import random
from collections.abc import Callable

from .canvas import Canvas, Color, Point, arc_points, mix, shade

Place = Callable[[Canvas, str, random.Random], None]

SKIES: dict[str, tuple[Color, Color]] = {
    "daylight": ((104, 184, 240), (206, 236, 252)),
    "dusk": ((128, 110, 186), (255, 186, 120)),
    "overcast": ((158, 172, 188), (214, 220, 226)),
}
GROUND: dict[str, Color] = {
    "beach": (244, 220, 160),
    "forest": (112, 160, 74),
    "city street": (118, 122, 132),
    "kitchen": (214, 176, 136),
    "snowy mountain": (240, 246, 252),
    "stadium": (206, 96, 66),
}


def _sky(canvas: Canvas, light: str, bottom: float) -> None:
    canvas.gradient(0.0, bottom, *SKIES[light])


def beach(canvas: Canvas, light: str, rng: random.Random) -> None:
    """Sun, sea, sand, and a parasol or a palm at one side."""
    sea = 0.40 + rng.uniform(-0.02, 0.02)
    shore = sea + 0.20
    _sky(canvas, light, sea + 0.01)
    side = rng.choice((-1, 1))
    sun: Color = {"daylight": (255, 224, 72), "dusk": (255, 140, 60), "overcast": (240, 238, 216)}[light]
    canvas.ellipse((0.5 - side * rng.uniform(0.30, 0.36), rng.uniform(0.11, 0.16)), 0.085, sun)
    canvas.box(0, sea, 1, shore + 0.03, (24, 150, 190))
    canvas.box(0, sea, 1, sea + 0.05, (18, 116, 168))
    for _ in range(7):
        x, y, w = rng.random(), rng.uniform(sea + 0.04, shore - 0.03), rng.uniform(0.05, 0.12)
        canvas.line([(x - w, y), (x, y - 0.008), (x + w, y)], (130, 214, 228), 0.010)
    start = rng.uniform(0, 60)
    surf = [(i / 12, shore + 0.018 * ((i + start) % 3 - 1)) for i in range(13)]
    canvas.polygon([*surf, (1, 1), (0, 1)], (250, 252, 250))
    canvas.polygon([*((x, y + 0.028) for x, y in surf), (1, 1), (0, 1)], GROUND["beach"])
    for _ in range(12):
        canvas.ellipse((rng.random(), rng.uniform(shore + 0.1, 0.98)), (0.012, 0.006), (224, 194, 130))
    x = 0.5 + side * rng.uniform(0.34, 0.38)
    if rng.random() < 0.6:
        _parasol(
            canvas, (x, 0.34), 0.22, rng.choice(((232, 62, 60), (250, 140, 40), (40, 110, 200))), side * 8
        )
    else:
        _palm(canvas, (x, 0.80), side)
    star = (0.5 - side * rng.uniform(0.33, 0.42), rng.uniform(0.80, 0.92))
    canvas.ellipse(star, 0.045, (250, 250, 250))
    canvas.ellipse(star, 0.045, (236, 84, 70), start=-60, stop=60)
    canvas.ellipse(star, 0.045, (60, 140, 220), start=120, stop=240)


def _parasol(canvas: Canvas, top: Point, radius: float, color: Color, lean: float) -> None:
    x, y = top
    with canvas.transformed(center=(x, 0.8), degrees=lean):
        canvas.line([(x, y - 0.02), (x, 0.80)], (250, 250, 245), 0.022)
        dome = arc_points((x, y), (radius, radius * 0.75), 180, 360)
        canvas.polygon(dome, color)
        for a, b in ((-0.62, -0.22), (0.22, 0.62)):
            crown = (x, y - radius * 0.75)
            canvas.polygon([crown, (x + a * radius, y), (x + b * radius, y)], (252, 248, 240))


def _palm(canvas: Canvas, foot: Point, side: int) -> None:
    x, y = foot
    crown = (x - side * 0.03, 0.22)
    trunk = [(x + side * 0.03, y), (x + side * 0.035, 0.5), crown]
    canvas.taper(trunk[0], trunk[1], 0.06, 0.05, (150, 106, 64))
    canvas.taper(trunk[1], trunk[2], 0.05, 0.04, (160, 116, 70))
    for dx, dy in ((-0.20, -0.06), (-0.19, 0.08), (-0.09, -0.13), (0.1, -0.12), (0.20, -0.05), (0.18, 0.09)):
        mid = (crown[0] + dx * 0.55, crown[1] + dy * 0.55 - 0.045)
        tip = (crown[0] + dx, crown[1] + dy)
        canvas.taper(crown, mid, 0.03, 0.05, (38, 142, 78))
        canvas.taper(mid, tip, 0.05, 0.008, (38, 142, 78))


def forest(canvas: Canvas, light: str, rng: random.Random) -> None:
    """Trunks in two depths, foliage above, a green floor."""
    above: Color = {"daylight": (214, 238, 178), "dusk": (240, 214, 150), "overcast": (196, 216, 190)}[light]
    canvas.gradient(0.0, 0.74, above, mix(above, (140, 190, 110), 0.5))
    far: Color = mix(above, (88, 128, 76), 0.55)
    for i in range(8):
        x, w = (i + rng.uniform(0.2, 0.8)) / 8, rng.uniform(0.022, 0.04)
        canvas.box(x - w / 2, 0, x + w / 2, 0.72, far)
    canvas.polygon([(0, 0.68), (0.3, 0.65), (0.7, 0.69), (1, 0.66), (1, 1), (0, 1)], (134, 178, 90))
    canvas.polygon([(0, 0.78), (0.4, 0.75), (1, 0.79), (1, 1), (0, 1)], GROUND["forest"])
    for x in (0.05, 0.21, 0.80, 0.95):
        x += rng.uniform(-0.03, 0.03)
        w, y = rng.uniform(0.065, 0.10), rng.uniform(0.76, 0.86)
        bark = rng.choice(((112, 74, 46), (98, 66, 44), (124, 84, 54)))
        canvas.polygon(
            [
                (x - w / 2, 0),
                (x + w / 2, 0),
                (x + w * 0.55, y - 0.05),
                (x + w * 0.9, y),
                (x - w * 0.9, y),
                (x - w * 0.55, y - 0.05),
            ],
            bark,
        )
        canvas.line([(x + w * 0.12, 0.34), (x + w * 0.12, 0.52)], shade(bark, -0.25), 0.012)
        canvas.line([(x - w * 0.18, 0.5), (x - w * 0.18, 0.64)], shade(bark, -0.25), 0.012)
    for depth, color in ((0.16, (46, 112, 58)), (0.08, (72, 146, 66))):
        for i in range(8):
            x = (i + rng.uniform(0.1, 0.9)) / 8
            edge = depth * (0.35 + 2.4 * abs(x - 0.5))
            canvas.ellipse((x, edge - 0.06), (rng.uniform(0.09, 0.13), rng.uniform(0.09, 0.12)), color)
    for _ in range(10):
        x, y = rng.random(), rng.uniform(0.82, 0.98)
        for lean in (-0.02, 0.0, 0.02):
            canvas.line([(x, y), (x + lean, y - 0.04)], (66, 118, 50), 0.010)
    x, y = rng.choice((rng.uniform(0.06, 0.2), rng.uniform(0.8, 0.94))), rng.uniform(0.88, 0.94)
    canvas.box(x - 0.014, y - 0.03, x + 0.014, y + 0.03, (246, 236, 220))
    canvas.ellipse((x, y - 0.02), (0.045, 0.045), (214, 58, 48), start=180, stop=360)


def city_street(canvas: Canvas, light: str, rng: random.Random) -> None:
    """Buildings with rows of windows, a pavement, a road with lane marks."""
    _sky(canvas, light, 0.7)
    colors = [
        (206, 122, 100),
        (150, 168, 196),
        (226, 196, 146),
        (128, 140, 158),
        (190, 150, 160),
        (164, 186, 178),
    ]
    rng.shuffle(colors)
    pane: Color = {"daylight": (236, 246, 252), "dusk": (255, 232, 130), "overcast": (222, 232, 240)}[light]
    x, number = rng.uniform(-0.12, -0.02), 0
    while x < 1:
        w = rng.uniform(0.20, 0.29)
        away = abs(x + w / 2 - 0.5)
        top = 0.36 - 0.62 * away + rng.uniform(-0.05, 0.05)
        wall = colors[number % len(colors)]
        canvas.box(x, top, x + w, 0.72, wall)
        canvas.box(x - 0.008, top - 0.02, x + w + 0.008, top + 0.012, shade(wall, -0.25))
        columns = 3 if w > 0.24 else 2
        pitch = w / columns
        y = top + 0.05
        while y < 0.56:
            for i in range(columns):
                left = x + pitch * (i + 0.24)
                lit = pane if rng.random() < 0.8 else (86, 104, 128)
                canvas.box(left, y, left + pitch * 0.52, y + 0.055, lit)
            y += 0.095
        canvas.box(x + 0.02, 0.62, x + w - 0.02, 0.72, shade(wall, -0.5))
        canvas.box(
            x + 0.015, 0.595, x + w - 0.015, 0.63, rng.choice(((214, 64, 60), (44, 130, 100), (240, 180, 60)))
        )
        x += w + 0.004
        number += 1
    canvas.box(0, 0.715, 1, 0.775, (206, 204, 200))
    canvas.box(0, 0.768, 1, 0.785, (150, 150, 152))
    canvas.box(0, 0.785, 1, 1, (98, 102, 112))
    start = rng.uniform(-0.25, 0.0)
    for i in range(5):
        left = start + i * 0.28
        canvas.polygon(
            [(left + 0.02, 0.870), (left + 0.17, 0.870), (left + 0.15, 0.895), (left, 0.895)], (250, 246, 226)
        )
    lamp = rng.choice((rng.uniform(0.06, 0.14), rng.uniform(0.86, 0.94)))
    inward = 0.09 if lamp < 0.5 else -0.09
    canvas.line([(lamp, 0.76), (lamp, 0.2), (lamp + inward, 0.17)], (58, 62, 72), 0.018)
    canvas.ellipse((lamp + inward, 0.18), (0.04, 0.022), (255, 240, 170))


def kitchen(canvas: Canvas, light: str, rng: random.Random) -> None:
    """Tiled wall, cupboards, a worktop, a stove with a hood at one side and a fridge at the other."""
    wall: Color = {"daylight": (250, 244, 228), "dusk": (252, 226, 190), "overcast": (230, 230, 226)}[light]
    canvas.box(0, 0, 1, 0.8, wall)
    for i in range(1, 13):
        canvas.line([(i / 13, 0.24), (i / 13, 0.52)], shade(wall, -0.13), 0.006)
    for i in range(5):
        canvas.line([(0, 0.26 + 0.065 * i), (1, 0.26 + 0.065 * i)], shade(wall, -0.13), 0.006)
    canvas.box(0, 0.80, 1, 1, GROUND["kitchen"])
    for row in range(3):
        for column in range(8):
            if (row + column) % 2:
                y = 0.80 + row * 0.07
                canvas.box(column / 8, y, (column + 1) / 8, y + 0.07, (236, 210, 178))
    wood = rng.choice(((120, 176, 176), (224, 168, 110), (146, 170, 206), (196, 138, 96)))
    dark = shade(wood, -0.3)
    for i in range(4):
        left = i * 0.25
        canvas.box(left + 0.008, -0.02, left + 0.242, 0.22, wood, dark, 0.010)
        canvas.ellipse((left + (0.21 if i % 2 == 0 else 0.04), 0.175), 0.013, (250, 240, 210))
    for i in range(4):
        left = i * 0.25
        canvas.box(left + 0.006, 0.55, left + 0.244, 0.79, wood, dark, 0.010)
        canvas.line([(left + 0.09, 0.60), (left + 0.16, 0.60)], (250, 240, 210), 0.014)
    canvas.box(0, 0.78, 1, 0.81, shade(wood, -0.55))
    canvas.box(0, 0.515, 1, 0.555, (112, 100, 96))
    flip = rng.random() < 0.5
    with canvas.transformed(center=(0.5, 0.5), scale=(-1 if flip else 1, 1)):
        _stove(canvas, rng.uniform(0.02, 0.05), light, rng)
        _fridge(canvas, rng.uniform(0.74, 0.77), rng)


def _stove(canvas: Canvas, x: float, light: str, rng: random.Random) -> None:
    steel: Color = (196, 202, 210)
    canvas.polygon(
        [
            (x + 0.05, 0),
            (x + 0.19, 0),
            (x + 0.19, 0.14),
            (x + 0.25, 0.235),
            (x - 0.01, 0.235),
            (x + 0.05, 0.14),
        ],
        steel,
    )
    canvas.box(x - 0.01, 0.225, x + 0.25, 0.25, (130, 136, 146))
    canvas.box(x, 0.52, x + 0.24, 0.81, steel, (110, 114, 124), 0.010)
    for i in range(4):
        canvas.ellipse((x + 0.04 + i * 0.053, 0.56), 0.014, (60, 62, 72))
    canvas.box(x + 0.03, 0.61, x + 0.21, 0.76, (52, 54, 66), radius=0.02)
    canvas.box(x + 0.055, 0.67, x + 0.185, 0.735, (255, 176, 80) if light != "daylight" else (236, 150, 84))
    canvas.box(x - 0.01, 0.505, x + 0.25, 0.527, (54, 56, 66))
    pot = rng.choice(((214, 62, 54), (44, 104, 168), (240, 180, 50)))
    canvas.box(x + 0.05, 0.43, x + 0.18, 0.507, pot, radius=0.015)
    canvas.box(x + 0.035, 0.42, x + 0.195, 0.438, shade(pot, -0.35))
    canvas.ellipse((x + 0.115, 0.41), 0.014, shade(pot, -0.35))


def _fridge(canvas: Canvas, x: float, rng: random.Random) -> None:
    color = rng.choice(((232, 238, 244), (214, 230, 222), (242, 226, 214)))
    canvas.box(x, 0.16, x + 0.24, 0.83, color, (120, 126, 138), 0.012, radius=0.025)
    canvas.line([(x, 0.38), (x + 0.24, 0.38)], (120, 126, 138), 0.012)
    canvas.line([(x + 0.03, 0.26), (x + 0.03, 0.34)], (90, 94, 106), 0.018)
    canvas.line([(x + 0.03, 0.43), (x + 0.03, 0.56)], (90, 94, 106), 0.018)
    canvas.box(x + 0.13, 0.46, x + 0.19, 0.52, rng.choice(((250, 210, 70), (240, 120, 120))))


def snowy_mountain(canvas: Canvas, light: str, rng: random.Random) -> None:
    """White peaks with shaded flanks, snow-laden firs, snow underfoot."""
    _sky(canvas, light, 0.7)
    rock: Color = {"daylight": (118, 142, 180), "dusk": (132, 112, 156), "overcast": (124, 136, 154)}[light]
    peaks = [
        (0.50 + rng.uniform(-0.1, 0.1), 0.24, 0.36, 0.12),
        (0.14 + rng.uniform(-0.05, 0.05), 0.13 + rng.uniform(-0.04, 0.04), 0.36, 0.0),
        (0.86 + rng.uniform(-0.05, 0.05), 0.17 + rng.uniform(-0.04, 0.04), 0.36, 0.0),
    ]
    for x, top, half, haze in peaks:
        flank = mix(rock, (214, 228, 244), haze * 3)
        base, rise = 0.70, 0.70 - top
        canvas.polygon([(x - half, base), (x, top), (x + half, base)], flank)
        canvas.polygon([(x, top), (x + half, base), (x + half * 0.15, base)], shade(flank, -0.18))
        cap = 0.46
        edge = [
            (x + half * cap, top + rise * cap),
            (x + half * 0.26, top + rise * 0.36),
            (x + half * 0.10, top + rise * 0.56),
            (x - half * 0.10, top + rise * 0.38),
            (x - half * 0.28, top + rise * 0.54),
            (x - half * cap, top + rise * cap),
        ]
        canvas.polygon([(x, top), *edge], (255, 255, 255))
        canvas.polygon([(x, top), *edge[:3]], (208, 222, 242))
    canvas.polygon([(0, 0.66), (0.25, 0.63), (0.6, 0.67), (1, 0.62), (1, 1), (0, 1)], (226, 236, 248))
    firs = [
        rng.uniform(0.03, 0.12),
        rng.uniform(0.16, 0.26),
        rng.uniform(0.76, 0.84),
        rng.uniform(0.88, 0.97),
    ]
    for x in firs:
        _fir(canvas, x, rng.uniform(0.70, 0.80), rng.uniform(0.22, 0.32))
    drift = rng.uniform(0.76, 0.79)
    canvas.polygon(
        [(0, drift), (0.35, drift + 0.03), (0.7, drift - 0.01), (1, drift + 0.02), (1, 1), (0, 1)],
        GROUND["snowy mountain"],
    )
    for _ in range(16):
        canvas.ellipse((rng.random(), rng.uniform(0.02, 0.8)), rng.uniform(0.007, 0.012), (255, 255, 255))
    for _ in range(5):
        x, y = rng.random(), rng.uniform(0.84, 0.97)
        canvas.line([(x - 0.05, y), (x + 0.05, y)], (212, 224, 240), 0.010)


def _fir(canvas: Canvas, x: float, foot: float, tall: float) -> None:
    canvas.box(x - 0.012, foot - 0.03, x + 0.012, foot + 0.02, (96, 70, 56))
    for i in range(3):
        bottom, half = foot - tall * 0.27 * i, tall * (0.30 - 0.06 * i)
        top = bottom - tall * 0.42
        canvas.polygon([(x - half, bottom), (x, top), (x + half, bottom)], (44, 104, 88))
        canvas.polygon(
            [
                (x - half * 0.5, bottom - tall * 0.21),
                (x, top),
                (x + half * 0.5, bottom - tall * 0.21),
                (x, bottom - tall * 0.12),
            ],
            (246, 250, 255),
        )


def stadium(canvas: Canvas, light: str, rng: random.Random) -> None:
    """Stands full of people, floodlights, grass, a running track with white lanes."""
    _sky(canvas, light, 0.25)
    for x in (0.10, 0.90):
        x += rng.uniform(-0.03, 0.03)
        canvas.line([(x, 0.30), (x, 0.10)], (84, 90, 104), 0.024)
        canvas.box(x - 0.085, 0.02, x + 0.085, 0.125, (74, 80, 94))
        for i in range(3):
            for j in range(2):
                canvas.ellipse((x - 0.053 + i * 0.053, 0.047 + j * 0.05), 0.020, (255, 252, 206))
    canvas.polygon([(0, 0.19), (0.5, 0.235), (1, 0.19), (1, 0.6), (0, 0.6)], (92, 100, 122))
    canvas.polygon(
        [(0, 0.165), (0.5, 0.215), (1, 0.165), (1, 0.195), (0.5, 0.245), (0, 0.195)], (226, 230, 236)
    )
    crowd = ((236, 86, 80), (250, 206, 84), (96, 166, 236), (246, 246, 246), (120, 204, 140), (204, 150, 224))
    for row in range(6):
        for column in range(22):
            x, y = (column + 0.5 * (row % 2) + 0.25) / 22, 0.275 + row * 0.045
            if rng.random() < 0.88:
                w = 0.0145
                canvas.box(x - w, y - w, x + w, y + w, mix(rng.choice(crowd), (92, 100, 122), 0.22))
    band = rng.choice(((40, 84, 160), (24, 110, 96), (150, 44, 60)))
    canvas.box(0, 0.545, 1, 0.61, band)
    for i in range(5):
        x = (i + rng.uniform(0.1, 0.3)) / 5
        canvas.box(x, 0.565, x + 0.12, 0.59, mix(band, (255, 255, 255), 0.75))
    canvas.box(0, 0.605, 1, 0.77, (86, 168, 76))
    for i in range(-1, 6):
        a, b = 0.5 + (i / 5 - 0.5) * 1.0, 0.5 + (i / 5 - 0.5) * 1.35
        canvas.polygon([(a, 0.605), (a + 0.1, 0.605), (b + 0.135, 0.77), (b, 0.77)], (104, 186, 88))
    canvas.box(0, 0.76, 1, 1, GROUND["stadium"])
    for y, width in ((0.768, 0.014), (0.825, 0.014), (0.895, 0.016), (0.97, 0.018)):
        canvas.line([(-0.1, y), (1.1, y)], (252, 240, 230), width)


BACKGROUNDS: dict[str, Place] = {
    "beach": beach,
    "forest": forest,
    "city street": city_street,
    "kitchen": kitchen,
    "snowy mountain": snowy_mountain,
    "stadium": stadium,
}
