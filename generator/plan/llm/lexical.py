"""What a text names, by its words: whole words only, whatever the case, plurals in -s and -es included."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


def squeeze(text: str) -> str:
    """`text` with its white space as single blanks, none at the ends."""
    return " ".join(text.split())


@lru_cache(maxsize=65536)
def _pattern(phrase: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in re.split(r"[\s-]+", phrase.strip()) if part]
    body = r"[\s-]+".join(parts)
    return re.compile(rf"(?<!\w){body}(?:s|es)?(?!\w)", re.IGNORECASE)


def names(text: str, phrase: str) -> bool:
    """Whether `text` says `phrase`: "two Frying-pans" names "frying pan"; "carpet" does not name "car"."""
    return bool(phrase.strip()) and _pattern(phrase).search(text) is not None


def without(text: str, phrases: Iterable[str]) -> str:
    """`text` with every occurrence of `phrases` struck out, longest phrases first."""
    for phrase in sorted(filter(str.strip, phrases), key=len, reverse=True):
        text = _pattern(phrase).sub(" | ", text)
    return text


def named(text: str, own: Iterable[str], rivals: Iterable[str]) -> list[str]:
    """Those of `rivals` that `text` names apart from its `own` phrases: "stainless steel" does not name "steel" then."""
    rest = without(text, own)
    return [rival for rival in rivals if names(rest, rival)]


def distinct(texts: Iterable[str]) -> list[str]:
    """`texts` squeezed, each once whatever its case, in order."""
    seen: dict[str, str] = {}
    for text in map(squeeze, texts):
        seen.setdefault(text.casefold(), text)
    return [text for key, text in seen.items() if key]
