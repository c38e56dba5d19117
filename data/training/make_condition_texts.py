"""Write the condition texts of the shipped entity specs: every value in several wordings, nothing else varied.

    python data/training/make_condition_texts.py            # writes prompts/conditions/*.json
    python data/training/make_condition_texts.py --check    # exit code 1 if a file differs from what would be written

Each text is the paper's template, "a photo of {c}", around a carrier that is the same for all values of its
condition. The variety comes from `wordings.json` (entity -> condition -> [parent value ->] value ->
wordings, the plain one first). An entity that is not in there gets its spec's own phrases in
`DEMO_PHRASINGS`: the embedded encoder knows no other words.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clay_eval.schemas.entity import Attribute, EntitySpec, Value, load_entity
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import TEMPLATE, parse_texts

LOG = logging.getLogger(__name__)
FOLDER = Path(__file__).resolve().parents[2] / "prompts" / "conditions"
WORDINGS = Path(__file__).with_name("wordings.json")
DATE = "2026-11-23"
ENTITIES = ("clay-object", "clay-human", "demo-object", "demo-human")
DEMO_PHRASINGS = ("a photo of {x}", "a picture of {x}")

# What a wording is put into: {a} is the wording after "a" or "an", {c} the wording alone. A value that is no
# thing of its own needs a noun to hold on to: one that says nothing of any other attribute.
CARRIERS = {
    "color": "{a} object",
    "action": "a person {c}",
    "background": "a person with {a} in the background",
}
# The same for a spec's phrases, which bring their own articles and prepositions, or else get the former here.
PHRASE_CARRIERS = {"color": "{c} object", "action": "a person {c}", "background": "a person {c}"}
NAMED_WITH_ARTICLE = ("color", "subcategory")


def with_article(noun: str) -> str:
    """`noun` after "a" or "an", by its first letter (no shipped wording needs more than that)."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def worded(attribute: Attribute, wording: str) -> str:
    """The text of one wording, e.g. "a photo of a crimson object"."""
    carrier = CARRIERS.get(attribute.name, "{a}")
    return TEMPLATE.replace("{c}", carrier.replace("{a}", with_article(wording)).replace("{c}", wording))


def phrased(attribute: Attribute, value: Value) -> list[str]:
    """The texts of a value as its spec says it, in each of `DEMO_PHRASINGS`."""
    said = with_article(value.name) if attribute.name in NAMED_WITH_ARTICLE else value.phrase
    subject = PHRASE_CARRIERS.get(attribute.name, "{c}").replace("{c}", said)
    return [phrasing.replace("{x}", subject) for phrasing in DEMO_PHRASINGS]


def wordings_of(attribute: Attribute, entries: Mapping[str, Any]) -> dict[tuple[str | None, str], list[str]]:
    """(parent value or None, value) -> its wordings, in the order of the spec.

    entries: the attribute's part of wordings.json. Raises InputError unless it has exactly the attribute's values
    and as many wordings for each.
    """
    where = f"{WORDINGS} at {attribute.name}"
    groups = {None: entries} if attribute.parent is None else entries
    found = {(parent, value): list(w) for parent, values in groups.items() for value, w in values.items()}
    expected = [(parent, value.name) for parent, values in attribute.choices.items() for value in values]
    if set(found) != set(expected):
        raise InputError(
            "the wordings are not those of the spec's values",
            where=where,
            expected="every value of the spec and no other",
            found=f"these in one of the two only: {sorted(set(found) ^ set(expected), key=str)}",
        )
    if len({len(w) for w in found.values()}) != 1:
        raise InputError(
            "some values have more wordings than others",
            where=where,
            expected="the same number for each value",
            found={value: len(w) for (_, value), w in found.items()},
        )
    return {key: found[key] for key in expected}


def condition(attribute: Attribute, entries: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """The texts of one condition, value by value; from the spec's phrases where `entries` is None."""
    if entries is None:
        texts = {
            (p, v.name): phrased(attribute, v) for p, values in attribute.choices.items() for v in values
        }
    else:
        found = wordings_of(attribute, entries)
        texts = {key: [worded(attribute, w) for w in wordings] for key, wordings in found.items()}
    return [
        {"text": text, "value": value} | ({"parent": parent} if parent is not None else {})
        for (parent, value), said in texts.items()
        for text in said
    ]


def record(spec: EntitySpec, wordings: Mapping[str, Any] | None) -> dict[str, Any]:
    """The condition texts of `spec`, as in schemas/condition-texts.schema.json.

    wordings: the entity's part of wordings.json, or None to use the spec's phrases.
    """
    said = f"{len(DEMO_PHRASINGS)} phrasing(s) a value" if wordings is None else "several wordings a value"
    made: dict[str, Any] = {
        "schema": "clay-eval/condition-texts/1",
        "entity": spec.entity,
        "origin": {
            "author": "clay-eval contributors",
            "method": "template",
            "instruction": f"{TEMPLATE}, {said}, by data/training/make_condition_texts.py",
            "date": DATE,
        },
        "conditions": {
            a.name: condition(a, None if wordings is None else wordings.get(a.name, {}))
            for a in spec.attributes
        },
    }
    parse_texts(made, f"texts made for {spec.entity}")
    return made


def dump(made: Mapping[str, Any]) -> str:
    """JSON with one text a line."""
    blocks = [
        f"    {json.dumps(name)}: [\n"
        + ",\n".join(f"      {json.dumps(text, ensure_ascii=False)}" for text in texts)
        + "\n    ]"
        for name, texts in made["conditions"].items()
    ]
    head = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in made.items() if k != "conditions"]
    return "{\n" + ",\n".join(head) + ',\n  "conditions": {\n' + ",\n".join(blocks) + "\n  }\n}\n"


def contents() -> dict[str, str]:
    """File name -> what stands in it, for every shipped entity."""
    wordings: dict[str, Any] = json.loads(WORDINGS.read_text("utf-8"))
    return {f"{name}.json": dump(record(load_entity(name), wordings.get(name))) for name in ENTITIES}


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with --check compare them; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the condition texts of the shipped entity specs.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a file differs")
    check = parser.parse_args(arguments).check
    stale = 0
    for name, text in contents().items():
        path = FOLDER / name
        if check:
            if not path.exists() or path.read_text("utf-8") != text:
                LOG.error("%s differs from what this script makes: run it without --check", path)
                stale = 1
        else:
            path.write_text(text, "utf-8")
            LOG.info("wrote %s", path)
    return stale


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main())
