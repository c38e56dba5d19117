"""The texts of a release for fixed records: what comes out is what `clay-eval verify` makes again for older releases."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from clay_eval.evaluator.retrieval.results import Result
from clay_eval.generator.publishing.texts import LAYOUT, OLDEST, Records, texts
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.release import CARD, RESULTS

SHA = "0123456789abcdef" * 4
LICENCE = {"id": "CC-BY-4.0", "title": "Creative Commons Attribution 4.0", "url": "https://example.org/by"}
MODEL = {
    "role": "renderer",
    "name": "org/model",
    "revision": "a1",
    "digest": f"sha256 {SHA}",
    "licence": {"id": "x", "title": "X", "url": "https://example.org/x"},
    "outputs": "free",
    "allows": "Anything.",
    "text": {"path": "licences/renderer-org-model.txt", "sha256": SHA},
    "accepted": True,
}
RELEASE: dict[str, Any] = {
    "software": {"clay-eval": "0"},
    "name": "cups",
    "title": "Cups & <saucers>",
    "version": "1.0.1",
    "date": "2026-01-02",
    "licence": LICENCE,
    "authors": ["A. Author"],
    "contact": "x@example.org",
    "url": "https://huggingface.co/datasets/org/cups",
    "manifest": SHA,
    "samples": 3,
    "entities": {"cup": 3},
    "models": [MODEL, {**MODEL, "role": "judge", "text": None, "accepted": False}],
    "review": {"accepted": 1, "removed": {"a dog": 1}},
    "log": [
        {"version": "1.0.0", "date": "2026-01-01", "kind": "first", "changes": ["first release"]},
        {"version": "1.0.1", "date": "2026-01-02", "kind": "patch", "changes": ["a better card"]},
    ],
}
MANIFEST: dict[str, Any] = {
    "renderer": {"type": "diffusion", "model": "org/model", "steps": 4},
    "entities": {"cup": {"samples": 3, "attributes": ["color"], "parents": {}, "diversity": ["light"]}},
    "filter": {
        "judge": {"type": "vqa"},
        "attempts": 3,
        "planned": 5,
        "accepted": 3,
        "first_try": 2,
        "quarantined": 2,
        "by_hand": 1,
        "failed": 0,
        "rejections": {"color": 4},
    },
    "balance": {"cup": {"color": {"red": [3, 1], "blue": [2, 2]}, "light": {"dim": [5, 3]}}},
    "files": [
        {"name": "cup-test-00000.tar", "bytes": 10, "sha256": SHA, "samples": 3},
        {"name": "labels.csv", "bytes": 5, "sha256": SHA, "samples": None},
    ],
}
ROW = {
    "entity": "cup",
    "method": "clay",
    "encoder": "e",
    "conditions": ["color"],
    "metric": "AP",
    "value": 0.5,
    "ci_low": 0.25,
    "ci_high": 0.75,
    "chance": 0.1,
    "queries": 2,
}
REPORT: dict[str, Any] = {
    "settings": {"measures": ["AP"]},
    "results": [ROW, {**ROW, "metric": "P@10", "value": None}],
    "methods": {"clay": {"privileged": False}},
    "per_query": {"rows": 2},
    "warnings": [],
}
SPEC: Any = SimpleNamespace(
    entity="cup",
    title="Cups",
    attributes=[SimpleNamespace(name="color", parent=None)],
    diversity=[SimpleNamespace(name="light")],
    exclusions=[SimpleNamespace(when={"color": ["red"]}, reason="there is none")],
)


RECORDS = Records(
    RELEASE,
    MANIFEST,
    {"entities": {"cup": {"combinations": 2, "excluded": 1}}},
    [SPEC],
    REPORT,
    {"bytes": 7, "sha256": SHA},
    "png",
)
MADE = {
    1: "cf1739e9e789c1161b44a2de0bef93e361b9b3e66e5a3e2a2be489dc7f065f67",
    2: "78c60e034947ad2aace18a6744dc304a9dff9f33d643d1c66d1709d4f97d8014",
    3: "fe19225159ba7f970038af21792984583ff7f0af691bf1adb4b83f4e42a96110",
    4: "3e86c22d2d79088eb99d67bec9e3da60c96121d9fc28b86f7e3c4840814e893f",
    5: "3e86c22d2d79088eb99d67bec9e3da60c96121d9fc28b86f7e3c4840814e893f",  # differs in what these records have not
}
"""Layout -> fingerprint of the texts."""


@pytest.mark.parametrize("layout", MADE)
def test_a_layout_stays_what_it_is(layout: int) -> None:
    """A change of these texts is a new layout: raise LAYOUT, then write down what it makes here."""
    assert set(MADE) == set(range(OLDEST, LAYOUT + 1))
    assert fingerprint(texts(RECORDS, layout)) == MADE[layout]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://huggingface.co/datasets/org/cups", "org/cups"),
        ("http://huggingface.co/datasets/org/cups/", "org/cups"),
        ("https://huggingface.co/datasets/org/cups/tree/main", "FOLDER"),
        ("https://huggingface.co/org/cups", "FOLDER"),
        ("https://example.org/huggingface.co/datasets/org/cups", "FOLDER"),
        ('https://huggingface.co/datasets/org/cups")', "FOLDER"),
        ("https://example.org/cups", "FOLDER"),
        (None, "FOLDER"),
    ],
)
def test_the_card_loads_what_can_be_loaded(url: str | None, place: str) -> None:
    card = texts(dataclasses.replace(RECORDS, release={**RELEASE, "url": url}))[CARD]
    assert f'load_dataset("{place}", "cup", split="test")' in card


def test_an_author_with_and_in_the_name_is_one() -> None:
    authors = ["Institute of Science and Technology", "A. Sandy"]
    card = texts(dataclasses.replace(RECORDS, release={**RELEASE, "authors": authors}))[CARD]
    assert "author = {{Institute of Science and Technology} and A. Sandy}," in card


@pytest.mark.parametrize(("attempts", "said"), [(1, "each was drawn once"), (3, "3 times in all")])
def test_what_was_drawn_once_was_not_drawn_again(attempts: int, said: str) -> None:
    manifest = {**MANIFEST, "filter": {**MANIFEST["filter"], "attempts": attempts}}
    card = texts(dataclasses.replace(RECORDS, manifest=manifest))[CARD]
    assert said in card
    assert ("drawn again" in card) == (attempts > 1)


def test_the_results_have_a_column_for_every_field_of_a_result() -> None:
    head, first, _ = texts(RECORDS)[RESULTS].splitlines()
    assert head.split(",") == [field.name for field in dataclasses.fields(Result)]
    assert len(first.split(",")) == len(head.split(","))
    second = head.removesuffix(",hard_negatives,hard_negatives_chance")
    assert texts(RECORDS, 2)[RESULTS].splitlines()[0] == second
    assert texts(RECORDS, 1)[RESULTS].splitlines()[0] == second.removesuffix(
        ",queries_without_relevant,seeds_std,icc"
    )
