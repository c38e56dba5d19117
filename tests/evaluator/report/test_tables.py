from __future__ import annotations

from typing import Any

import pytest

from clay_eval.evaluator.report import roles, summary, tables
from clay_eval.evaluator.scoring.measures import measure_title


def result(
    method: str, conditions: tuple[str, ...], value: float | None, half: float = 0.02, **other: Any
) -> dict[str, Any]:
    low = None if value is None else value - half
    high = None if value is None else value + half
    base = {
        "entity": "e",
        "encoder": "vit",
        "metric": "AP",
        "chance": 0.1,
        "queries": 9,
        "queries_without_relevant": 1,
    }
    return {
        **base,
        "method": method,
        "conditions": list(conditions),
        "value": value,
        "ci_low": low,
        "ci_high": high,
        **other,
    }


def report(
    *results: dict[str, Any],
    demonstration: bool = False,
    renderer: str | None = None,
    comparisons: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    return {
        "results": list(results),
        "comparisons": list(comparisons),
        "settings": {
            "methods": ["raw", "lda", "random", "clay", "ip-composer"],
            "measures": ["AP", "P@10"],
            "reference": "clay",
        },
        "methods": {
            "raw": {
                "title": "raw cosine",
                "target": "clay_eval.evaluator.methods.raw:Raw",
                "privileged": False,
            },
            "clay": {"title": "CLAY", "target": "clay_eval.evaluator.methods.clay:CLAY", "privileged": False},
            "lda": {"title": "LDA", "target": "m:LDA", "privileged": True},
            "random": {
                "title": "",
                "target": "clay_eval.evaluator.methods.controls:RandomSubspace",
                "privileged": False,
            },
            "clay-values": {
                "title": "",
                "target": "clay_eval.evaluator.methods.clay_values:CLAYValues",
                "privileged": False,
            },
        },
        "inputs": {"encoder": {"demonstration": demonstration}, "data": {"renderer": renderer}},
    }


BOTH = (
    result("clay", ("age",), 0.9),
    result("raw", ("age",), 0.3),
    result("clay", ("action",), 0.5),
    result("raw", ("action",), 0.6),
    result("clay", ("age", "action"), 0.4, chance=0.01),
    result("raw", ("age", "action"), 0.1, chance=0.01),
    result("other", ("age",), 0.9),
)


def test_a_table_has_the_asked_order_the_best_of_each_column_and_the_gain() -> None:
    table = tables.build_table(report(*BOTH), "e", several=False)
    assert table is not None
    assert table.columns == (("age",), ("action",))
    assert [row.title for row in table.rows] == ["raw cosine", "CLAY", "other"]
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["30.0", "60.0"],
        ["90.0", "50.0"],
        ["90.0", "–"],
    ]
    assert [[cell.best for cell in row.cells] for row in table.rows] == [
        [False, True],
        [True, False],
        [True, False],
    ]
    assert [row.mean.value for row in table.rows] == [pytest.approx(0.45), pytest.approx(0.7), None]
    assert [row.mean.best for row in table.rows] == [False, True, False]
    assert table.gain == (pytest.approx(3.0), pytest.approx(0.5 / 0.6))
    assert table.gain_mean == pytest.approx(0.7 / 0.45)
    assert table.rows[0].cells[0].interval == "28.0–32.0"
    assert (table.queries, table.without_relevant) == ((9, 9), (1, 1))


def test_combinations_stand_in_a_table_of_their_own() -> None:
    table = tables.build_table(report(*BOTH), "e", several=True)
    assert table is not None
    assert table.columns == (("age", "action"),)
    assert table.chance == (0.01,)
    assert tables.build_table(report(*BOTH[:4]), "e", several=True) is None
    assert tables.build_table(report(*BOTH), "another", several=False) is None


def test_several_encoders_are_rows_of_their_own_and_gains_compare_within_one() -> None:
    more = [result("raw", ("age",), 0.8, encoder="big"), result("clay", ("age",), 0.88, encoder="big")]
    table = tables.build_table(report(*more, *BOTH[:2]), "e", several=False)
    assert table is not None
    assert [row.title for row in table.rows] == [
        "raw cosine (big)",
        "raw cosine (vit)",
        "CLAY (big)",
        "CLAY (vit)",
    ]
    assert table.gain == (pytest.approx(1.1),)


def test_missing_values_are_dashes_and_never_zero() -> None:
    table = tables.build_table(
        report(result("clay", ("age",), None), result("raw", ("age",), 0.0)), "e", several=False
    )
    assert table is not None
    assert [row.cells[0].text for row in table.rows] == ["0.0", "–"]
    assert table.gain == (None,)
    assert table.rows[1].cells[0].interval == ""


