"""A display list for one figure, in figure coordinates: x forward, y up, origin on the ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .canvas import Canvas, Color, Point, arc_points

INK: Color = (38, 34, 48)
HALO: Color = (255, 253, 246)


def reach(start: Point, length: float, degrees: float) -> Point:
    """The point `length` from `start`; 0 degrees hangs down, 90 points forward, 180 up."""
    angle = math.radians(degrees)
    return start[0] + length * math.sin(angle), start[1] - length * math.cos(angle)


def between(a: Point, b: Point, share: float) -> Point:
    """The point `share` (0 to 1) of the way from `a` to `b`."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def bend(root: Point, target: Point, upper: float, lower: float, side: int) -> tuple[float, float]:
    """Angles (degrees, as in `reach`) of two bones from `root` to `target`, the joint on `side` (+1, -1).

    The law of cosines; a target out of range is approached as far as the bones go.
    """
    dx, dy = target[0] - root[0], target[1] - root[1]
    span = min(max(math.hypot(dx, dy), abs(upper - lower) + 1e-6), (upper + lower) * 0.999)
    base = math.atan2(dx, -dy)
    at_root = math.acos((upper**2 + span**2 - lower**2) / (2 * upper * span))
    at_joint = math.acos((upper**2 + lower**2 - span**2) / (2 * upper * lower))
    first = base + side * at_root
    return math.degrees(first), math.degrees(first - side * (math.pi - at_joint))


def capsule(a: Point, b: Point, ra: float, rb: float) -> list[Point]:
    """The outline of a segment with round ends of radii `ra` and `rb`."""
    angle = math.atan2(b[1] - a[1], b[0] - a[0])
    turns = [math.pi * (i / 6 - 0.5) for i in range(7)]
    ends = [(b[0] + rb * math.cos(angle + t), b[1] + rb * math.sin(angle + t)) for t in turns]
    return ends + [(a[0] - ra * math.cos(angle + t), a[1] - ra * math.sin(angle + t)) for t in turns]


@dataclass
class Part:
    """Polygons (or, if `width` is set, open strokes) of one colour; `outlined` parts get ink and a halo."""

    paths: list[list[Point]]
    color: Color
    outlined: bool = True
    width: float | None = None


class Figure:
    """Collects parts back to front; `paint` fits nothing, it only draws."""

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def shape(self, points: Sequence[Point], color: Color, *, outlined: bool = True) -> None:
        """A filled polygon."""
        self.parts.append(Part([list(points)], color, outlined))

    def blob(
        self,
        center: Point,
        radii: float | Point,
        color: Color,
        *,
        degrees: float = 0.0,
        outlined: bool = True,
    ) -> None:
        """A filled ellipse, turned by `degrees`."""
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        turned = [
            (center[0] + x * cos - y * sin, center[1] + x * sin + y * cos)
            for x, y in arc_points((0, 0), radii)
        ]
        self.parts.append(Part([turned], color, outlined))

    def limb(
        self, points: Sequence[Point], widths: Sequence[float], color: Color, *, outlined: bool = True
    ) -> None:
        """A chain of tapered segments through `points`, one width a point."""
        paths = [
            capsule(points[i], points[i + 1], widths[i] / 2, widths[i + 1] / 2)
            for i in range(len(points) - 1)
        ]
        self.parts.append(Part(paths, color, outlined))

    def stroke(self, points: Sequence[Point], color: Color, width: float, *, outlined: bool = False) -> None:
        """An open line."""
        self.parts.append(Part([list(points)], color, outlined, width))

    def shift(self, dx: float, dy: float) -> None:
        """Move everything collected so far."""
        for part in self.parts:
            part.paths = [[(x + dx, y + dy) for x, y in path] for path in part.paths]

    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) of all parts, in figure coordinates."""
        points = [p for part in self.parts for path in part.paths for p in path]
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        return min(xs), min(ys), max(xs), max(ys)

    def footprint(self, height: float) -> tuple[float, float]:
        """(left, right) of everything lower than `height`; (0, 0) if nothing is."""
        xs = [p[0] for part in self.parts for path in part.paths for p in path if p[1] < height]
        return min(xs, default=0.0), max(xs, default=0.0)

    def paint(self, canvas: Canvas, origin: Point, scale: Point, *, ink: float, halo: float) -> None:
        """Draw with the figure's origin at `origin`; `ink` and `halo` are line widths in picture units."""
        unit = abs(scale[0])
        with canvas.transformed(center=(0, 0), move=origin, scale=(scale[0], -scale[1])):
            for reach_out, color in ((2 * (ink + halo), HALO), (0.0, INK)):
                for part in self.parts:
                    if color == INK:
                        self._paint_part(canvas, part, 2 * ink / unit)
                    elif part.outlined and halo > 0:
                        for path in part.paths:
                            closed = path if part.width is not None else [*path, path[0]]
                            canvas.line(closed, color, (part.width or 0.0) + reach_out / unit)

    @staticmethod
    def _paint_part(canvas: Canvas, part: Part, ink: float) -> None:
        if part.width is not None:
            for path in part.paths:
                if part.outlined:
                    canvas.line(path, INK, part.width + ink)
                canvas.line(path, part.color, part.width)
            return
        if part.outlined:
            for path in part.paths:
                canvas.line([*path, path[0]], INK, ink)
        for path in part.paths:
            canvas.polygon(path, part.color)
