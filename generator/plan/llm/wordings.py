"""Condition texts: "a photo of {c}" around many wordings of each value, and nothing else varied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from clay_eval.schemas.entity import Attribute, EntitySpec
from clay_eval.schemas.texts import TEMPLATE, parse_texts

from .answers import array, strict_object, words
from .asking import Chat, Question
from .errors import AnswerError
from .lexical import distinct, named, squeeze
from .outline import SPARE, Notes

INSTRUCTION = "wordings"
_MOST = 60
_MEDIA = ("photo", "photograph", "picture", "image")
"""The template says what it is a picture in; a wording that says it again varies the phrasing."""
Place = tuple[Attribute, str | None, str]


def wordings_wanted(attribute: Attribute, texts: int) -> int:
    """Wordings a value, so that the condition has at least `texts`, and a value at least four."""
    places = sum(map(len, attribute.choices.values()))
    return min(_MOST, max(4, -(-texts // places)))


def usable_wordings(found: Sequence[str], value: str, rivals: Sequence[str]) -> list[str]:
    """`found` in lower case, each once, less those that name a rival, or a medium, apart from the value."""
    phrase = TEMPLATE.partition("{")[0].strip()
    cleaned = [squeeze(text.lower()).removeprefix(phrase).strip() for text in found]
    return [text for text in distinct(cleaned) if not named(text, [value], [*rivals, *_MEDIA])]


def draft_texts(chat: Chat, spec: EntitySpec, texts: int, date: str | None, notes: Notes) -> dict[str, Any]:
    """A condition-texts record with `texts` texts a condition, or as many as the model has, which a note says.

    Each value's plain text comes first. A wording that two values have stays with the first of them. date: YYYY-MM-DD for
    the origin, if it is to be there.
    """
    places: list[Place] = [
        (attribute, parent, value.name)
        for attribute in spec.attributes
        for parent, group in attribute.choices.items()
        for value in group
    ]
    found = chat.ask_all(places, lambda place: _wordings(chat, spec, place, texts))
    conditions: dict[str, list[dict[str, str]]] = {}
    for attribute in spec.attributes:
        mine = [(place, w) for place, w in zip(places, found, strict=True) if place[0].name == attribute.name]
        items = merge(mine)
        conditions[attribute.name] = items
        if len(items) < texts:
            notes.append(f"{attribute.name}: {len(items)} different texts, {texts} were asked for")
        if note := uneven(items):
            notes.append(f"{attribute.name}: {note}")
    origin: dict[str, Any] = {
        "author": "clay-eval",
        "method": "llm",
        "model": chat.client.server.model,
        "instruction": INSTRUCTION,
    }
    record = {
        "schema": "clay-eval/condition-texts/1",
        "entity": spec.entity,
        "origin": origin | ({"date": date} if date else {}),
        "conditions": conditions,
    }
    parse_texts(record, "the drafted condition texts")
    return record


def uneven(items: Sequence[Mapping[str, str]]) -> str | None:
    """What to say of a condition whose values have very different numbers of texts; None if they do not.

    The subspace of a condition is fitted to its texts, so values with more of them weigh more.
    """
    counts = Counter((item.get("parent"), item["value"]) for item in items)
    (_, most), (least_key, least) = counts.most_common()[0], counts.most_common()[-1]
    if most <= 2 * least:
        return None
    return f"a value has between {least} ({least_key[1]}) and {most} texts; values with more weigh more"


def merge(found: Sequence[tuple[Place, Sequence[str]]]) -> list[dict[str, str]]:
    """The items of one condition: each text under one value only, plain ones never taken by another value."""
    plain = {value.casefold(): value for (_, _, value), _ in found}
    taken: dict[tuple[str | None, str], None] = {}
    items: list[dict[str, str]] = []
    for (_, parent, value), wordings in found:
        for wording in distinct([value, *wordings]):
            text = TEMPLATE.replace("{c}", wording)
            key = (parent, text.casefold())
            if key in taken or plain.get(wording.casefold(), value) != value:
                continue
            taken[key] = None
            items.append({"text": text, "value": value} | ({"parent": parent} if parent else {}))
    return items


def rivals_of(spec: EntitySpec, place: Place) -> list[str]:
    """What a wording must not name: the other values that are possible here, and those of all other attributes.

    A parent's value and its children go together, so neither is a rival of the other.
    """
    attribute, parent, value = place
    rivals = [v.name for v in attribute.choices[parent] if v.name != value]
    for other in spec.attributes:
        if other.name != attribute.name and attribute.name != other.parent and other.name != attribute.parent:
            rivals += other.values
    return list(dict.fromkeys(rivals))


def _wordings(chat: Chat, spec: EntitySpec, place: Place, texts: int) -> list[str]:
    attribute, parent, value = place
    many = wordings_wanted(attribute, texts)
    rivals = rivals_of(spec, place)
    best: list[str] = []

    def check(answer: Mapping[str, Any]) -> list[str]:
        kept = usable_wordings(answer["wordings"], value, rivals)
        if len(kept) > len(best):
            best[:] = kept
        if len(kept) >= max(1, many // 2):
            return []
        wrong = [
            f"{text!r} names {said}"
            for text in answer["wordings"]
            if (said := named(text.lower(), [value], rivals))
        ]
        return [*wrong[:6], f"{len(kept)} usable different wordings, about {many} are needed"]

    fields = {
        "subject": spec.title,
        "attribute": attribute.name,
        "value": value,
        "under": f" (a kind of {parent})" if parent else "",
        "number": many,
        "rivals": ", ".join(rivals[:80]) or "none",
    }
    question = Question(
        INSTRUCTION, fields, strict_object({"wordings": array(words(60), 1, many + SPARE)}), check
    )
    # What could be used of the answers stays, down to the value's plain text; the count a condition is reported.
    with suppress(AnswerError):
        chat.ask(question)
    return best
