"""Nearest images beside a full sort, with FAISS and without."""

import sys

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval.evaluator.scoring import search
from clay_eval.evaluator.scoring import threads as scoring
from clay_eval.evaluator.scoring.search import top_k
from clay_eval.schemas.errors import InputError


def by_sorting(scores, k):
    """Best first, equal scores by row."""
    rows = np.stack([np.lexsort((np.arange(scores.shape[1]), -row))[:k] for row in scores])
    return rows, np.take_along_axis(scores, rows, axis=1)


def unit(generator, rows, width=24):
    array = generator.standard_normal((rows, width)).astype(np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


@pytest.mark.parametrize("library", ["auto", "faiss", "numpy"])
@pytest.mark.parametrize("rows", [1, 7, 300])
@pytest.mark.parametrize("k", [1, 10, 499, 500, 2000])
def test_equals_a_full_sort(library, rows, k, monkeypatch):
    monkeypatch.setattr(scoring, "_BLOCK_ENTRIES", 2000)
    generator = np.random.default_rng(0)
    # Steps of 1/64, so that sums are exact in float32, with hardly any ties.
    queries, database = (np.round(unit(generator, n) * 64) / 64 for n in (rows, 500))
    found, scores = top_k(queries, database, k, library=library)
    expected, best = by_sorting(queries.astype(np.float64) @ database.T.astype(np.float64), k)
    assert found.dtype == np.int64
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(scores, best)


@pytest.mark.parametrize("library", ["faiss", "numpy"])
@given(seed=st.integers(0, 9999), k=st.integers(1, 40), rows=st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_ties_come_in_order_of_row(library, seed, k, rows):
    generator = np.random.default_rng(seed)
    queries = generator.integers(-2, 3, (rows, 2)).astype(np.float32)
    database = generator.integers(-2, 3, (30, 2)).astype(np.float32)
    found, scores = top_k(queries, database, k, library=library)
    expected, best = by_sorting(queries @ database.T, k)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(scores, best)


@pytest.mark.parametrize("library", ["faiss", "numpy"])
def test_copies_of_an_image_come_in_order_of_row(library):
    generator = np.random.default_rng(3)
    which = generator.integers(0, 50, 400)
    queries, distinct = unit(generator, 60, 61), unit(generator, 50, 61)
    found, scores = top_k(queries, distinct[which], 35, library=library)
    best = (queries.astype(np.float64) @ distinct.T)[:, which]
    expected, _ = by_sorting(best, 35)
    np.testing.assert_array_equal(found, expected)
    assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int16])
def test_other_types_are_searched_with_numpy(dtype):
    generator = np.random.default_rng(4)
    queries = generator.integers(-9, 9, (20, 5)).astype(dtype)
    database = generator.integers(-9, 9, (100, 5)).astype(dtype)
    found, scores = top_k(queries, database, 7)
    expected, best = by_sorting(queries.astype(float) @ database.T.astype(float), 7)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(scores, best)
    if dtype != np.float16:
        with pytest.raises(InputError, match="FAISS"):
            top_k(queries, database, 7, library="faiss")


@pytest.mark.parametrize("library", ["faiss", "numpy"])
def test_a_memory_map_is_searched_and_not_copied(library, tmp_path, monkeypatch):
    generator = np.random.default_rng(5)
    database = unit(generator, 3000)
    np.save(tmp_path / "features.npy", database)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    given_to_faiss = []
    knn = faiss.knn
    monkeypatch.setattr(faiss, "knn", lambda q, d, *a, **o: given_to_faiss.append(d) or knn(q, d, *a, **o))
    found, _ = top_k(database[:50], mapped, 5, library=library)
    np.testing.assert_array_equal(found, by_sorting(database[:50] @ database.T, 5)[0])
    assert all(np.shares_memory(array, mapped) for array in given_to_faiss)
    assert bool(given_to_faiss) == (library == "faiss")


def test_without_faiss_numpy_does_it(monkeypatch):
    monkeypatch.setattr(search, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "faiss", None)
    rows = unit(np.random.default_rng(6), 40)
    np.testing.assert_array_equal(top_k(rows, rows, 1)[0][:, 0], np.arange(40))
    with pytest.raises(InputError, match="not installed"):
        top_k(rows, rows, 1, library="faiss")


def test_input_is_checked():
    rows = unit(np.random.default_rng(7), 9)
    for k in (0, -1, True, 1.5):
        with pytest.raises(InputError, match="whole number"):
            top_k(rows, rows, k)
    bad = rows.copy()
    bad[4, 3] = np.nan
    for arguments in ((bad, rows), (rows, bad)):
        for library in ("faiss", "numpy"):
            with pytest.raises(InputError, match="finite") as caught:
                top_k(*arguments, 2, library=library)
            assert "row 4, column 3" in str(caught.value)
    with pytest.raises(InputError, match="width"):
        top_k(rows, rows[:, :3], 2)
    with pytest.raises(InputError, match="library"):
        top_k(rows, rows, 2, library="annoy")
    huge = np.full((3, 4), 3e38, np.float32)
    assert top_k(np.zeros((1, 4), np.float32), huge, 3)[0].tolist() == [[0, 1, 2]]
    assert top_k(rows[:0], rows, 2)[0].shape == (0, 2)
    assert top_k(rows, rows[:0], 2)[0].shape == (9, 0)
