"""A flat map of vectors, fast enough to be made anew while sliders move: their first two principal components."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..vectors.arrays import FloatArray

FIT_ROWS = 20_000
"""Rows that decide the components; the others are only placed by them."""
MOST_POINTS = 200_000
_LARGEST = 65_535
_ALIGNMENT = 4
_QUANTILE = 0.001
"""Share of the points on either side that may lie outside the square, so that a few far ones do not shrink all others."""

Points = npt.NDArray[np.uint16]


def drawn_rows(count: int, most: int = MOST_POINTS) -> npt.NDArray[np.int64]:
    """Rows that are drawn of `count`: all, or `most` of them spread evenly."""
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).astype(np.int64)


def flat_map(rows: FloatArray) -> Points:
    """Place rows (N, k) in the plane: (N, 2) uint16, the longer side of the bulk of them from 0 to 65,535.

    By the two directions of largest variance of at most FIT_ROWS rows spread evenly; the sign of each is that of its largest
    loading, so that the same rows give the same map.
    """
    fitted = rows[drawn_rows(len(rows), FIT_ROWS)].astype(np.float64)
    centre = fitted.mean(axis=0)
    fitted -= centre
    directions = np.linalg.eigh(fitted.T @ fitted)[1][:, ::-1][:, :2]
    if directions.shape[1] < 2:  # a space of one dimension
        directions = np.concatenate([directions, np.zeros_like(directions)], axis=1)
    strongest = np.abs(directions).argmax(axis=0)
    directions = directions * np.where(directions[strongest, [0, 1]] < 0, -1, 1)
    points = rows @ directions.astype(rows.dtype) - (centre @ directions).astype(rows.dtype)
    return _quantised(points)


def _quantised(points: FloatArray) -> Points:
    low, high = np.quantile(points, [_QUANTILE, 1 - _QUANTILE], axis=0)
    middle, side = (low + high) / 2, float((high - low).max()) or 1.0
    placed = np.clip((points - middle) / side + 0.5, 0, 1) * _LARGEST
    quantised: Points = placed.round().astype(np.uint16)
    return quantised


def packed(points: Points, codes: npt.NDArray[np.uint16], about: Mapping[str, Any]) -> bytes:
    """What a browser reads: the length of a JSON text (4 bytes), the text, points (N, 2) and codes (N,), little-endian.

    Spaces behind the text bring the numbers to a multiple of 4 bytes.
    """
    text = json.dumps({**about, "points": len(points)}).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return b"".join(
        (len(text).to_bytes(4, "little"), text, points.astype("<u2").tobytes(), codes.astype("<u2").tobytes())
    )
