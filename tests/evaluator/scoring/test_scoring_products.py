"""Databases that stay where they lie: memory maps, slices, other number types, and what is held meanwhile."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from measures_by_definition import MEASURES

from clay_eval.evaluator.scoring import products as scoring_products
from clay_eval.evaluator.scoring import retrieval_scores, score_rankings
from clay_eval.evaluator.scoring.duplicates import find_duplicates
from clay_eval.evaluator.scoring.measures import Measure, parse_measure
from clay_eval.schemas.errors import InputError

ALL = [parse_measure(name) for name in (*MEASURES, "nDCG(graded)@3")]


@pytest.fixture
def in_place(monkeypatch):
    """Every database counts as large, and slices are short."""
    monkeypatch.setattr(scoring_products, "_MOST_COPIED_BYTES", 0)
    monkeypatch.setattr(scoring_products, "_SLICE_ROWS", 128)


def draw(columns, rows=70):
    generator = np.random.default_rng(columns)
    queries, database = generator.integers(-2, 3, (rows, 5)) / 2, generator.integers(-2, 3, (columns, 5)) / 2
    codes = generator.integers(0, 5, rows) * 11, generator.integers(0, 4, columns) * 11
    other = generator.integers(0, 2, rows), generator.integers(0, 2, columns)
    return (
        queries,
        database,
        codes,
        {"graded_codes": [codes, other], "own": generator.integers(-1, columns, rows)},
    )


@pytest.mark.parametrize("columns", [1, 63, 64, 100, 128, 129, 500])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", np.int16])
def test_a_memory_map_gives_what_memory_gives(columns, dtype, tmp_path, request):
    queries, database, codes, options = draw(columns)
    database = (database * 2).astype(dtype)
    expected = retrieval_scores([(queries, database)], *codes, ALL, **options)
    request.getfixturevalue("in_place")
    np.save(tmp_path / "features.npy", database)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    for array in (mapped, database, np.asfortranarray(database)):
        found = retrieval_scores([(queries, array)], *codes, ALL, **options)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=1e-12, err_msg=name)
    np.testing.assert_array_equal(mapped, database)


def test_safetensors_opened_in_place(tmp_path, in_place):
    from safetensors.numpy import load_file, save_file

    queries, database, codes, options = draw(300)
    save_file({"features": database}, tmp_path / "features.safetensors")
    opened = load_file(tmp_path / "features.safetensors")["features"]
    found = retrieval_scores([(queries, opened)], *codes, ALL, **options)
    expected = retrieval_scores([(queries, database)], *codes, ALL, **options)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("backend", ["numpy", "in place", "torch"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [129, 191, 1009])
def test_equal_features_tie_whatever_their_column(backend, dtype, columns, request):
    if backend == "in place":
        request.getfixturevalue("in_place")
    generator = np.random.default_rng(4)
    codes = generator.integers(0, 7, columns)
    chance = Measure("AP").chance(columns, np.bincount(codes, minlength=7)[codes[:103]])
    for seed in range(8):
        one = np.random.default_rng(seed).standard_normal((1, 61)).astype(dtype)
        space = np.repeat(one, 103, axis=0), np.repeat(one, columns, axis=0)
        found = retrieval_scores(
            [space], codes[:103], codes, [Measure("AP")], backend=backend.replace("in place", "numpy")
        )
        np.testing.assert_allclose(found["AP"], chance, rtol=1e-11)


def test_copies_among_others_score_like_their_originals():
    generator = np.random.default_rng(6)
    distinct = generator.standard_normal((500, 61)).astype(np.float32)
    which = generator.integers(0, 500, 3000)
    queries, codes = generator.standard_normal((80, 61)).astype(np.float32), generator.integers(0, 5, 3000)
    scores = (queries @ distinct.T)[:, which]
    expected = score_rankings(scores, codes[:80, None] == codes, [Measure("AP")])["AP"]
    for backend in ("numpy", "torch"):
        found = retrieval_scores(
            [(queries, distinct[which])], codes[:80], codes, [Measure("AP")], backend=backend
        )
        np.testing.assert_allclose(found["AP"], expected, atol=1e-6)


@given(
    values=hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int8]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
        elements=st.integers(-1, 1),
    )
)
@settings(deadline=None)
def test_duplicates_are_the_rows_that_occur_before(values):
    found = find_duplicates(values)
    first = [min(i for i, other in enumerate(values) if (other == row).all()) for row in values]
    later = [i for i, place in enumerate(first) if place != i]
    assert found.later.tolist() == later
    assert found.first.tolist() == [first[i] for i in later]


def test_duplicates_of_zero_nan_and_rows_that_share_the_columns_of_the_glance():
    zeros = np.array([[0.0, 1.0], [-0.0, 1.0], [np.nan, 1], [np.nan, 1]])
    found = find_duplicates(zeros)
    assert (found.first.tolist(), found.later.tolist()) == ([0], [1])
    rows = np.zeros((9000, 64), np.float32)
    rows[np.arange(9000), 1] = np.arange(9000) // 2
    found = find_duplicates(rows)
    np.testing.assert_array_equal(found.later, np.arange(1, 9000, 2))
    np.testing.assert_array_equal(found.first, np.arange(0, 9000, 2))


def test_a_large_database_is_not_copied(tmp_path, monkeypatch):
    images, width = 20_000, 256
    monkeypatch.setattr(scoring_products, "_MOST_COPIED_BYTES", 1 << 20)
    monkeypatch.setattr(scoring_products, "_SLICE_ROWS", 1024)
    monkeypatch.setattr(scoring_products, "_PRODUCT_BLOCKS", 1)
    generator = np.random.default_rng(0)
    np.save(tmp_path / "features.npy", generator.standard_normal((images, width), np.float32))
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    codes = generator.integers(0, 5, images)
    space = np.array(mapped[:40]), mapped
    retrieval_scores([space], codes[:40], codes, [Measure("AP")])
    tracemalloc.start()
    retrieval_scores([space], codes[:40], codes, [Measure("AP")])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < mapped.nbytes


def test_other_types_are_refused_however_large(in_place):
    rows, codes = np.eye(3), np.arange(3)
    for bad in (rows.astype(complex), rows > 0, rows.astype("U3"), rows[0], np.empty((3, 0))):
        with pytest.raises(InputError):
            retrieval_scores([(rows, bad)], codes, codes, [Measure("AP")])


def test_rows_are_shared_out_evenly(monkeypatch):
    monkeypatch.setattr(scoring_products, "thread_count", lambda: 2)
    monkeypatch.setattr(scoring_products, "block_rows", lambda n: 10)
    assert scoring_products.product_rows(10, 80, 1) == 80
    assert scoring_products.product_rows(10, 170, 1) == 43
    monkeypatch.setattr(scoring_products, "block_rows", lambda n: 1)
    assert scoring_products.product_rows(10**6, 1000, 1) == 63
    assert scoring_products.product_rows(10**9, 1000, 1) >= 1
