"""The texts of one condition that somebody named: its values where none were given, then wordings of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clay_eval.schemas.entity import RESERVED, parse_entity
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import ConditionTexts, parse_texts

from .asking import Chat
from .outline import Notes, draft_values, slug
from .phrasing import plain_core
from .wordings import draft_texts


def draft_condition(
    chat: Chat,
    subject: str,
    name: str,
    values: Sequence[str] = (),
    *,
    many: int = 8,
    texts: int = 100,
    notes: Notes,
) -> ConditionTexts:
    """Return the texts of the condition `name` of pictures of `subject`, under that name.

    values: those it has, asked for (`many` of them) where there are none; texts: how many are wanted in all. What fell short
    is added to `notes`. Raises InputError for a name without a letter that a model could be asked by, and PlannerError.
    """
    attribute = slug(name)[:31].rstrip("-")
    if not attribute or attribute in RESERVED:
        raise InputError(
            "a language model cannot be asked for this condition",
            where="--condition",
            expected="a name of letters a to z, digits and hyphens, other than " + ", ".join(RESERVED),
            found=repr(name),
            hint="type its values: NAME: red, green, blue",
        )
    outline: dict[str, Any] = {"name": attribute, **({"values": list(values)} if values else {})}
    spec = parse_entity(
        {
            "schema": "clay-eval/entity-spec/1",
            "entity": slug(subject) or "pictures",
            "title": subject,
            "images_per_combination": 1,
            "attributes": draft_values(chat, subject, [outline], many, notes),
            "prompt": "a photo of " + plain_core([attribute]),
        },
        f"the draft of {name}",
    )
    record = draft_texts(chat, spec, texts, None, notes)
    return parse_texts(
        {**record, "conditions": {name: record["conditions"][attribute]}}, f"the texts of {name}"
    )
