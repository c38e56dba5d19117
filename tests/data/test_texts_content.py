"""The shipped condition texts: enough of them, balanced, and each about its own value and nothing else."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType

import make_condition_texts
import pytest

from clay_eval.schemas.entity import Attribute, load_entity
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import ConditionText, shipped_texts

ROOT = Path(__file__).resolve().parents[2]
ENTITIES = ["clay-object", "clay-human", "demo-object", "demo-human"]
SAYS_NOTHING = {
    *("a", "an", "and", "the", "of", "on", "in", "with", "from", "front", "one", "old"),
    *("object", "person", "piece"),
}
CONDITIONS = [(e, a.name) for e in ENTITIES for a in load_entity(e).attributes]
WORDED = [(e, c) for e, c in CONDITIONS if e.startswith("clay-")]
FRAMES = {
    "color": r"a photo of an? (.+) object",
    "action": r"a photo of a person (.+)",
    "background": r"a photo of a person with an? (.+) in the background",
}


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def attributes(entity: str) -> dict[str, Attribute]:
    return {a.name: a for a in load_entity(entity).attributes}


def texts(entity: str, condition: str) -> tuple[ConditionText, ...]:
    shipped = shipped_texts(entity)
    assert shipped is not None
    return shipped.condition(condition)


def wording(condition: str, text: str) -> str:
    """What `text` says inside the frame that all texts of its condition share; "" if it is not in that frame."""
    found = re.fullmatch(FRAMES.get(condition, r"a photo of an? (.+)"), text)
    return found[1] if found else ""


def says(text: str, phrase: str) -> bool:
    """Whether `phrase` stands in `text` as whole words, of which a hyphenated one is one."""
    return re.search(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])", text, re.IGNORECASE) is not None


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return make_condition_texts


@pytest.mark.parametrize("entity", ENTITIES)
def test_texts_cover_exactly_the_conditions_of_the_spec(entity: str) -> None:
    shipped = shipped_texts(entity)
    assert shipped is not None
    assert shipped.entity == entity
    assert list(shipped.conditions) == list(attributes(entity))


@pytest.mark.parametrize(("entity", "condition"), CONDITIONS)
def test_every_value_equally_often_under_its_parent_and_no_other(entity: str, condition: str) -> None:
    attribute = attributes(entity)[condition]
    expected = {(parent, v.name) for parent, values in attribute.choices.items() for v in values}
    counts = Counter((t.parent, t.value) for t in texts(entity, condition))
    assert set(counts) == expected
    assert len(set(counts.values())) == 1


@pytest.mark.parametrize(("entity", "condition"), CONDITIONS)
def test_texts_are_many_and_distinct(entity: str, condition: str) -> None:
    found = [t.text for t in texts(entity, condition)]
    assert len({t.casefold() for t in found}) == len(found)
    if entity.startswith("clay-"):
        assert len({frozenset(words(t)) for t in found}) == len(found), "the same words in another order"
        assert len(found) >= 100
        assert min(Counter(t.parent for t in texts(entity, condition)).values()) >= 15


@pytest.mark.parametrize("entity", ["clay-object", "clay-human"])
def test_no_wording_serves_two_conditions(entity: str) -> None:
    found = [wording(c, t.text).casefold() for c in attributes(entity) for t in texts(entity, c)]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(("entity", "condition"), WORDED)
def test_every_text_is_the_papers_template_around_the_conditions_carrier(entity: str, condition: str) -> None:
    for text in texts(entity, condition):
        found = wording(condition, text.text)
        assert found, text
        assert not words(found) & {"photo", "picture", "image", "drawing", "background"}, text


@pytest.mark.parametrize(("entity", "condition"), [c for c in CONDITIONS if c not in WORDED])
def test_phrasing_is_orthogonal_to_value(entity: str, condition: str, script: ModuleType) -> None:
    """Take away the value and the same phrasings, one at least, are left for all; the first is the paper's."""
    by_value: dict[tuple[str | None, str], list[str]] = defaultdict(list)
    for text in texts(entity, condition):
        by_value[text.parent, text.value].append(text.text)
    assert script.DEMO_PHRASINGS[0] == "a photo of {x}"
    for found in by_value.values():
        subject = found[0].removeprefix("a photo of ")
        assert [t.replace(subject, "{x}") for t in found] == list(script.DEMO_PHRASINGS)


