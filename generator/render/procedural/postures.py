"""What people do: a posture and its props for each action, in figure coordinates (x forward, y up)."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from .canvas import Color, Point, arc_points, shade
from .figure import INK, Figure, bend, between
from .heads import draw_back_hair, draw_head, head_frame
from .people import Person, draw_arm, draw_hand, draw_leg, draw_skirt, draw_torso

Posture = Callable[[Figure, Person, random.Random], None]
MOTION: Color = (255, 255, 255)


def _stand_on(figure: Figure, height: float) -> None:
    figure.shift(0.0, height - figure.bounds()[1])


def _mark(figure: Figure, points: list[Point], width: float = 0.022) -> None:
    figure.stroke(points, MOTION, width, outlined=True)


def _upper_body(
    figure: Figure,
    who: Person,
    hip: Point,
    lean: float,
    tilt: float,
    turns: tuple[float, float],
    arms: Callable[[Point, Point, bool], None],
    *,
    skirt: bool = True,
) -> None:
    """Torso and head around `arms`, called with (near shoulder, far shoulder, is_far), far arm first.

    turns: of the body and of the head, 0 seen from the front, 1 from the side.
    """
    turn, gaze = turns
    side = turn > 0.5
    scratch = Figure()
    chest, neck, neck_lean = draw_torso(scratch, who, hip, lean, side=side)
    frame = head_frame(
        who, neck, neck_lean * (1.0 if side else 0.6) + (0 if side else who.body.stoop * 0.3), tilt
    )
    drop = who.body.torso * 0.06
    reach_out = who.body.shoulders * (0.06 if side else 0.44)
    near, far = (chest[0] - reach_out, chest[1] - drop), (chest[0] + reach_out, chest[1] - drop)
    if side:
        arms(near, far, True)
    draw_back_hair(figure, who, frame, gaze)
    if not side:
        arms(near, far, True)
    if skirt and who.woman:
        draw_skirt(figure, who, hip, lean)
    figure.parts.extend(scratch.parts)
    draw_head(figure, who, neck, frame, gaze)
    arms(near, far, False)


def running(figure: Figure, who: Person, rng: random.Random) -> None:
    """A wide stride, bent arms, lines of speed behind."""
    swing = rng.uniform(-6, 6)
    hip = (0.0, 0.0)
    draw_leg(figure, who, hip, -34 - swing, -92 + swing, far=True)
    draw_leg(figure, who, hip, 68 + swing, -4 + swing)

    def arms(near: Point, far: Point, is_far: bool) -> None:
        if is_far:
            draw_arm(figure, who, far, 58 + swing, 112 if who.age == "child" else 142, far=True)
        else:
            draw_arm(figure, who, near, -62 + swing, 32 - swing)

    _upper_body(figure, who, hip, 16 + swing / 3, 6, (1.0, 1.0), arms)
    _stand_on(figure, 0.03)
    left = figure.bounds()[0]
    for height, length in ((0.30, 0.16), (0.48, 0.22), (0.66, 0.16)):
        end = left - 0.03 + rng.uniform(-0.02, 0.02) + (0.06 if height > 0.4 else 0)
        _mark(figure, [(end, height), (end - length, height)])


def jumping(figure: Figure, who: Person, rng: random.Random) -> None:
    """In the air, looking ahead: arms in a V, knees bent outwards, marks that trail behind, a shadow far below."""
    swing = rng.uniform(-7, 7)
    width = who.body.hips * 0.3
    draw_leg(figure, who, (width, 0), 66 + swing, -30, toe=66)
    draw_leg(figure, who, (-width, 0), -46 + swing, -14, toe=76)

    def arms(near: Point, far: Point, is_far: bool) -> None:
        if not is_far:
            upper, fore = (122, 146) if who.age == "child" else (138, 156)
            draw_arm(figure, who, near, -upper + swing, -fore, spread=True)
            draw_arm(figure, who, far, upper + swing, fore, spread=True)

    _upper_body(figure, who, (0, 0), 9, 4 + swing / 2, (0.28, 1.0), arms)
    _stand_on(figure, 0.24 + rng.uniform(0, 0.04))
    for x in (-0.14, 0.0, 0.14):
        _mark(figure, [(x, 0.17 + 0.04 * (x == 0)), (x - 0.09, 0.08)], 0.016)


def waving(figure: Figure, who: Person, rng: random.Random) -> None:
    """Standing, one open hand high and moving, the other down; looking where the hand is."""
    swing = rng.uniform(-8, 8)
    width = who.body.hips * 0.27
    draw_leg(figure, who, (width, 0), 5, 3, toe=70)
    draw_leg(figure, who, (-width, 0), -5, -3, toe=-70)
    hands: list[Point] = []

    def arms(near: Point, far: Point, is_far: bool) -> None:
        if is_far:
            draw_arm(figure, who, near, -16 + swing / 2, -4 + swing / 2)
        else:
            upper, fore = (108, 146) if who.age == "child" else (128, 166)
            hands.append(draw_arm(figure, who, far, upper + swing / 2, fore + swing, spread=True))

    _upper_body(figure, who, (0, 0), 0, swing / 3, (0.22, 1.0), arms)
    lift = -figure.bounds()[1]
    _stand_on(figure, 0.0)
    x, y = hands[0][0], hands[0][1] + lift
    size = who.body.limb * 1.9
    for factor in (1.0, 1.5):
        _mark(figure, arc_points((x, y), size * factor, -28, 42), 0.02)
    if who.age != "child":
        _mark(figure, arc_points((x, y), size * 1.1, 148, 200), 0.02)


def lifting(figure: Figure, who: Person, rng: random.Random) -> None:
    """A barbell with big discs held overhead on straight arms, in a split: one foot and the gaze ahead."""
    swing = rng.uniform(-3, 3)
    width = who.body.hips * 0.3
    draw_leg(figure, who, (width, 0), 52, -12, toe=88)
    draw_leg(figure, who, (-width, 0), -22, -42, toe=44)
    hands: list[Point] = []

    def arms(near: Point, far: Point, is_far: bool) -> None:
        if not is_far:
            hands.append(draw_arm(figure, who, near, -152 + swing, -176))
            hands.append(draw_arm(figure, who, far, 152 + swing, 176))

    _upper_body(figure, who, (0, 0), 0, 0, (0.28, 1.0), arms)
    (x0, y0), (x1, y1) = hands
    mid, slope = ((x0 + x1) / 2, (y0 + y1) / 2), (y1 - y0) / (x1 - x0)
    disc = rng.choice(((46, 48, 58), (196, 44, 50), (40, 84, 160)))

    def on_bar(x: float) -> Point:
        return mid[0] + x, mid[1] + x * slope

    figure.stroke([on_bar(-0.52), on_bar(0.52)], (206, 210, 220), 0.028, outlined=True)
    for sign in (-1, 1):
        for x, half, thick in ((0.47, 0.12, 0.075), (0.385, 0.2, 0.095)):
            low, high = on_bar(sign * x), on_bar(sign * x)
            figure.limb([(low[0], low[1] - half), (high[0], high[1] + half)], [thick] * 2, disc)
            figure.stroke(
                [(low[0] - 0.01, low[1] - half * 0.8), (low[0] - 0.01, low[1] + half * 0.8)],
                shade(disc, 0.35),
                0.016,
            )
    for x, y in hands:
        draw_hand(figure, (x, y), who.body.limb * 0.95, 180, who.skin, False)
    _stand_on(figure, 0.0)


def reading(figure: Figure, who: Person, rng: random.Random) -> None:
    """Seated on a bench or a stool with a large open book."""
    body = who.body
    seat = body.leg * 0.5
    hip = (0.0, seat + body.limb * 0.62)
    wood = rng.choice(((176, 116, 62), (150, 92, 54), (190, 138, 84)))
    bench = rng.random() < 0.5
    left, right = (-0.30, 0.17) if bench else (-0.15, 0.13)
    if bench:
        figure.limb([(left - 0.02, seat), (left - 0.05, seat + 0.30)], [0.045] * 2, wood)
    for x in (left + 0.04, right - 0.03):
        figure.limb(
            [(x, seat - 0.03), (x + (0.0 if bench else 0.05 * math.copysign(1, x)), 0.015)],
            [0.04] * 2,
            shade(wood, -0.3),
        )
    swing = rng.uniform(-4, 4)
    draw_leg(figure, who, hip, 84, 6 + swing, far=True, toe=92)
    figure.limb([(left, seat - 0.02), (right, seat - 0.02)], [0.055] * 2, wood)
    draw_leg(figure, who, hip, 80, -3 + swing, toe=90)
    grip = (
        body.torso * (0.98 if who.age != "elderly" else 1.14),
        hip[1] + body.torso * (0.66 if who.age != "elderly" else 0.58) + swing * 0.003,
    )
    half = body.arm * 0.5

    def arms(near: Point, far: Point, is_far: bool) -> None:
        root, goal = (far, (grip[0] + 0.05, grip[1])) if is_far else (near, (grip[0] - 0.06, grip[1] - 0.05))
        upper, fore = bend(root, goal, half, half * 0.86, -1)
        draw_arm(figure, who, root, upper, fore, far=is_far)
        if is_far:
            _book(figure, (grip[0] + 0.03, grip[1] + 0.05), rng)

    _upper_body(figure, who, hip, 2 + swing / 2, 16, (1.0, 1.0), arms, skirt=False)


def _book(figure: Figure, center: Point, rng: random.Random) -> None:
    """An open book, its pages turned to the viewer."""
    cover = rng.choice(((190, 40, 60), (30, 90, 170), (230, 140, 30), (20, 120, 110)))
    x, y = center
    high, page = 0.125, 0.155
    figure.shape(
        [
            (x, y - high - 0.03),
            (x + page + 0.025, y - high + 0.02),
            (x + page + 0.025, y + high + 0.045),
            (x, y + high),
            (x - page - 0.025, y + high + 0.045),
            (x - page - 0.025, y - high + 0.02),
        ],
        cover,
    )
    for sign in (-1, 1):
        edge = x + sign * page
        figure.shape(
            [(x, y - high), (edge, y - high + 0.045), (edge, y + high + 0.03), (x, y + high - 0.01)],
            (255, 252, 240),
            outlined=False,
        )
        for row in range(4):
            v = y + high * (0.62 - row * 0.42)
            a, b = (x + sign * page * 0.18, v), (x + sign * page * 0.82, v + 0.024)
            figure.stroke([a, b], (130, 134, 150), 0.014)
    figure.stroke([(x, y - high), (x, y + high - 0.01)], INK, 0.012)


def cycling(figure: Figure, who: Person, rng: random.Random) -> None:
    """On a bicycle with two large wheels, seen from the side."""
    body = who.body
    k = body.leg / 0.47
    wheel = 0.235 * k
    rear, front = (-0.35 * k, wheel), (0.37 * k, wheel)
    crank, seat, bar = (-0.03 * k, wheel * 0.95), (-0.15 * k, 0.58 * k), (0.27 * k, 0.63 * k)
    frame = rng.choice(((240, 110, 40), (30, 160, 170), (210, 50, 110), (60, 70, 90)))
    phase = rng.uniform(0.9, 1.9)
    for hub in (rear, front):
        figure.stroke(arc_points(hub, wheel, 0, 360), (52, 52, 62), 0.042, outlined=True)
        figure.stroke(arc_points(hub, wheel * 0.88, 0, 360), (226, 230, 236), 0.014)
        for spoke in range(4):
            a = math.pi * spoke / 4 + phase
            dx, dy = wheel * 0.86 * math.cos(a), wheel * 0.86 * math.sin(a)
            figure.stroke([(hub[0] - dx, hub[1] - dy), (hub[0] + dx, hub[1] + dy)], (214, 218, 226), 0.010)
    hip = (seat[0], seat[1] + body.limb * 0.5)
    arm_half, leg_half = body.arm * 0.5, body.leg * 0.49
    turn = 0.085 * k
    pedals = [
        (crank[0] + side * turn * math.cos(phase), crank[1] + side * turn * math.sin(phase))
        for side in (1, -1)
    ]

    def leg(pedal: Point, far: bool) -> None:
        ankle = (pedal[0] - 0.03, pedal[1] + body.limb * 0.45)
        thigh, shin = bend(hip, ankle, leg_half, leg_half * 0.88, 1)
        draw_leg(figure, who, hip, thigh, shin, far=far, toe=84)

    leg(pedals[1], True)
    fork = between(bar, front, 0.22)
    tubes = [
        [rear, crank],
        [crank, fork],
        [rear, between(seat, crank, 0.2)],
        [seat, crank],
        [between(seat, crank, 0.2), fork],
        [bar, front],
    ]
    for tube in tubes:
        figure.stroke(tube, frame, 0.032, outlined=True)
    figure.stroke(
        [(bar[0] - 0.07, bar[1] + 0.02), bar, (bar[0] + 0.02, bar[1] - 0.03)],
        (60, 60, 70),
        0.03,
        outlined=True,
    )
    figure.limb([(seat[0] - 0.08, seat[1] + 0.01), (seat[0] + 0.07, seat[1])], [0.05, 0.03], (50, 44, 48))
    figure.blob(crank, 0.04 * k, (200, 204, 212))
    leg(pedals[0], False)

    def arms(near: Point, far: Point, is_far: bool) -> None:
        root = far if is_far else near
        upper, fore = bend(root, (bar[0] - 0.05, bar[1] + 0.03), arm_half, arm_half * 0.95, -1)
        draw_arm(figure, who, root, upper, fore, far=is_far)

    lean = 38 if who.age == "adult" else 26 if who.age == "child" else 18
    _upper_body(figure, who, hip, lean + rng.uniform(-3, 3), 0, (1.0, 1.0), arms, skirt=False)


POSTURES: dict[str, Posture] = {
    "running": running,
    "jumping": jumping,
    "reading": reading,
    "waving": waving,
    "cycling": cycling,
    "lifting weights": lifting,
}
