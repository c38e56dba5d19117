"""Which texts stand for the conditions of an entity: the user's, the plan's, the shipped ones, or a template's."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import ConditionTexts, load_texts, shipped_texts, texts_from_values

from .sources import Labels

log = logging.getLogger(__name__)


def texts_by_entity(
    entities: Mapping[str, Labels], files: Sequence[Path], plan: Path | None, template: str
) -> dict[str, ConditionTexts]:
    """Texts for every entity, by the first of these that there is: a file of `files`, the plan's, the shipped, `template`.

    plan: the plan folder of a run, or None. Raises InputError for files of entities that the data does not have, and for
    texts that lack one of the conditions.
    """
    given = {texts.entity: texts for texts in map(load_texts, files)}
    if unknown := sorted(set(given) - set(entities)):
        raise InputError(
            "condition texts of an entity that the data does not have",
            where="--texts",
            expected=f"texts of {sorted(entities)}",
            found=unknown,
        )
    chosen = {}
    for name, labels in entities.items():
        texts = given.get(name) or _planned(plan, name) or _shipped(labels)
        texts = texts or texts_from_values(name, _values(labels), template)
        for condition, column in labels.labels.items():
            known = {text.value for text in texts.condition(condition)}
            if missing := sorted(set(column) - known):
                log.warning("%s: no text names these values of %s: %s", name, condition, ", ".join(missing[:10]))
        chosen[name] = texts
    return chosen


def _planned(plan: Path | None, entity: str) -> ConditionTexts | None:
    file = None if plan is None else plan / "conditions" / f"{entity}.json"
    return load_texts(file) if file is not None and file.is_file() else None


def _shipped(labels: Labels) -> ConditionTexts | None:
    """The texts shipped under the entity's name, if they know every condition and value of the data."""
    texts = shipped_texts(labels.entity)
    if texts is None:
        return None
    for condition, column in labels.labels.items():
        known = {text.value for text in texts.conditions.get(condition, ())}
        if not known.issuperset(column):
            return None
    return texts


def _values(labels: Labels) -> dict[str, list[tuple[str, str | None]]]:
    """Condition -> its values with the value of the parent, each pair once, sorted."""
    values: dict[str, list[tuple[str, str | None]]] = {}
    for name, column in labels.labels.items():
        parent = labels.parents.get(name)
        above: Sequence[str | None] = labels.labels[parent] if parent else [None] * len(column)
        values[name] = sorted(set(zip(column, above, strict=True)), key=lambda pair: (pair[1] or "", pair[0]))
    return values
