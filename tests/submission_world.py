"""Made-up pictures of two nested attributes and a colour, in memory, with vectors for them and for any text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clay_eval.evaluator.embedding.store import EntityFeatures
from clay_eval.evaluator.evaluation.prepared import Evaluation, prepare
from clay_eval.evaluator.evaluation.settings import EvaluationSettings
from clay_eval.evaluator.methods.support.specs import Method
from clay_eval.evaluator.pictures.labelled import Labelled, Unit
from clay_eval.evaluator.vectors.arrays import FloatArray, unit_rows

KINDS = {"shoes": ("boot", "sandal"), "bags": ("tote", "clutch")}
COLORS = ("red", "blue", "green")
WIDTH = 24


class Pictures:
    """An image source without pictures: labels are all that scoring needs."""

    def __init__(
        self, copies: int = 7, entities: Sequence[str] = ("object",), fingerprint: str = "ab" * 32
    ) -> None:
        rows = [
            (kind, sub, color)
            for kind, subs in KINDS.items()
            for sub in subs
            for color in COLORS
            for _ in range(copies)
        ]
        names = ("category", "subcategory", "color")
        self.fingerprint = fingerprint
        self.entities: Mapping[str, Labelled] = {
            entity: Labelled(
                tuple(
                    f'{entity} "{i:03d}"\\é\n' if i == 5 else f"{entity}-{i:03d}" for i in range(len(rows))
                ),
                {name: tuple(row[n] for row in rows) for n, name in enumerate(names)},
                {"subcategory": "category"},
                entity,
            )
            for entity in entities
        }

    def units(self) -> tuple[Unit, ...]:
        return tuple(Unit(name, "00" * 32, name, labels.keys) for name, labels in self.entities.items())

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        raise AssertionError(unit)


class Vectors:
    """A picture is the sum of its values' vectors and noise, a text the vector of the value it names."""

    identity: Mapping[str, Any] = {"name": "made-up", "demonstration": True, "weights_sha256": "cd" * 32}

    def one(self, word: str) -> FloatArray:
        return np.random.default_rng(list(word.encode())).standard_normal(WIDTH)

    def images(self, source: Any) -> Mapping[str, EntityFeatures]:
        found = {}
        for name, labels in source.entities.items():
            rows = zip(*labels.labels.values(), strict=True)
            noise = np.random.default_rng(1).standard_normal((len(labels.keys), WIDTH)) * 1.6
            matrix = np.stack([sum(self.one(value) for value in row) for row in rows]) + noise
            found[name] = EntityFeatures(labels.keys, unit_rows(matrix.astype(np.float32)))
        return found

    def texts(self, texts: Sequence[str]) -> FloatArray:
        vectors = [
            self.one(text.split()[-1]) + 0.3 * np.random.default_rng(len(text)).standard_normal(WIDTH)
            for text in texts
        ]
        return unit_rows(np.stack(vectors).astype(np.float32))

    def logit_scale(self) -> float:
        return 100.0


def evaluation_of(
    spec: str | Method, source: Any = None, split_file: Path | None = None, **settings: Any
) -> Evaluation:
    """The evaluation of one method."""
    methods = [spec] if isinstance(spec, Method) else None
    chosen = EvaluationSettings(
        methods=(spec.name if isinstance(spec, Method) else spec,),
        **{"measures": ("AP", "AP@R", "nDCG(graded)"), "bootstrap_draws": 200, **settings},
    )
    return prepare(source or Pictures(), chosen, methods=methods, split=split_file)
