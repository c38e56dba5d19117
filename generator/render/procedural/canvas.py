"""A small antialiased canvas in unit coordinates: (0, 0) is the top left corner, (1, 1) the bottom right.

Everything is drawn as polygons on a supersampled picture and reduced once at the end, so a shape looks the same at
any size and the bytes depend on the Pillow version only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from PIL import Image, ImageDraw

Point = tuple[float, float]
Color = tuple[int, int, int]
Affine = tuple[float, float, float, float, float, float]

IDENTITY: Affine = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def mix(a: Color, b: Color, share: float) -> Color:
    """`a` with `share` (0 to 1) of `b` mixed in."""
    r, g, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return r, g, blue


def shade(color: Color, amount: float) -> Color:
    """Lighter for a positive `amount`, darker for a negative one (-1 to 1)."""
    return mix(color, (255, 255, 255) if amount >= 0 else (0, 0, 0), abs(amount))


def compose(outer: Affine, inner: Affine) -> Affine:
    """The affine map that applies `inner` first, then `outer`; rows (a, b, c), (d, e, f)."""
    a, b, c, d, e, f = outer
    g, h, i, j, k, m = inner
    return (
        a * g + b * j,
        a * h + b * k,
        a * i + b * m + c,
        d * g + e * j,
        d * h + e * k,
        d * i + e * m + f,
    )


class Canvas:
    """A square picture of `size` pixels a side; call `finish` for the reduced RGB image."""

    def __init__(self, size: int, background: Color = (255, 255, 255)) -> None:
        self.size = size
        self.supersample = 4 if size <= 128 else 3 if size <= 256 else 2
        self.side = size * self.supersample
        self.image = Image.new("RGB", (self.side, self.side), background)
        self._draw = ImageDraw.Draw(self.image)
        self._matrix: Affine = IDENTITY

    @contextmanager
    def transformed(
        self,
        *,
        center: Point = (0.5, 0.5),
        move: Point = (0.0, 0.0),
        degrees: float = 0.0,
        scale: float | Point = 1.0,
    ) -> Iterator[None]:
        """Draw inside scaled, then rotated (clockwise on screen) about `center`, then moved; transforms nest.

        A negative x scale mirrors.
        """
        sx, sy = (scale, scale) if isinstance(scale, (int, float)) else scale
        cx, cy = center
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        a, b, d, e = cos * sx, -sin * sy, sin * sx, cos * sy
        local = (a, b, cx + move[0] - a * cx - b * cy, d, e, cy + move[1] - d * cx - e * cy)
        saved = self._matrix
        self._matrix = compose(saved, local)
        try:
            yield
        finally:
            self._matrix = saved

    def _pixels(self, points: Iterable[Point]) -> list[Point]:
        a, b, c, d, e, f = self._matrix
        s = self.side
        return [((a * x + b * y + c) * s, (d * x + e * y + f) * s) for x, y in points]

    def _length(self, length: float) -> float:
        a, b, _, d, e, _ = self._matrix
        return length * math.sqrt(abs(a * e - b * d)) * self.side

    def polygon(
        self,
        points: Sequence[Point],
        fill: Color | None,
        outline: Color | None = None,
        width: float = 0.012,
    ) -> None:
        """A filled polygon; `outline` is stroked centred on the border, `width` in unit coordinates."""
        pixels = self._pixels(points)
        if fill is not None:
            self._draw.polygon(pixels, fill=fill)
        if outline is not None:
            self._stroke([*pixels, pixels[0]], outline, self._length(width))

    def ellipse(
        self,
        center: Point,
        radii: float | Point,
        fill: Color | None,
        outline: Color | None = None,
        width: float = 0.012,
        *,
        start: float = 0.0,
        stop: float = 360.0,
    ) -> None:
        """An ellipse, or the chord from `start` to `stop` degrees (clockwise from three o'clock)."""
        self.polygon(arc_points(center, radii, start, stop), fill, outline, width)

    def line(self, points: Sequence[Point], color: Color, width: float) -> None:
        """A polyline with round joints and caps."""
        self._stroke(self._pixels(points), color, self._length(width))

    def taper(self, start: Point, end: Point, start_width: float, end_width: float, color: Color) -> None:
        """A limb: a segment with round ends whose width goes from `start_width` to `end_width`."""
        (x0, y0), (x1, y1) = start, end
        length = math.hypot(x1 - x0, y1 - y0) or 1e-9
        nx, ny = -(y1 - y0) / length, (x1 - x0) / length
        h0, h1 = start_width / 2, end_width / 2
        self.polygon(
            [
                (x0 + nx * h0, y0 + ny * h0),
                (x1 + nx * h1, y1 + ny * h1),
                (x1 - nx * h1, y1 - ny * h1),
                (x0 - nx * h0, y0 - ny * h0),
            ],
            color,
        )
        self.ellipse(start, h0, color)
        self.ellipse(end, h1, color)

    def box(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        fill: Color | None,
        outline: Color | None = None,
        width: float = 0.012,
        *,
        radius: float = 0.0,
    ) -> None:
        """An axis-aligned box (in the current transform), with rounded corners if `radius` > 0."""
        self.polygon(box_points(left, top, right, bottom, radius), fill, outline, width)

    def gradient(self, top: float, bottom: float, above: Color, below: Color) -> None:
        """A vertical blend over the full width, untransformed."""
        first, last = round(top * self.side), round(bottom * self.side)
        for y in range(first, last):
            self._draw.line(
                [(0, y), (self.side, y)], fill=mix(above, below, (y - first) / max(1, last - first - 1))
            )

    def _stroke(self, pixels: list[Point], color: Color, width: float) -> None:
        thick = max(1, round(width))
        self._draw.line(pixels, fill=color, width=thick, joint="curve")
        radius = width / 2
        if radius > 1:
            for x, y in (pixels[0], pixels[-1]):
                self._draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=color)

    def finish(self, tint: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Image.Image:
        """The picture, `size` x `size` RGB, each channel multiplied by `tint`."""
        small = self.image.reduce(self.supersample)
        if tint == (1.0, 1.0, 1.0):
            return small
        return small.point([min(255, round(v * t)) for t in tint for v in range(256)])


def arc_points(center: Point, radii: float | Point, start: float = 0.0, stop: float = 360.0) -> list[Point]:
    """Points along an ellipse's arc, in degrees clockwise from three o'clock."""
    rx, ry = (radii, radii) if isinstance(radii, (int, float)) else radii
    steps = max(6, round(abs(stop - start) / 12))
    return [
        (
            center[0] + rx * math.cos(math.radians(start + (stop - start) * i / steps)),
            center[1] + ry * math.sin(math.radians(start + (stop - start) * i / steps)),
        )
        for i in range(steps + 1)
    ]


def box_points(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> list[Point]:
    """The corners of a box, or the outline of a rounded one."""
    r = min(radius, (right - left) / 2, (bottom - top) / 2)
    if r <= 0:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    corners = [
        (right - r, top + r, -90),
        (right - r, bottom - r, 0),
        (left + r, bottom - r, 90),
        (left + r, top + r, 180),
    ]
    return [p for x, y, angle in corners for p in arc_points((x, y), r, angle, angle + 90)]
