"""From a sentence to the core attributes, and to their values, as a list of attribute records of an entity spec."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clay_eval.schemas.entity import RESERVED
from clay_eval.schemas.errors import InputError

from .answers import array, strict_object, words
from .asking import Chat, Question
from .errors import AnswerError
from .lexical import distinct, named, names, squeeze

NAME = "^[a-z][a-z0-9_-]{0,30}$"
MOST_ATTRIBUTES = 8
_FRESH_STARTS = 6
SPARE = 4
"""Models miscount: so many items more than asked for are no fault."""
FRAMES = ("opening", "closing")
PLAIN = {"opening": "a photo of", "closing": "in plain view"}
"""What stands around the core of a prompt if the model has nothing better."""
Notes = list[str]


@dataclass(frozen=True)
class Request:
    """A sentence taken apart: what the pictures show, and the attributes it lists (none: the model proposes them)."""

    sentence: str
    subject: str
    attributes: tuple[str, ...]

    @property
    def entity(self) -> str:
        """A name for the entity, from the subject."""
        return slug(self.subject) or "entity"


def slug(text: str) -> str:
    """`text` as a name: lower-case letters, digits and hyphens, beginning with a letter; "" where nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-").lstrip("0123456789-")[:48].rstrip("-")


def read_sentence(sentence: str) -> Request:
    """Take "kitchen tools: type, material, state" apart; a sentence without a colon is a subject alone.

    Raises InputError for an empty subject and for attributes that cannot be told apart.
    """
    subject, colon, rest = squeeze(sentence).partition(":")
    listed = [part for part in re.split(r"[,;]|\band\b", rest) if part.strip()]
    names = tuple(slug(part) for part in listed)
    problem = None
    if not slug(subject):
        problem = "what the pictures show, e.g. 'kitchen tools: type, material, state'"
    elif colon and (not names or "" in names or len(set(names)) < len(names) or set(names) & set(RESERVED)):
        problem = f"different attributes after the colon, none of them {list(RESERVED)}"
    elif len(names) > MOST_ATTRIBUTES:
        problem = f"at most {MOST_ATTRIBUTES} attributes"
    if problem:
        raise InputError("this sentence cannot be planned", where=repr(sentence), expected=problem)
    return Request(squeeze(sentence), squeeze(subject), names)


def draft_outline(chat: Chat, request: Request) -> list[dict[str, Any]]:
    """The core attributes: [{"name": ..., "parent": ... or None}, ...], parents first."""
    if request.attributes:
        return _parents_of_listed(chat, request)
    item = strict_object(
        {
            "name": {"type": "string", "pattern": NAME},
            "parent": {"type": ["string", "null"], "pattern": NAME},
        }
    )
    schema = strict_object({"attributes": array(item, 2, 5)})
    answer = chat.ask(Question("outline", {"subject": request.subject}, schema, outline_problems))
    return [{"name": a["name"], "parent": a["parent"]} for a in answer["attributes"]]


def outline_problems(answer: Mapping[str, Any]) -> list[str]:
    """Names twice or reserved, and parents that do not stand before their children."""
    problems, seen = [], []
    for attribute in answer["attributes"]:
        name, parent = attribute["name"], attribute["parent"]
        if name in seen:
            problems.append(f"the attribute {name!r} stands twice")
        if name in RESERVED:
            problems.append(f"{name!r} is a reserved name")
        if parent is not None and parent not in seen:
            problems.append(f"the parent of {name!r} must be null or an earlier attribute, not {parent!r}")
        seen.append(name)
    return problems


def _parents_of_listed(chat: Chat, request: Request) -> list[dict[str, Any]]:
    """For attributes that the sentence lists: which earlier one each depends on. The schema leaves no other choice."""
    names = request.attributes
    if len(names) < 2:
        return [{"name": name, "parent": None} for name in names]
    choices: dict[str, Any] = {
        name: {"type": ["string", "null"], "enum": [None, *names[:i]]} for i, name in enumerate(names) if i
    }
    fields = {"subject": request.subject, "attributes": ", ".join(names)}
    answer = chat.ask(Question("parents", fields, strict_object(choices), lambda _: []))
    return [{"name": name, "parent": answer.get(name)} for name in names]