def test_controls_and_privileged_methods_stand_apart_and_are_never_best() -> None:
    methods = {"lda": 1.0, "random": 0.99, "clay-values": 0.8, "clay": 0.7, "raw": 0.3}
    table = tables.build_table(
        report(*(result(m, (c,), value) for m, value in methods.items() for c in "ab")), "e", several=False
    )
    assert table is not None
    assert [(heading.split(":")[0], [row.method for row in rows]) for heading, rows in table.parts] == [
        ("", ["raw", "clay", "clay-values"]),
        ("Controls", ["random"]),
        ("Privileged", ["lda"]),
    ]
    assert [row.method for row in table.rows if row.cells[0].best or row.mean.best] == ["clay-values"]
    assert [row.method for row in table.rows if row.ours] == ["clay-values"]
    assert [row.method for row in table.rows if row.reference] == ["clay"]
    assert table.ours


def compared(
    method: str, condition: str, difference: float, significant: bool, **other: Any
) -> dict[str, Any]:
    base = {"entity": "e", "metric": "AP", "reference": "clay"}
    return {
        **base,
        "method": method,
        "conditions": [condition],
        "difference": difference,
        "significant": significant,
        **other,
    }


def test_marks_say_what_is_significantly_better_or_worse_and_nothing_else() -> None:
    scored = [result(m, (c,), 0.5) for m in ("raw", "clay", "ip-composer") for c in "ab"]
    made = report(
        *scored,
        comparisons=(
            compared("raw", "a", -0.2, True),
            compared("raw", "b", -0.2, False),
            compared("ip-composer", "a", 0.1, True),
            compared("ip-composer", "b", 0.1, True, metric="P@10"),
            compared("ip-composer", "b", 0.1, True, entity="another"),
        ),
    )
    table = tables.build_table(made, "e", several=False)
    assert table is not None
    assert table.marked
    assert {row.method: [cell.sign for cell in row.cells] for row in table.rows} == {
        "raw": ["▼", ""],
        "clay": ["", ""],
        "ip-composer": ["▲", ""],
    }


def test_every_measure_has_tables_of_its_own() -> None:
    scored = [result("clay", ("a",), 0.5), result("clay", ("a",), 0.25, metric="P@10", seeds_std=0.0123)]
    first, second = (
        tables.build_table(report(*scored), "e", several=False, metric=m) for m in (None, "P@10")
    )
    assert first is not None
    assert second is not None
    assert (first.title, first.rows[0].cells[0].text, first.rows[0].cells[0].between_seeds) == (
        "mAP",
        "50.0",
        "",
    )
    assert (second.title, second.rows[0].cells[0].text) == ("P@10", "25.0")
    assert (second.rows[0].cells[0].between_seeds, second.seeds, first.seeds) == ("±1.2", True, False)
    assert tables.build_table(report(*scored), "e", several=False, metric="nDCG") is None
    assert [measure_title(m) for m in ("AP@R", "AP(trapezoid)", "nDCG@5")] == [
        "mAP@R",
        "mAP(trapezoid)",
        "nDCG@5",
    ]


def test_the_headline_speaks_of_rivals_and_the_primary_measure_alone() -> None:
    won = [result("clay", (c,), 0.8) for c in "ab"] + [result("raw", (c,), 0.3) for c in "ab"]
    apart = [result(m, (c,), 0.99) for m in ("lda", "random") for c in "ab"]
    other = [result(m, (c,), 0.9, metric="P@10") for m in ("raw", "ip-composer") for c in "ab"]
    assert summary.headline(report(*won, *apart, *other)) == summary.headline(report(*won))
    assert "mAP 80.0 against 30.0" in summary.headline(report(*won))
    assert summary.headline(report(*apart)) == "Nothing was scored."
    ours = [result("clay-values", (c,), 0.9) for c in "ab"]
    assert summary.headline(report(*won, *apart, *ours)).endswith(
        "clay-values, this project's own method, is ahead of CLAY, with a mean of 90.0."
    )


def test_the_headline_claims_a_win_only_if_every_interval_says_so() -> None:
    won = [result("clay", (c,), 0.861) for c in "abc"] + [result("raw", (c,), 0.312) for c in "abc"]
    assert summary.headline(report(*won)) == (
        "CLAY finds what you ask for: mAP 86.1 against 31.2 for raw cosine, mean over 3 single conditions, chance 10.0 "
        "(2.8 times raw)."
    )
    split = summary.headline(report(*BOTH))
    assert split.startswith(
        "Asked for one condition, CLAY and raw cosine are not clearly apart: mAP 70.0 against 45.0"
    )
    assert split.endswith("clearly better on 1 of 2, clearly worse on 1.")
    ahead = summary.headline(report(*won[:2], result("clay", ("c",), 0.32), *won[3:]))
    assert "ahead of raw cosine on average" in ahead
    assert "clearly better on 2 of 3, clearly worse on none" in ahead


