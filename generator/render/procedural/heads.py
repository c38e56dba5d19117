"""Heads: face, glasses, beard and hair, turned towards the front or the side."""

from __future__ import annotations

import math

from .canvas import Point, arc_points, mix, shade
from .figure import INK, Figure, reach
from .people import Person


class HeadFrame:
    """Maps head coordinates (unit = half the head's height, u forward, v up) to figure coordinates."""

    def __init__(self, center: Point, radius: float, tilt: float) -> None:
        self.center, self.radius, self.tilt = center, radius, tilt
        angle = math.radians(-tilt)
        self._cos, self._sin = math.cos(angle), math.sin(angle)

    def at(self, u: float, v: float) -> Point:
        """The figure point of (u, v)."""
        x, y = u * self.radius, v * self.radius
        return self.center[0] + x * self._cos - y * self._sin, self.center[1] + x * self._sin + y * self._cos

    def arc(self, center: Point, radii: float | Point, start: float, stop: float) -> list[Point]:
        """Points along an ellipse's arc, counterclockwise from the front."""
        return [self.at(u, v) for u, v in arc_points(center, radii, start, stop)]


def head_frame(who: Person, neck: Point, lean: float, tilt: float) -> HeadFrame:
    """Where the head sits on a `neck` that leans `lean` degrees; `tilt` nods it forward."""
    body = who.body
    center = reach(neck, body.neck + body.head * 0.46, 180 - lean)
    return HeadFrame(center, body.head / 2, tilt)


def draw_back_hair(figure: Figure, who: Person, frame: HeadFrame, turn: float) -> None:
    """Hair that falls behind the shoulders; draw it before the torso."""
    if not who.woman or who.age == "elderly":
        return
    r, back = frame.radius, -0.35 * turn
    if who.age == "child":
        for u in (-1.2, 1.2) if turn < 0.5 else (-1.15,):
            figure.blob(frame.at(u, -0.15), (r * 0.36, r * 0.6), who.hair, degrees=-20 if u < 0 else 20)
    elif who.style == 0:
        figure.shape(frame.arc((back, -0.60), (1.15, 1.65), 0, 360), who.hair)
    elif who.style == 1:
        figure.shape(frame.arc((back, -0.35), (1.25, 1.25), 0, 360), who.hair)
    else:
        tail = [frame.at(-0.7, 0.45), frame.at(-1.6, 0.1), frame.at(-1.75, -1.3)]
        figure.limb(tail, [r * 0.7, r * 0.95, r * 0.5], who.hair)


def draw_head(figure: Figure, who: Person, neck: Point, frame: HeadFrame, turn: float) -> None:
    """Neck, face and hair; `turn` is 0 seen from the front, 1 from the side."""
    r = frame.radius
    wide = 0.94 if who.age == "child" else 0.84
    figure.limb([neck, frame.at(-0.1 * turn, -0.5)], [who.body.limb * 0.85] * 2, shade(who.skin, -0.1))
    if who.age == "elderly" and who.woman:
        figure.blob(frame.at(-0.55 * turn, 1.12), r * 0.45, who.hair)
    if who.age == "elderly" and not who.woman:
        figure.shape(frame.arc((-0.26 * turn, 0.02), (wide * 1.34, 0.6), 0, 360), who.hair)
    for u in (-wide, wide) if turn < 0.3 else ():
        figure.blob(frame.at(u, -0.1), (r * 0.18, r * 0.24), who.skin)
    figure.shape(frame.arc((0, 0), (wide, 1.0), 0, 360), who.skin)
    if turn > 0.5:
        figure.shape(
            [frame.at(wide * 0.93, 0.12), frame.at(wide + 0.2, -0.16), frame.at(wide * 0.9, -0.24)], who.skin
        )
    _face(figure, who, frame, turn)
    _hair(figure, who, frame, turn, wide)


