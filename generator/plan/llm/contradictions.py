"""Combinations that contradict, asked pair of attributes by pair, with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

from clay_eval.schemas.entity import Attribute, EntitySpec

from .answers import array, strict_object, words
from .asking import Chat, Question
from .errors import AnswerError
from .outline import FRAMES, Notes

_MOST = 60


def pairs(spec: EntitySpec) -> list[tuple[Attribute, Attribute]]:
    """Every pair of core attributes, and each of these with every diversity attribute that is no mere phrasing.

    Left out are pairs of which one depends on the other: these list what is possible.
    """
    core = [(a, b) for a, b in combinations(spec.attributes, 2) if a.parent != b.name and b.parent != a.name]
    frames = {*FRAMES, *(f"{kind}-phrase" for kind in FRAMES)}
    return [*core, *product(spec.attributes, [d for d in spec.diversity if d.name not in frames])]


def draft_exclusions(chat: Chat, spec: EntitySpec, notes: Notes) -> list[dict[str, Any]]:
    """Exclusions for an entity spec, in the order of the pairs; a pair without a usable answer gets a note."""

    def ask(pair: tuple[Attribute, Attribute]) -> tuple[list[dict[str, Any]], str]:
        try:
            return _ask_pair(chat, spec, *pair), ""
        except AnswerError as error:
            return (
                [],
                f"{pair[0].name} and {pair[1].name}: no contradictions known ({error.brief})",
            )

    found = chat.ask_all(pairs(spec), ask)
    notes.extend(note for _, note in found if note)
    return [exclusion for exclusions, _ in found for exclusion in exclusions]


def _ask_pair(chat: Chat, spec: EntitySpec, a: Attribute, b: Attribute) -> list[dict[str, Any]]:
    item = strict_object(
        {
            "first": {"type": "string", "enum": list(a.values)},
            "second": {"type": "string", "enum": list(b.values)},
            "reason": words(160),
        }
    )
    most = min(_MOST, max(1, len(a.values) * len(b.values) // 2))
    fields = {
        "subject": spec.title,
        "first": a.name,
        "first_values": ", ".join(a.values),
        "second": b.name,
        "second_values": ", ".join(b.values),
    }

    def check(answer: Mapping[str, Any]) -> list[str]:
        return pair_problems(answer["contradictions"], a.values, b.values)

    answer = chat.ask(
        Question("contradictions", fields, strict_object({"contradictions": array(item, 0, most)}), check)
    )
    reasons: dict[tuple[str, str], str] = {}
    for found in answer["contradictions"]:
        reasons.setdefault((found["first"], found["second"]), found["reason"])
    return [
        {"when": {a.name: [first], b.name: [second]}, "reason": reason}
        for (first, second), reason in reasons.items()
    ]


def pair_problems(
    found: Sequence[Mapping[str, str]], first: Sequence[str], second: Sequence[str]
) -> list[str]:
    """Values that would be left with no partner: then the value contradicts itself, which is no answer."""
    gone = {(f["first"], f["second"]) for f in found}
    left = [pair for pair in product(first, second) if pair not in gone]
    kept, met = {a for a, _ in left}, {b for _, b in left}
    lost = [v for v in first if v not in kept] + [v for v in second if v not in met]
    return [f"{value!r} would be impossible with every value of the other attribute" for value in lost]
