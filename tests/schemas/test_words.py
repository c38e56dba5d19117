"""One form of every word."""

from __future__ import annotations

from clay_eval.schemas.words import case_twins, nfc


def test_composed_and_decomposed_are_one() -> None:
    assert nfc("cafe\u0301") == nfc("caf\u00e9") == "caf\u00e9"
    assert nfc("\u0438\u0306") == "\u0439"


def test_twins_differ_in_case_only() -> None:
    assert case_twins(["red", "Red", "blue", "RED", "Stra\u00dfe", "STRASSE", "red"]) == [
        ["RED", "Red", "red"],
        ["STRASSE", "Stra\u00dfe"],
    ]
    assert case_twins(["red", "blue"]) == []
