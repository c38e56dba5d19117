"""Wrong labels, planted at random, for tests of the audit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clay_eval.evaluator.pictures.labelled import Labelled


def planted(
    labelled: Labelled, attribute: str, share: float = 0.02, seed: int = 0
) -> tuple[Labelled, set[int]]:
    """The labels with a share of one attribute's replaced by another value at random, and the rows that were hit.

    A nested attribute gets another value of the same parent.
    """
    draw = np.random.default_rng(seed)
    column = list(labelled.labels[attribute])
    parent = labelled.parents.get(attribute)
    above = labelled.labels[parent] if parent else [""] * len(column)
    hit = set()
    for row in draw.choice(len(column), max(1, round(share * len(column))), replace=False).tolist():
        here = {v for v, up in zip(labelled.labels[attribute], above, strict=True) if up == above[row]}
        if others := sorted(here - {column[row]}):
            column[row] = others[int(draw.integers(len(others)))]
            hit.add(row)
    return replace(labelled, labels={**labelled.labels, attribute: column}), hit
