"""Sweeps find what was planted: texts that name other attributes, too small a subspace, and no more than that."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from planted_world import VALUES, study

from clay_eval.evaluator.experiments.ablation import AXES, AblationSettings, Point, Sweep, sweep
from clay_eval.evaluator.experiments.ablation_findings import HINDSIGHT, ablation_findings, over_conditions
from clay_eval.evaluator.experiments.axis_methods import SWITCHES, axis_methods
from clay_eval.evaluator.experiments.compositions import COMPOSITIONS
from clay_eval.evaluator.experiments.studies import score_conditions, spread
from clay_eval.evaluator.methods.support.specs import prepare_methods
from clay_eval.evaluator.retrieval.study import Study
from clay_eval.schemas.errors import InputError

METHODS = ("raw", "clay", "clay-values", "text-discriminant")
SETTINGS = AblationSettings(
    methods=METHODS, seeds=(0, 1), draws=2, ks=(1, 3, 500), text_counts=(2, 3, 50), database_sizes=(10, 5000)
)


@pytest.fixture(scope="module")
def planted() -> Study:
    return study(copies=3, noise=0.12)


@pytest.fixture(scope="module")
def found(planted: Study) -> Sweep:
    return sweep([planted], SETTINGS)


def mean(found: Sweep, **wanted: object) -> float:
    points = [p for p in found.points if all(getattr(p, name) == value for name, value in wanted.items())]
    assert points, wanted
    return over_conditions(points, lambda p: p.value)[0]


def test_every_axis_was_scored_for_every_condition_and_seed(found: Sweep) -> None:
    assert list(dict.fromkeys(point.axis for point in found.points)) == list(AXES)
    for axis in AXES:
        points = [point for point in found.points if point.axis == axis]
        assert {point.condition for point in points} == set(VALUES)
        assert {point.seed for point in points} == {0, 1}
    assert all(np.isfinite(point.value) for point in found.points)


def test_nothing_is_scored_twice(found: Sweep) -> None:
    counted = Counter(
        (p.axis, p.condition, p.texts, p.method, p.setting, p.draw, p.seed) for p in found.points
    )
    assert set(counted.values()) == {1}


def test_texts_about_other_attributes_hurt_clay_and_not_its_mended_forms(found: Sweep) -> None:
    axis = {"axis": "composition"}
    assert mean(found, **axis, texts="value", method="clay") > 0.97
    assert (
        mean(found, **axis, texts="mixed", method="clay")
        < mean(found, **axis, texts="value", method="clay") - 0.1
    )
    for method in ("clay-values", "text-discriminant"):
        assert (
            mean(found, **axis, texts="mixed", method=method)
            > mean(found, **axis, texts="mixed", method="clay") + 0.1
        )
    raws = {mean(found, **axis, texts=name, method="raw") for name in COMPOSITIONS}
    assert max(raws) - min(raws) < 1e-12


def test_one_dimension_is_too_little_and_more_than_the_rank_is_the_rank(found: Sweep) -> None:
    axis = {"axis": "k", "texts": "given", "method": "clay"}
    assert mean(found, **axis, setting="1") < mean(found, **axis, setting="3") - 0.1
    largest = [
        p for p in found.points if (p.axis, p.texts, p.method, p.setting) == ("k", "given", "clay", "48")
    ]
    assert {(p.condition, p.k) for p in largest} == {
        (name, len(values) - 1) for name, values in VALUES.items()
    }


def test_the_default_stands_under_every_switch_with_the_same_score(found: Sweep) -> None:
    scores = {axis: mean(found, axis=axis, texts="given", method="clay") for axis in SWITCHES}
    assert len(set(scores.values())) == 1
    assert {p.method for p in found.points if p.axis == "alignment"} == {
        "clay",
        "clay(alignment=rotation)",
        "clay(alignment=none)",
    }


def test_every_axis_takes_the_methods_asked_for(planted: Study) -> None:
    asked = ("raw", "text-pca(n_components=7)", "crl", "asymmetric")
    settings = replace(SETTINGS, methods=asked, seeds=(0,), draws=1)
    points = sweep([planted], settings).points
    methods = {axis: {p.method for p in points if p.axis == axis} for axis in AXES}
    assert methods == {
        "k": {"raw", "text-pca", "crl", "asymmetric"},
        "alignment": {"asymmetric", "asymmetric(alignment=householder)", "asymmetric(alignment=rotation)"},
        "log-map": set(),
        "mean": set(),
        **{axis: set(asked) for axis in ("texts", "composition", "database")},
    }
    swept = {(p.method, p.setting) for p in points if p.axis == "k"}
    assert swept == {
        ("raw", ""),
        ("crl", ""),
        *((m, k) for m in ("text-pca", "asymmetric") for k in ("1", "3", "48")),
    }


def test_what_an_axis_does_not_vary_is_said(planted: Study) -> None:
    settings = replace(SETTINGS, axes=("k", "mean"), methods=("raw", "clay"), seeds=(0,))
    found = sweep([planted], settings)
    assert "axis mean: raw without mean, so there is nothing to vary" in found.notes
    assert {p.method for p in found.points if p.axis == "mean"} == {"clay", "clay(mean=karcher)"}
    made = ablation_findings([planted], settings, found)
    assert [drawing.name for drawing in made.drawings] == ["k", "switches"]


def test_an_axis_that_no_method_has_is_refused() -> None:
    with pytest.raises(InputError, match="n_components"):
        replace(SETTINGS, axes=("k",), methods=("raw", "crl"))
    with pytest.raises(InputError, match="log_map"):
        replace(SETTINGS, axes=("log-map", "mean"), methods=("raw",))


def test_settings_without_methods_stand_in_the_record_as_ever() -> None:
    record = AblationSettings().record()
    assert record["methods"][:2] == ["raw", "clay"]
    assert "varied" not in record
    asked = replace(SETTINGS, axes=("k", "texts")).record()
    assert asked["varied"] == {"k": list(METHODS)}


def test_an_axis_of_its_own_methods_is_the_published_one() -> None:
    assert axis_methods("log-map", None) == ("clay", "clay(log_map=false)")
    assert axis_methods("mean", None) == ("clay", "clay(mean=karcher)")
    assert axis_methods("k", None) == ("raw", "clay", "clay-spectrum(power=0.5)", "ip-composer")
    assert axis_methods("mean", ["clay(log_map=false, mean=karcher)", "clay(log_map=false)"]) == (
        "clay(log_map=false)",
        "clay(log_map=false, mean=karcher)",
    )


def test_counts_of_texts_and_images_stop_where_there_are_no_more(found: Sweep) -> None:
    given = {p.setting: p.x for p in found.points if (p.axis, p.texts) == ("texts", "given")}
    assert given == {"2": 2, "3": 3, "all": 5}
    sizes = {p.setting: p.x for p in found.points if p.axis == "database"}
    assert sizes == {"10": 10, "all": 162}


def test_two_texts_are_fewer_than_all(found: Sweep) -> None:
    axis = {"axis": "texts", "texts": "given", "method": "clay"}
    assert mean(found, **axis, setting="2") < mean(found, **axis, setting="all") - 0.1


def test_a_score_is_the_engines(planted: Study, found: Sweep) -> None:
    scores, _ = score_conditions(planted, prepare_methods(["clay"]), SETTINGS.engine())
    expected = {(s.condition, s.seed): s.value for s in scores}
    points = [p for p in found.points if (p.axis, p.texts, p.method) == ("composition", "given", "clay")]
    assert {(p.condition, p.seed): p.value for p in points} == expected


def test_the_same_again_gives_the_same() -> None:
    settings = replace(SETTINGS, axes=("composition", "texts"), methods=("clay",), seeds=(4,))
    one, two = (sweep([study(copies=1)], settings).points for _ in range(2))
    assert one == two


def test_texts_that_cannot_be_encoded_are_left_out_with_a_note() -> None:
    whole = study(copies=2)

    def refuse(texts: object) -> np.ndarray:  # type: ignore[type-arg]
        raise InputError("no vectors for these texts", where="--text-features")

    settings = replace(SETTINGS, axes=("composition",), methods=("raw", "clay"), seeds=(0,))
    found = sweep([replace(whole, encode=refuse)], settings)
    assert {point.texts for point in found.points} == {"given"}
    assert sum("could not be encoded" in note for note in found.notes) == 3
    made = ablation_findings([replace(whole, encode=refuse)], settings, found)
    assert made.tables[0].rows[1][1] is not None
    assert made.tables[0].rows[1][3] is None


@pytest.mark.parametrize(
    "bad",
    [{"axes": ("kk",)}, {"axes": ()}, {"draws": 0}, {"seeds": ()}, {"methods": ("clya",)}, {"measure": "AQ"}],
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InputError):
        replace(SETTINGS, **bad)  # type: ignore[arg-type]


def test_findings_warn_of_hindsight_and_say_who_loses(planted: Study, found: Sweep) -> None:
    made = ablation_findings([planted], SETTINGS, found)
    assert made.warnings[0] == HINDSIGHT
    assert [table.name for table in made.tables] == ["study", *AXES, "text-quality"]
    assert [drawing.name for drawing in made.drawings] == [
        "composition",
        "k",
        "texts",
        "database",
        "switches",
    ]
    table = made.tables[0]
    assert [row[0] for row in table.rows] == [*METHODS, "(chance)"]
    column = [c.name for c in table.columns].index("mixed")
    assert table.rows[1][column] == pytest.approx(
        mean(found, axis="composition", texts="mixed", method="clay")
    )
    assert len(made.numbers.rows) == len(found.points)


def test_losses_are_said_plainly() -> None:
    def point(method: str, value: float) -> Point:
        return Point("composition", "e", "color", "mixed", method, "mixed", None, 0, 0, value, 0.1, None)

    points = [point("raw", 0.6), point("clay", 0.5), point("clay-values", 0.4)]
    settings = replace(SETTINGS, axes=("composition",))
    made = ablation_findings([], settings, Sweep(points, []))
    assert "e, texts mixed: clay (50.0) does not beat raw (60.0)" in made.warnings
    assert "e, texts mixed: behind clay (50.0) are clay-values (40.0)" in made.warnings


def test_spread_leaves_nan_out() -> None:
    assert spread([1.0, float("nan"), 3.0]) == (2.0, pytest.approx(np.std([1, 3], ddof=1)))
    assert spread([2.0])[0] == 2.0
    assert np.isnan(spread([2.0])[1])
    assert np.isnan(spread([])[0])


def test_seeds_that_would_repeat_the_same_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="draws nothing"):
        replace(SETTINGS, split="leave-one-out")
    assert replace(SETTINGS, split="leave-one-out", seeds=(0,)).engine().split == "leave-one-out"
