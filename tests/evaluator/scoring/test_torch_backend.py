"""The torch backend beside NumPy's, on the CPU."""

import subprocess
import sys

import numpy as np
import pytest
from measures_by_definition import MEASURES

from clay_eval.evaluator.scoring import retrieval_scores, torch_backend
from clay_eval.evaluator.scoring.measures import parse_measure
from clay_eval.schemas.errors import InputError

ALL = [parse_measure(name) for name in (*MEASURES, "nDCG(graded)", "nDCG(graded)@3")]


def draw(seed, rows=60, columns=203, width=4, steps=2):
    generator = np.random.default_rng(seed)
    if steps:
        arrays = [generator.integers(-steps, steps + 1, (m, width)) / 2 for m in (rows, columns)]
    else:
        arrays = [generator.standard_normal((m, width)) for m in (rows, columns)]
        arrays = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in arrays]
    codes = [generator.integers(0, 5, rows), generator.integers(0, 4, columns)]
    other = [generator.integers(-3, 0, rows), generator.integers(-3, 1, columns)]
    return arrays, codes, other, generator.integers(-1, columns, rows)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("ties", ["expected", "pessimistic"])
@pytest.mark.parametrize("leave_out", [False, True])
def test_equals_numpy_with_ties(dtype, ties, leave_out, monkeypatch):
    arrays, codes, other, own = draw(0)
    space = [(a * 2).astype(dtype) for a in arrays]
    options = {"ties": ties, "own": own if leave_out else None, "graded_codes": [codes, other]}
    expected = retrieval_scores([space], *codes, ALL, **options)
    for entries in (1 << 21, 203 * 7, 1):
        monkeypatch.setattr(torch_backend, "_BLOCK_ENTRIES", {"cpu": entries})
        found = retrieval_scores([space], *codes, ALL, backend="torch", **options)
        assert list(found) == list(expected)
        for name, values in expected.items():
            assert 0 < np.isnan(values).sum() < 60 or "graded" in name
            np.testing.assert_allclose(found[name], values, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_numpy_on_unit_features(dtype):
    arrays, codes, other, own = draw(1, columns=2003, width=32, steps=0)
    space = [a.astype(dtype) for a in arrays]
    options = {"own": own, "graded_codes": [codes, other]}
    expected = retrieval_scores([space], *codes, ALL, **options)
    found = retrieval_scores([space], *codes, ALL, backend="torch:cpu", **options)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5, err_msg=name)


def test_several_spaces_are_combined():
    arrays, codes, _, own = draw(2)
    others = draw(3)[0]
    spaces = [arrays, others]
    results = [
        retrieval_scores(spaces, *codes, ALL[:-2], own=own, combine=lambda s: np.minimum(*s), backend=backend)
        for backend in ("numpy", "torch")
    ]
    for name, values in results[0].items():
        np.testing.assert_allclose(results[1][name], values, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_features_tie_whatever_their_column(dtype):
    one = draw(4, rows=1, width=61, steps=0)[0][0].astype(dtype)
    codes = np.random.default_rng(4).integers(0, 7, 1009)
    space = np.repeat(one, 103, axis=0), np.repeat(one, 1009, axis=0)
    found = retrieval_scores([space], codes[:103], codes, ALL[:-2], backend="torch")
    for measure in ALL[:-2]:
        expected = measure.chance(1009, np.bincount(codes)[codes[:103]])
        np.testing.assert_allclose(found[str(measure)], expected, rtol=1e-9)


def test_infinite_scores_minus_zero_and_lone_images():
    rows = np.array([[np.inf], [1.0], [-0.0], [0.0]])
    codes = np.array([0, 1, 0, 1])
    for queries in (np.ones((4, 1)), -np.ones((4, 1))):
        results = [
            retrieval_scores([(queries, rows)], codes, codes, ALL[:-2], own=[0, 1, 2, 3], backend=backend)
            for backend in ("numpy", "torch")
        ]
        for name, values in results[0].items():
            np.testing.assert_allclose(results[1][name], values, atol=1e-12)
    alone = retrieval_scores([(rows[:1], rows[:1])], [1], [1], ALL[:-2], own=[0], backend="torch")
    assert all(np.isnan(values).all() for values in alone.values())


def test_bad_input_is_refused():
    rows, codes = np.eye(3), np.arange(3)
    nan = rows.copy()
    nan[2, 1] = np.nan
    with pytest.raises(InputError, match="row 2"):
        retrieval_scores([(nan, rows)], codes, codes, ALL[:1], backend="torch")
    for device in ("abacus", "cuda:99", "meta:x"):
        with pytest.raises(InputError, match="device"):
            retrieval_scores([(rows, rows)], codes, codes, ALL[:1], backend=f"torch:{device}")


def test_nothing_imports_torch_unless_asked():
    code = (
        "import sys, numpy as np\n"
        "from clay_eval.evaluator.scoring import retrieval_scores\n"
        "from clay_eval.evaluator.scoring.measures import parse_measure\n"
        "e = np.eye(3); retrieval_scores([(e, e)], [0, 1, 2], [0, 1, 2], [parse_measure('AP')])\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
