"""The shipped condition texts: enough of them, balanced, and each about its own value and nothing else."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType

import pytest

from clay_eval.schemas.entity import Attribute, load_entity
from clay_eval.schemas.texts import ConditionText, shipped_texts

ROOT = Path(__file__).resolve().parents[2]
ENTITIES = ["clay-object", "clay-human", "demo-object", "demo-human"]
SAYS_NOTHING = {
    *("a", "an", "and", "the", "of", "on", "in", "with", "from", "front", "one", "old"),
    *("object", "person", "piece"),
}
CONDITIONS = [(e, a.name) for e in ENTITIES for a in load_entity(e).attributes]


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def attributes(entity: str) -> dict[str, Attribute]:
    return {a.name: a for a in load_entity(entity).attributes}


def texts(entity: str, condition: str) -> tuple[ConditionText, ...]:
    shipped = shipped_texts(entity)
    assert shipped is not None
    return shipped.condition(condition)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "data" / "training" / "make_condition_texts.py"
    spec = importlib.util.spec_from_file_location("make_condition_texts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    per_parent = Counter(t.parent for t in texts(entity, condition))
    if entity.startswith("clay-"):
        assert min(per_parent.values()) >= 100
    else:
        per_value = Counter((t.parent, t.value) for t in texts(entity, condition))
        assert all(6 <= n <= 12 for n in per_value.values())


@pytest.mark.parametrize(("entity", "condition"), CONDITIONS)
def test_wording_is_orthogonal_to_value(entity: str, condition: str) -> None:
    """Take away what a value's texts share, the value itself, and the same phrasings are left for all."""
    by_value: dict[tuple[str | None, str], list[str]] = defaultdict(list)
    for text in texts(entity, condition):
        by_value[text.parent, text.value].append(text.text)
    left = {}
    for key, found in by_value.items():
        subject = min(found, key=len)
        assert f"a photo of {subject}" in found
        left[key] = {t.replace(subject, "{x}") for t in found}
    assert len({frozenset(phrasings) for phrasings in left.values()}) == 1


@pytest.mark.parametrize(("entity", "condition"), CONDITIONS)
def test_no_text_names_a_value_of_another_attribute(entity: str, condition: str) -> None:
    """Whole names and, more strictly, single words of names and phrases; a sub-category may imply its parent."""
    others = [a for n, a in attributes(entity).items() if n != condition]
    for text in texts(entity, condition):
        own = words(text.value) | words(text.parent or "")
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
    stale.write_text(stale.read_text("utf-8").replace("this is", "that is", 1), "utf-8")
    assert script.main(["--check"]) == 1
