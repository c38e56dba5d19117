"""Run files against pytrec_eval, and against brute force where trec_eval has no such measure or breaks ties itself."""

import re
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval.evaluator.scoring.measures import parse_measure
from clay_eval.evaluator.statistics import bootstrap_interval
from clay_eval.evaluator.statistics.significance import compare, holm
from clay_eval.evaluator.trec import scores as run_scores
from clay_eval.evaluator.trec.files import Documents, TrecFile, read_qrels, read_run
from clay_eval.evaluator.trec.scores import RunScores, score_run, summarise
from clay_eval.schemas.errors import InputError

Qrels = dict[str, dict[str, int]]
Scores = dict[str, dict[str, float]]
TREC = {
    "AP": "map",
    "P@5": "P_5",
    "P@1000": "P_1000",
    "R@10": "recall_10",
    "Hit@5": "success_5",
    "Rprec": "Rprec",
    "nDCG(graded)": "ndcg",
    "nDCG(graded)@10": "ndcg_cut_10",
}
ALL = [parse_measure(name) for name in (*TREC, "nDCG", "nDCG@5", "AP@R", "AP(trapezoid)")]


def files(folder: Path, qrels: Qrels, run: Scores) -> tuple[TrecFile, TrecFile]:
    documents: Documents = {}
    judged, ranked = folder / "qrels.txt", folder / "a.run"
    judged.write_text("".join(f"{q} 0 {d} {g}\n" for q, found in qrels.items() for d, g in found.items()))
    # Ranks that contradict the scores must not matter.
    ranked.write_text(
        "".join(
            f"{q} Q0 {d} {place} {s!r} t\n"
            for q, found in run.items()
            for place, (d, s) in enumerate(found.items())
        )
    )
    return read_run(ranked, documents), read_qrels(judged, documents)


def made(seed: int, *, ties: bool) -> tuple[Qrels, Scores]:
    """Runs that miss queries, know others, leave out relevant documents and hold unjudged ones; scores of both signs."""
    generator = np.random.default_rng(seed)

    def chosen(low: int, high: int) -> list[str]:
        return [f"d{i}" for i in generator.choice(120, generator.integers(low, high), replace=False)]

    qrels = {f"q{i}": {d: int(generator.integers(-1, 4)) for d in chosen(10, 40)} for i in range(30)}
    run = {}
    for i in range(4, 34):
        documents = chosen(1, 90)
        scores = generator.integers(-3, 4, len(documents)) if ties else generator.permutation(120)
        run[f"q{i}"] = {d: float(s) / 8 - 4 for d, s in zip(documents, scores, strict=False)}
    return qrels, run


def by_trec_eval(qrels: Qrels, run: Scores, name: str, scores: RunScores) -> Any:
    found = pytrec_eval.RelevanceEvaluator(qrels, {TREC[name]}).evaluate(run)
    return [found[query][TREC[name]] if query in found else 0.0 for query in scores.queries]


@pytest.mark.parametrize("seed", range(3))
def test_without_ties_all_is_as_trec_eval_has_it(tmp_path: Path, seed: int) -> None:
    qrels, run = made(seed, ties=False)
    scores = score_run(*files(tmp_path, qrels, run), ALL)
    assert len(scores.queries) == 30
    assert scores.missing == ("q0", "q1", "q2", "q3")
    assert scores.unjudged == ("q30", "q31", "q32", "q33")
    for name in TREC:
        np.testing.assert_allclose(scores.values[name], by_trec_eval(qrels, run, name, scores), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_pessimistic_is_trec_eval_where_ties_are_broken_against_the_run(tmp_path: Path, seed: int) -> None:
    qrels, run = made(seed, ties=True)
    scores = score_run(*files(tmp_path, qrels, run), ALL, ties="pessimistic")
    worst = {
        q: {d: s - 1e-3 * max(0, qrels.get(q, {}).get(d, 0)) for d, s in found.items()}
        for q, found in run.items()
    }
    for name in TREC:
        np.testing.assert_allclose(scores.values[name], by_trec_eval(qrels, worst, name, scores), atol=1e-12)


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_with_queries_without_relevant_all_is_as_trec_eval_has_it(
    tmp_path: Path, seed: int, level: int
) -> None:
    """Every query of the qrels counts, as under trec_eval -c: absent ones and those with nothing relevant score 0."""
    qrels, run = made(seed, ties=False)
    for number in range(0, 30, 3):
        qrels[f"q{number}"] = {d: min(g, number % 2) for d, g in qrels[f"q{number}"].items()}
    qrels["alone"] = {"d1": 0}
    run["alone"] = {"d1": 1.0, "d2": 0.5}
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, set(TREC.values()), relevance_level=level)
    theirs = evaluator.evaluate(run)
    both = files(tmp_path, qrels, run)
    scores = score_run(*both, ALL, level=level, nothing_relevant="zero")
    assert set(scores.queries) == set(qrels)
    assert "alone" in scores.without_relevant
    for name, trec in TREC.items():
        expected = [theirs.get(query, {}).get(trec, 0.0) for query in scores.queries]
        np.testing.assert_allclose(scores.values[name], expected, atol=1e-12)
    known = score_run(*both, ALL, level=level)
    kept = [scores.queries.index(query) for query in known.queries]
    assert set(scores.queries) - set(known.queries) == set(scores.without_relevant)
    for name, values in known.values.items():
        np.testing.assert_array_equal(values, scores.values[name][kept])
        assert np.isfinite(scores.values[name]).all()


