"""Words that people wrote, made comparable: one Unicode form, and those that differ in case only."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def nfc(text: str) -> str:
    """`text` in Unicode's composed form (NFC): "é" is one character, however it was typed or stored."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def case_twins(values: Iterable[str]) -> list[list[str]]:
    """Groups of different values that are equal after casefolding, each sorted, in the order of their first members."""
    groups: dict[str, set[str]] = {}
    for value in values:
        groups.setdefault(nfc(nfc(value).casefold()), set()).add(value)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)