def _face(figure: Figure, who: Person, frame: HeadFrame, turn: float) -> None:
    r = frame.radius
    shift = 0.12 + 0.36 * turn
    gap = 0.36 - 0.1 * turn
    low = -0.12 if who.age == "child" else 0.02
    eye = 0.13 if who.age == "child" else 0.10
    if who.age == "elderly" and not who.woman and who.style != 1:
        chin = frame.arc((0.1 * turn, -0.15), (0.86, 1.12), 195, 345)
        figure.shape([*chin, frame.at(shift + 0.3, -0.4), frame.at(shift - 0.3, -0.4)], who.hair)
    if who.age == "elderly":
        for u in (shift - gap, shift + gap):
            figure.blob(frame.at(u, low), r * 0.29, mix(who.skin, (244, 250, 255), 0.6), outlined=False)
    for u in (shift - gap, shift + gap):
        figure.blob(frame.at(u, low), (r * eye, r * eye * 1.35), INK, outlined=False)
        if who.age == "child":
            figure.blob(
                frame.at(u + 0.1 * (1 - turn) * (1 if u > shift else -1) - 0.06 * turn, low - 0.34),
                (r * 0.16, r * 0.1),
                mix(who.skin, (240, 80, 80), 0.45),
                outlined=False,
            )
    if who.age == "elderly":
        for u in (shift - gap, shift + gap):
            figure.stroke(frame.arc((u, low), 0.27, 0, 360), INK, r * 0.1)
            figure.stroke([frame.at(u - 0.2, low + 0.42), frame.at(u + 0.2, low + 0.42)], who.hair, r * 0.13)
        figure.stroke([frame.at(shift - gap - 0.25, low), frame.at(-0.7, low + 0.08)], INK, r * 0.09)
        if not who.woman:
            for u in (-0.17, 0.17):
                figure.blob(
                    frame.at(shift + u, -0.3), (r * 0.24, r * 0.1), who.hair, degrees=-70 * u, outlined=False
                )
    mouth = frame.arc((shift, -0.4), (0.27 - 0.08 * turn, 0.2), 200, 340)
    color = (150, 40, 50) if who.skin[0] > 150 else (80, 24, 30)
    figure.stroke(mouth, color, r * 0.11)


def _fringe_of_the_bald(figure: Figure, who: Person, frame: HeadFrame, turn: float, wide: float) -> None:
    r = frame.radius
    if turn < 0.3:
        return
    figure.blob(
        frame.at(-wide * 0.68, 0.0), (r * 0.3, r * 0.5), who.hair, degrees=-frame.tilt, outlined=False
    )
    figure.blob(frame.at(-wide * 0.22, -0.12), (r * 0.15, r * 0.22), shade(who.skin, -0.12), outlined=False)


def _hair(figure: Figure, who: Person, frame: HeadFrame, turn: float, wide: float) -> None:
    if who.age == "elderly" and not who.woman:
        _fringe_of_the_bald(figure, who, frame, turn, wide)
        return
    thick = 1.1 if who.woman or who.age == "child" else 1.07
    side = wide * 1.06 + 0.02
    drop = 0.05 if who.woman else 0.12
    cap = frame.arc((0, 0), (side, thick), 10 + 26 * turn, 180)
    back = [frame.at(-side, -0.35 * turn - drop), frame.at(-side + 0.22 + 0.3 * turn, -0.3 * turn - drop)]
    fringe = {
        0: [(-0.55, 0.38), (-0.1, 0.5), (0.45, 0.42)],
        1: [(-0.62, 0.3), (-0.2, 0.62), (0.5, 0.5)],
        2: [(-0.5, 0.5), (0.05, 0.42), (0.5, 0.55)],
    }[who.style]
    if who.age == "elderly":
        fringe = [(-0.6, 0.5), (0.0, 0.66), (0.5, 0.55)]
    inner = [frame.at(u + 0.12 * turn - 0.18 * turn * (u < 0), v) for u, v in fringe]
    figure.shape([*cap, *back, *inner], who.hair)
    if who.age == "child" and not who.woman:
        if who.extra:
            crown = frame.arc((0, 0.28), (side + 0.02, 0.86), 0, 180)
            figure.shape(crown, shade(who.top, -0.1))
            figure.limb(
                [frame.at(0.4, 0.3), frame.at(1.3, 0.26)], [frame.radius * 0.2] * 2, shade(who.top, -0.4)
            )
        else:
            for u in (-0.35, 0.0, 0.35):
                tuft = [frame.at(u - 0.2, 0.98), frame.at(u + 0.12, 1.3), frame.at(u + 0.22, 0.96)]
                figure.shape(tuft, who.hair, outlined=False)
