"""Geometry of the page's drawings: scatter plots as SVG paths, dots and bars as shares of their track.

Everything is plain numbers and path strings made of them, so a drawing follows the page's colour scheme, is the same
bytes every time, and cannot carry anyone's markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .tables import Table

SIZE = 320
_MARGIN = 14
_PALETTE = (
    "#2f7ed8",
    "#e4572e",
    "#2a9d6f",
    "#9b5de5",
    "#d99a00",
    "#d6538f",
    "#1aa5b8",
    "#8a6d3b",
    "#7c8a1e",
    "#8792a2",
)
_NAMED = {
    "red": "#d92d2d",
    "orange": "#f07f13",
    "yellow": "#e8c400",
    "green": "#2e9e44",
    "blue": "#2f6fdd",
    "purple": "#8446c4",
    "violet": "#8446c4",
    "pink": "#f285b5",
    "brown": "#8a5a2b",
    "black": "#20242a",
    "white": "#f4f4f4",
    "grey": "#8c929b",
    "gray": "#8c929b",
    "silver": "#b9bfc7",
    "gold": "#c99a1c",
    "cyan": "#17b3c4",
    "turquoise": "#17b3c4",
    "teal": "#0e8080",
    "navy": "#23356f",
    "beige": "#d9c8a3",
}
_SHAPES = ("circle", "square", "triangle", "diamond", "cross")
_OTHER = "#8792a2"
_DISTINCT = len(_PALETTE) * len(_SHAPES)


@dataclass(frozen=True)
class Mark:
    """All points of one label: how many, their colour (#rrggbb) and shape, and SVG paths of them and of a legend sample."""

    label: str
    count: int
    color: str
    shape: str
    path: str
    sample: str


@dataclass(frozen=True)
class Series:
    """A method in the dot chart, and its style, from 0 to 4."""

    method: str
    title: str
    style: int


@dataclass(frozen=True)
class Dot:
    """A value on a track from 0 to 100, with its interval; `series` is the method's style, from 0 to 4."""

    series: int
    title: str
    text: str
    at: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Track:
    """One line of the dot chart."""

    conditions: tuple[str, ...]
    chance: float | None
    dots: tuple[Dot, ...]


def shape_path(shape: str, x: float, y: float, r: float) -> str:
    """The SVG path of one mark of radius about `r` at (x, y)."""
    if shape == "circle":
        return f"M{x - r:.1f} {y:.1f}a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0 {-2 * r:g} 0z"
    if shape == "square":
        side = 1.75 * r
        return f"M{x - side / 2:.1f} {y - side / 2:.1f}h{side:g}v{side:g}h{-side:g}z"
    if shape == "triangle":
        return f"M{x:.1f} {y - 1.2 * r:.1f}l{1.1 * r:.1f} {2 * r:.1f}h{-2.2 * r:.1f}z"
    if shape == "diamond":
        d = 1.3 * r
        return f"M{x:.1f} {y - d:.1f}l{d:.1f} {d:.1f}l{-d:.1f} {d:.1f}l{-d:.1f} {-d:.1f}z"
    arm, thick = 1.25 * r, 0.4 * r
    out = arm - thick
    return (
        f"M{x - thick:.1f} {y - arm:.1f}h{2 * thick:.1f}v{out:.1f}h{out:.1f}v{2 * thick:.1f}h{-out:.1f}v{out:.1f}"
        f"h{-2 * thick:.1f}v{-out:.1f}h{-out:.1f}v{-2 * thick:.1f}h{out:.1f}z"
    )


def label_styles(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Label -> (colour, shape), in sorted order of the labels; values that are colours are shown in their own colour.

    Shapes change with the colour, so that neither has to be told apart alone. Beyond 50 labels the rest share a style.
    """
    names = sorted(set(labels))
    own = all(name.casefold() in _NAMED for name in names)
    styles = {}
    for place, name in enumerate(names):
        shape = _SHAPES[(place + place // len(_PALETTE)) % len(_SHAPES)]
        color = _NAMED[name.casefold()] if own else _PALETTE[place % len(_PALETTE)]
        styles[name] = (color, shape) if place < _DISTINCT else (_OTHER, "circle")
    return styles


def scatter(
    points: Sequence[Sequence[float]],
    labels: Sequence[str],
    styles: Mapping[str, tuple[str, str]],
    r: float = 4.0,
) -> list[Mark]:
    """Marks for points in [-1, 1] x [-1, 1] on a canvas of SIZE x SIZE, one entry a label, in sorted order."""
    scale = SIZE / 2 - _MARGIN
    paths: dict[str, list[str]] = {}
    for (x, y), label in zip(points, labels, strict=True):
        at = (SIZE / 2 + scale * _clip(x), SIZE / 2 - scale * _clip(y))
        paths.setdefault(label, []).append(shape_path(styles[label][1], *at, r))
    counts = Counter(labels)
    return [
        Mark(
            label, counts[label], *styles[label], "".join(paths[label]), shape_path(styles[label][1], 8, 8, 5)
        )
        for label in sorted(paths)
    ]


def tracks(tables: Sequence[Table | None], series: Sequence[Series]) -> list[Track]:
    """The dot chart's lines: every column of the tables, every row of a method in `series` a dot."""
    styles = {one.method: one.style for one in series}
    lines = []
    for table in filter(None, tables):
        for i, column in enumerate(table.columns):
            dots = tuple(
                Dot(
                    styles[row.method],
                    row.title,
                    row.cells[i].text,
                    100 * (row.cells[i].value or 0.0),
                    _hundred(row.cells[i].low),
                    _hundred(row.cells[i].high),
                )
                for row in table.rows
                if row.method in styles and row.cells[i].value is not None
            )
            lines.append(Track(column, _hundred(table.chance[i]), dots))
    return lines


def shares(counts: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """(value, count, percent of the largest count), largest scale 100, in the order given."""
    largest = max(counts.values(), default=0) or 1
    return [(value, count, 100 * count / largest) for value, count in counts.items()]


def _hundred(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _clip(value: float) -> float:
    return max(-1.0, min(1.0, float(value)))
