"""Flat maps of a feature space: which images lie near each other, before and after a condition.

report/maps.json    points of maps by what determines them, so that a map is drawn anew only when that changed
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.files import write_text
from clay_eval.schemas.validate import parse_json, read_text

from ..scoring.threads import thread_count
from ..vectors.arrays import Float64Array, FloatArray
from ..vectors.tsne import affinities, embed

KEPT = "maps.json"
MOST_KEPT = 200
MAX_POINTS = 300
_KEPT_BYTES = 64 << 20
_SCHEMA = "clay-eval/maps/1"
_PERPLEXITY = 30.0
_ITERATIONS = 400
_SPREAD = 1e-4
_NO_SPREAD = 1e-5


def choose_points(keys: Sequence[str], labels: Sequence[str], limit: int = MAX_POINTS) -> list[int]:
    """Rows of at most `limit` images, spread over the labels as the data is, whatever order the images come in.

    Within a label images are ordered by the sha256 of their key; rank r of n stands at (r + 1/2) / n, and the first
    `limit` rows of all by that position are taken and returned in order of key.
    """
    by_label: dict[str, list[int]] = {}
    for row in sorted(range(len(keys)), key=lambda i: hashlib.sha256(keys[i].encode()).digest()):
        by_label.setdefault(labels[row], []).append(row)
    placed = [
        ((rank + 0.5) / len(rows), label, row)
        for label, rows in by_label.items()
        for rank, row in enumerate(rows)
    ]
    chosen = [row for _, _, row in sorted(placed)[:limit]]
    return sorted(chosen, key=lambda row: keys[row])


def perplexity(n: int) -> float:
    """t-SNE's perplexity for `n` points: 30, or a third of the neighbours there are."""
    return min(_PERPLEXITY, max(1.0, (n - 1) / 3))


def technique(n: int, seed: int) -> str:
    """What `two_d_map` did with `n` points, in words."""
    if n < 4:
        return "the first two principal components"
    return f"t-SNE, cosine, perplexity {perplexity(n):g}, {_ITERATIONS} iterations, seed {seed}"


def two_d_map(features: FloatArray, seed: int) -> Float64Array:
    """Place N feature rows (N, k) in the plane: (N, 2) float64 in [-1, 1], the longer side filling it.

    t-SNE on cosine distances, begun from the first two principal components of the unit rows. Fewer than 4 rows are
    placed by those components. The same rows give the same map where BLAS has one thread, as in `draw_maps`.
    """
    rows = _directions(features).astype(np.float64)
    cosines = rows @ rows.T
    start = _principal_plane(cosines, seed)
    if len(rows) < 4:
        return _to_square(start)
    distances = np.maximum(1 - cosines, 0)
    return _to_square(embed(affinities(distances, perplexity(len(rows))), start, _ITERATIONS))


@dataclass(frozen=True, eq=False)
class Scene:
    """What a map is drawn of: the images `keys` with their `labels` (N each) and features (N, k) of a method."""

    entity: str
    condition: str
    group: str | None
    method: str
    keys: Sequence[str]
    labels: Sequence[str]
    features: FloatArray
    seed: int

    @property
    def technique(self) -> str:
        """How it is drawn, in words."""
        return technique(len(self.keys), self.seed)

    @cached_property
    def sha256(self) -> str:
        """What determines the points: the rows' directions and the technique."""
        rows = _directions(self.features)
        digest = hashlib.sha256(f"{_SCHEMA} {self.technique} {rows.shape}".encode())
        digest.update(rows.astype("<f4").tobytes())
        return digest.hexdigest()

    def record(self, points: Sequence[Sequence[float]]) -> dict[str, Any]:
        """The entry of the report's `maps`."""
        return {
            "entity": self.entity,
            "conditions": [self.condition],
            "group": self.group,
            "method": self.method,
            "technique": self.technique,
            "keys": list(self.keys),
            "points": [list(point) for point in points],
            "labels": list(self.labels),
        }


Points = list[list[float]]


