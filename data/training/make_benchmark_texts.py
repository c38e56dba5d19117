"""Write the condition texts of the published benchmarks: every value in the same number of wordings, nothing else varied.

    python data/training/make_benchmark_texts.py            # writes prompts/conditions/<benchmark>.json
    python data/training/make_benchmark_texts.py --check    # exit code 1 if a file differs from what would be written

`benchmark_wordings.json` holds, for each entity and condition, a carrier and the wordings of each value, the plain first.
Values are spelt as the readers in `clay_eval.evaluator.pictures.benchmarks` spell them. Each text is the paper's
template, "a photo of {c}", around the carrier, in which {a} is a wording after "a" or "an", and {c} the wording alone.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from make_condition_texts import FOLDER, dump

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import TEMPLATE, parse_texts

LOG = logging.getLogger(__name__)
WORDINGS = Path(__file__).with_name("benchmark_wordings.json")
DATE = "2026-11-25"
_SOUNDS_LIKE_A_CONSONANT = re.compile(r"(?i)(uni|usu|utah|euro)")


def with_article(noun: str) -> str:
    """`noun` after "a" or "an", by its first sound.

    >>> with_article("Utah teapot"), with_article("Abyssinian"), with_article("E-flat clarinet")
    ('a Utah teapot', 'an Abyssinian', 'an E-flat clarinet')
    """
    vowel = noun[0].lower() in "aeiou" and not _SOUNDS_LIKE_A_CONSONANT.match(noun)
    return f"{'an' if vowel else 'a'} {noun}"


def condition(name: str, carrier: str, values: Mapping[str, list[str]]) -> list[dict[str, str]]:
    """The texts of one condition; raises InputError unless every value has the same number of wordings."""
    if len({len(wordings) for wordings in values.values()}) != 1:
        raise InputError(
            "some values have more wordings than others",
            where=f"{WORDINGS} at {name}",
            expected="the same number for each value",
            found={value: len(wordings) for value, wordings in values.items()},
        )
    return [
        {
            "text": TEMPLATE.replace(
                "{c}", carrier.replace("{a}", with_article(wording)).replace("{c}", wording)
            ),
            "value": value,
        }
        for value, wordings in values.items()
        for wording in wordings
    ]


def record(entity: str, conditions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The condition texts of one entity, as in schemas/condition-texts.schema.json."""
    made: dict[str, Any] = {
        "schema": "clay-eval/condition-texts/1",
        "entity": entity,
        "origin": {
            "author": "clay-eval contributors",
            "method": "template",
            "instruction": f"{TEMPLATE}, wordings of each value, by data/training/make_benchmark_texts.py",
            "date": DATE,
        },
        "conditions": {
            name: condition(f"{entity} {name}", part["carrier"], part["values"])
            for name, part in conditions.items()
        },
    }
    parse_texts(made, f"texts made for {entity}")
    return made


def contents() -> dict[str, str]:
    """File name -> what stands in it, for every benchmark."""
    wordings: dict[str, Any] = json.loads(WORDINGS.read_text("utf-8"))
    return {f"{entity}.json": dump(record(entity, parts)) for entity, parts in wordings.items()}


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with --check compare them; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the condition texts of the published benchmarks.")
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
