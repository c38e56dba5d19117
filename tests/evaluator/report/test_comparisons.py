from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clay_eval.evaluator.report import comparisons
from clay_eval.evaluator.report.comparisons import Axis

NAMES = ("raw", "clay", "mine", "random", "lda")


def one(method: str, difference: float, condition: str = "a", **other: Any) -> dict[str, Any]:
    base = {
        "entity": "e",
        "conditions": condition.split("+"),
        "metric": "AP",
        "reference": "clay",
        "ci_low": difference - 0.05,
        "ci_high": difference + 0.05,
        "p": 0.01,
        "p_adjusted": 0.02,
        "effect": 10 * difference,
        "better": 0.25,
        "worse": 0.5,
        "significant": True,
    }
    return {**base, "method": method, "difference": difference, **other}


def report(*found: dict[str, Any], results: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    controls = "clay_eval.evaluator.methods.controls:RandomSubspace"
    return {
        "comparisons": list(found),
        "results": list(results),
        "settings": {"measures": ["AP"], "methods": list(NAMES), "reference": "clay"},
        "methods": {
            name: {
                "title": name,
                "target": controls if name == "random" else "m:M",
                "privileged": name == "lda",
            }
            for name in NAMES
        },
    }


def test_a_line_is_the_plain_mean_over_conditions() -> None:
    forest = comparisons.build_forest(
        report(
            one("raw", -0.3),
            one("raw", -0.1, "b", significant=False, effect=None, better=0.75),
            one("mine", 0.02),
            one("mine", 0.9, "a+b"),
            one("mine", 0.9, metric="P@10"),
            one("mine", 0.9, entity="another"),
        ),
        "e",
        several=False,
    )
    assert forest is not None
    ((_, (mine, raw)),) = forest.parts
    assert (mine.method, raw.method) == ("mine", "raw")
    assert (raw.difference, raw.interval) == ("−20.0", "−25.0 to −15.0")
    assert (raw.effect, raw.word) == ("−3.00", "large")
    assert (raw.wins, raw.losses, raw.conditions) == (0, 1, 2)
    assert (raw.better, raw.worse) == ("50", "50")
    assert (mine.effect, mine.word, mine.wins) == ("0.20", "small", 1)
    assert [point.significant for point in raw.points] == [True, False]
    assert raw.points[0].text == "a: −30.0 (−35.0 to −25.0)"
    assert [label for _, label in forest.ticks] == ["−40", "−30", "−20", "−10", "0", "+10"]
    assert forest.zero == pytest.approx(80)
    assert raw.at == pytest.approx(40)


def test_combinations_stand_apart_and_nothing_is_no_forest() -> None:
    made = report(one("raw", -0.3), one("mine", 0.1, "a+b"))
    both = [comparisons.build_forest(made, "e", several=several) for several in (False, True)]
    assert [[line.method for _, lines in f.parts for line in lines] for f in both if f] == [["raw"], ["mine"]]
    assert comparisons.build_forest(report(), "e", several=False) is None


def test_controls_do_not_stretch_the_axis_and_say_that_they_lie_beyond() -> None:
    made = report(one("raw", -0.02), one("mine", 0.04), one("random", -0.9), one("lda", 0.8))
    forest = comparisons.build_forest(made, "e", several=False)
    assert forest is not None
    assert forest.ticks[0][1] == "−10"
    lines = {line.method: line for _, part in forest.parts for line in part}
    assert {name: line.beyond for name, line in lines.items()} == {
        "mine": "",
        "raw": "",
        "random": "left",
        "lda": "right",
    }
    assert (lines["random"].at, lines["random"].points) == (0, ())
    assert lines["lda"].at == 100
    assert [heading.split(":")[0] for heading, _ in forest.parts] == ["", "Controls", "Privileged"]


@given(st.lists(st.floats(-1, 1), max_size=8))
def test_an_axis_holds_all_values_and_zero_in_few_round_steps(values: list[float]) -> None:
    axis = comparisons._axis(values)
    assert axis.low <= min([0.0, *values]) + 1e-9
    assert axis.high >= max([0.0, *values]) - 1e-9
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 7
    assert "0" in [label for _, label in ticks]
    assert [place for place, _ in ticks] == sorted(place for place, _ in ticks)
    assert all(0 <= axis.place(value) <= 100 for value in values)


def test_places_are_linear_and_cut_off() -> None:
    axis = Axis(-0.2, 0.2, 0.1)
    assert [axis.place(v) for v in (-0.2, 0.0, 0.1, 0.5)] == pytest.approx([0, 50, 75, 100])
    assert [axis.beyond(v) for v in (-0.3, 0.2, 0.3)] == ["left", "", "right"]


@pytest.mark.parametrize(
    ("effect", "word"),
    [
        (None, ""),
        (0.0, "negligible"),
        (-0.19, "negligible"),
        (0.2, "small"),
        (-0.5, "medium"),
        (0.8, "large"),
    ],
)
def test_words_for_effects(effect: float | None, word: str) -> None:
    assert comparisons.effect_word(effect) == word


def test_the_best_rivals_were_scored_everywhere_and_are_neither_control_nor_privileged() -> None:
    def result(method: str, condition: str, value: float, metric: str = "AP") -> dict[str, Any]:
        conditions = condition.split("+")
        found = {"entity": "e", "encoder": "v", "metric": metric, "value": value, "conditions": conditions}
        return {**found, "method": method}

    results = (
        *(result(m, c, v) for m, v in zip(NAMES, (0.3, 0.5, 0.4, 0.9, 1.0), strict=True) for c in ("a", "b")),
        result("partial", "a", 0.99),
        result("raw", "a+b", 1.0),
        result("raw", "a", 1.0, "P@10"),
    )
    made = report(results=results)
    assert comparisons.best_rivals(made, (), 9) == ["clay", "mine", "raw"]
    assert comparisons.best_rivals(made, ("clay",), 1) == ["mine"]
    assert comparisons.best_rivals(report(), (), 3) == []
