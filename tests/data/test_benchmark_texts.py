"""The condition texts of the published benchmarks: enough, balanced, distinct, in one carrier, about no rival value."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import make_benchmark_texts
import pytest

from clay_eval.evaluator.pictures.benchmarks.catalogue import BENCHMARKS
from clay_eval.evaluator.pictures.benchmarks.class_names import FLOWERS
from clay_eval.evaluator.pictures.benchmarks.ppmi import INSTRUMENTS
from clay_eval.evaluator.pictures.benchmarks.stanford40 import ACTIONS
from clay_eval.evaluator.pictures.names import condition_name
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import ConditionText, shipped_texts

VALUES = {
    "shape": (
        *("cube", "sphere", "monkey", "cone", "torus", "star", "teapot", "diamond", "gear", "cylinder"),
    ),
    "color": ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow", "pink", "orange"),
    "texture": (
        *("rubber", "metal", "checkered", "emojis", "wave", "brick", "star", "circles", "zigzag"),
        "chessboard",
    ),
    "count": tuple(str(number) for number in range(1, 11)),
}
"""Of Clevr-4, as its annotations spell them."""
ROOT = Path(__file__).resolve().parents[2]
WORDINGS = json.loads((ROOT / "data" / "training" / "benchmark_wordings.json").read_text("utf-8"))
CONDITIONS = [(entity, condition) for entity, parts in WORDINGS.items() for condition in parts]
OF_THE_DATA = {("stanford40-location-mood", "location"), ("stanford40-location-mood", "mood")}
"""Conditions whose values stand in a file of the user's: their texts are made of these."""
KNOWN = {
    ("stanford40", "action"): ACTIONS,
    ("ppmi", "instrument"): INSTRUMENTS,
    ("flowers102", "flower"): FLOWERS,
    **{("clevr4", name): values for name, values in VALUES.items()},
}
OF_TWO_ENDS = ("thickness", "width", "length", "height", "weight", "hardness", "depth", "closeness")
"""GeneCIS's conditions that are a scale, with words for its ends, and below those with words for three or four places."""
OF_FEW_WORDS = (*OF_TWO_ENDS, "skin_color", "opaqeness", "opaqueness")
OF_VAW = (
    *("color", "letter_color", "hair_color", "skin_color", "wearing_color", "tone", "color_quantity"),
    *("material", "shape", "orientation", "size", "thickness", "fatness", "width", "length", "height"),
    *("weight", "hair_length", "hand_movement", "pose", "activity", "sport_activity", "face_pose", "state"),
    *("weather", "cleanliness", "machine_state", "face_expression", "maturity", "newness", "texture"),
    *("pattern", "hardness", "other", "opaqeness", "gender", "brightness", "depth", "closeness", "location"),
    *("place", "race", "wearing_accessories"),
)
"""The types of attributes of VAW, from which GeneCIS takes its forty conditions."""
BRITISH = re.compile(
    r"colour|grey(?!hound)|\bfibre|\bfiberglas\b|aluminium|\btyre|sizeable|chequer|jewell|moustache|pyjama|\bcentre|woollen|"
    r"matt\b|lustre|oxidis|mould|plough|stripy|aeroplane",
    re.IGNORECASE,
)
NAMED_BY_NUMBER = ("stanford-cars", "fgvc-aircraft")


def texts(entity: str, condition: str) -> tuple[ConditionText, ...]:
    shipped = shipped_texts(entity)
    assert shipped is not None
    return shipped.condition(condition)


def test_every_condition_of_every_benchmark_has_texts() -> None:
    wanted = {
        (entity, condition)
        for benchmark in BENCHMARKS.values()
        for entity, conditions in benchmark.conditions.items()
        for condition in conditions
    }
    assert wanted - OF_THE_DATA <= set(CONDITIONS)
    assert {entity for entity, _ in CONDITIONS} - {entity for entity, _ in wanted} == {
        "genecis-focus-attribute"
    }
    assert all(shipped_texts(entity) is None for entity, _ in OF_THE_DATA)


@pytest.mark.parametrize(("entity", "condition"), CONDITIONS)
def test_texts_are_a_hundred_distinct_and_equally_many_a_value(entity: str, condition: str) -> None:
    found = texts(entity, condition)
    assert len(found) >= (50 if condition in OF_FEW_WORDS else 100)
    assert len({text.text.casefold() for text in found}) == len(found)
    assert len(set(Counter(text.value for text in found).values())) == 1


