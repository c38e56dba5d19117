"""All measures from scores, beside scikit-learn, pytrec_eval, and all orders of ties by brute force."""

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from measures_by_definition import MEASURES, graded_by_definition, over_all_orders
from sklearn.metrics import average_precision_score, ndcg_score

from clay_eval.evaluator.scoring import retrieval_scores, score_rankings
from clay_eval.evaluator.scoring.measures import Measure, parse_measure
from clay_eval.evaluator.scoring.ranking import LAST, Workspace, score_keys
from clay_eval.schemas.errors import InputError

ALL = [parse_measure(name) for name in MEASURES]
GRADED = [Measure("nDCG(graded)"), Measure("nDCG(graded)", 3)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_pytrec_eval_without_ties(dtype):
    generator = np.random.default_rng(0)
    scores = (np.stack([generator.permutation(300) for _ in range(30)]) / 300 * 1.9 - 0.95).astype(dtype)
    relevant = generator.random((30, 300)) < generator.uniform(0.003, 0.9, (30, 1))
    relevant[:, 0] = True
    theirs = {
        "AP": "map",
        "Rprec": "Rprec",
        "nDCG": "ndcg",
        **{f"P@{k}": f"P_{k}" for k in (1, 10, 500)},
        **{f"R@{k}": f"recall_{k}" for k in (1, 10, 500)},
        **{f"Hit@{k}": f"success_{k}" for k in (1, 10, 500)},
        **{f"nDCG@{k}": f"ndcg_cut_{k}" for k in (1, 10, 500)},
    }
    asked = {"map", "Rprec", "ndcg", *(f"{m}.1,10,500" for m in ("P", "recall", "success", "ndcg_cut"))}
    judged = {str(q): {f"d{i}": int(v) for i, v in enumerate(row.tolist())} for q, row in enumerate(relevant)}
    run = {str(q): {f"d{i}": v for i, v in enumerate(row.tolist())} for q, row in enumerate(scores)}
    expected = pytrec_eval.RelevanceEvaluator(judged, asked).evaluate(run)
    found = score_rankings(scores, relevant, [parse_measure(name) for name in theirs])
    for name, other in theirs.items():
        np.testing.assert_allclose(
            found[name], [expected[str(q)][other] for q in range(30)], atol=1e-9, err_msg=name
        )


tied_rows = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([-1.5, -0.25, 0.0, 0.5]), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n).filter(any),
    )
)


@pytest.mark.parametrize("ties", ["expected", "pessimistic"])
@given(row=tied_rows, dtype=st.sampled_from([np.float16, np.float32, np.float64]))
@settings(max_examples=80, deadline=None)
def test_ties_are_the_mean_or_the_worst_of_all_orders(ties, row, dtype):
    scores, relevant = row
    found = score_rankings(np.array([scores], dtype), np.array([relevant]), ALL, ties=ties)
    for name in MEASURES:
        expected = over_all_orders(name, scores, relevant, ties)
        assert found[name][0] == pytest.approx(expected, abs=1e-12), name


def test_ties_do_not_leak_between_rows():
    generator = np.random.default_rng(1)
    scores = generator.integers(-3, 3, (200, 6)) / 4
    relevant = generator.random((200, 6)) < 0.4
    whole = score_rankings(scores, relevant, ALL)
    for row in range(0, 200, 7):
        alone = score_rankings(scores[row : row + 1], relevant[row : row + 1], ALL)
        for name in MEASURES:
            np.testing.assert_allclose(alone[name], whole[name][row : row + 1], atol=1e-13)
    for name in MEASURES:
        np.testing.assert_array_equal(np.isnan(whole[name]), ~relevant.any(axis=1))


def test_ndcg_equals_scikit_learn_with_ties():
    generator = np.random.default_rng(2)
    scores = generator.integers(-20, 20, (40, 150)) / 10
    relevant = generator.random((40, 150)) < 0.2
    relevant[:, 3] = True
    for k in (None, 1, 7, 150, 1000):
        found = score_rankings(scores, relevant, [Measure("nDCG", k)])[str(Measure("nDCG", k))]
        expected = [
            ndcg_score(r[None].astype(float), s[None], k=k) for r, s in zip(relevant, scores, strict=True)
        ]
        np.testing.assert_allclose(found, expected, atol=1e-12)


