"""Bodies: proportions and clothes by age, and the drawing of torso, limbs and their ends.

Lengths are shares of the standing height; angles are degrees, 0 hanging down, 90 forward, 180 up.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from .canvas import Color, Point, mix, shade
from .figure import Figure, between, reach


@dataclass(frozen=True)
class Body:
    """Proportions of one age. `stature` scales the whole figure in the picture, adult = 1."""

    stature: float
    head: float
    neck: float
    torso: float
    leg: float
    arm: float
    shoulders: float
    hips: float
    limb: float
    stoop: float

    @property
    def heads_tall(self) -> float:
        """Standing height in heads."""
        return (self.head + self.neck + self.torso + self.leg) / self.head


AGES: dict[str, Body] = {
    "child": Body(0.86, 0.330, 0.010, 0.280, 0.380, 0.300, 0.250, 0.210, 0.100, 0),
    "adult": Body(1.00, 0.183, 0.040, 0.310, 0.470, 0.400, 0.250, 0.180, 0.090, 0),
    "elderly": Body(0.95, 0.218, 0.020, 0.332, 0.420, 0.390, 0.245, 0.215, 0.098, 30),
}

SKINS: dict[str, Color] = {"light": (250, 208, 178), "medium": (205, 145, 98), "dark": (116, 72, 48)}
CLOTHES: dict[str, Color] = {
    "red": (222, 48, 48),
    "blue": (38, 104, 222),
    "green": (30, 158, 74),
    "yellow": (250, 200, 28),
    "purple": (142, 62, 196),
}
HAIR: tuple[Color, ...] = ((36, 28, 30), (70, 44, 30), (116, 70, 38), (170, 84, 36), (222, 176, 88))
GREY: tuple[Color, ...] = ((244, 244, 246), (226, 228, 234), (206, 208, 216))
TROUSERS: tuple[Color, ...] = ((48, 56, 84), (62, 62, 70), (84, 66, 56), (40, 76, 92))


@dataclass(frozen=True)
class Person:
    """Everything about a person but what they do."""

    age: str
    woman: bool
    body: Body
    skin: Color
    hair: Color
    style: int
    top: Color
    bottom: Color
    shoes: Color
    extra: bool


def make_person(age: str, appearance: str, skin: str, clothing: str, rng: random.Random) -> Person:
    """A person of that age and those looks; `rng` chooses hair, shoes and small variations of colour."""
    tone = mix(SKINS[skin], (rng.randint(90, 255), 150, 110), 0.06)
    color = shade(CLOTHES[clothing], rng.uniform(-0.08, 0.08))
    palette = GREY if age == "elderly" else HAIR[: {"light": 5, "medium": 4, "dark": 2}[skin]]
    bottom = {
        "child": shade(color, -0.38),
        "adult": rng.choice((*TROUSERS, shade(color, -0.55))),
        "elderly": rng.choice(((138, 128, 116), (122, 124, 130), (150, 136, 112))),
    }[age]
    shoes = rng.choice(
        ((245, 245, 245), (244, 120, 40), (60, 190, 210))
        if age == "child"
        else ((52, 40, 40), (90, 54, 36), (235, 235, 235))
    )
    return Person(
        age,
        appearance == "woman",
        AGES[age],
        tone,
        rng.choice(palette),
        rng.randrange(3),
        color if age != "elderly" else mix(color, (96, 88, 92), 0.14),
        bottom,
        (74, 54, 46) if age == "elderly" else shoes,
        rng.random() < 0.5,
    )


def far_side(color: Color, far: bool) -> Color:
    """The darker colour of a limb on the side turned away."""
    return shade(color, -0.2) if far else color


def draw_leg(
    figure: Figure,
    who: Person,
    hip: Point,
    thigh: float,
    shin: float,
    *,
    far: bool = False,
    toe: float | None = None,
) -> Point:
    """A leg with a shoe; `toe` is the shoe's direction (default: square to the shin). Returns the ankle."""
    body = who.body
    half, width = body.leg * 0.49, body.limb
    knee = reach(hip, half, thigh)
    ankle = reach(knee, half * 0.88, shin)
    skin, cloth, shoe = (far_side(c, far) for c in (who.skin, who.bottom, who.shoes))
    tip = reach(ankle, width * 0.95, shin + 90 if toe is None else toe)
    if who.age == "child":
        figure.limb([knee, ankle], [width * 0.86, width * 0.7], skin)
        figure.limb([between(knee, ankle, 0.72), ankle], [width * 0.8, width * 0.8], (250, 250, 250))
        figure.limb([ankle, tip], [width * 0.95, width * 0.75], shoe)
        figure.limb([hip, between(hip, knee, 0.92)], [width * 1.35, width * 1.3], cloth)
        return ankle
    figure.limb([ankle, tip], [width * 0.8, width * 0.62], shoe)
    loose = 1.18 if who.age == "elderly" else 1.0
    figure.limb([hip, knee, ankle], [width * 1.25, width * 1.02 * loose, width * 0.8 * loose], cloth)
    return ankle


