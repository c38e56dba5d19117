"""A world with known answers: a picture's features are the sum of its values' vectors, and so are a text's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import numpy.typing as npt

from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.retrieval.study import Study
from clay_eval.evaluator.vectors.arrays import Float64Array, unit_rows
from clay_eval.schemas.texts import ConditionText

WIDTH = 48
VALUES = {
    "color": ("red", "green", "blue", "yellow"),
    "shape": ("ball", "cube", "cone"),
    "place": ("beach", "forest", "street", "kitchen", "stadium"),
}


class Encoder:
    """Encodes texts as the common direction, a vector a word that is a value, and a vector a carrier phrase."""

    def __init__(self, vectors: Mapping[str, Float64Array], seed: int = 0) -> None:
        self.vectors = dict(vectors)
        self.common = 2 * np.eye(WIDTH)[0]
        self._seed = seed
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Float64Array:
        self.asked += texts
        return unit_rows(np.stack([self._one(text) for text in texts]))

    def _one(self, text: str) -> Float64Array:
        named = [word for word in self.vectors if re.search(rf"\b{re.escape(word)}\b", text)]
        first = text.split(" of ")[0]
        carrier = np.random.default_rng([self._seed, *first.encode()]).normal(size=WIDTH)
        return self.common + sum((self.vectors[w] for w in named), np.zeros(WIDTH)) + 0.05 * carrier


def orthogonal(values: Mapping[str, Sequence[str]], seed: int = 0) -> dict[str, Float64Array]:
    """A unit vector of its own for every value, all orthogonal, and to the common direction."""
    names = [value for group in values.values() for value in group]
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(WIDTH - 1, WIDTH - 1)))
    return {name: np.concatenate([[0.0], basis[:, i]]) for i, name in enumerate(names)}


def study(
    values: Mapping[str, Sequence[str]] | None = None,
    *,
    copies: int = 3,
    vectors: Mapping[str, Float64Array] | None = None,
    noise: float = 0.1,
    seed: int = 0,
    entity: str = "planted",
    labels: Mapping[str, Sequence[str]] | None = None,
) -> Study:
    """A study of all combinations of `values`, `copies` of each, or of the given `labels`."""
    values = values or VALUES
    known = dict(vectors or orthogonal(values, seed))
    encode = Encoder(known, seed)
    if labels is None:
        rows = [row for row in product(*values.values()) for _ in range(copies)]
        labels = {name: [row[i] for row in rows] for i, name in enumerate(values)}
    count = len(next(iter(labels.values())))
    generator = np.random.default_rng(seed + 1)
    features: npt.NDArray[np.float64] = np.stack(
        [
            encode.common + sum((known[labels[name][i]] for name in labels), np.zeros(WIDTH))
            for i in range(count)
        ]
    ) + noise * generator.normal(size=(count, WIDTH))
    items = {
        name: tuple(ConditionText(f"a photo of {value}", value) for value in group)
        for name, group in values.items()
        if name in labels
    }
    bare = Study(
        unit_rows(features),
        labelled=Labelled(
            [f"k{i:04d}" for i in range(count)], {n: tuple(v) for n, v in labels.items()}, {}, entity
        ),
        items=items,
        encode=encode,
    )
    return replace(bare, texts=bare.encoded(items))