def draw_maps(scenes: Sequence[Scene], kept: Mapping[str, Points] | None = None) -> dict[str, Points]:
    """Return the points of every scene by its `sha256`, N pairs with 3 decimals; only what `kept` lacks is drawn.

    BLAS gets one thread, so that the same rows give the same map; maps are drawn beside each other.
    """
    from threadpoolctl import threadpool_limits

    found = {scene.sha256: (kept or {}).get(scene.sha256, []) for scene in scenes}
    missing = {s.sha256: s for s in scenes if len(found[s.sha256]) != len(s.keys)}
    if missing:
        with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(thread_count()) as pool:
            drawn = pool.map(lambda scene: two_d_map(scene.features, scene.seed), missing.values())
            found |= {name: _rounded(points) for name, points in zip(missing, drawn, strict=True)}
    return found


def read_maps(folder: Path) -> dict[str, Points]:
    """The points that `write_maps` left in `folder`, by what determines them; none where they cannot be read."""
    path = folder / KEPT
    if not path.is_file():
        return {}
    try:
        record = parse_json(read_text(path, limit=_KEPT_BYTES), path)
    except InputError:
        return {}
    known = isinstance(record, dict) and record.get("schema") == _SCHEMA
    maps = record.get("maps") if known else None
    return {k: v for k, v in maps.items() if _are_points(v)} if isinstance(maps, dict) else {}


def write_maps(folder: Path, now: Mapping[str, Points], before: Mapping[str, Points]) -> None:
    """Keep the maps of `now`, and of those `before` as many as MOST_KEPT leaves room for, the latest."""
    older = [name for name in before if name not in now]
    older = older[len(older) - min(len(older), max(MOST_KEPT - len(now), 0)) :]
    maps = {name: before[name] for name in older} | dict(now)
    if list(maps) != list(before):
        text = json.dumps({"schema": _SCHEMA, "maps": maps}, separators=(",", ":"))
        write_text(folder / KEPT, text + "\n")


def condition_maps(
    entity: str,
    condition: str,
    keys: Sequence[str],
    labels: Sequence[str],
    features: Mapping[str, FloatArray],
    *,
    seed: int,
    group: str | None = None,
) -> list[Scene]:
    """The maps of one condition to draw, one a method of `features` (method -> (N, k)), all of the same images.

    At most MAX_POINTS of the N images are shown, see `choose_points`.
    """
    rows = choose_points(keys, labels)
    shown, named = [keys[i] for i in rows], [labels[i] for i in rows]
    return [
        Scene(entity, condition, group, method, shown, named, values[rows], seed)
        for method, values in features.items()
    ]


def _directions(features: FloatArray) -> npt.NDArray[np.float32]:
    """The unit rows (N, k), rounded so that what BLAS adds up in another order is the same; zeros stay zeros."""
    rows = np.asarray(features, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    rounded: npt.NDArray[np.float32] = (unit.round(6) + 0.0).astype(np.float32)
    return rounded


def _principal_plane(cosines: Float64Array, seed: int) -> Float64Array:
    """(N, 2): the first two principal components of rows with these inner products (N, N), small as t-SNE wants its start;
    noise where there is no spread."""
    means = cosines.mean(axis=0)
    values, vectors = np.linalg.eigh(cosines - means - means[:, None] + means.mean())
    width = min(2, len(cosines))
    plane = np.zeros((len(cosines), 2))
    plane[:, :width] = (vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1][:, :width]
    largest = np.abs(plane).argmax(axis=0)
    plane *= np.where(plane[largest, [0, 1]] < 0, -1.0, 1.0)
    deviation = plane[:, 0].std()
    noise = np.random.default_rng(seed).normal(size=plane.shape)
    scaled = plane / deviation if deviation > _NO_SPREAD else noise
    return np.asarray(scaled * _SPREAD + noise * _SPREAD * 1e-3, dtype=np.float64)


def _to_square(points: Float64Array) -> Float64Array:
    low, high = points.min(axis=0), points.max(axis=0)
    reach = float((high - low).max()) / 2
    centred = points - (low + high) / 2
    return centred / reach if reach > 0 else np.zeros_like(points)


def _rounded(points: Float64Array) -> Points:
    return [[float(x), float(y)] for x, y in np.round(points, 3) + 0.0]


def _are_points(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(_is_place(number) for number in pair)
        for pair in value
    )


def _is_place(number: object) -> bool:
    return isinstance(number, int | float) and abs(number) <= 1