def test_every_condition_of_genecis_has_texts() -> None:
    """Under the name that its column gets; VAW's spelling of opaqueness is taken beside the usual one."""
    assert set(WORDINGS["genecis-focus-attribute"]) == {*OF_VAW, "opaqueness"}
    assert len(OF_VAW) == 43
    for condition in OF_VAW:
        assert condition_name(condition.replace("_", " ").capitalize(), "x") == condition
    assert texts("genecis-focus-attribute", "opaqeness") == texts("genecis-focus-attribute", "opaqueness")


@pytest.mark.parametrize("condition", OF_VAW)
def test_texts_of_genecis_are_spelled_as_americans_do(condition: str) -> None:
    found = [text.text for text in texts("genecis-focus-attribute", condition)]
    assert not [text for text in found if BRITISH.search(text)]


@pytest.mark.parametrize(("entity", "condition"), CONDITIONS)
def test_there_are_as_many_values_as_the_benchmark_has(entity: str, condition: str) -> None:
    values = list(dict.fromkeys(text.value for text in texts(entity, condition)))
    if (entity, condition) in KNOWN:
        assert sorted(values) == sorted(KNOWN[entity, condition])
    counts = {e: c for b in BENCHMARKS.values() for e, c in b.conditions.items()}
    if condition in counts[entity]:
        assert len(values) == counts[entity][condition]


@pytest.mark.parametrize(("entity", "condition"), CONDITIONS)
def test_every_text_is_the_papers_template_around_one_carrier(entity: str, condition: str) -> None:
    carrier = re.escape(WORDINGS[entity][condition]["carrier"])
    pattern = carrier.replace(r"\{a\}", "an? (.+)").replace(r"\{c\}", "(.+)")
    for text in texts(entity, condition):
        match = re.fullmatch(f"a photo of {pattern}", text.text)
        assert match is not None, text
        assert not set(re.findall(r"[a-z]+", match[1].lower())) & {"photo", "picture", "image"}, text
        assert not re.search(r"\s\s|[{}?_]|^\s|\s$", text.text), text


@pytest.mark.parametrize(("entity", "condition"), CONDITIONS)
def test_articles_fit(entity: str, condition: str) -> None:
    for text in texts(entity, condition):
        assert not re.search(
            r"\ba [aeio](?!uro)|\ba u(?!ni|su|tah)|\ban [^aeiou]|\ba an?\b", text.text, re.I
        ), text


@pytest.mark.parametrize(
    ("entity", "condition"), [pair for pair in CONDITIONS if pair[0] not in NAMED_BY_NUMBER]
)
def test_no_wording_is_a_rivals(entity: str, condition: str) -> None:
    """No text holds a whole wording of a rival, unless the value's own name holds it ("lily" in "tiger lily")."""
    values = WORDINGS[entity][condition]["values"]
    for value, wordings in values.items():
        for rival, theirs in values.items():
            if rival == value:
                continue
            for wording in wordings:
                for other in theirs:
                    held = re.search(rf"(?<![\w-]){re.escape(other)}(?![\w-])", wording, re.IGNORECASE)
                    own = re.search(rf"(?<![\w-]){re.escape(other)}(?![\w-])", wordings[0], re.IGNORECASE)
                    assert not held or own, (value, wording, rival, other)


@pytest.mark.parametrize("condition", list(VALUES))
def test_no_text_of_clevr4_names_a_value_of_another_condition(condition: str) -> None:
    """Its conditions are about one picture: a colour's text names no shape, and so on."""
    shared = {"star"}  # a shape and a texture have this name
    others = {
        said.casefold()
        for name, part in WORDINGS["clevr4"].items()
        if name != condition
        for value, wordings in part["values"].items()
        for said in (value, wordings[0])
    } - shared
    for text in texts("clevr4", condition):
        for other in others:
            pattern = rf"(?<![\w-]){re.escape(other)}(?![\w-])"
            assert not re.search(pattern, text.text, re.IGNORECASE), (text, other)


def test_origins_say_how_they_were_made() -> None:
    for entity in WORDINGS:
        shipped = shipped_texts(entity)
        assert shipped is not None
        assert shipped.entity == entity
        assert "make_benchmark_texts.py" in shipped.record["origin"]["instruction"]


def test_committed_files_are_what_the_script_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_benchmark_texts.main(["--check"]) == 0
    monkeypatch.setattr(make_benchmark_texts, "FOLDER", tmp_path)
    assert make_benchmark_texts.main(["--check"]) == 1
    assert make_benchmark_texts.main([]) == 0
    stale = tmp_path / "ppmi.json"
    stale.write_text(stale.read_text("utf-8").replace("a photo of", "that is", 1), "utf-8")
    assert make_benchmark_texts.main(["--check"]) == 1


def test_values_must_have_equally_many_wordings() -> None:
    with pytest.raises(InputError, match="more wordings"):
        make_benchmark_texts.condition("x", "{a}", {"one": ["a", "b"], "two": ["c"]})