@pytest.mark.parametrize(("entity", "condition"), WORDED)
def test_first_wording_is_the_plain_one(entity: str, condition: str) -> None:
    first: dict[tuple[str | None, str], str] = {}
    for text in texts(entity, condition):
        first.setdefault((text.parent, text.value), text.text)
    for parent, values in attributes(entity)[condition].choices.items():
        for value in values:
            found = wording(condition, first[parent, value.name])
            noun = re.sub(r"^an? ", "", value.phrase)
            plain = {value.name, noun, f"{value.name} person"}
            assert found in plain, (found, value)


@pytest.mark.parametrize(("entity", "condition"), CONDITIONS)
def test_no_text_names_a_value_of_another_attribute(entity: str, condition: str) -> None:
    """Whole names and, more strictly, single words of names and phrases; a sub-category may imply its parent."""
    others = [a for n, a in attributes(entity).items() if n != condition]
    implied = {v.name: words(v.phrase) for a in others for group in a.choices.values() for v in group}
    for text in texts(entity, condition):
        own = words(text.value) | words(text.parent or "") | implied.get(text.parent or "", set())
        for attribute in others:
            for group in attribute.choices.values():
                for value in group:
                    if value.name != text.parent:
                        assert not re.search(rf"\b{re.escape(value.name)}\b", text.text, re.IGNORECASE)
                    foreign = (words(value.name) | words(value.phrase)) - SAYS_NOTHING - own
                    assert not foreign & words(text.text), (text, value)


@pytest.mark.parametrize(("entity", "condition"), CONDITIONS)
def test_no_text_names_a_rival_value_or_breaks_grammar(entity: str, condition: str) -> None:
    names = attributes(entity)[condition].values
    for text in texts(entity, condition):
        rivals = [n for n in names if n != text.value and n not in text.value]
        assert not any(re.search(rf"\b{re.escape(n)}\b", text.text, re.IGNORECASE) for n in rivals), text
        assert not re.search(r"\ba [aeio]|\ba u(?!ni)|\ban [^aeiou]|\ba an?\b|\s\s|[{}]", text.text), text


@pytest.mark.parametrize(("entity", "condition"), WORDED)
def test_no_text_holds_a_wording_of_a_rival_value_or_of_another_attribute(
    entity: str, condition: str
) -> None:
    """Wording by wording: "crimson" in no text but red's; a sub-category may imply its parent."""
    everything = [(c, t, wording(c, t.text).casefold()) for c in attributes(entity) for t in texts(entity, c)]
    for text in texts(entity, condition):
        own = wording(condition, text.text).casefold()
        for other, foreign, said in everything:
            same = (other, foreign.parent, foreign.value) == (condition, text.parent, text.value)
            implied = other != condition and foreign.value == text.parent
            if said in own and not same and not implied:
                assert not says(own, said), (text, foreign)


def test_wordings_must_be_those_of_the_spec_and_equally_many(script: ModuleType) -> None:
    age = attributes("demo-human")["age"]
    fine = {
        "child": ["child", "kid"],
        "adult": ["adult", "grown-up"],
        "elderly": ["elderly person", "pensioner"],
    }
    assert [t["text"] for t in script.condition(age, fine)][:3] == [
        "a photo of a child",
        "a photo of a kid",
        "a photo of an adult",
    ]
    with pytest.raises(InputError, match="not those of the spec"):
        script.condition(age, {k: v for k, v in fine.items() if k != "adult"})
    with pytest.raises(InputError, match="more wordings"):
        script.condition(age, fine | {"adult": ["adult"]})


def test_demo_texts_follow_the_phrasings(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_entity("demo-human")
    monkeypatch.setattr(script, "DEMO_PHRASINGS", ("a photo of {x}", "here is {x}"))
    made = script.record(spec, None)["conditions"]["background"]
    assert [t["text"] for t in made][:2] == ["a photo of a person on a beach", "here is a person on a beach"]
    assert Counter(t["value"] for t in made) == dict.fromkeys(
        attributes("demo-human")["background"].values, 2
    )


def test_committed_files_are_what_the_script_makes(script: ModuleType) -> None:
    made = script.contents()
    assert sorted(made) == sorted(f"{e}.json" for e in ENTITIES)
    for name, content in made.items():
        assert (ROOT / "prompts" / "conditions" / name).read_text("utf-8") == content


def test_check_notices_a_stale_and_a_missing_file(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "FOLDER", tmp_path)
    assert script.main(["--check"]) == 1
    assert script.main([]) == 0
    assert script.main(["--check"]) == 0
    stale = tmp_path / "demo-human.json"
    stale.write_text(stale.read_text("utf-8").replace("a photo of", "that is", 1), "utf-8")
    assert script.main(["--check"]) == 1
