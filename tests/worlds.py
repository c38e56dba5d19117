"""A made-up world for the evaluator's tests: images and texts as sums of one vector a value, plus noise."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from clay_eval.evaluator.methods.support.specs import Method, prepare_methods
from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.retrieval.engine import evaluate_features
from clay_eval.evaluator.retrieval.results import Failure, Outcome
from clay_eval.evaluator.retrieval.splits import combination_codes
from clay_eval.evaluator.retrieval.study import Extras, Study, TextFeatures
from clay_eval.evaluator.statistics.scoreboard import Inference, results_of

KINDS = {"shoes": ("boot", "sandal"), "bags": ("tote", "clutch")}
COLORS = ("red", "blue", "green")


class World:
    """What an encoder would give for labelled pictures and for the texts of their conditions."""

    def __init__(self, seed: int = 0, copies: int = 12, d: int = 48) -> None:
        generator = np.random.default_rng(seed)
        rows = [
            (k, s, c) for k, subs in KINDS.items() for s, c in product(subs, COLORS) for _ in range(copies)
        ]
        values = sorted({value for row in rows for value in row})
        meaning = dict(zip(values, generator.standard_normal((len(values), d)), strict=True))
        centre = generator.standard_normal(d)
        noise = generator.standard_normal((len(rows), d)) * 1.5
        self.features = (
            np.stack([np.sum([meaning[v] for v in row], axis=0) for row in rows]) + noise + 2 * centre
        ).astype(np.float32)
        names = ("category", "subcategory", "color")
        labels = {name: [row[i] for row in rows] for i, name in enumerate(names)}
        keys = [f"o{i:04d}" for i in range(len(rows))]
        self.labelled = Labelled(keys, labels, {"subcategory": "category"}, "object")

        def text(*chosen: str) -> np.ndarray:
            return np.stack([meaning[v] * 2 + generator.standard_normal(d) * 0.3 - centre for v in chosen])

        subs = [s for values in KINDS.values() for s in values] * 3
        parents = [k for k, values in KINDS.items() for _ in values] * 3
        self.texts = {
            "category": TextFeatures(text(*list(KINDS) * 4), None, list(KINDS) * 4),
            "subcategory": TextFeatures(text(*subs), parents, subs),
            "color": TextFeatures(text(*COLORS * 4), [None] * 12, COLORS * 4),
        }
        self.extras = Extras(
            name=lambda condition: np.mean(self.texts[condition].features, axis=0),
            generic=lambda: np.random.default_rng(9).standard_normal((60, d)),
        )

    def study(self, **changes: Any) -> Study:
        """What methods are run on."""
        given = {"extras": self.extras, "labelled": self.labelled, "encoder": "test"}
        return Study(self.features, self.texts, **given | changes)

    def outcomes(self, *methods: str | Method, **options: Any) -> tuple[list[Outcome], list[Failure]]:
        """Outcomes and failures of methods by spec, or ready made."""
        prepared = [
            method if isinstance(method, Method) else prepare_methods([method])[0]
            for method in methods or ("raw", "clay", "ip-composer")
        ]
        arguments = {"entity": "object", "encoder": "test", "extras": self.extras} | options
        return evaluate_features(self.features, self.labelled, self.texts, prepared, **arguments)

    def values(self, *methods: str | Method, **options: Any) -> dict[tuple[str, tuple[str, ...]], float]:
        """(method, conditions) -> mAP."""
        outcomes, _ = self.outcomes(*methods, **options)
        clusters = combination_codes(self.labelled)
        results = results_of(outcomes, ["AP"], Inference(draws=10), clusters)
        return {(r.method, r.conditions): float("nan") if r.value is None else r.value for r in results}


def relabelled(world: World, **labels: list[str]) -> World:
    """The world with other labels."""
    world.labelled = Labelled(
        world.labelled.keys, dict(world.labelled.labels) | labels, world.labelled.parents, "object"
    )
    return world
