"""Texts of a condition, composed in three ways from what its values are called.

    value       TEMPLATES[0] around the value, one text a value
    templates   all TEMPLATES around the value
    mixed       PER_VALUE texts a value that also name a value of every other attribute, drawn by the seed, in MIXED's forms

A value is called what the first given text that names it calls it, without "a photo of" and the like before it; where the
text does not begin so, by its label. So "a photo of a red object" makes "a picture of a red object".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from clay_eval.schemas.texts import ConditionText

GIVEN, VALUE, TEMPLATED, MIXED = "given", "value", "templates", "mixed"
COMPOSITIONS: Mapping[str, str] = {
    GIVEN: "the texts that were given",
    VALUE: "one template, the value alone",
    TEMPLATED: "eight templates, the value alone",
    MIXED: "twelve texts a value that also name the other attributes",
}
TEMPLATES = (
    "a photo of {c}",
    "a picture of {c}",
    "an image of {c}",
    "a drawing of {c}",
    "an illustration of {c}",
    "a snapshot of {c}",
    "a view of {c}",
    "there is {c}",
)
MIXED_FORMS = ("a photo of {c}, {o}", "a picture of {o}, {c}", "an image of {c}, {o}", "there is {o}, {c}")
PER_VALUE = 12

_CARRIER = re.compile(r"an? (?:photo|picture|image|drawing|photograph) of (?P<phrase>\S.*)", re.IGNORECASE)

Items = Mapping[str, Sequence[ConditionText]]


def compose(
    composition: str, given: Items, parents: Mapping[str, str], seed: int = 0
) -> dict[str, tuple[ConditionText, ...]]:
    """Return condition -> its texts in one of COMPOSITIONS; no text stands twice under a condition and parent.

    given: condition -> its given texts; parents: condition -> the condition its values depend on; seed: draws "mixed".
    """
    if composition == GIVEN:
        return {name: tuple(items) for name, items in given.items()}
    phrases = {name: value_phrases(items) for name, items in given.items()}
    if composition != MIXED:
        forms = TEMPLATES[:1] if composition == VALUE else TEMPLATES
        return {
            name: _distinct(
                ConditionText(form.replace("{c}", phrase), value, parent)
                for (value, parent), phrase in known.items()
                for form in forms
            )
            for name, known in phrases.items()
        }
    generator = np.random.Generator(np.random.PCG64(seed))
    return {
        name: _distinct(
            ConditionText(_mixed(name, value, parent, phrases, parents, turn, generator), value, parent)
            for value, parent in known
            for turn in range(PER_VALUE)
        )
        for name, known in phrases.items()
    }


def value_phrases(items: Sequence[ConditionText]) -> dict[tuple[str, str | None], str]:
    """Return (value, parent's value) -> what the value is called, in order of appearance."""
    phrases: dict[tuple[str, str | None], str] = {}
    for item in items:
        match = _CARRIER.fullmatch(item.text.strip())
        phrase = match["phrase"] if match else item.value.replace("_", " ")
        phrases.setdefault((item.value, item.parent), phrase)
    return phrases


def subset(items: Sequence[ConditionText], count: int, seed: int) -> list[int]:
    """Return which texts to keep so that `count` are left (of each parent's value), as row numbers in order.

    Values take turns in a shuffled order, each giving one of its texts at random, so that a small subset names as many
    values as it can.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    kept: list[int] = []
    for parent in dict.fromkeys(item.parent for item in items):
        rows = [i for i, item in enumerate(items) if item.parent == parent]
        by_value: dict[str, list[int]] = {}
        for row in generator.permutation(rows):
            by_value.setdefault(items[row].value, []).append(int(row))
        turns = [texts[turn] for turn in range(len(rows)) for texts in by_value.values() if turn < len(texts)]
        kept += turns[:count]
    return sorted(kept)


def _mixed(
    name: str,
    value: str,
    parent: str | None,
    phrases: Mapping[str, Mapping[tuple[str, str | None], str]],
    parents: Mapping[str, str],
    turn: int,
    generator: np.random.Generator,
) -> str:
    """One text that names `value` and a value of every other attribute that can go with it."""
    chosen = {name: value}
    if parent is not None and name in parents:
        chosen[parents[name]] = parent
    while waiting := [other for other in phrases if other not in chosen]:
        ready = [other for other in waiting if parents.get(other) not in waiting]
        for other in ready or waiting:
            above = chosen.get(parents.get(other, ""))
            known = [pair for pair in phrases[other] if pair[1] is None or above is None or pair[1] == above]
            pair = known[generator.integers(len(known))] if known else next(iter(phrases[other]))
            chosen[other] = pair[0]
    others = [_phrase(phrases[other], chosen, other, parents) for other in phrases if other != name]
    form = MIXED_FORMS[turn % len(MIXED_FORMS)] if others else TEMPLATES[turn % len(TEMPLATES)]
    order = generator.permutation(len(others))
    return form.replace("{o}", ", ".join(others[i] for i in order)).replace(
        "{c}", phrases[name][value, parent]
    )


def _phrase(
    known: Mapping[tuple[str, str | None], str],
    chosen: Mapping[str, str],
    name: str,
    parents: Mapping[str, str],
) -> str:
    above = chosen.get(parents.get(name, ""))
    value = chosen[name]
    return next(
        (known[pair] for pair in ((value, above), (value, None)) if pair in known),
        next((phrase for (v, _), phrase in known.items() if v == value), value),
    )


def _distinct(items: Iterable[ConditionText]) -> tuple[ConditionText, ...]:
    return tuple(dict.fromkeys(items))
