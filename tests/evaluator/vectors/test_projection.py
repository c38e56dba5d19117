import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from method_literals import unit

from clay_eval.evaluator.methods.support.linear import LinearMethod
from clay_eval.evaluator.vectors.projection import Projection
from clay_eval.schemas.errors import InputError


def orthonormal(generator, d, k):
    return np.linalg.qr(generator.standard_normal((d, k)))[0]


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 9), st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_equals_the_formula(rows, d, k, seed):
    draw = np.random.default_rng(seed)
    matrix, shift, v = draw.standard_normal((d, k)), draw.standard_normal(k), draw.standard_normal((rows, d))
    expected = unit(unit(v) @ matrix - shift)
    np.testing.assert_allclose(Projection(matrix, shift).rows(v), expected, atol=1e-9)
    np.testing.assert_allclose(Projection(matrix * 1e-90, shift * 1e-90).rows(v * 7), expected, atol=1e-9)
    single = Projection(matrix, shift).rows(v.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(
        single, unit(unit(v.astype(np.float32).astype(float)) @ matrix - shift), atol=2e-3
    )


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("identity", [False, True])
def test_rows_of_every_size(shifted, identity):
    draw = np.random.default_rng(2)
    matrix = np.eye(8) if identity else orthonormal(draw, 8, 3)
    shift = 0.2 * draw.standard_normal(matrix.shape[1]) if shifted else None
    rows = draw.standard_normal((9, 8))
    expected = unit(unit(rows) @ matrix - (shift if shifted else 0))
    projection = Projection(None if identity else matrix, shift)
    scales = 10.0 ** np.array([-300, -200, -100, -1, 0, 1, 100, 200, 300])
    np.testing.assert_allclose(projection.rows(rows * scales[:, None]), expected, atol=1e-13)
    small = (rows * (10.0 ** np.arange(-36, 36, 8.0))[:, None]).astype(np.float32)
    np.testing.assert_allclose(projection.rows(small), expected, atol=4e-6)
    for scale in (1e-30, 1e-18, 1e18, 1e30):
        np.testing.assert_allclose(projection.rows((rows * scale).astype(np.float32)), expected, atol=4e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_only_rounding_becomes_zero(dtype):
    draw = np.random.default_rng(3)
    basis = orthonormal(draw, 64, 64)
    outside = unit(draw.standard_normal((5, 32)) @ basis[:, 32:].T)
    rows = np.concatenate([outside, np.zeros((1, 64)), unit(draw.standard_normal((5, 64)))]).astype(dtype)
    projection = Projection(basis[:, :32] * 1e5)
    projected = projection.rows(rows)
    assert not projected[:6].any()
    np.testing.assert_allclose(np.linalg.norm(projected[6:], axis=1), 1, rtol=1e-6)
    assert not projection.rows(rows[:1]).any()
    # What lies where the images are centred has nothing left either.
    centre = rows[-1].astype(float)
    centred = Projection(None, unit(centre)).rows(rows)
    assert not centred[-1].any()
    assert centred[0].any()


def test_short_rows_among_long_ones_are_as_exact():
    draw = np.random.default_rng(4)
    basis = orthonormal(draw, 64, 64)
    # A row with a 10,000th of its length in the subspace: in float32 its projection would be 1 % off.
    rows = unit(
        1e-4 * draw.standard_normal((3, 2)) @ basis[:, :2].T + draw.standard_normal((3, 62)) @ basis[:, 2:].T
    )
    single = rows.astype(np.float32)
    found = Projection(basis[:, :2]).rows(np.concatenate([single, np.ones((1, 64), np.float32)]))
    np.testing.assert_allclose(found[:3], unit(single.astype(float) @ basis[:, :2]), atol=1e-6)


def test_refuses_what_is_not_finite_or_of_another_width():
    rows = np.ones((4, 8), np.float32)
    rows[2, 3] = np.inf
    with pytest.raises(InputError, match="finite") as caught:
        Projection(np.eye(8)[:, :2]).rows(rows)
    assert "row 2" in str(caught.value)
    rows[1, 7] = np.nan
    for projection in (Projection(np.eye(8)[:, :2]), Projection(None), Projection(None, np.ones(8))):
        with pytest.raises(InputError, match="finite") as caught:
            projection.rows(rows)
        assert "row 1" in str(caught.value)
    with pytest.raises(InputError, match="width"):
        Projection(np.eye(7)).rows(rows)
    with pytest.raises(InputError, match="width"):
        Projection(None, width=7).rows(rows)
    assert Projection(np.eye(8)[:, :2]).rows(np.ones((0, 8))).shape == (0, 2)
    assert Projection(None).rows(np.ones((0, 8), np.float32)).dtype == np.float32


@pytest.mark.parametrize("kind", [">f4", "<f8", "f2", "i8"])
def test_other_types_and_byte_orders(kind):
    rows = np.arange(1, 13).reshape(3, 4).astype(kind)
    found = Projection(np.eye(4)[:, :2]).rows(rows)
    assert found.dtype == (np.float32 if kind in (">f4", "f2") else np.float64)
    np.testing.assert_allclose(found, unit(rows[:, :2].astype(float)), rtol=1e-6)
    assert Projection(np.eye(4)).rows([[1, 2, 3, 4]]).shape == (1, 4)
    with pytest.raises(InputError, match="real numbers"):
        Projection(np.eye(4)).rows(np.ones((2, 4), complex))


def test_a_large_array_of_unit_rows_comes_back_as_a_view_that_cannot_be_written():
    rows = unit(np.random.default_rng(5).standard_normal((40_000, 512)).astype(np.float32))
    found = Projection(None, width=512).rows(rows)
    assert np.shares_memory(found, rows)
    assert not found.flags.writeable
    assert rows.flags.writeable
    twice = Projection(None, width=512).rows(2 * rows)
    np.testing.assert_allclose(twice, rows, atol=1e-6)


def test_the_input_is_neither_changed_nor_returned():
    rows = unit(np.random.default_rng(5).standard_normal((4, 6)))
    copy = rows.copy()
    for projection in (Projection(None), Projection(None, np.full(6, 0.1)), Projection(np.eye(6))):
        found = projection.rows(rows)
        assert not np.shares_memory(found, rows)
        np.testing.assert_array_equal(rows, copy)


def test_a_linear_method_follows_what_is_set():
    method = LinearMethod()
    rows = np.random.default_rng(6).standard_normal((5, 4))
    with pytest.raises(InputError, match="LinearMethod is not fitted"):
        method.transform(rows)
    method.projection_ = np.eye(4)[:, :2]
    np.testing.assert_allclose(method.transform(rows), unit(rows[:, :2]), atol=1e-14)
    method.projection_ = np.eye(4)[:, 2:]
    np.testing.assert_allclose(method.transform(rows), unit(rows[:, 2:]), atol=1e-14)
    method.shift_ = np.array([0.3, -0.2])
    np.testing.assert_allclose(method.transform(rows), unit(unit(rows)[:, 2:] - method.shift_), atol=1e-14)
