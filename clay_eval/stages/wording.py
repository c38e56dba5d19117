"""Conditions in words: from what a person types to the texts of a condition.

>>> [text.text for text in condition_in_words("mood: calm, wild").condition("mood")]
['a photo of calm', 'a photo of wild']
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import TEMPLATE, did_you_mean, is_condition_name, nearest, nfc

if TYPE_CHECKING:
    from clay_eval.generator.plan.llm.meter import Limits
    from clay_eval.schemas.texts import ConditionTexts

    from .drafting import LlmOptions

ENTITY = "pictures"
"""The entity of texts whose pictures have no name."""
WORDS = "words"
"""Replies of a language model about conditions lie in this folder of the run."""


@dataclass(frozen=True)
class AskedModel:
    """A language model that may be asked for texts: see `drafting.LlmOptions`; its replies are kept in `place`.

    subject: what the pictures show, in words; values, texts: how many are asked for, where the person gives none.
    """

    place: Path
    llm: LlmOptions
    limits: Limits | None = None
    subject: str = "things and people"
    values: int = 8
    texts: int = 100


def condition_in_words(
    words: str,
    known: Sequence[ConditionTexts] = (),
    *,
    entity: str = ENTITY,
    template: str = TEMPLATE,
    model: AskedModel | None = None,
) -> ConditionTexts:
    """Return the texts of one condition that was typed: a name alone, or `name: value, value, ...`.

    Of a name with values: a text a value by `template`, or wordings of each by `model`, where one may be asked. Of a name
    alone the first of: the texts of `known`, those that come with the package (of `entity` first), what `model` says. The
    record's origin says which it was; it is a condition-texts file of `entity` as `evaluate --texts` takes it.

    Raises InputError for a name that cannot be a condition's, fewer than two values, and a name that nothing knows;
    PlannerError where the model, its server or the budget fails.
    """
    from clay_eval.schemas.texts import shipped_condition, texts_from_values

    name, values = parse_words(words)
    if values:
        if model is not None:
            return _asked(name, values, entity, model)
        return texts_from_values(entity, {name: [(value, None) for value in values]}, template)
    for texts in (*known, shipped_condition(name, entity)):
        if texts is not None and name in texts.conditions:
            return _alone(texts, name, entity)
    if model is not None:
        return _asked(name, (), entity, model)
    names = {condition for texts in known for condition in texts.conditions} | set(shipped_names())
    raise InputError(
        f"nothing says what {name!r} is in words",
        where="condition",
        expected="its values, or a name that texts are known for: " + ", ".join(sorted(names)),
        found=repr(words),
        hint=" ".join([*filter(None, [did_you_mean(nearest(name, names))]), _other_ways(name)]),
    )


def parse_words(words: str) -> tuple[str, list[str]]:
    """Return (name, values) of `name` or `name: value, value, ...`; raises InputError as `condition_in_words`."""
    said, colon, rest = nfc(words).partition(":")
    name = "_".join(said.lower().split())
    values = list(dict.fromkeys(" ".join(value.split()) for value in rest.split(",") if value.strip()))
    if not is_condition_name(name):
        raise InputError(
            "not a condition's name",
            where="condition",
            expected="a word or two that begin with a letter, such as color or time of day",
            found=repr(said.strip()[:200]),
        )
    if colon and len({value.casefold() for value in values}) < max(2, len(values)):
        raise InputError(
            "a condition of a single value tells no pictures apart"
            if len(values) < 2
            else "two values are the same but for case",
            where=f"condition {name!r}",
            expected="two values or more that differ, such as red, green, blue",
            found=", ".join(map(repr, values)) or "none",
        )
    return name, values


def shipped_names() -> list[str]:
    """The names of conditions whose texts come with the package."""
    from importlib import resources

    from clay_eval.schemas.texts import shipped_texts

    files = [file.name for file in resources.files("clay_eval.prompts.conditions").iterdir()]
    found = [shipped_texts(name.removesuffix(".json")) for name in files if name.endswith(".json")]
    return sorted({condition for texts in found if texts is not None for condition in texts.conditions})


def joined_texts(texts: Sequence[ConditionTexts], entity: str = ENTITY) -> ConditionTexts:
    """Return one file's content of several conditions' texts, of `entity`; of a name that occurs twice the last counts.

    Raises InputError for no texts.
    """
    from clay_eval.schemas.texts import parse_texts

    if not texts:
        raise InputError("there is no condition to keep", where="condition", expected="one or more")
    origins = {str(one.record["origin"]): one.record["origin"] for one in texts}
    origin = next(iter(origins.values())) if len(origins) == 1 else {"author": "clay-eval", "method": "mixed"}
    conditions: dict[str, Any] = {}
    for one in texts:
        conditions.update(one.record["conditions"])
    return parse_texts(_record(entity, origin, conditions), "the conditions")


def write_texts(path: Path, texts: ConditionTexts) -> None:
    """Write a file that `evaluate --texts` takes; raises InputError where one of another content is there."""
    import json

    from clay_eval.schemas.files import write_text
    from clay_eval.schemas.validate import read_text

    content = json.dumps(texts.record, indent=2, ensure_ascii=False) + "\n"
    if path.exists() and read_text(path) != content:
        raise InputError("there is a file of this name", where=path, hint="delete it, or choose another name")
    write_text(path, content)


def _other_ways(name: str) -> str:
    return f"type its values, '{name}: one, another', or let a language model write them with --llm"


def _alone(texts: ConditionTexts, name: str, entity: str) -> ConditionTexts:
    """One condition of `texts`, under its name."""
    from clay_eval.schemas.texts import parse_texts

    items = next(items for said, items in texts.record["conditions"].items() if nfc(said) == name)
    return parse_texts(_record(entity, texts.record["origin"], {name: items}), f"the texts of {name}")


def _asked(name: str, values: Sequence[str], entity: str, model: AskedModel) -> ConditionTexts:
    from clay_eval.generator.plan.llm.meter import Limits
    from clay_eval.generator.plan.llm.one_condition import draft_condition

    from .drafting import chatting

    with chatting(model.place, model.llm, model.limits or Limits()) as chat:
        drafted = draft_condition(
            chat, model.subject, name, values, many=model.values, texts=model.texts, notes=[]
        )
    return _alone(drafted, name, entity)


def _record(entity: str, origin: Any, conditions: Any) -> dict[str, Any]:
    schema = "clay-eval/condition-texts/1"
    return {"schema": schema, "entity": entity, "origin": origin, "conditions": conditions}
