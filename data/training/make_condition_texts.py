"""Write the condition texts of the shipped entity specs: every value in every phrasing, nothing else named.

    python data/training/make_condition_texts.py            # writes prompts/conditions/*.json
    python data/training/make_condition_texts.py --check    # exit code 1 if a file differs from what would be written

The phrasings are the same for each value of a condition, so wording is orthogonal to value. The first is
the paper's template, "a photo of {c}".
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from clay_eval.schemas.entity import Attribute, EntitySpec, Value, load_entity
from clay_eval.schemas.texts import parse_texts

LOG = logging.getLogger(__name__)
FOLDER = Path(__file__).resolve().parents[2] / "prompts" / "conditions"
DATE = "2026-11-23"

DEMO_PHRASINGS = (
    "a photo of {x}",
    "a picture of {x}",
    "an image of {x}",
    "a drawing of {x}",
    "this is {x}",
    "there is {x}",
    "here is {x}",
    "{x}",
)
PHRASINGS = (
    "a photo of {x}",
    "a photograph of {x}",
    "a picture of {x}",
    "an image of {x}",
    "a snapshot of {x}",
    "a photo showing {x}",
    "a photograph showing {x}",
    "a picture showing {x}",
    "an image showing {x}",
    "a photo that shows {x}",
    "a picture that shows {x}",
    "this is a photo of {x}",
    "this is a picture of {x}",
    "here is a photo of {x}",
    "here is a picture of {x}",
    "the photo shows {x}",
    "the picture shows {x}",
    "this is {x}",
    "there is {x}",
    "{x}",
)
ENTITIES = {
    "clay-object": PHRASINGS,
    "clay-human": PHRASINGS,
    "demo-object": DEMO_PHRASINGS,
    "demo-human": DEMO_PHRASINGS,
}
# A value that is no noun needs one to hold on to: one that says nothing of any other attribute.
CARRIERS = {"color": "{c} object", "action": "a person {c}", "background": "a person {c}"}
# In a prompt these follow, or are followed by, another value, so their phrases are no noun phrases.
NAMED_WITH_ARTICLE = ("color", "subcategory")


def with_article(noun: str) -> str:
    """`noun` after "a" or "an", by its first letter (no shipped value needs more than that)."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def subject(attribute: Attribute, value: Value) -> str:
    """What a text is about, e.g. "a red object", "a sneaker", "a person on a beach"."""
    said = with_article(value.name) if attribute.name in NAMED_WITH_ARTICLE else value.phrase
    return CARRIERS.get(attribute.name, "{c}").replace("{c}", said)


def condition(attribute: Attribute, phrasings: tuple[str, ...]) -> list[dict[str, str]]:
    """The texts of one condition: value by value, each in every phrasing."""
    return [
        {"text": phrasing.replace("{x}", subject(attribute, value)), "value": value.name}
        | ({"parent": parent} if parent is not None else {})
        for parent, values in attribute.choices.items()
        for value in values
        for phrasing in phrasings
    ]


def record(spec: EntitySpec, phrasings: tuple[str, ...]) -> dict[str, object]:
    """The condition texts of `spec`, as in schemas/condition-texts.schema.json."""
    made: dict[str, object] = {
        "schema": "clay-eval/condition-texts/1",
        "entity": spec.entity,
        "origin": {
            "author": "clay-eval contributors",
            "method": "template",
            "instruction": f"{len(phrasings)} phrasings a value, by data/training/make_condition_texts.py",
            "date": DATE,
        },
        "conditions": {a.name: condition(a, phrasings) for a in spec.attributes},
    }
    parse_texts(made, f"texts made for {spec.entity}")
    return made


def dump(made: dict[str, object]) -> str:
    """JSON with one text a line."""
    conditions = made["conditions"]
    assert isinstance(conditions, dict)
    blocks = [
        f"    {json.dumps(name)}: [\n"
        + ",\n".join(f"      {json.dumps(text, ensure_ascii=False)}" for text in texts)
        + "\n    ]"
        for name, texts in conditions.items()
    ]
    head = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in made.items() if k != "conditions"]
    return "{\n" + ",\n".join(head) + ',\n  "conditions": {\n' + ",\n".join(blocks) + "\n  }\n}\n"


def contents() -> dict[str, str]:
    """File name -> what stands in it, for every shipped entity."""
    return {
        f"{name}.json": dump(record(load_entity(name), phrasings)) for name, phrasings in ENTITIES.items()
    }


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