def task(seed=3, rows=50, columns=120, width=3, values=4):
    """Features in steps of 1/2, so that ties abound and products are exact, with codes of two conditions."""
    generator = np.random.default_rng(seed)
    queries, database = (
        generator.integers(-2, 3, (rows, width)) / 2,
        generator.integers(-2, 3, (columns, width)) / 2,
    )
    first = generator.integers(0, values, rows), generator.integers(0, values, columns)
    second = generator.integers(-1, 2, rows) * 7, generator.integers(-1, 2, columns) * 7
    both = first[0] * 100 + second[0], first[1] * 100 + second[1]
    return queries, database, both, (first, second)


def test_graded_gain_equals_scikit_learn_with_ties():
    queries, database, both, pairs = task()
    gains = sum((q[:, None] == c[None]).astype(float) for q, c in pairs)
    for k in (None, 1, 5, 500):
        measure = Measure("nDCG(graded)", k)
        found = retrieval_scores([(queries, database)], *both, [measure], graded_codes=pairs)[str(measure)]
        expected = [
            ndcg_score(g[None], s[None], k=k) for g, s in zip(gains, queries @ database.T, strict=True)
        ]
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("ties", ["expected", "pessimistic"])
def test_graded_ties_are_the_mean_or_the_worst_of_all_orders(ties):
    queries, database, both, pairs = task(rows=40, columns=6, width=1)
    for query_codes, _ in pairs:
        query_codes[3] = 99
    gains = sum((q[:, None] == c[None]).astype(int) for q, c in pairs)
    found = retrieval_scores([(queries, database)], *both, GRADED, graded_codes=pairs, ties=ties)
    for measure in GRADED:
        for row, value in enumerate(found[str(measure)]):
            if not gains[row].any():
                assert np.isnan(value)
                continue
            expected = over_all_orders(
                "",
                (queries @ database.T)[row],
                gains[row],
                ties,
                lambda _, g, k=measure.k: graded_by_definition(g, k),
            )
            assert value == pytest.approx(expected, abs=1e-12)
    assert np.isnan(found["nDCG(graded)"]).any()


@pytest.mark.parametrize("ties", ["expected", "pessimistic"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_own_image_is_left_out_as_if_deleted(ties, dtype):
    queries, database, both, pairs = task()
    queries, database = (queries * 2).astype(dtype), (database * 2).astype(dtype)
    own = np.random.default_rng(4).integers(-1, len(database), len(queries))
    own[:5] = [-1, 0, len(database) - 1, 7, 7]
    measures = ALL + GRADED
    found = retrieval_scores([(queries, database)], *both, measures, ties=ties, own=own, graded_codes=pairs)
    for row, place in enumerate(own):
        kept = np.delete(np.arange(len(database)), [place] if place >= 0 else [])
        alone = retrieval_scores(
            [(queries[row : row + 1], database[kept])],
            both[0][row : row + 1],
            both[1][kept],
            measures,
            ties=ties,
            graded_codes=[(q[row : row + 1], c[kept]) for q, c in pairs],
        )
        for name, values in alone.items():
            np.testing.assert_allclose(found[name][row], values[0], atol=1e-12, err_msg=f"{name}, row {row}")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1, 1e-30, 1e30, 1.5])
def test_leave_one_out_equals_scikit_learn(dtype, scale):
    generator = np.random.default_rng(5)
    features = generator.standard_normal((90, 5))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(dtype)
    codes = generator.integers(0, 6, 90)
    space = ((features * dtype(scale)), features)
    found = retrieval_scores([space], codes, codes, [Measure("AP")], own=np.arange(90))["AP"]
    scores = features.astype(np.float64) @ features.T.astype(np.float64)
    for row, value in enumerate(found):
        kept = np.arange(90) != row
        expected = average_precision_score(codes[kept] == codes[row], scores[row, kept])
        assert value == pytest.approx(expected, abs=1e-3 if dtype == np.float32 else 1e-9)