def draft_values(
    chat: Chat,
    subject: str,
    outline: Sequence[Mapping[str, Any]],
    many: int,
    notes: Notes,
) -> list[dict[str, Any]]:
    """Attribute records with `many` values each at most (nested ones: under each value of their parent).

    Attributes of the outline that have values already (a partial spec) are kept. AnswerError where the model finds no
    two values.
    """
    records: list[dict[str, Any]] = []
    taken = [subject, *(item["name"].replace("-", " ") for item in outline)]
    for item in outline:
        if "values" in item or "values_by_parent" in item:
            records.append(dict(item))
            continue
        name, parent = item["name"], item.get("parent")
        known = {r["name"]: value_names(r) for r in records if r["name"] != parent}
        groups: list[str | None] = list(
            next((value_names(r) for r in records if r["name"] == parent), [None])
        )

        def ask(
            group: str | None, name: str = name, parent: Any = parent, known: Any = known
        ) -> list[str] | AnswerError:
            try:
                return _values(chat, subject, name, (parent, group) if group else None, known, many, taken)
            except AnswerError as error:
                return error

        found = _with_stand_ins(chat.ask_all(groups, ask), groups, name, many, notes)
        for group, values in zip(groups, found, strict=True):
            if len(values) < many:
                under = f" under {group}" if group else ""
                notes.append(f"{name}{under}: {len(values)} different values, {many} were asked for")
        if parent is None:
            records.append({"name": name, "values": found[0]})
        else:
            nested = {str(g): values for g, values in zip(groups, found, strict=True)}
            records.append({"name": name, "parent": parent, "values_by_parent": nested})
    return records


def _with_stand_ins(
    found: Sequence[list[str] | AnswerError],
    groups: Sequence[str | None],
    name: str,
    many: int,
    notes: Notes,
) -> list[list[str]]:
    """The values of each group; where the model found none under one parent, those that it found under the others.

    Raises the first AnswerError if it found none at all.
    """
    pool = distinct(value for values in found if not isinstance(values, AnswerError) for value in values)
    whole: list[list[str]] = []
    for group, values in zip(groups, found, strict=True):
        if isinstance(values, AnswerError):
            if not pool:
                raise values
            notes.append(f"{name} under {group}: values of its neighbours stand in ({values.brief})")
            values = pool[:many]
        whole.append(values)
    return whole


def value_names(record: Mapping[str, Any]) -> list[str]:
    """All values of an attribute record, each once."""
    groups = record.get("values_by_parent", {None: record.get("values", [])}).values()
    names = [v if isinstance(v, str) else v["name"] for group in groups for v in group]
    return list(dict.fromkeys(names))


def _values(
    chat: Chat,
    subject: str,
    name: str,
    under: tuple[str, str] | None,
    known: Mapping[str, Sequence[str]],
    many: int,
    taken: Sequence[str],
) -> list[str]:
    others = [value for values in known.values() for value in values]
    enough = max(2, many // 2)
    pool: list[str] = []

    def check(answer: Mapping[str, Any]) -> list[str]:
        # A repaired answer rarely holds what was right in the first: all attempts count.
        pool[:] = usable_values([*pool, *answer["values"]], taken, others)[:many]
        if len(pool) >= enough:
            return []
        return [
            f"only {len(pool)} usable values: they must differ from each other, from {', '.join(taken)}, and from "
            f"the values of other attributes ({', '.join(others[:20]) or 'none yet'})"
        ]

    fields = {
        "subject": subject,
        "attribute": name.replace("-", " "),
        "number": many,
        "under": f", for {under[0].replace('-', ' ')} = {under[1]} only" if under else "",
        "others": ", ".join(others) or "none",
    }
    schema = strict_object({"values": array(words(40), enough, many + SPARE)})
    for afresh in range(_FRESH_STARTS):
        # A small model says what it is told not to: every other start leaves that out.
        told = {**fields, "others": "none"} if afresh % 2 else fields
        try:
            chat.ask(Question("values", told, schema, check), afresh)
        except AnswerError:
            if len(pool) < 2 and afresh == _FRESH_STARTS - 1:
                raise
        if len(pool) >= 2:
            break
    return pool


def usable_values(values: Sequence[str], taken: Sequence[str], others: Sequence[str]) -> list[str]:
    """`values` in lower case, each once, less those that name one of `others` or are named by it, or by any plain prompt.

    taken: the subject and the names of attributes, which are no values. others: the values of other attributes.
    """
    no_values = {name.casefold() for name in taken}
    everywhere = " ".join(PLAIN.values())
    return [
        value
        for value in distinct(v.lower() for v in values)
        if value not in no_values
        and not names(everywhere, value)
        and not named(value, [], others)
        and not any(named(other, [], [value]) for other in others)
    ]
