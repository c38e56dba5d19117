"""Conditions as the page knows them: texts with the values that they name, and what is refused before a text is encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import ConditionText, ConditionTexts, parse_texts, texts_from_values
from clay_eval.schemas.words import is_condition_name, nfc

MOST_TEXTS = 2000
"""Texts of a condition that the page takes."""
LONGEST_VALUE = 200
SCHEMA = "clay-eval/condition-texts/1"


@dataclass(frozen=True)
class Worded:
    """A condition's texts. origin: where they come from, in a few words for a person."""

    texts: tuple[ConditionText, ...]
    origin: str

    @property
    def values(self) -> list[str]:
        """The values that the texts name, each once, in order."""
        return list(dict.fromkeys(text.value for text in self.texts))


def of_values(entity: str, name: str, values: Sequence[str], template: str) -> Worded:
    """One text a value, by `template`. Raises InputError as `checked` and for a template without {c}."""
    name = require_name(name)
    cleaned = list(dict.fromkeys(nfc(value.strip()) for value in values if value.strip()))
    require_values(name, cleaned)
    texts = texts_from_values(entity, {name: [(value, None) for value in cleaned]}, template)
    return checked(texts, name, "typed here")


def of_texts(
    entity: str, name: str, items: Sequence[Mapping[str, Any]], origin: str = "edited here"
) -> Worded:
    """Texts as they were written, each {text, value}. Raises InputError as `checked`."""
    name = require_name(name)
    record = {
        "schema": SCHEMA,
        "entity": entity,
        "origin": {"author": "explore", "method": "written by hand"},
        "conditions": {name: [dict(item) for item in items]},
    }
    return checked(parse_texts(record, "the page"), name, origin)


def checked(texts: ConditionTexts, name: str, origin: str) -> Worded:
    """The texts of one condition; raises InputError as `require_values`."""
    found = Worded(tuple(texts.condition(nfc(name))), origin)
    require_values(name, found.values)
    if len(found.texts) > MOST_TEXTS:
        raise _too_many(name, len(found.texts), "texts")
    return found


def require_name(name: str) -> str:
    """`name` as a condition's, composed; raises InputError for what is none."""
    composed = nfc(name.strip())
    if not is_condition_name(composed):
        raise InputError(
            "not a condition's name",
            where="condition",
            expected="a word that begins with a letter: letters of any script, none upper case, digits, _ and -",
            found=repr(name[:80]),
        )
    return composed


def require_values(name: str, values: Sequence[str]) -> None:
    """Raise InputError for fewer than two values, for more than MOST_TEXTS, and for one that is too long."""
    if len(values) < 2:
        raise InputError(
            "a condition of a single value tells no pictures apart",
            where=f"condition {name!r}",
            expected="two values or more, separated by commas, such as red, green, blue",
            found=f"only {values[0]!r}" if values else "none",
        )
    if len(values) > MOST_TEXTS:
        raise _too_many(name, len(values), "values")
    if long := [value for value in values if len(value) > LONGEST_VALUE]:
        raise InputError(
            "a value is too long",
            where=f"condition {name!r}",
            expected=f"at most {LONGEST_VALUE} characters",
            found=f"{len(long[0])}: {long[0][:40]!r}...",
            hint="separate values by commas",
        )


def texts_record(entity: str, conditions: Mapping[str, Worded]) -> dict[str, Any]:
    """A condition-texts file of `conditions`, as `clay-eval evaluate --texts` takes it."""
    if not conditions:
        raise InputError("there is no condition to save", where="conditions", expected="one or more")
    record = {
        "schema": SCHEMA,
        "entity": entity,
        "origin": {"author": "clay-eval explore", "method": "looked at and edited by hand"},
        "conditions": {
            name: [
                {"text": t.text, "value": t.value, **({} if t.parent is None else {"parent": t.parent})}
                for t in worded.texts
            ]
            for name, worded in conditions.items()
        },
    }
    parse_texts(record, "conditions")
    return record


def _too_many(name: str, found: int, what: str) -> InputError:
    return InputError(
        f"a condition of too many {what} for the page",
        where=f"condition {name!r}",
        expected=f"at most {MOST_TEXTS:,}",
        found=f"{found:,}",
        hint="group them into fewer values, or use clay-eval evaluate --texts FILE",
    )