@pytest.mark.parametrize("seed", range(4))
def test_expected_is_the_mean_of_trec_evals_values_over_all_names_of_the_documents(
    tmp_path: Path, seed: int
) -> None:
    """trec_eval puts tied documents into the order of their names."""
    generator = np.random.default_rng(seed)
    grades = {f"d{i}": int(generator.integers(0, 3)) for i in range(5)} | {"d9": 1}
    found = {f"d{i}": float(generator.integers(0, 2)) for i in range(5)}
    scores = score_run(*files(tmp_path, {"q": grades}, {"q": found}), ALL)
    names = list(found)
    totals = dict.fromkeys(TREC, 0.0)
    orders = list(permutations(names))
    for order in orders:
        called = dict(zip(names, order, strict=True)) | {"d9": "d9"}
        renamed = {"q": {called[d]: g for d, g in grades.items()}}
        evaluator = pytrec_eval.RelevanceEvaluator(renamed, set(TREC.values()))
        value = evaluator.evaluate({"q": {called[d]: s for d, s in found.items()}})["q"]
        for name, trec in TREC.items():
            totals[name] += value[trec]
    for name, total in totals.items():
        assert scores.values[name][0] == pytest.approx(total / len(orders), abs=1e-12), name


def test_trec_evals_names() -> None:
    assert {name: parse_measure(name).trec_name for name in TREC} == TREC
    none = ("nDCG", "nDCG@5", "AP@R", "AP(trapezoid)")
    assert [parse_measure(name).trec_name for name in none] == [None] * 4
    for ours, theirs in TREC.items():
        if ours != theirs:
            with pytest.raises(InputError, match=f"did you mean.*'{re.escape(ours)}'"):
                parse_measure(theirs)


def test_a_level_above_all_grades_is_refused(tmp_path: Path) -> None:
    both = files(tmp_path, {"q": {"a": 2}}, {"q": {"a": 1.0}})
    with pytest.raises(InputError, match="no document of the qrels has the grade 3") as caught:
        score_run(*both, ALL, level=3)
    assert "--level 3" in str(caught.value)
    assert "2 at most" in str(caught.value)
    zero = score_run(*both, ALL, level=3, nothing_relevant="zero")
    graded = {"nDCG(graded)", "nDCG(graded)@10"}
    assert {name: values[0] for name, values in zero.values.items()} == {
        str(m): float(str(m) in graded) for m in ALL
    }


def tied_orders(found: dict[str, float]) -> list[list[str]]:
    """All orders of the documents in which none precedes one of a higher score."""
    levels = sorted(set(found.values()), reverse=True)
    parts = [list(permutations([d for d, s in found.items() if s == level])) for level in levels]
    return [[d for part in order for d in part] for order in product(*parts)]


def literal(order: list[str], grades: dict[str, int], name: str) -> float:
    """One measure of one order, from its definition; what the run leaves out is found at no rank."""
    relevant = {d for d, g in grades.items() if g >= 1}
    hits = [int(d in relevant) for d in order]
    total, ranks = len(relevant), range(1, len(order) + 1)
    precision = {r: sum(hits[:r]) / r for r in ranks} | {0: 1.0}
    if name == "AP":
        return sum(precision[r] for r in ranks if hits[r - 1]) / total
    if name == "AP(trapezoid)":
        return sum((precision[r] + precision[r - 1]) / 2 for r in ranks if hits[r - 1]) / total
    if name == "AP@R":
        return sum(precision[r] for r in ranks if hits[r - 1] and r <= total) / total
    if name == "Rprec":
        return sum(hits[:total]) / total
    family, _, cutoff = name.partition("@")
    k = int(cutoff or 10**6)
    if family in ("P", "R"):
        return sum(hits[:k]) / (k if family == "P" else total)
    if family == "Hit":
        return float(any(hits[:k]))
    gains = [max(0, grades.get(d, 0)) if family == "nDCG(graded)" else int(d in relevant) for d in order]
    best = sorted(
        (max(0, g) if family == "nDCG(graded)" else int(g >= 1) for g in grades.values()), reverse=True
    )
    dcg, ideal = (sum(g / np.log2(r + 1) for r, g in enumerate(x[:k], 1)) for x in (gains, best))
    return float(dcg / ideal)


