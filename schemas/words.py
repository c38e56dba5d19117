"""Words that people wrote, made comparable: one Unicode form, and those that differ in case only."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

NAME_LENGTH = 63
_ALIKE = 0.5
VALUE_LENGTH = 200
"""The longest label that a report can hold, in characters."""
TEMPLATE = "a photo of {c}"
"""The paper's text of a value."""


def nfc(text: str) -> str:
    """`text` in Unicode's composed form (NFC): "é" is one character, however it was typed or stored."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def case_twins(values: Iterable[str]) -> list[list[str]]:
    """Groups of different values that are equal after casefolding, each sorted, in the order of their first members."""
    groups: dict[str, set[str]] = {}
    for value in values:
        groups.setdefault(nfc(nfc(value).casefold()), set()).add(value)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def nearest(name: str, known: Iterable[str], most: int = 1) -> list[str]:
    """Those of `known`, at most `most`, that `name` may be a slip of, the likeliest first; case does not count."""
    by_fold = {one.casefold(): one for one in known}
    return [by_fold[fold] for fold in difflib.get_close_matches(name.casefold(), by_fold, most, _ALIKE)]


def did_you_mean(names: Iterable[str]) -> str | None:
    """The hint of an error that offers `names`; None for none of them."""
    quoted = ", ".join(map(repr, names))
    return f"did you mean {quoted}?" if quoted else None


def is_condition_name(name: str) -> bool:
    """Whether `name` can be a condition's: letters of any script, none of them upper case, their marks, digits, - and _.

    It begins with a letter, is composed (NFC), and has at most NAME_LENGTH characters.
    """
    return (
        0 < len(name) <= NAME_LENGTH
        and name[0].isalpha()
        and all(in_names(character) for character in name)
        and nfc(name.lower()) == name
    )


def in_names(character: str) -> bool:
    """Whether a name of a condition may hold `character`; upper case is another question."""
    kind = unicodedata.category(character)
    return character in "-_" or kind[0] in "LM" or kind == "Nd"
