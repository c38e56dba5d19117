"""Weights of conditions are shares, however large or small they are written."""

from __future__ import annotations

import numpy as np
import pytest

from clay_eval.evaluator.index.conditional_index import ConditionalIndex
from clay_eval.evaluator.index.conditions import Condition
from clay_eval.evaluator.vectors.fusion import combiner, shares, weighted_columns

SCALES = (1.0, 1e308 / 4, 1e-320, 5e-324, 1e200)


@pytest.mark.parametrize("scale", SCALES)
def test_shares_do_not_depend_on_the_scale(scale: float) -> None:
    np.testing.assert_allclose(shares([scale, scale, 2 * scale]), [0.25, 0.25, 0.5])


def test_shares_of_usual_weights_are_their_plain_quotients() -> None:
    weights = np.random.default_rng(0).uniform(0.01, 100, 50)
    np.testing.assert_array_equal(shares(weights.tolist()), weights / weights.sum())


@pytest.mark.parametrize("scale", SCALES)
def test_joined_similarities_do_not_depend_on_the_scale(scale: float) -> None:
    rng = np.random.default_rng(1)
    parts = [rng.standard_normal((5, 3)), rng.standard_normal((5, 3))]
    blocks = [part @ part.T / 20 for part in parts]
    np.testing.assert_allclose(
        weighted_columns(parts, [scale, 3 * scale]), weighted_columns(parts, [1, 3]), rtol=1e-12
    )
    np.testing.assert_allclose(
        combiner("product", [scale, 3 * scale])(blocks), combiner("product", [1, 3])(blocks), rtol=1e-12
    )


@pytest.mark.parametrize(
    "method", ["clay(fusion=sum)", "clay(fusion=product)", "label-posterior", "ip-composer"]
)
def test_an_index_answers_alike_to_weights_whose_sum_is_beyond_float64(method: str) -> None:
    rng = np.random.default_rng(2)
    index = ConditionalIndex(rng.standard_normal((40, 8)), [f"p{i}" for i in range(40)], method=method)
    for name, values in (("color", "abc"), ("shape", "de")):
        index.add(Condition(name, rng.standard_normal((len(values), 8)), list(values)))
    usual = index.similarities("p0", {"color": 1, "shape": 1})
    np.testing.assert_allclose(index.similarities("p0", {"color": 1e308, "shape": 1e308}), usual, atol=1e-6)
