"""Probes and label-only predictions against scikit-learn and brute force; planted leaks are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted_world import VALUES, study
from sklearn.metrics import balanced_accuracy_score

from clay_eval.evaluator.experiments.leak import (
    Leak,
    LeakSettings,
    balanced_accuracy,
    find_leaks,
    label_only,
    probe,
)
from clay_eval.evaluator.experiments.leak_findings import leak_findings, mean_of
from clay_eval.evaluator.retrieval.study import TextFeatures
from clay_eval.schemas.errors import InputError


def test_balanced_accuracy_is_sklearns() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        truth = generator.integers(0, 4, 50)
        said = np.where(generator.random(50) < 0.5, truth, generator.integers(0, 4, 50))
        assert balanced_accuracy(truth, said) == pytest.approx(balanced_accuracy_score(truth, said))


def test_a_value_that_the_training_lacks_counts_as_missed() -> None:
    train = np.array([[0.0], [0.1], [5.0], [5.1]])
    test = np.array([[0.05], [5.05], [9.0]])
    accuracy, settled = probe(train, np.array([0, 0, 1, 1]), test, np.array([0, 1, 2]), 1.0, 1000)
    assert (accuracy, settled) == (pytest.approx(2 / 3), True)
    assert np.isnan(probe(train, np.zeros(4, np.int64), test, np.array([0, 1, 2]), 1.0, 1000)[0])


def test_a_probe_that_does_not_settle_says_so() -> None:
    generator = np.random.default_rng(0)
    train, codes = generator.normal(size=(60, 5)), generator.integers(0, 3, 60)
    assert probe(train, codes, train, codes, 1e6, 1)[1] is False


def brute_label_only(train: list[tuple[str, str]], test: list[tuple[str, str]]) -> float:
    """Enumerate: each value read weighs one in the training; ties share."""
    totals = {b: sum(1 for _, other in train if other == b) for _, b in train}
    by_truth: dict[str, list[float]] = {}
    for a, b in test:
        weights = {v: sum(1 for x, y in train if (x, y) == (a, v)) / n for v, n in totals.items()}
        if not any(x == a for x, _ in train):
            weights = dict.fromkeys(totals, 1.0)
        best = [v for v, w in weights.items() if abs(w - max(weights.values())) < 1e-9]
        by_truth.setdefault(b, []).append((b in best) / len(best))
    return float(np.mean([np.mean(hits) for hits in by_truth.values()]))


def test_label_only_is_the_weighted_majority() -> None:
    generator = np.random.default_rng(1)
    for _ in range(20):
        pairs = [("xyz"[a], "pqr"[b]) for a, b in generator.integers(0, 3, (40, 2))]
        train, test = pairs[:25], pairs[25:]
        codes = [np.array([ord(pair[side]) for pair in part]) for part in (train, test) for side in (0, 1)]
        assert label_only(codes[0], codes[1], codes[2], codes[3]) == pytest.approx(
            brute_label_only(train, test)
        )


def test_label_only_of_attributes_that_always_go_together_is_one() -> None:
    a = np.array([0, 0, 1, 1, 2, 2])
    assert label_only(a, a + 5, a, a + 5) == 1
    assert label_only(a, a + 5, np.array([7]), np.array([5])) == pytest.approx(1 / 3)


SETTINGS = LeakSettings(methods=("raw", "clay"), seeds=(0, 1))


def of(found: list[Leak], method: str, *, own: bool) -> list[Leak]:
    return [leak for leak in found if leak.method == method and (leak.space == leak.read) == own]


def test_raw_features_leak_everything_and_clay_next_to_nothing() -> None:
    found, notes = find_leaks([study(copies=4)], SETTINGS)
    assert notes == []
    for method in ("raw", "clay"):
        assert mean_of(of(found, method, own=True), lambda leak: leak.probe)[0] > 0.97
    others = of(found, "raw", own=False)
    assert mean_of(others, lambda leak: leak.probe)[0] > 0.97
    assert mean_of(others, lambda leak: leak.average_precision - leak.average_precision_chance)[0] > 0.1
    others = of(found, "clay", own=False)
    assert mean_of(others, lambda leak: leak.probe - leak.chance)[0] < 0.12
    assert abs(mean_of(others, lambda leak: leak.average_precision - leak.average_precision_chance)[0]) < 0.03
    assert all(leak.chance == pytest.approx(1 / len(VALUES[leak.read])) for leak in found)


def test_attributes_that_go_together_leak_no_more_than_their_labels_tell() -> None:
    values = {"color": ("red", "green", "blue"), "shape": ("ball", "cube", "cone"), "place": VALUES["place"]}
    rows = [(i, i if j % 5 else (i + 1) % 3, j % 5) for i in range(3) for j in range(60)]
    labels = {
        "color": [values["color"][a] for a, _, _ in rows],
        "shape": [values["shape"][b] for _, b, _ in rows],
        "place": [values["place"][c] for _, _, c in rows],
    }
    found, _ = find_leaks(
        [study(values, labels=labels)], LeakSettings(methods=("clay",), seeds=(0,), split="image")
    )
    (pair,) = [leak for leak in found if (leak.space, leak.read) == ("color", "shape")]
    assert pair.label_only > 0.7
    assert pair.probe == pytest.approx(pair.label_only, abs=0.1)
    assert pair.chance == pytest.approx(1 / 3)


def test_the_same_again_gives_the_same() -> None:
    one, two = (
        find_leaks([study(copies=2)], LeakSettings(methods=("clay",), seeds=(3,)))[0] for _ in range(2)
    )
    assert one == two


def test_one_attribute_alone_and_bad_settings_are_refused() -> None:
    with pytest.raises(InputError, match="needs two attributes"):
        find_leaks([study({"color": VALUES["color"]}, copies=6)], SETTINGS)
    for split in ("leave-one-out", "given", "random"):
        with pytest.raises(InputError, match="holds pictures out") as error:
            LeakSettings(split=split)
        assert "combination" in str(error.value)
    with pytest.raises(InputError, match="between 0 and 1"):
        LeakSettings(held_out=1.0)
    with pytest.raises(InputError, match="unknown method"):
        LeakSettings(methods=("clya",))


def test_two_attributes_warn_that_held_out_pairs_mislead() -> None:
    two = study({"color": VALUES["color"], "shape": VALUES["shape"]}, copies=4)
    _, notes = find_leaks([two], LeakSettings(methods=("raw",), seeds=(0,)))
    assert any("has two attributes" in note for note in notes)


def test_a_method_that_fails_costs_only_itself() -> None:
    whole = study(copies=2)
    texts = {**whole.texts, "color": TextFeatures(whole.texts["color"].features)}
    broken = replace(whole, texts=texts)
    found, notes = find_leaks([broken], LeakSettings(methods=("raw", "clay-values"), seeds=(0,)))
    assert {leak.space for leak in found if leak.method == "raw"} == {"color", "shape", "place"}
    assert {leak.space for leak in found if leak.method == "clay-values"} == {"shape", "place"}
    assert [note.partition(" asks")[0] for note in notes] == [
        "planted: clay-values failed on color: clay-values"
    ]


def test_findings_hold_all_pairs_and_a_heat_map() -> None:
    found, notes = find_leaks([study(copies=2)], LeakSettings(methods=("raw", "clay"), seeds=(0,)))
    made = leak_findings(found, notes)
    assert len(made.numbers.rows) == len(found) == 18
    assert [row[1] for row in made.tables[0].rows] == ["raw", "clay"]
    assert [drawing.name for drawing in made.drawings] == ["leak-0"]
    assert "raw: own 100 %" in made.drawings[0].alt
