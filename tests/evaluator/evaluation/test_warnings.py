"""Each warning appears exactly when it should."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from clay_eval.evaluator.evaluation.warnings import (
    RULES,
    Facts,
    direction_shares,
    report_warnings,
    text_shares,
)
from clay_eval.evaluator.retrieval.results import Compared, Failure, GroupScores, Outcome, Result
from clay_eval.evaluator.retrieval.study import TextFeatures


def result(method: str = "clay", value: float = 0.5, half: float | None = 0.02, **other: Any) -> Result:
    base = Result(
        entity="e",
        method=method,
        encoder="v",
        conditions=("a",),
        metric="AP",
        value=value,
        ci_low=None if half is None else value - half,
        ci_high=None if half is None else value + half,
        chance=0.1,
        queries=100,
        queries_without_relevant=0,
    )
    return replace(base, **other)


def compared(effect: float | None = 0.1, significant: bool = True) -> Compared:
    return Compared(
        "e", ("a",), "AP", "raw", "clay", -0.004, -0.006, -0.002, 0.001, 0.002, effect, 0.4, 0.5, significant
    )


def outcome(asked: int | None, used: int | None, method: str = "clay") -> Outcome:
    learnt = {k: v for k, v in (("n_components", asked), ("n_components_", used)) if v is not None}
    group = GroupScores(0, None, np.arange(2), {}, {}, 9, 5, learnt)
    return Outcome("e", method, "v", ("a",), (group,))


def of_queries(method: str, counts: dict[str, int]) -> Outcome:
    """An outcome with so many scored queries a database, and one that has nothing to find."""
    groups, first = [], 0
    for name, count in counts.items():
        values = np.append(np.full(count, 0.5), np.nan)
        rows = np.arange(first, first + len(values))
        groups.append(GroupScores(0, name, rows, {"AP": values}, {}, 9, 5, {}))
        first += len(values)
    return Outcome("e", method, "v", ("a",), tuple(groups))


GOOD = Facts(
    measure="AP",
    rivals=["raw", "clay"],
    reference="clay",
    results=[result(), result("raw", 0.3), result("random", 0.1), result("clay", 0.05, metric="P@10")],
    comparisons=[compared(), compared(0.9), compared(None)],
    failures=[],
    outcomes=[outcome(50, 50), outcome(None, 4), outcome(50, None), outcome(50, 3, "random")],
    relevant={"e": {("a",): np.array([5, 5, 9, 5, 0] * 2 + [5] * 10)}},
    text_shares={"e": {"a": 0.5}},
)


def test_nothing_is_said_where_all_is_well() -> None:
    assert report_warnings(GOOD) == []


CASES = {
    "a failure": (
        {"failures": [Failure("e", "m:M", ("a",), "it broke\n  where: m"), Failure("e", "m:M", ("b",), "x")]},
        "m:M failed on 2 sets of conditions and has no score there: it broke",
    ),
    "clay at chance": (
        {"results": [result(value=0.12), result("raw", 0.3)]},
        "e: the interval of clay reaches the chance level for a.",
    ),
    "all at chance": (
        {"results": [result(value=0.12), result("raw", 0.11), result("random", 0.9)]},
        "e: no method is above chance for a; the encoder, or the pictures, may not show these conditions at all.",
    ),
    "few to find": (
        {"relevant": {"e": {("a", "b"): np.array([0, 4, 4, 4, 9, 9, 4, 4, 4, 4, 4])}}},
        "e: half of the queries have fewer than 5 relevant images for a + b (4) ",
    ),
    "queries without": (
        {"relevant": {"e": {("a",): np.array([0, 0, 9, 9, 9, 9, 9, 9, 9, 9])}}},
        "e: many queries have nothing to find and were left out for a (20 %).",
    ),
    "few queries": (
        {"outcomes": [of_queries("clay", {"x": 12, "y": 9, "z": 10}), of_queries("raw", {"x": 12, "y": 9})]},
        "e: a database has fewer than 10 queries for a (9) (the fewest in brackets), so intervals are wide, and near 0 or 1",
    ),
    "alike": (
        {"comparisons": [replace(compared(), icc=0.11), replace(compared(), icc=-0.2)]},
        "e: 2 significant differences by queries, whose scores resemble each other within a combination of labels "
        "(intraclass correlation up to 0.11)",
    ),
    "one direction": (
        {"outcomes": [outcome(1, 1), outcome(None, 1, "raw"), outcome(1, 1, "random")]},
        "e: clay, raw keep one direction for a, where every cosine is 1 or -1:",
    ),
    "texts": (
        {"text_shares": {"e": {"a": 0.4, "b": 0.9}}},
        "e: less than half of the variance of the texts lies between values for a (40 %).",
    ),
    "clamped": (
        {"outcomes": [outcome(50, 9), outcome(50, 22), outcome(50, 50)]},
        "Fewer components were used than asked for, as the texts of some condition, or the images of some database, span no "
        "more: clay 9 to 22 of 50.",
    ),
    "trivial": (
        {"results": [result(queries=1000), result("raw", 0.3)]},
        "With 1,000 queries 1 difference of negligible size (effect below 0.2) is significant, down to 0.4 points:",
    ),
    "seeds": (
        {"results": [result(seeds_std=0.05), result("raw", 0.3, seeds_std=0.01)], "seeds": 4},
        "e: the seeds' splits disagree more than the intervals say for a, most for clay (standard deviation 5.0 points of "
        "mAP).",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_rule_speaks_alone_when_it_should(case: str) -> None:
    changes, begins = CASES[case]
    (said,) = report_warnings(replace(GOOD, **changes))
    assert said.startswith(begins)


@pytest.mark.parametrize(
    "changes",
    [
        {"results": [result(half=None), result("raw", 0.3, chance=None)]},
        {"results": [result("random", 0.01), result()]},
        {"outcomes": [of_queries("clay", {"x": 10, "y": 0})]},
        {"outcomes": [outcome(1, 1, "random"), outcome(2, 2)]},
        {"results": [result(half=0.3)]},
        {
            "comparisons": [
                replace(compared(), icc=0.1),
                replace(compared(), icc=0.0),
                replace(compared(), icc=-0.2),
            ]
        },
        {"comparisons": [replace(compared(significant=False), icc=0.9)]},
        {"comparisons": [replace(compared(), icc=0.9)], "resample": "combinations"},
        {"relevant": {"e": {("a",): np.zeros(0, np.int64)}, "f": {}}},
        {"relevant": {"e": {("a",): np.array([5, 5, 4])}}},
        {"relevant": {"e": {("a",): np.array([9] * 9 + [0])}}},
        {"comparisons": [compared(0.1, significant=False)], "results": [result(queries=9999)]},
        {"comparisons": [compared(0.2)], "results": [result(queries=9999)]},
        {"results": [result(queries=999)]},
        {"results": [result(seeds_std=0.047)], "seeds": 4},
        {"results": [], "comparisons": [], "outcomes": [], "relevant": {}, "text_shares": {}, "rivals": []},
    ],
)
def test_no_rule_speaks_at_its_border_or_without_numbers(changes: dict[str, Any]) -> None:
    assert report_warnings(replace(GOOD, **changes)) == []


def test_all_queries_without_anything_to_find_are_no_median() -> None:
    (said,) = report_warnings(replace(GOOD, relevant={"e": {("a",): np.zeros(4, np.int64)}}))
    assert "a (100 %)" in said


def test_many_names_are_cut_and_entities_are_kept_apart() -> None:
    shares = {"e": dict.fromkeys("abcdef", 0.1), "f": {"a": 0.1}}
    first, second = report_warnings(replace(GOOD, text_shares=shares))
    assert "a (10 %), b (10 %), c (10 %) and 3 more" in first
    assert second.startswith("f: ")


def test_the_judge_is_the_reference_where_clay_was_not_run() -> None:
    low = [result("mine", 0.11), result("raw", 0.3)]
    facts = replace(GOOD, results=low, rivals=["mine", "raw"], reference="mine")
    assert report_warnings(facts) == ["e: the interval of mine reaches the chance level for a."]
    assert report_warnings(replace(facts, reference=None)) == []


def test_failures_come_first() -> None:
    assert RULES[0].__name__ == "methods_failed"


def test_text_shares_leave_out_what_has_none() -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(np.eye(4)[:2], 3, axis=0) + rng.normal(size=(6, 4)) * 1e-3
    values = ["x"] * 3 + ["y"] * 3
    found = text_shares(
        {
            "good": TextFeatures(rows, None, values),
            "one value": TextFeatures(rows, None, ["x"] * 6),
            "no values": TextFeatures(rows),
            "all alike": TextFeatures(np.ones((6, 4)), None, values),
        }
    )
    assert found == {"good": pytest.approx(1, abs=1e-3)}


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_seeds_that_differ_by_chance_alone_rarely_disagree(seeds: int) -> None:
    from scipy.stats import chi2

    half = 0.02
    one_split = half * seeds**0.5 / 1.96
    border = one_split * (chi2.isf(0.001, seeds - 1) / (seeds - 1)) ** 0.5
    for factor, warned in ((0.97, False), (1.03, True)):
        facts = replace(GOOD, results=[result(half=half, seeds_std=factor * border)], seeds=seeds)
        assert bool(report_warnings(facts)) is warned


def test_wording_in_clays_directions_is_told_where_clay_was_run() -> None:
    mostly = replace(GOOD, text_directions={"e": {"a": 0.24, "b": 0.25}})
    (said,) = report_warnings(mostly)
    assert "about how texts are worded" in said
    assert "a (24 %)" in said
    assert "b (" not in said
    without = replace(mostly, results=[result("raw", 0.3)], rivals=["raw"], reference="raw")
    assert not any("worded" in warning for warning in report_warnings(without))


@pytest.mark.parametrize(("score", "advised"), [(0.6, True), (0.5, False), (0.4, False), (None, False)])
def test_clay_values_is_advised_only_where_it_scored_more(score: float | None, advised: bool) -> None:
    other = [result("clay-values", score)] if score is not None else []
    facts = replace(GOOD, text_directions={"e": {"a": 0.1}}, results=[*GOOD.results, *other])
    (said,) = report_warnings(facts)
    assert ("clay-values" in said) is advised


def test_many_wordings_of_few_values_fill_the_directions() -> None:
    generator = np.random.default_rng(0)
    meaning, wording = generator.standard_normal((3, 40)), generator.standard_normal((12, 40))
    rows = np.stack([meaning[v] + 0.2 * wording[w] + 3 for v in range(3) for w in range(12)])
    many = TextFeatures(rows, None, [str(v) for v in range(3) for _ in range(12)])
    plain = TextFeatures(meaning + 3, None, ["0", "1", "2"])
    shares = direction_shares({"many": many, "plain": plain, "unnamed": TextFeatures(rows)})
    assert set(shares) == {"many", "plain"}
    assert shares["plain"] > 0.99
    assert shares["many"] < 0.25
