"""Flat maps of a feature space: which images lie near each other, before and after a condition."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
MAX_POINTS = 400
_PERPLEXITY = 30.0
_ITERATIONS = 500
_SPREAD = 1e-4


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


def two_d_map(features: FloatArray, seed: int) -> npt.NDArray[np.float64]:
    """Place N feature rows (N, k) in the plane: (N, 2) float64 in [-1, 1], the longer side filling it.

    t-SNE on cosine distances, begun from the first two principal components of the unit rows. Fewer than 4 rows are
    placed by those components. One thread, so that the same rows give the same map.
    """
    rows = np.asarray(features, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    start = _principal_plane(rows, seed)
    if len(rows) < 4:
        return _to_square(start)
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    tsne = TSNE(
        n_components=2,
        metric="cosine",
        init=start.astype(np.float32),
        perplexity=perplexity(len(rows)),
        max_iter=_ITERATIONS,
        random_state=seed,
    )
    with threadpool_limits(limits=1):
        return _to_square(np.asarray(tsne.fit_transform(rows), dtype=np.float64))


def map_record(
    entity: str,
    condition: str,
    method: str,
    keys: Sequence[str],
    labels: Sequence[str],
    features: FloatArray,
    *,
    seed: int,
    group: str | None = None,
) -> dict[str, Any]:
    """One entry of the report's `maps`: the images `keys` with their `labels` (N each) and features (N, k) of a method."""
    points = two_d_map(features, seed)
    return {
        "entity": entity,
        "conditions": [condition],
        "group": group,
        "method": method,
        "technique": technique(len(keys), seed),
        "keys": list(keys),
        "points": [[float(x), float(y)] for x, y in np.round(points, 3) + 0.0],
        "labels": list(labels),
    }


def condition_maps(
    entity: str,
    condition: str,
    keys: Sequence[str],
    labels: Sequence[str],
    features: Mapping[str, FloatArray],
    *,
    seed: int,
    group: str | None = None,
) -> list[dict[str, Any]]:
    """The maps of one condition, one a method of `features` (method -> (N, k)), all of the same images.

    At most MAX_POINTS of the N images are shown, see `choose_points`.
    """
    rows = choose_points(keys, labels)
    shown, named = [keys[i] for i in rows], [labels[i] for i in rows]
    return [
        map_record(entity, condition, method, shown, named, values[rows], seed=seed, group=group)
        for method, values in features.items()
    ]


def _principal_plane(rows: FloatArray, seed: int) -> npt.NDArray[np.float64]:
    """(N, 2): the first two principal components, small as t-SNE wants its start; noise where there is no spread."""
    centred = rows - rows.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(rows), 2))
    width = min(2, singular.size)
    plane[:, :width] = left[:, :width] * singular[:width]
    largest = np.abs(plane).argmax(axis=0)
    plane *= np.where(plane[largest, [0, 1]] < 0, -1.0, 1.0)
    deviation = plane[:, 0].std()
    noise = np.random.default_rng(seed).normal(size=plane.shape)
    scaled = plane / deviation if deviation > 1e-12 else noise
    return np.asarray(scaled * _SPREAD + noise * _SPREAD * 1e-3, dtype=np.float64)


def _to_square(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low, high = points.min(axis=0), points.max(axis=0)
    reach = float((high - low).max()) / 2
    centred = points - (low + high) / 2
    return centred / reach if reach > 0 else np.zeros_like(points)
