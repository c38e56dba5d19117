"""The draft of a plan: an entity spec, its exclusions and its condition texts, from a sentence or a partial spec.

<folder>/calls/                      every question and reply; the cache
<folder>/<entity>.json               the entity spec
<folder>/<entity>.exclusions.csv     contradictions, for editing; .md for reading
<folder>/<entity>.texts.json         condition texts
<folder>/<entity>.notes.md           what fell short, and what stands in for it
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.entity import EntitySpec, parse_entity
from clay_eval.schemas.errors import ConfigChangedError, InputError
from clay_eval.schemas.files import write_text
from clay_eval.schemas.texts import ConditionTexts, parse_texts
from clay_eval.schemas.validate import read_text

from ..combinations import Plan
from .asking import Chat
from .contradictions import draft_exclusions
from .exclusion_table import exclusions_csv, exclusions_markdown
from .outline import FRAMES, Notes, Request, draft_outline, draft_values, read_sentence, value_names
from .phrasing import draft_cores, draft_diversity, draft_frames, spec_prompt_problems
from .wordings import draft_texts

PARTIAL = "partial spec"


@dataclass(frozen=True)
class DraftOptions:
    """How much to ask for: values an attribute, openings and closings of prompts, texts a condition.

    date: YYYY-MM-DD for the origin of what is drafted, if it is to be there.
    """

    values: int = 8
    phrasings: int = 6
    texts: int = 100
    images_per_combination: int = 1
    date: str | None = None


@dataclass(frozen=True)
class Draft:
    """A checked draft, and notes on what fell short of what was asked for."""

    spec: EntitySpec
    texts: ConditionTexts
    notes: tuple[str, ...]


def draft(
    chat: Chat,
    source: str | Mapping[str, Any],
    options: DraftOptions,
    step: Callable[[int], None],
) -> Draft:
    """Draft from a sentence, or complete a partial spec (any of an entity spec's fields; what stands there is kept).

    `step` is called after each of the six steps. Raises PlannerError, and InputError for a source that makes no sense.
    """
    notes: Notes = []
    given = {} if isinstance(source, str) else _partial(source)
    if isinstance(source, str):
        request = read_sentence(source)
    else:
        title = str(given.get("title", given["entity"]))
        request = Request(title, title, ())
    outline = given.get("attributes") or draft_outline(chat, request)
    step(1)
    attributes = draft_values(chat, request.subject, outline, options.values, notes)
    step(1)
    record = {
        "schema": "clay-eval/entity-spec/1",
        "entity": request.entity,
        "title": request.subject,
        "origin": _origin(chat, request.sentence, options.date),
        "images_per_combination": options.images_per_combination,
        **given,
        "attributes": attributes,
    }
    if "prompt" not in given:
        record |= _prompt(chat, request.subject, attributes, given.get("diversity"), options, notes)
    step(1)
    spec = parse_entity(record, f"the draft of {record['entity']}")
    if "exclusions" not in given:
        record["exclusions"] = draft_exclusions(chat, spec, notes)
        spec = _with_exclusions(record, notes)
        record = dict(spec.record)
    step(1)
    count, examples = spec_prompt_problems(spec)
    if count:
        notes.append(f"{count} prompts do not name just what they should, e.g. {examples[0]}")
    step(1)
    texts = draft_texts(chat, spec, options.texts, options.date, notes)
    step(1)
    return Draft(spec, parse_texts(texts, f"the texts of {spec.entity}"), tuple(notes))


def _with_exclusions(record: dict[str, Any], notes: Notes) -> EntitySpec:
    """The spec of `record`; without its exclusions of diversity values, with a note, if they leave a combination none."""
    where = f"the draft of {record['entity']}"
    spec = parse_entity(record, where)
    try:
        Plan(spec)
    except InputError as error:
        core = [e for e in record["exclusions"] if e["when"].keys() <= spec.core_names]
        if len(core) == len(record["exclusions"]):
            raise
        notes.append(f"contradictions of values that only vary the pictures are left out ({error.what})")
        return parse_entity({**record, "exclusions": core}, where)
    return spec


def write_draft(drafted: Draft, folder: Path) -> dict[str, str]:
    """Write the files of a draft; ConfigChangedError if one is there with other content: it may have been edited."""
    spec = drafted.spec
    exclusions = spec.record.get("exclusions", [])
    barred = {name for exclusion in exclusions for name in exclusion["when"]}
    names = [*(a.name for a in spec.attributes), *(d.name for d in spec.diversity if d.name in barred)]
    notes = "".join(f"- {note}\n" for note in drafted.notes) or "Nothing fell short.\n"
    content = {
        f"{spec.entity}.json": json.dumps(spec.record, indent=2, ensure_ascii=False) + "\n",
        f"{spec.entity}.exclusions.csv": exclusions_csv(names, exclusions),
        f"{spec.entity}.exclusions.md": exclusions_markdown(names, exclusions),
        f"{spec.entity}.texts.json": json.dumps(drafted.texts.record, indent=2, ensure_ascii=False) + "\n",
        f"{spec.entity}.notes.md": f"# Notes on the draft of {spec.entity}\n\n{notes}",
    }
    for name, text in content.items():
        path = folder / name
        if path.exists() and read_text(path) != text:
            raise ConfigChangedError(
                "a drafted file differs from what would be written: it was edited, or drafted with other options",
                where=path,
                hint=f"to plan with edits: clay-eval plan {folder / (spec.entity + '.json')} "
                f"--texts {folder / (spec.entity + '.texts.json')} "
                f"--exclusions {folder / (spec.entity + '.exclusions.csv')} --out ANOTHER",
            )
    for name, text in content.items():
        if not (folder / name).exists():
            write_text(folder / name, text)
    return {name: str(folder / name) for name in content}


def _prompt(
    chat: Chat,
    subject: str,
    attributes: list[dict[str, Any]],
    diversity: list[dict[str, Any]] | None,
    options: DraftOptions,
    notes: Notes,
) -> dict[str, Any]:
    """The prompt template, and the diversity attributes that it holds."""
    names = [a["name"] for a in attributes]
    values = list(dict.fromkeys(v for a in attributes for v in value_names(a)))
    cores = draft_cores(chat, subject, names, values, notes)
    if diversity is None:
        diversity = draft_diversity(chat, subject, [*names, *FRAMES], values, notes)
    taken = {*names, *(d["name"] for d in diversity)}
    frames = {}
    for kind in FRAMES:
        frames[kind] = draft_frames(chat, subject, kind, values, options.phrasings, notes)
        if kind in taken:
            frames[kind]["name"] = f"{kind}-phrase"
    held = ["{" + d["name"] + "}" for d in (*diversity, frames["closing"])]
    opening = "{" + frames["opening"]["name"] + "}"
    prompts = [", ".join([f"{opening} {core}", *held]) for core in cores]
    return {
        "diversity": [*diversity, *frames.values()],
        "prompt": prompts if len(prompts) > 1 else prompts[0],
    }


def _partial(source: Mapping[str, Any]) -> dict[str, Any]:
    """A partial spec, checked as far as drafting leans on it; parse_entity checks the whole in the end."""
    record = dict(source)
    attributes = record.get("attributes", [])
    sound = isinstance(record.get("entity"), str) and isinstance(attributes, list)
    sound = sound and all(isinstance(a, dict) and isinstance(a.get("name"), str) for a in attributes)
    if not sound:
        raise InputError(
            "not a partial entity spec",
            where=PARTIAL,
            expected='{"entity": NAME, "attributes": [{"name": NAME, ...}, ...], ...}; attributes may lack their values',
        )
    seen: list[str] = []
    for attribute in attributes:
        lacking = "values" not in attribute and "values_by_parent" not in attribute
        if lacking and attribute.get("parent") is not None and attribute["parent"] not in seen:
            raise InputError(
                "an attribute without values stands before its parent",
                where=f"{PARTIAL}, attribute {attribute['name']!r}",
                expected=f"a parent among {seen}",
                found=repr(attribute["parent"]),
            )
        seen.append(attribute["name"])
    return record


def _origin(chat: Chat, sentence: str, date: str | None) -> dict[str, Any]:
    origin: dict[str, Any] = {
        "author": "clay-eval",
        "method": "llm",
        "model": chat.client.server.model,
        "instruction": sentence,
    }
    return origin | ({"date": date} if date else {})
