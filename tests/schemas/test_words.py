"""One form of every word."""

from __future__ import annotations

from clay_eval.schemas.words import case_twins, did_you_mean, nearest, nfc


def test_composed_and_decomposed_are_one() -> None:
    assert nfc("cafe\u0301") == nfc("caf\u00e9") == "caf\u00e9"
    assert nfc("\u0438\u0306") == "\u0439"


def test_twins_differ_in_case_only() -> None:
    assert case_twins(["red", "Red", "blue", "RED", "Stra\u00dfe", "STRASSE", "red"]) == [
        ["RED", "Red", "red"],
        ["STRASSE", "Stra\u00dfe"],
    ]
    assert case_twins(["red", "blue"]) == []


def test_slips_lead_to_the_nearest_names_whatever_their_case() -> None:
    known = ["clay", "Raw", "pca"]
    assert nearest("CLYA", known) == ["clay"]
    assert nearest("raw", known, most=3) == ["Raw"]
    assert nearest("something else", known) == []
    assert did_you_mean(["clay", "Raw"]) == "did you mean 'clay', 'Raw'?"
    assert did_you_mean([]) is None
