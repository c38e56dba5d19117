"""Draws of texts keep what they should; planted differences between texts show as spread, and nothing else does."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from planted_world import VALUES, study
from scipy.stats import chi2

from clay_eval.evaluator.experiments.paraphrase import (
    ALL_TEXTS,
    EACH,
    SHARE,
    Draw,
    ParaphraseSettings,
    draws,
    each_value,
    find_spreads,
    some,
)
from clay_eval.evaluator.experiments.paraphrase_findings import paraphrase_findings, spreads_of
from clay_eval.evaluator.retrieval.study import Study
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import ConditionText

FORMS = ("a photo of {v}", "a picture of {v}", "an image of {v}", "a drawing of {v}")
ITEMS = [ConditionText(form.format(v=value), value) for value in VALUES["color"] for form in FORMS]


def worded(bad: str | None = None, noise: float = 0.1) -> Study:
    """A study with four texts a value; `bad`: a form whose texts name the next value instead."""
    one = study(copies=4, noise=noise)
    items = {}
    for name, values in VALUES.items():
        items[name] = tuple(
            ConditionText(form.format(v=values[(i + (form == bad)) % len(values)]), value)
            for i, value in enumerate(values)
            for form in FORMS
        )
    return replace(one, items=items, texts=one.encoded(items))


def settings(*methods: str, **changes: object) -> ParaphraseSettings:
    given = {"methods": methods or ("clay",), "draws": 6, "seeds": (0, 1), **changes}
    return ParaphraseSettings(**given)  # type: ignore[arg-type]


def found_in(one: Study, asked: ParaphraseSettings) -> tuple[list[Draw], list[str]]:
    return find_spreads([one], asked.evaluation().prepared(), asked)


@pytest.mark.parametrize("count", [1, 3, 9])
def test_each_value_keeps_so_many_of_its_texts(count: int) -> None:
    rows = each_value(ITEMS, count, 5)
    assert rows == each_value(ITEMS, count, 5) == tuple(sorted(set(rows)))
    assert Counter(ITEMS[row].value for row in rows) == dict.fromkeys(VALUES["color"], min(count, 4))
    if count < 4:
        assert len({each_value(ITEMS, count, seed) for seed in range(20)}) > 3


def test_a_share_keeps_its_number_and_names_every_value() -> None:
    rows = some(ITEMS, 0.5, 0)
    assert len(rows) == 8
    assert {ITEMS[row].value for row in rows} == set(VALUES["color"])
    assert len(some(ITEMS, 0.01, 0)) == 2


def test_values_of_each_parent_are_drawn_apart() -> None:
    items = [
        ConditionText(f"{form} {value} {parent}", value, parent)
        for parent in ("cup", "tool")
        for value in ("old", "new")
        for form in ("a", "b", "c")
    ]
    rows = each_value(items, 1, 0)
    assert Counter((items[row].parent, items[row].value) for row in rows).total() == 4
    assert Counter(items[row].parent for row in some(items, 0.5, 0)) == {"cup": 3, "tool": 3}


def test_every_draw_is_scored_with_its_texts_alone() -> None:
    from clay_eval.evaluator.experiments.studies import score_conditions, text_rows

    one, asked = worded("a picture of {v}"), settings("clay", "clay-values")
    found, _ = found_in(one, asked)
    notes: list[str] = []
    third = draws(one, EACH, asked, notes)[2]
    texts = {name: text_rows(one.texts[name], rows) for name, rows in third.items()}
    scores, _ = score_conditions(one, asked.evaluation().prepared(), asked.engine(), texts)
    again = {(s.condition, s.method, s.seed): s.value for s in scores}
    there = {(d.condition, d.method, d.seed): d.value for d in found if (d.way, d.draw) == (EACH, 2)}
    assert there == pytest.approx(again)
    assert {d.kept for d in found if (d.way, d.condition) == (EACH, "color")} == {4}
    assert {d.kept for d in found if (d.way, d.condition) == (ALL_TEXTS, "color")} == {16}


def test_texts_that_disagree_spread_the_scores_and_texts_that_agree_do_not() -> None:
    def sd(one: Study, way: str) -> float:
        asked = settings("label-posterior")
        spreads = spreads_of(found_in(one, asked)[0], asked)
        return float(np.mean([s.sd for s in spreads if s.key[3] == way]))

    good, bad = worded(), worded("a picture of {v}")
    assert sd(bad, EACH) > 5 * sd(good, EACH)
    assert sd(bad, SHARE) < sd(bad, EACH)


def test_spread_and_interval_are_their_formulas() -> None:
    values = [0.5, 0.6, 0.8, 0.7]
    found = [Draw("e", "c", "m", ALL_TEXTS, 9, 9, 0, 0, 0.65, 0.1)]
    for draw, value in enumerate(values):
        found += [
            Draw("e", "c", "m", EACH, 3, 9, draw, seed, value + d, 0.1) for seed, d in ((0, -0.1), (1, 0.1))
        ]
    (one,) = spreads_of(found, settings())
    assert one.values == pytest.approx(values)
    assert one.sd == pytest.approx(np.std(values, ddof=1))
    low, high = (3 * np.var(values, ddof=1) / chi2.ppf([0.975, 0.025], 3)) ** 0.5
    assert one.sd_interval == pytest.approx((low, high))
    assert one.middle == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    assert (one.all_texts, one.chance, one.draw) == (0.65, pytest.approx(0.1), "1 a value: 3 of 9")


def test_the_interval_of_the_spread_holds_it_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        draw = generator.normal(0.7, 0.05, 20)
        found = [Draw("e", "c", "m", ALL_TEXTS, 9, 9, 0, 0, 0.7, 0.1)]
        found += [Draw("e", "c", "m", EACH, 3, 9, i, 0, value, 0.1) for i, value in enumerate(draw)]
        low, high = spreads_of(found, settings())[0].sd_interval
        held += low <= 0.05 <= high
    assert 0.92 <= held / 400 <= 0.98


def test_conditions_without_a_choice_are_left_out_of_a_way_and_named() -> None:
    found, notes = found_in(study(copies=4), settings())
    assert {d.way for d in found} == {ALL_TEXTS, SHARE}
    assert any("color has no choice of texts for draws by each: 4 in all" in note for note in notes)
    two = study({"color": ("red", "blue"), "shape": ("ball", "cube")}, copies=6)
    with pytest.raises(InputError, match="no condition has texts to choose from"):
        found_in(two, settings())


def test_methods_that_look_at_no_texts_are_named() -> None:
    found, notes = found_in(worded(), settings("raw", "clay"))
    assert {d.method for d in found} == {"clay"}
    assert any("raw left out" in note for note in notes)
    with pytest.raises(InputError, match="no method looks at texts"):
        found_in(worded(), settings("raw", "centred"))


def test_findings_hold_a_row_a_method_condition_and_way() -> None:
    asked = settings("clay", "clay-values")
    shown = paraphrase_findings(*found_in(worded(), asked), asked)
    (table,) = shown.tables
    assert len(table.rows) == 3 * 2 * 2
    assert [drawing.name for drawing in shown.drawings] == ["texts-0", "texts-1", "texts-2"]
    assert table.rows[0][3] == "1 a value: 4 of 16"
    assert shown.tables[0].title.startswith("mAP over")
    again = paraphrase_findings(*found_in(worded(), asked), asked)
    assert again.numbers == shown.numbers


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"draws": 1}, "two draws"),
        ({"per_value": 0}, "no text a value"),
        ({"share": 1.0}, "a share of the texts"),
        ({"share": float("nan")}, "a share of the texts"),
        ({"measure": "mAPP"}, "unknown measure"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        settings(**changes)
