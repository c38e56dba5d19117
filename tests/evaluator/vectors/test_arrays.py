import numpy as np
import pytest

from clay_eval.evaluator.vectors.arrays import (
    as_features,
    as_floats,
    mean_of_unit_rows,
    require_distinct,
    unit_rows,
)
from clay_eval.schemas.errors import InputError


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int32, np.float64),
        (">f4", "=f4"),
    ],
)
def test_types_are_kept_or_widened(given, kept):
    assert as_features(np.ones((2, 3), given), "x").dtype == np.dtype(kept)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.ones(3), "two axes"),
        (np.ones((2, 3, 4)), "two axes"),
        (np.ones((2, 0)), "two axes"),
        (np.ones((0, 3)), "empty"),
        (np.array([["a"]]), "real numbers"),
        (np.ones((2, 3), complex), "real numbers"),
        (np.array([[1.0, 2], [0, 0]]), "zeros"),
    ],
)
def test_bad_arrays_are_named(array, words):
    with pytest.raises(InputError, match=words) as caught:
        as_features(array, "database features")
    assert "database features" in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_row_and_column_of_a_bad_number_are_named(bad):
    array = np.ones((5000, 3), np.float32)
    array[4500, 2] = bad
    with pytest.raises(InputError) as caught:
        as_features(array, "text features")
    assert "text features, row 4500, column 2" in str(caught.value)


def test_width_is_checked():
    with pytest.raises(InputError, match="width"):
        as_features(np.ones((2, 3)), "x", width=4)


def test_floats_alone_may_be_empty():
    assert as_floats(np.ones((0, 3)), "x").shape == (0, 3)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_unit_rows_of_any_magnitude(scale):
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]) * scale)
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], rtol=1e-15)


def test_mean_does_not_depend_on_lengths_or_chunks():
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((9001, 5))
    lengths = generator.uniform(0.1, 10, (9001, 1))
    expected = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(mean_of_unit_rows(rows * lengths), expected, atol=1e-15)


def test_equal_directions_are_refused_and_close_ones_not():
    same = np.outer([1, 2, 0.5], [1.0, 2, 3]).astype(np.float32)
    with pytest.raises(InputError, match="equal"):
        require_distinct(same, "x")
    same[2, 0] += 1e-4
    require_distinct(same, "x")
