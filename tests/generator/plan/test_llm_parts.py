"""The planner's pure parts: what texts name, sentences, outlines, templates, contradictions, tables, wordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clay_eval.generator.plan.llm.contradictions import pair_problems, pairs
from clay_eval.generator.plan.llm.exclusion_table import exclusions_csv, exclusions_markdown, read_exclusions
from clay_eval.generator.plan.llm.lexical import distinct, named, names
from clay_eval.generator.plan.llm.outline import outline_problems, read_sentence, slug, usable_values
from clay_eval.generator.plan.llm.phrasing import (
    core_problems,
    plain_core,
    prompt_problems,
    spec_prompt_problems,
)
from clay_eval.generator.plan.llm.wordings import merge, rivals_of, uneven, usable_wordings, wordings_wanted
from clay_eval.schemas.entity import load_entity, parse_entity
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import shipped_texts


@pytest.mark.parametrize(
    ("text", "phrase", "expected"),
    [
        ("a red car", "red", True),
        ("a carpet", "car", False),
        ("two Frying-pans", "frying pan", True),
        ("glasses", "glass", True),
        ("a  steel\nspoon", "steel spoon", True),
        ("a.b", "a+b", False),
        ("infrared", "red", False),
        ("anything", " ", False),
    ],
)
def test_whole_words_are_named(text: str, phrase: str, expected: bool) -> None:
    assert names(text, phrase) is expected


def test_own_phrases_do_not_name_a_rival_inside_them() -> None:
    assert named("a stainless steel pot", ["stainless steel"], ["steel", "pot"]) == ["pot"]
    assert named("a stainless steel pot of steel", ["stainless steel"], ["steel"]) == ["steel"]
    assert distinct(["A  b", "a B", "", "c"]) == ["A b", "c"]


def test_sentences() -> None:
    request = read_sentence(" kitchen  tools: Type, material, and state of use")
    assert (request.subject, request.entity) == ("kitchen tools", "kitchen-tools")
    assert request.attributes == ("type", "material", "state-of-use")
    assert read_sentence("birds").attributes == ()
    assert slug("2 Übel & Co.") == "bel-co"


@pytest.mark.parametrize(
    "text", ["", ":", "things:", "things: a, a", "things: key, b", "???: a", "x: " + "ab," * 9]
)
def test_sentences_without_sense(text: str) -> None:
    with pytest.raises(InputError, match="cannot be planned"):
        read_sentence(text)


def test_outline_and_values() -> None:
    a, b = {"name": "kind", "parent": None}, {"name": "breed", "parent": "kind"}
    assert outline_problems({"attributes": [a, b]}) == []
    assert "earlier" in outline_problems({"attributes": [b, a]})[0]
    assert "twice" in outline_problems({"attributes": [a, a]})[0]
    assert "reserved" in outline_problems({"attributes": [{"name": "key", "parent": None}]})[0]
    found = usable_values(
        ["Oak", "oak", "of", "Photo", "type", "steel pot", "pan", "ash"], ["type"], ["steel", "frying pan"]
    )
    assert found == ["oak", "ash"]


@pytest.mark.parametrize(
    ("template", "fine"),
    [
        ("a {b} {a}", True),
        ("a {a}", False),
        ("{a} {a} {b}", False),
        ("{a} {b} {c}", False),
        ("{a {b}", False),
        ("{a!r} {b}", False),
        ("{a:>9} {b}", False),
        ("{a} {b} in red", False),
    ],
)
def test_templates(template: str, fine: bool) -> None:
    assert (core_problems(template, ["a", "b"], ["red"]) == []) is fine
    assert core_problems(plain_core(["a", "b"]), ["a", "b"], ["red"]) == []


def test_prompts_name_their_labels_and_no_rival() -> None:
    rivals = {"color": ["red", "dark red"], "kind": ["cup", "cupboard"]}
    assert prompt_problems("a dark red cup", {"color": "dark red", "kind": "cup"}, rivals) == []
    assert len(prompt_problems("a red cup and a cupboard", {"color": "dark red", "kind": "cup"}, rivals)) == 3


def spec_record(prompt: str = "a photo of {color} {kind}") -> dict[str, Any]:
    return {
        "schema": "clay-eval/entity-spec/1",
        "entity": "e",
        "attributes": [
            {"name": "kind", "values": ["cup", "pan"]},
            {"name": "color", "values": ["red", "blue"]},
        ],
        "prompt": prompt,
        "images_per_combination": 1,
    }


def test_all_prompts_of_a_spec_are_checked() -> None:
    assert spec_prompt_problems(parse_entity(spec_record(), "x")) == (0, [])
    count, examples = spec_prompt_problems(parse_entity(spec_record("{color} {kind} on a blue pan"), "x"))
    assert count == 3
    assert "is named too" in examples[0]


def test_pairs_leave_out_parent_and_child() -> None:
    spec = load_entity("demo-object")
    found = [(a.name, b.name) for a, b in pairs(spec)]
    core, varied = [a.name for a in spec.attributes], [d.name for d in spec.diversity]
    assert found[:2] == [("category", "color"), ("subcategory", "color")]
    assert found[2:] == [(a, d) for a in core for d in varied]
    gone = [{"first": "x", "second": s} for s in ("p", "q")]
    assert pair_problems(gone[:1], ["x", "y"], ["p", "q"]) == []
    assert pair_problems(gone, ["x", "y"], ["p", "q"]) == [
        "'x' would be impossible with every value of the other attribute"
    ]


CELL = st.text(st.characters(codec="ascii", exclude_characters="|{}\0", min_codepoint=32), min_size=1).filter(
    lambda s: s.strip() == s
)


@given(
    st.lists(
        st.tuples(st.lists(CELL, max_size=3, unique=True), st.lists(CELL, max_size=2, unique=True), CELL)
    )
)
def test_the_table_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    exclusions = [
        {"when": {n: v for n, v in (("a", first), ("b, c", second)) if v}, "reason": reason}
        for first, second, reason in rows
        if first or second
    ]
    path = tmp_path_factory.mktemp("t") / "x.csv"
    path.write_text(exclusions_csv(["a", "b, c"], exclusions))
    assert read_exclusions(path, ["a", "b, c"]) == exclusions
    assert len(exclusions_markdown(["a", "b, c"], exclusions).splitlines()) == 2 + len(exclusions)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "first line"),
        ("a,b\nx,y\n", "first line"),
        ("z,reason\nx,y\n", "first line"),
        ("a,reason\nx\n", "wrong width"),
        ("a,reason\n,why\n", "without a value"),
        ("a,reason\nx, \n", "without a reason"),
        ('a,reason\n"x,y\n', "not a CSV"),
    ],
)
def test_tables_without_sense(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_exclusions(path, ["a"])


def test_a_table_may_be_edited_loosely(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("\ufeffreason, a \r\nno such thing, x|y \r\n,\r\n")
    assert read_exclusions(path, ["a", "b"]) == [{"when": {"a": ["x", "y"]}, "reason": "no such thing"}]


def test_wordings() -> None:
    found = [
        "A photo of a Crimson object",
        "a crimson  object",
        "a blue-red object",
        "blues",
        "a red picture",
    ]
    assert usable_wordings(found, "red", ["blue"]) == ["a crimson object"]
    kind, color = parse_entity(spec_record(), "x").attributes
    assert wordings_wanted(kind, 100) == 50
    assert wordings_wanted(color, 5) == 4
    spec = load_entity("demo-object")
    category, subcategory, color = spec.attributes
    assert set(rivals_of(spec, (subcategory, "bag", "backpack"))) == {"handbag", "suitcase", *color.values}
    assert "sneaker" not in rivals_of(spec, (category, None, "shoes"))
    items = merge(
        [((color, None, "red"), ["rosy", "Blue", "ROSY"]), ((color, None, "blue"), ["rosy", "sky"])]
    )
    assert items == [
        {"text": "a photo of red", "value": "red"},
        {"text": "a photo of rosy", "value": "red"},
        {"text": "a photo of blue", "value": "blue"},
        {"text": "a photo of sky", "value": "blue"},
    ]


def test_uneven_conditions_are_noted() -> None:
    items = [{"text": f"a photo of {n}", "value": "red"} for n in range(5)]
    assert uneven([*items, *({"text": f"b {n}", "value": "blue"} for n in range(3))]) is None
    assert "between 2 (blue) and 5 texts" in str(
        uneven([*items, {"text": "b", "value": "blue"}, {"text": "c", "value": "blue"}])
    )


def test_the_shipped_texts_would_pass() -> None:
    spec, texts = load_entity("clay-object"), shipped_texts("clay-object")
    assert texts is not None
    color = next(a for a in spec.attributes if a.name == "color")
    for item in texts.condition("color"):
        wording = item.text.removeprefix("a photo of ")
        assert usable_wordings([item.text], item.value, rivals_of(spec, (color, None, item.value))) == [
            wording
        ]
