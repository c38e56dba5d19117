"""Random labels for training pictures, and the tenth of the combinations that training never sees."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Mapping

from clay_eval.schemas.entity import EntitySpec

HELD_OUT_SHARE = 0.1
SPLIT_ON = {
    "demo-human": (
        {"age": {"child"}, "action": {"lifting weights"}},
        {"action": {"cycling"}, "background": {"kitchen"}},
    )
}
"""What was excluded when encoder and judge were trained: the split stays the one that they know."""


def combinations(spec: EntitySpec) -> list[dict[str, str]]:
    """Every combination of core values that the drawing code draws, less SPLIT_ON."""
    rows: list[dict[str, str]] = [{}]
    for attribute in spec.ordered():
        rows = [
            {**row, attribute.name: value.name}
            for row in rows
            for value in attribute.choices[row[attribute.parent] if attribute.parent else None]
        ]
    return [
        row
        for row in rows
        if not any(
            all(row[name] in values for name, values in when.items())
            for when in SPLIT_ON.get(spec.entity, ())
        )
    ]


def split_combinations(spec: EntitySpec) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """(seen in training, held out): a tenth, its values as even as can be, ties broken by a hash of the labels."""
    rest = sorted(combinations(spec), key=lambda row: _hash(spec.entity, row))
    size = Counter((a.name, row[a.name]) for row in rest for a in spec.attributes)
    taken: Counter[tuple[str, str]] = Counter()
    held_out: list[dict[str, str]] = []
    for _ in range(round(len(rest) * HELD_OUT_SHARE)):
        row = min(rest, key=lambda row: sum(taken[item] / size[item] for item in row.items()))
        rest.remove(row)
        held_out.append(row)
        taken.update(row.items())
    return rest, held_out


def _hash(entity: str, row: Mapping[str, str]) -> str:
    text = "|".join([entity, *(f"{name}={row[name]}" for name in sorted(row))])
    return hashlib.sha256(text.encode()).hexdigest()


def random_diversity(spec: EntitySpec, rng: random.Random) -> dict[str, str]:
    """One value for every diversity attribute."""
    return {a.name: rng.choice(a.values) for a in spec.diversity}


def other_diversity(
    spec: EntitySpec, diversity: Mapping[str, str], name: str, rng: random.Random
) -> dict[str, str]:
    """`diversity` with another value of the attribute `name`."""
    attribute = next(a for a in spec.diversity if a.name == name)
    return {**diversity, name: rng.choice([value for value in attribute.values if value != diversity[name]])}
