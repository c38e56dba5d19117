"""Conditions in words: each rung of the ladder, what a model is asked, and what cannot be a condition."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import faulty_llm as faulty
import pytest

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import load_texts, shipped_texts, texts_from_values
from clay_eval.stages.drafting import LlmOptions
from clay_eval.stages.wording import AskedModel, condition_in_words, joined_texts, parse_words, write_texts


def texts_of(words: str, **more: Any) -> list[tuple[str, str]]:
    name, _ = parse_words(words)
    found = condition_in_words(words, **more)
    assert list(found.conditions) == [name]
    return [(text.text, text.value) for text in found.condition(name)]


def test_values_that_are_typed_make_a_text_each() -> None:
    assert texts_of("color: red,  dark  green , blue,") == [
        ("a photo of red", "red"),
        ("a photo of dark green", "dark green"),
        ("a photo of blue", "blue"),
    ]
    assert texts_of("Time of Day: dawn, noon", template="{c} light")[0] == ("dawn light", "dawn")
    assert condition_in_words("Time of Day: dawn, noon").record["origin"]["method"] == "template"


def test_a_name_is_looked_up_in_the_data_s_texts_then_in_the_shipped_ones() -> None:
    own = texts_from_values("cups", {"color": [("cream", None), ("mint", None)]})
    assert texts_of("color", known=[own]) == [("a photo of cream", "cream"), ("a photo of mint", "mint")]
    shipped = shipped_texts("clevr4")
    assert shipped is not None
    assert texts_of("color", entity="clevr4") == [(t.text, t.value) for t in shipped.condition("color")]
    most = condition_in_words("action")
    assert len({text.value for text in most.condition("action")}) == 40
    assert most.entity == "pictures"


@pytest.mark.parametrize(
    "words", ["", ":", "1st: a, b", "color: red", "color:", "color: , ", "color: red, Red", ": a, b"]
)
def test_what_cannot_be_a_condition_is_refused(words: str) -> None:
    with pytest.raises(InputError):
        condition_in_words(words)


def test_a_name_that_nothing_knows_says_what_can_be_done() -> None:
    with pytest.raises(InputError) as error:
        condition_in_words("colour")
    assert "did you mean 'color'" in str(error.value)
    assert "--llm" in str(error.value)
    with pytest.raises(InputError) as error:
        condition_in_words("mood")
    assert "type its values, 'mood: one, another'" in str(error.value)


def answer(_: int, body: dict[str, Any]) -> Any:
    asked = body["messages"][1]["content"]
    if "List " in asked:
        return faulty.completion(json.dumps({"values": ["calm", "wild", "gloomy"]}))
    value = re.search(r"^mood: (\w+)", asked, re.M)
    assert value is not None
    return faulty.completion(
        json.dumps({"wordings": [f"a {value[1]} {noun}" for noun in ("face", "scene", "sea", "sky")]})
    )


def test_a_model_is_asked_once_and_its_answers_are_kept(tmp_path: Path) -> None:
    with faulty.faulty_server(answer) as server:
        model = AskedModel(tmp_path, LlmOptions(server.url, "scripted", None, 0), values=3, texts=12)
        first = condition_in_words("mood", model=model)
        asked = len(server.requests)
        assert asked == 4
        assert condition_in_words("mood", model=model).record == first.record
        assert len(server.requests) == asked
    values = [text.value for text in first.condition("mood")]
    assert set(values) == {"calm", "wild", "gloomy"}
    assert len(values) == 15
    assert first.record["origin"]["model"] == "scripted"


def test_a_model_words_the_values_that_were_typed(tmp_path: Path) -> None:
    with faulty.faulty_server(answer) as server:
        model = AskedModel(tmp_path, LlmOptions(server.url, "scripted", None, 0))
        found = condition_in_words("mood: Angry, sad", model=model)
    assert not any("List " in request["messages"][1]["content"] for request in server.requests)
    assert {text.value for text in found.condition("mood")} == {"Angry", "sad"}
    assert "a photo of a sad sea" in [text.text for text in found.condition("mood")]


def test_conditions_can_be_kept_in_a_file_that_evaluations_take(tmp_path: Path) -> None:
    both = joined_texts([condition_in_words("mood: calm, wild"), condition_in_words("color")], "cups")
    write_texts(tmp_path / "cups.json", both)
    read = load_texts(tmp_path / "cups.json")
    assert (read.entity, list(read.conditions)) == ("cups", ["mood", "color"])
    write_texts(tmp_path / "cups.json", both)
    with pytest.raises(InputError, match="a file of this name"):
        write_texts(tmp_path / "cups.json", condition_in_words("mood: calm, wild"))