def draw_arm(
    figure: Figure,
    who: Person,
    shoulder: Point,
    upper: float,
    fore: float,
    *,
    far: bool = False,
    spread: bool = False,
) -> Point:
    """An arm with a fist, or an open hand if `spread`. Returns the hand's centre."""
    body = who.body
    half, width = body.arm * 0.5, body.limb * 0.86
    elbow = reach(shoulder, half, upper)
    wrist = reach(elbow, half * 0.86, fore)
    hand = reach(wrist, width * 0.35, fore)
    skin, cloth = far_side(who.skin, far), far_side(who.top, far)
    if who.age == "elderly":
        draw_hand(figure, hand, width, fore, skin, spread)
        figure.limb([shoulder, elbow, wrist], [width * 1.12, width * 1.05, width], cloth)
        return hand
    figure.limb([elbow, wrist], [width * 0.84, width * 0.72], skin)
    draw_hand(figure, hand, width, fore, skin, spread)
    figure.limb([shoulder, between(shoulder, elbow, 0.9)], [width * 1.1, width * 1.12], cloth)
    return hand


def draw_hand(figure: Figure, hand: Point, width: float, degrees: float, skin: Color, spread: bool) -> None:
    """A fist, or a palm with five fingers."""
    if not spread:
        figure.blob(hand, width * 0.56, skin)
        return
    palm = reach(hand, width * 0.35, degrees)
    fingers = [(-68, 0.95), (-27, 1.35), (0, 1.42), (27, 1.35), (68, 1.0)]
    for turn, length in fingers:
        tip = reach(palm, width * length, degrees + turn)
        figure.stroke([palm, tip], skin, width * 0.36, outlined=True)
    figure.blob(palm, width * 0.68, skin, outlined=False)


def draw_torso(
    figure: Figure, who: Person, hip: Point, lean: float, *, side: bool
) -> tuple[Point, Point, float]:
    """The trunk from `hip`, leaning `lean` degrees forward. Returns chest, neck base and the neck's lean."""
    body = who.body
    stoop = body.stoop * (1.0 if side else 0.45)
    low_lean, high_lean = lean - stoop * 0.1, lean + stoop * 0.95
    waist = reach(hip, body.torso * 0.5, 180 - low_lean)
    chest = reach(waist, body.torso * 0.5, 180 - high_lean)
    wide = 0.74 if side else 1.0
    half = [
        body.hips * wide / 2,
        body.hips * (0.86 if who.woman else 0.98) * wide / 2,
        body.shoulders * wide / 2,
    ]
    if side and who.age != "elderly":
        half[0] *= 0.92
    outline = _tube([hip, waist, chest], half, [low_lean, (low_lean + high_lean) / 2, high_lean])
    figure.shape(outline, who.top)
    if who.age == "child":
        for share in (0.3, 0.62):
            band = _tube(
                [between(hip, chest, share), between(hip, chest, share + 0.15)],
                [half[1] * 1.02] * 2,
                [low_lean, high_lean],
                square=True,
            )
            figure.shape(band, (255, 250, 235), outlined=False)
    elif who.age == "elderly":
        front = body.hips * (0.3 if side else 0.0)
        seam = [
            (hip[0] + front, hip[1]),
            (waist[0] + front * 0.9, waist[1]),
            (chest[0] + front * 0.6, chest[1]),
        ]
        figure.limb(seam, [0.035, 0.06, 0.10], (250, 246, 232), outlined=False)
        for share in (0.25, 0.6):
            spot = between(seam[0], seam[1], share)
            figure.blob((spot[0] - 0.04, spot[1]), 0.011, shade(who.top, -0.55), outlined=False)
    else:
        belt = _tube([hip, between(hip, waist, 0.16)], [half[0] * 1.0] * 2, [low_lean] * 2, square=True)
        figure.shape(belt, shade(who.bottom, -0.25), outlined=False)
    return chest, reach(chest, body.torso * 0.02, 180 - high_lean), high_lean


def draw_skirt(figure: Figure, who: Person, hip: Point, lean: float) -> None:
    """A flared skirt below `hip`; draw it after the legs and before the torso."""
    body = who.body
    long = body.leg * (0.42 if who.age == "elderly" else 0.36)
    waist, hem = reach(hip, body.torso * 0.16, 180 - lean), reach(hip, long, 0)
    flare = body.hips * (0.62 if who.age == "child" else 0.74)
    ripple = [(hem[0] + flare * (0.5 - i / 4) * 2, hem[1] + (0.014 if i % 2 else -0.012)) for i in range(5)]
    color = shade(who.bottom, -0.3) if who.age == "elderly" else shade(who.top, -0.12)
    figure.shape(
        [(waist[0] - body.hips * 0.4, waist[1]), (waist[0] + body.hips * 0.4, waist[1]), *ripple], color
    )


def _tube(spine: list[Point], half: list[float], leans: list[float], *, square: bool = False) -> list[Point]:
    right, left = [], []
    for (x, y), width, lean in zip(spine, half, leans, strict=True):
        cos, sin = math.cos(math.radians(lean)), math.sin(math.radians(lean))
        right.append((x + width * cos, y - width * sin))
        left.append((x - width * cos, y + width * sin))
    if square:
        return right + left[::-1]
    (x, y), width = spine[-1], half[-1]
    angle = -math.radians(leans[-1])
    cap = [
        (
            x + width * math.cos(t) * math.cos(angle) - width * 0.38 * math.sin(t) * math.sin(angle),
            y + width * math.cos(t) * math.sin(angle) + width * 0.38 * math.sin(t) * math.cos(angle),
        )
        for t in (math.pi * i / 8 for i in range(1, 8))
    ]
    return right + cap + left[::-1]
