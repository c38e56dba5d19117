"""Rank and between-value share against a literal computation, their limits, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from clay_eval.evaluator.vectors.text_quality import text_quality
from clay_eval.schemas.errors import InputError


def literal(features: np.ndarray, values: list[str]) -> float:
    x = features / np.linalg.norm(features, axis=1, keepdims=True)
    mu = x.mean(axis=0) / np.linalg.norm(x.mean(axis=0))
    logs = []
    for row in x:
        angle = np.arccos(row @ mu)
        logs.append((row - mu * (row @ mu)) * angle / np.sin(angle))
    y = np.array(logs)
    total = sum(float((r - y.mean(axis=0)) @ (r - y.mean(axis=0))) for r in y)
    within = 0.0
    for value in set(values):
        rows = y[[v == value for v in values]]
        within += sum(float((r - rows.mean(axis=0)) @ (r - rows.mean(axis=0))) for r in rows)
    return 1 - within / total


def test_against_the_literal_computation() -> None:
    rng = np.random.default_rng(0)
    for n, d, k in ((12, 8, 3), (40, 64, 5), (30, 6, 30)):
        features = rng.normal(size=(n, d)) + 2.0
        values = [f"v{i % k}" for i in range(n)]
        quality = text_quality(features, values)
        assert quality.between_share == pytest.approx(literal(features, values), abs=1e-12)
        assert quality.rank == min(n - 1, d - 1)


def test_texts_of_one_value_that_coincide_are_all_between() -> None:
    rows = np.repeat(np.eye(4, 9) + 0.2, 5, axis=0)
    quality = text_quality(rows, [str(i // 5) for i in range(20)])
    assert quality.between_share == pytest.approx(1.0)
    assert quality.rank == 3


def test_lengths_do_not_count_and_wording_lowers_the_share() -> None:
    rng = np.random.default_rng(1)
    values = [str(i // 10) for i in range(40)]
    base = np.repeat(np.eye(4, 32), 10, axis=0) + 1.0
    shares = [
        text_quality(base + noise * rng.normal(size=base.shape), values).between_share
        for noise in (0.01, 0.1, 1.0)
    ]
    assert shares == sorted(shares, reverse=True)
    scaled = base * rng.uniform(0.5, 2, (40, 1))
    assert text_quality(scaled, values).between_share == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("features", "values"),
    [
        (np.ones((3, 4)), ["a", "b", "c"]),
        (np.eye(3), ["a", "b"]),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), ["a", "b"]),
        (np.array([[0.0, 0.0], [0.0, 1.0]]), ["a", "b"]),
    ],
)
def test_refusals(features: np.ndarray, values: list[str]) -> None:
    with pytest.raises(InputError):
        text_quality(features, values)
