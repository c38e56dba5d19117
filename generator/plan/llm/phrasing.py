"""The prompt template and its phrasings.

Templates, asked for a few times, serve every combination: each holds every core attribute as a placeholder. More variety
comes from two diversity attributes, `opening` and `closing`, whose phrases stand before and after the core: n of each give
n * n phrasings, dealt evenly over the combinations like any diversity, and recorded with every sample.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from clay_eval.schemas.entity import EntitySpec

from .answers import array, strict_object, words
from .asking import Chat, Question
from .errors import AnswerError
from .lexical import distinct, named, names, squeeze
from .outline import NAME, PLAIN, Notes

MOST_CORES = 3


def plain_core(attributes: Sequence[str]) -> str:
    """The fallback: the attributes in reverse, so that what was listed first, the kind of thing, is the noun."""
    return " ".join("{" + name + "}" for name in reversed(attributes))


def core_problems(template: str, attributes: Sequence[str], values: Sequence[str]) -> list[str]:
    """What is wrong with the core of a prompt: each attribute once as a placeholder, and no value by name."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        return [f"unbalanced braces: {error}"]
    held = [field for _, field, _, _ in parts if field is not None]
    problems = [f"{{{name}}} must stand in it exactly once" for name in attributes if held.count(name) != 1]
    problems += [f"{{{name}}} is none of the attributes" for name in held if name not in attributes]
    if any(form or conversion for _, _, form, conversion in parts):
        problems.append("placeholders are plain: {name}")
    said = named(" ".join(text for text, _, _, _ in parts), [], values)
    problems += [f"it names the value {value!r}; only placeholders stand for values" for value in said]
    return problems


def draft_cores(
    chat: Chat,
    subject: str,
    attributes: Sequence[str],
    values: Sequence[str],
    notes: Notes,
) -> list[str]:
    """Noun phrases with every core attribute as a placeholder; the plain one, with a note, if the model has none.

    The question is put MOST_CORES times; what is answered in the same words twice counts once.
    """

    def check(answer: Mapping[str, Any]) -> list[str]:
        return core_problems(answer["template"], attributes, values)

    fields = {
        "subject": subject,
        "placeholders": ", ".join("{" + name + "}" for name in attributes),
        "example": plain_core(attributes),
    }
    schema = strict_object({"template": {"type": "string", "pattern": "^[A-Za-z0-9 ,'_{}-]{3,200}$"}})
    found: list[str] = []
    for afresh in range(MOST_CORES):
        try:
            found.append(squeeze(chat.ask(Question("core", fields, schema, check), afresh)["template"]))
        except AnswerError as error:
            if not found:
                notes.append(f"prompt: fallback to the plain order of attributes ({error.brief})")
                return [plain_core(attributes)]
            break
    return list(dict.fromkeys(found))


def draft_frames(
    chat: Chat, subject: str, kind: str, values: Sequence[str], many: int, notes: Notes
) -> dict[str, Any]:
    """The diversity attribute `kind` ("opening" or "closing"): phrases that name no core value."""
    plain = PLAIN[kind]

    def usable(answer: Mapping[str, Any]) -> list[str]:
        return [text for text in distinct(answer["phrases"]) if not named(text, [], values)]

    def check(answer: Mapping[str, Any]) -> list[str]:
        kept = usable(answer)
        if len(kept) >= 2:
            return []
        wrong = [f"{text!r} names {said}" for text in answer["phrases"] if (said := named(text, [], values))]
        return [*wrong[:6], "at least two different phrases are needed that name no value of an attribute"]

    fields = {"subject": subject, "number": many, "plain": plain, "values": ", ".join(values[:80])}
    schema = strict_object({"phrases": array(words(80), 2, many)})
    try:
        answer = chat.ask(Question(kind, fields, schema, check))
    except AnswerError as error:
        notes.append(f"{kind}: fallback to the one phrasing {plain!r} ({error.brief})")
        return {"name": kind, "values": [{"name": plain, "phrase": plain}]}
    dropped = len(distinct(answer["phrases"])) - len(usable(answer))
    if dropped:
        notes.append(f"{kind}: {dropped} phrases left out, since they name a value")
    return {"name": kind, "values": [{"name": t, "phrase": t} for t in distinct([plain, *usable(answer)])]}


def draft_diversity(
    chat: Chat, subject: str, taken: Sequence[str], values: Sequence[str], notes: Notes
) -> list[dict[str, Any]]:
    """Attributes that vary pictures and are no conditions; none, with a note, if the model fails."""

    def problems(answer: Mapping[str, Any]) -> list[str]:
        found = Counter(a["name"] for a in answer["attributes"])
        wrong = [f"the name {name!r} is taken" for name, times in found.items() if name in taken or times > 1]
        for attribute in answer["attributes"]:
            phrases = distinct(attribute["phrases"])
            if len(phrases) < 2:
                wrong.append(f"{attribute['name']!r} needs two or more different phrases")
            for phrase in phrases:
                if said := named(phrase, [], values):
                    wrong.append(f"{phrase!r} names {said}, which belong to the core attributes")
        return wrong

    item = strict_object({"name": {"type": "string", "pattern": NAME}, "phrases": array(words(60), 2, 6)})
    fields = {"subject": subject, "taken": ", ".join(taken), "values": ", ".join(values[:80])}
    schema = strict_object({"attributes": array(item, 1, 3)})
    try:
        answer = chat.ask(Question("diversity", fields, schema, problems))
    except AnswerError as error:
        notes.append(f"diversity: none besides the phrasings ({error.brief})")
        return []
    return [
        {"name": a["name"], "values": [{"name": p, "phrase": p} for p in distinct(a["phrases"])]}
        for a in answer["attributes"]
    ]


def prompt_problems(prompt: str, labels: Mapping[str, str], rivals: Mapping[str, Sequence[str]]) -> list[str]:
    """Labels that `prompt` does not name, and rivals (other values of the same attributes) that it does.

    labels: attribute -> the phrase of its value. rivals: attribute -> all phrases of its values.
    """
    problems = [f"{a} {said!r} is not named" for a, said in labels.items() if not names(prompt, said)]
    own = list(labels.values())
    for attribute, phrases in rivals.items():
        others = [phrase for phrase in phrases if phrase != labels.get(attribute)]
        problems += [f"{attribute} {rival!r} is named too" for rival in named(prompt, own, others)]
    return problems


def spec_prompt_problems(spec: EntitySpec, limit: int = 20_000) -> tuple[int, list[str]]:
    """How many of the plan's prompts name a wrong label or lack a right one, of the first `limit`, and ten of them.

    Each kept combination is checked, with the diversity values that it is dealt first.
    """
    from itertools import islice

    from ..combinations import Plan

    rivals = {
        a.name: tuple(dict.fromkeys(v.phrase for group in a.choices.values() for v in group))
        for a in spec.attributes
    }
    parents = spec.parents
    held = set.intersection(
        *({field for _, field, _, _ in string.Formatter().parse(p) if field} for p in spec.prompts)
    )
    plan = Plan(spec, count=None)
    wrong: list[str] = []
    count = 0
    for sample in islice(plan, min(limit, len(plan.numbers))):
        labels = {
            a.name: a.phrase(sample.labels[a.name], sample.labels.get(parents.get(a.name, "")))
            for a in spec.attributes
            if a.name in held
        }
        if problems := prompt_problems(sample.prompt, labels, {a: rivals[a] for a in labels}):
            count += 1
            wrong.append(f"{sample.prompt!r}: {'; '.join(problems)}")
    return count, wrong[:10]