@given(
    st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 3)), min_size=1, max_size=6),
    st.lists(st.integers(1, 3), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_expected_is_the_mean_over_all_orders(
    tmp_path_factory: pytest.TempPathFactory, listed: list[tuple[int, int]], left_out: list[int]
) -> None:
    grades = {f"d{i}": g for i, (_, g) in enumerate(listed)} | {f"x{i}": g for i, g in enumerate(left_out)}
    if not any(grades.values()):
        grades["x0"] = 1
    run = {f"d{i}": float(s) for i, (s, _) in enumerate(listed)}
    scores = score_run(*files(tmp_path_factory.mktemp("one"), {"q": grades}, {"q": run}), ALL)
    orders = tied_orders(run)
    for name, (value,) in scores.values.items():
        expected = np.mean([literal(order, grades, name) for order in orders])
        assert value == pytest.approx(expected, abs=1e-12), name


def test_what_is_graded_below_the_level_is_not_relevant(tmp_path: Path) -> None:
    qrels = {"q": {"a": 1, "b": 2}, "r": {"a": 1}, "s": {"b": 0, "c": -1}}
    run = {"q": {"a": 2.0, "b": 1.0}, "r": {"a": 1.0}, "s": {"b": 1.0}}
    plain = score_run(*files(tmp_path, qrels, run), [parse_measure("AP")])
    assert dict(zip(plain.queries, plain.values["AP"], strict=True)) == {"q": 1.0, "r": 1.0}
    assert plain.without_relevant == ("s",)
    strict = score_run(*files(tmp_path, qrels, run), [parse_measure("AP")], level=2)
    assert dict(zip(strict.queries, strict.values["AP"], strict=True)) == {"q": 0.5}
    assert strict.without_relevant == ("r", "s")


def test_nothing_in_common_is_refused(tmp_path: Path) -> None:
    run, qrels = files(tmp_path, {"q": {"a": 1}, "r": {"a": 0}}, {"r": {"a": 1.0}})
    with pytest.raises(InputError, match="share no query") as caught:
        score_run(run, qrels, ALL)
    assert "'q'" in str(caught.value)


def test_blocks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = files(tmp_path, *made(5, ties=True))
    whole = score_run(*both, ALL).values
    monkeypatch.setattr(run_scores, "_BLOCK_ENTRIES", 200)
    for name, values in score_run(*both, ALL).values.items():
        np.testing.assert_allclose(values, whole[name], atol=1e-14)


def test_summary_is_made_of_the_statistics(tmp_path: Path) -> None:
    measures = [parse_measure("AP"), parse_measure("P@5")]
    qrels, first = made(6, ties=False)
    scored = {"first": score_run(*files(tmp_path, qrels, first), measures)}
    for seed in (7, 8):
        run, judged = files(tmp_path, qrels, made(seed, ties=False)[1])
        scored[str(seed)] = score_run(run, judged, measures)
    found = summarise(scored, draws=200, randomisations=300, seed=3)
    assert [(r["run"], r["metric"]) for r in found["results"][:3]] == [
        ("first", "AP"),
        ("7", "AP"),
        ("8", "AP"),
    ]
    row = found["results"][4]
    values = scored["7"].values["P@5"]
    assert row["value"] == pytest.approx(values.mean())
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(bootstrap_interval([values], 200, seed=3))
    rows = found["comparisons"]
    assert [(r["run"], r["metric"]) for r in rows] == [("7", "AP"), ("8", "AP"), ("7", "P@5"), ("8", "P@5")]
    alone = compare([values], [scored["first"].values["P@5"]], draws=200, randomisations=300, seed=3)
    assert (rows[2]["difference"], rows[2]["p"]) == pytest.approx((alone.difference, alone.p))
    np.testing.assert_allclose([r["p_adjusted"] for r in rows], holm([r["p"] for r in rows]))
    assert summarise({"first": scored["first"]}, draws=10)["comparisons"] == []
