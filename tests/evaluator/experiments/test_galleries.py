"""What is said beside the numbers of galleries."""

from __future__ import annotations

import numpy as np

from clay_eval.evaluator.experiments.galleries import few_queries
from clay_eval.evaluator.retrieval.galleries import GalleryScores


def test_conditions_of_few_queries_are_named_beside_their_intervals() -> None:
    def scores(condition: str, count: int) -> GalleryScores:
        return GalleryScores("raw", condition, np.arange(count), {}, {})

    (said,) = few_queries([scores("color", 2), scores("shape", 10), scores("size", 9)])
    assert said.startswith("fewer than 10 queries for color (2), size (9):")
    assert few_queries([scores("color", 10)]) == []