def test_the_headline_counts_what_the_signs_in_the_tables_show() -> None:
    near = [result("clay", (c,), 0.46) for c in "ab"] + [result("raw", (c,), 0.45) for c in "ab"]
    made = report(*near)
    assert "clearly better on 0 of 2, clearly worse on none" in summary.headline(made)
    row = {"entity": "e", "metric": "AP", "difference": 0.01, "significant": True}
    made["comparisons"] = [
        {**row, "conditions": ["a"], "method": "clay", "reference": "raw"},
        {**row, "conditions": ["b"], "method": "raw", "reference": "clay"},
    ]
    assert "clearly better on 1 of 2, clearly worse on 1." in summary.headline(made)
    made["comparisons"][1]["difference"] = -0.01
    assert summary.headline(made).startswith("CLAY finds what you ask for: mAP 46.0 against 45.0")
    made["comparisons"][1]["significant"] = False
    assert "clearly better on 1 of 2, clearly worse on none" in summary.headline(made)


def test_the_headline_names_a_rival_that_is_ahead_of_clay() -> None:
    won = [result("clay", (c,), 0.8) for c in "ab"] + [result("raw", (c,), 0.3) for c in "ab"]
    rival = [result("ip-composer", (c,), 0.9) for c in "ab"]
    assert summary.headline(report(*won, *rival)).endswith("is ahead of CLAY, with a mean of 90.0.")
    level = [result("ip-composer", (c,), 0.8003) for c in "ab"]
    assert "ahead of CLAY" not in summary.headline(report(*won, *level))
    assert "ahead of CLAY" not in summary.headline(report(*won, rival[0]))


def test_the_headline_is_honest_when_clay_loses_or_nothing_is_clear() -> None:
    lost = [result("clay", (c,), 0.2) for c in "ab"] + [result("raw", (c,), 0.5) for c in "ab"]
    assert summary.headline(report(*lost)).startswith(
        "Asked for one condition, CLAY loses to raw cosine here: mAP 20.0 against 50.0"
    )
    wide = [result("clay", ("a",), 0.9, half=0.5), result("raw", ("a",), 0.3, half=0.5)]
    assert "not clearly apart" in summary.headline(report(*wide))
    bare = [
        {**r, "ci_low": None, "ci_high": None}
        for r in (result("clay", ("a",), 0.9), result("raw", ("a",), 0.3))
    ]
    assert "not clearly apart" in summary.headline(report(*bare))


def test_combinations_have_a_sentence_of_their_own() -> None:
    said = summary.comparison(report(*BOTH), several=True)
    assert said is not None
    assert said.startswith(
        "Asked for two or more conditions at once, CLAY still finds it: mAP 40.0 against 10.0"
    )
    assert "1 combination, chance 1.0" in said
    assert summary.headline(report(*BOTH[4:6])) == said
    assert summary.comparison(report(*BOTH[:4]), several=True) is None


def test_without_a_pair_the_best_method_is_named() -> None:
    said = summary.headline(report(result("raw", ("a",), 0.5), result("ip-composer", ("a",), 0.6)))
    assert said.startswith("ip-composer has the highest mean: mAP 60.0 over 1 single condition")
    assert summary.headline(report()) == "Nothing was scored."


def test_notices_follow_the_inputs() -> None:
    assert summary.notices(report()) == []
    assert summary.notices(report(demonstration=True)) == [summary.DEMONSTRATION]
    assert summary.notices(report(demonstration=True, renderer="procedural")) == [
        summary.DEMONSTRATION,
        summary.DRAWN,
    ]
    assert summary.notices(report(renderer="diffusion: embedded")) == [summary.PAINTED]
    assert summary.notices(report(renderer="diffusion: black-forest-labs/FLUX.1-schnell")) == []


def test_records_say_what_a_method_is_and_older_ones_by_their_target() -> None:
    old = "clay_eval.evaluator.methods.controls:Complement"
    methods = {
        "a": {"target": "m:A", "role": "control", "ours": True},
        "b": {"target": old, "role": "rival", "ours": False},
        "c": {"target": old},
        "d": {"target": "m:D", "privileged": True, "role": "rival"},
        "e": {"target": "clay_eval.evaluator.methods.text_mixture:TextMixture"},
        "f": {"target": "clay_eval.evaluator.methods.text_mixture:TextMixture", "ours": False},
    }
    record = {"methods": methods}
    assert [roles.role(record, name) for name in "abcdefg"] == [
        *("control", "rival", "control", "privileged", "rival", "rival", "rival")
    ]
    assert [name for name in "abcdefg" if roles.is_ours(record, name)] == ["a", "e"]
