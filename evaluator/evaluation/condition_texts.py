"""Which texts stand for the conditions of an entity: the user's, the plan's, the shipped ones, or a template's."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import ConditionTexts, load_texts, shipped_texts, texts_from_values

from ..pictures.labelled import Labelled
from ..retrieval.spaces import group_texts
from ..retrieval.study import TextFeatures
from ..retrieval.tasks import RetrievalTask

log = logging.getLogger(__name__)


def texts_by_entity(
    entities: Mapping[str, Labelled], files: Sequence[Path], plan: Path | None, template: str
) -> dict[str, ConditionTexts]:
    """Texts for every entity, by the first of these that there is: a file of `files`, the plan's, the shipped, `template`.

    One entity and one file go together, whatever the entity is called, where the texts know its conditions and values.
    plan: the plan folder of a run, or None. Raises InputError for files of entities that the data does not have, and for
    texts that lack one of the conditions.
    """
    given = texts_from_files(files)
    if len(entities) == len(given) == 1 and given.keys() != entities.keys():
        given = _fitted(next(iter(entities.values())), next(iter(given.values())))
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
                log.warning(
                    "%s: no text names these values of %s: %s", name, condition, ", ".join(missing[:10])
                )
        chosen[name] = texts
    return chosen


def _fitted(labels: Labelled, texts: ConditionTexts) -> dict[str, ConditionTexts]:
    """The texts under the name of the one entity there is, if they name some value of each of its conditions."""
    named = {name: {text.value for text in found} for name, found in texts.conditions.items()}
    fits = all(named.get(name, set()).intersection(column) for name, column in labels.labels.items())
    return {labels.entity if fits else texts.entity: texts}


def texts_from_files(files: Sequence[Path]) -> dict[str, ConditionTexts]:
    """Entity -> the texts in one of `files`; two files for one entity raise InputError."""
    given: dict[str, ConditionTexts] = {}
    for file in files:
        texts = load_texts(file)
        if texts.entity in given:
            raise InputError(
                "two files of condition texts for one entity",
                where=f"--texts {file}",
                expected="one file an entity",
                found=repr(texts.entity),
            )
        given[texts.entity] = texts
    return given


def require_several_texts(texts: ConditionTexts, labels: Labelled, tasks: Sequence[RetrievalTask]) -> None:
    """Raise InputError where a task would get fewer than two different texts: they span no subspace."""
    encoded = {}
    for name in labels.labels:
        items = texts.condition(name)
        numbers = {text: i for i, text in enumerate(dict.fromkeys(item.text for item in items))}
        rows = np.array([[numbers[item.text]] for item in items], np.float64)
        encoded[name] = TextFeatures(
            rows, [item.parent for item in items] if name in labels.parents else None
        )
    for task in tasks:
        for group in task.groups:
            if len(task.conditions) > 1:
                continue
            (name,) = task.conditions
            chosen, _ = group_texts(encoded, name, group)
            if len(np.unique(encoded[name].features[chosen])) < 2:
                raise InputError(
                    f"the condition {name!r} has one text only"
                    + (f" for {group.name}" if group.name else ""),
                    where="condition texts",
                    expected="two or more different texts, so that they span something",
                    found=f"{len(chosen)} times one text" if len(chosen) > 1 else "one text",
                    hint="give more with --texts FILE"
                    + (f", or leave out --parent {name}={labels.parents[name]}" if group.name else ""),
                )


def _planned(plan: Path | None, entity: str) -> ConditionTexts | None:
    file = None if plan is None else plan / "conditions" / f"{entity}.json"
    return load_texts(file) if file is not None and file.is_file() else None


def _shipped(labels: Labelled) -> ConditionTexts | None:
    """The texts shipped under the entity's name, if they know every condition and value of the data."""
    texts = shipped_texts(labels.entity)
    if texts is None:
        return None
    for condition, column in labels.labels.items():
        known = {text.value for text in texts.conditions.get(condition, ())}
        if not known.issuperset(column):
            return None
    return texts


def _values(labels: Labelled) -> dict[str, list[tuple[str, str | None]]]:
    """Condition -> its values with the value of the parent, each pair once, sorted."""
    values: dict[str, list[tuple[str, str | None]]] = {}
    for name, column in labels.labels.items():
        parent = labels.parents.get(name)
        above: Sequence[str | None] = labels.labels[parent] if parent else [None] * len(column)
        values[name] = sorted(set(zip(column, above, strict=True)), key=lambda pair: (pair[1] or "", pair[0]))
    return values