def test_own_with_nothing_else_relevant_is_nan_and_a_lone_image_too():
    eye = np.eye(3)
    found = retrieval_scores([(eye, eye)], np.arange(3), np.arange(3), ALL, own=np.arange(3))
    alone = retrieval_scores([(eye[:1], eye[:1])], [4], [4], ALL, own=[0])
    for name in MEASURES:
        assert np.isnan(found[name]).all()
        assert np.isnan(alone[name]).all()


def test_every_key_stands_before_an_item_that_is_left_out():
    lowest = np.nextafter(np.float32(-2), np.float32(0))
    for scores in (
        np.array([[lowest, 0.5, 1]], np.float32),
        np.array([[-1.999, 1.9999999]], np.float32),
        np.array([[-np.inf, np.inf, 0]]),
        np.array([[-1e300, 1e300]]),
        np.array([[3.0, 4.0]]),
    ):
        keys, _ = score_keys(scores, Workspace(1, scores.shape[1]))
        assert keys.max() < LAST


@pytest.mark.parametrize("own", [None, "some"])
def test_spaces_are_combined_row_by_row(own, monkeypatch):
    queries, database, both, _ = task(rows=300, columns=700)
    others = task(seed=8, rows=300, columns=700)[:2]
    places = None if own is None else np.random.default_rng(1).integers(-1, 700, 300)
    spaces = [(queries.astype(np.float32), database), others]
    scores = np.minimum(queries @ database.T, others[0] @ others[1].T)
    keep = np.ones(scores.shape, bool)
    if places is not None:
        scores[np.flatnonzero(places >= 0), places[places >= 0]] = -99
        keep[np.flatnonzero(places >= 0), places[places >= 0]] = False
    expected = score_rankings(scores, (both[0][:, None] == both[1]) & keep, ALL)
    for entries in (1 << 18, 700, 10_000):
        monkeypatch.setattr("clay_eval.evaluator.scoring.threads._BLOCK_ENTRIES", entries)
        found = retrieval_scores(
            spaces, *both, ALL, own=places, combine=lambda scores: np.minimum(scores[0], scores[1])
        )
        for name in MEASURES:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-12)


def test_input_is_checked():
    rows, codes = np.eye(3), np.arange(3)
    space, ap = [(rows, rows)], [Measure("AP")]
    nan = rows.copy()
    nan[1, 1] = np.nan
    for arguments, options, message in (
        (([], codes, codes, ap), {}, "space"),
        ((space * 2, codes, codes, ap), {}, "combine"),
        (([*space, (rows[:2], rows)], codes, codes, ap), {"combine": sum}, "same queries"),
        ((space * 2, codes, codes, ap), {"combine": lambda s: s[0][:, :1]}, "one score an image"),
        ((space * 2, codes, codes, ap), {"combine": lambda s: s[0].astype(int)}, "one score an image"),
        ((space, codes, codes, ap), {"own": [0, 1, 3]}, "not in the database"),
        ((space, codes, codes, ap), {"own": [0, 1, -2]}, "not in the database"),
        ((space, codes, codes, ap), {"own": [0, 1]}, "one integer a row"),
        ((space, codes / 2, codes, ap), {}, "one integer a row"),
        ((space, codes, codes, GRADED), {}, "codes of each condition"),
        ((space, codes, codes, GRADED), {"graded_codes": [(codes, codes[:2])]}, "one integer a row"),
        ((space, codes, codes, ap), {"ties": "lucky"}, "ties"),
        ((space, codes, codes, ap), {"backend": "cuda"}, "backend"),
        (([(rows, rows[:, :2])], codes, codes, ap), {}, "width"),
        (([(nan, rows)], codes[::-1].copy(), codes, ap), {}, "row 1"),
    ):
        with pytest.raises(InputError, match=message):
            retrieval_scores(*arguments, **options)
    assert retrieval_scores(space, codes, codes, []) == {}
    assert np.isnan(retrieval_scores([(rows, rows[:0])], codes, codes[:0], ap)["AP"]).all()
    assert retrieval_scores([(rows[:0], rows)], codes[:0], codes, ap)["AP"].shape == (0,)
