"""The share of directions about values against a loop over its definition, and where it must be 1 or small."""

from __future__ import annotations

import numpy as np
import pytest
from planted_world import study

from clay_eval.evaluator.experiments.compositions import MIXED, TEMPLATED, VALUE, compose
from clay_eval.evaluator.vectors.subspace import log_map, mean_direction
from clay_eval.evaluator.vectors.text_directions import direction_share
from clay_eval.evaluator.vectors.text_quality import text_quality
from clay_eval.schemas.errors import InputError


def by_definition(texts: np.ndarray, values: list[str], k: int) -> float:  # type: ignore[type-arg]
    """One direction after another, from NumPy's SVD of the log-mapped texts."""
    rows = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    mean = mean_direction(rows, "texts")
    tangent = log_map(rows, mean)
    shares = []
    _, singular, right = np.linalg.svd(tangent, full_matrices=False)
    for direction in right[singular > 1e-8][:k]:
        along = tangent @ direction
        groups = [along[[v == value for v in values]] for value in set(values)]
        between = sum(len(g) * (g.mean() - along.mean()) ** 2 for g in groups)
        shares.append(between / np.sum((along - along.mean()) ** 2))
    return float(np.mean(shares))


@pytest.mark.parametrize("k", [1, 3, 50])
def test_it_is_what_it_is_defined_as(k: int) -> None:
    generator = np.random.default_rng(0)
    for _ in range(5):
        texts = np.eye(20)[0] * 3 + generator.normal(size=(12, 20))
        values = [str(i) for i in generator.integers(0, 4, 12)]
        assert direction_share(texts, values, k) == pytest.approx(by_definition(texts, values, k))


def test_one_text_a_value_is_all_about_values() -> None:
    texts = np.eye(6)[:4] + 0.5
    assert direction_share(texts, list("abcd")) == pytest.approx(1)


def test_faint_wording_takes_most_directions_though_it_holds_little_variance() -> None:
    one = study()
    shares, variances = {}, {}
    for name in (VALUE, TEMPLATED, MIXED):
        texts = one.encoded(compose(name, one.items, {}, 0))["color"]
        shares[name] = direction_share(texts.features, list(texts.values or ()))
        variances[name] = text_quality(texts.features, list(texts.values or ())).between_share
    assert shares[VALUE] == pytest.approx(1)
    assert shares[TEMPLATED] < 0.6
    assert variances[TEMPLATED] > 0.8
    assert shares[MIXED] < 0.5


def test_what_has_no_directions_is_refused() -> None:
    with pytest.raises(InputError, match="every text names one value"):
        direction_share(np.eye(3), ["a", "b"])
    with pytest.raises(InputError):
        direction_share(np.ones((3, 4)), ["a", "b", "c"])
