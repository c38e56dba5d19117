"""Condition texts: for every condition, texts that vary the condition's value and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from .errors import InputError
from .fingerprint import fingerprint
from .validate import check, parse_json, read_text
from .words import TEMPLATE as TEMPLATE
from .words import is_condition_name, nfc


@dataclass(frozen=True)
class ConditionText:
    """A text, the value that it names, and the parent's value where values depend on one."""

    text: str
    value: str
    parent: str | None = None


@dataclass(frozen=True)
class ConditionTexts:
    """The texts of an entity's conditions; `record` is the JSON they were read from."""

    entity: str
    conditions: Mapping[str, tuple[ConditionText, ...]]
    record: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 of the canonical JSON."""
        return fingerprint(self.record)

    def condition(self, name: str) -> tuple[ConditionText, ...]:
        """The texts of one condition; an unknown one raises InputError."""
        if name not in self.conditions:
            raise InputError(
                f"no texts for the condition {name!r}",
                where=f"condition texts of {self.entity}",
                expected=f"one of {sorted(self.conditions)}",
                hint="add texts for it with --texts FILE",
            )
        return self.conditions[name]


def parse_texts(record: dict[str, Any], where: str | Path) -> ConditionTexts:
    """Check `record`; a text that stands twice under one condition and parent value raises InputError.

    Names of conditions and values come out in composed Unicode form, as labels do; texts stay as they are.
    """
    check(record, "condition-texts", where)
    conditions: dict[str, tuple[ConditionText, ...]] = {}
    for said, items in record["conditions"].items():
        name = nfc(said)
        if not is_condition_name(name) or name in conditions:
            raise InputError(
                "two conditions have the same name" if name in conditions else "not a condition's name",
                where=f"{where} at $.conditions",
                expected="letters of any script, none upper case, digits, _ and -, a letter first; each once",
                found=repr(said),
            )
        texts = [
            ConditionText(i["text"], nfc(i["value"]), nfc(i["parent"]) if "parent" in i else None)
            for i in items
        ]
        seen: set[tuple[str | None, str]] = set()
        for i, text in enumerate(texts):
            if (text.parent, text.text) in seen:
                raise InputError(
                    "a text stands twice under one condition",
                    where=f"{where} at $.conditions.{name}[{i}]",
                    expected="every text once",
                    found=repr(text.text),
                )
            seen.add((text.parent, text.text))
        conditions[name] = tuple(texts)
    return ConditionTexts(record["entity"], conditions, record)


def load_texts(path: Path) -> ConditionTexts:
    """Read condition texts from a JSON file."""
    return parse_texts(parse_json(read_text(path), path), path)


def shipped_texts(entity: str) -> ConditionTexts | None:
    """The texts that come with the package for `entity`, or None."""
    file = resources.files("clay_eval.prompts.conditions").joinpath(f"{entity}.json")
    if not file.is_file():
        return None
    return parse_texts(parse_json(file.read_text("utf-8"), f"{entity}.json"), f"{entity}.json")


def shipped_condition(name: str, entity: str = "") -> ConditionTexts | None:
    """The texts that come with the package for a condition of this `name`, of `entity` if it has one; None if none has.

    Of several entities that have it, the one with the most values, then the first by name.
    """
    having: list[tuple[bool, int, ConditionTexts]] = []
    for file in sorted(resources.files("clay_eval.prompts.conditions").iterdir(), key=lambda one: one.name):
        texts = shipped_texts(file.name.removesuffix(".json")) if file.name.endswith(".json") else None
        if texts is not None and name in texts.conditions:
            values = {text.value for text in texts.conditions[name]}
            having.append((texts.entity == entity, len(values), texts))
    return max(having, key=lambda one: one[:2])[2] if having else None


def texts_from_values(
    entity: str, values: Mapping[str, Sequence[tuple[str, str | None]]], template: str = TEMPLATE
) -> ConditionTexts:
    """One text a value: `template` with the value in place of {c}.

    values: condition -> (value, parent value or None). The paper's template is "a photo of {c}".
    """
    if "{c}" not in template:
        raise InputError("the template does not say where the value goes", where="--template", expected="{c}")
    conditions = {
        name: [
            {"text": template.replace("{c}", value), "value": value, **({"parent": parent} if parent else {})}
            for value, parent in pairs
        ]
        for name, pairs in values.items()
    }
    origin = {"author": "clay-eval", "method": "template", "instruction": template}
    record = {
        "schema": "clay-eval/condition-texts/1",
        "entity": entity,
        "origin": origin,
        "conditions": conditions,
    }
    return parse_texts(record, f"texts made from the labels of {entity}")
