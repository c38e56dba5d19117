"""The retrievals that a report shows: the rule that chose them, and the pictures that they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RULE = (
    "The queries are not picked by hand: of all queries of a condition, ordered by {method}'s {measure}, "
    "the one in the middle, the one a quarter of the way up, and the worst one are shown."
)


def pictured(retrievals: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys of all images in `retrievals`, sorted: those that need a thumbnail."""
    keys = {shown["query"]["key"] for shown in retrievals}
    for shown in retrievals:
        for ranked in shown["methods"].values():
            keys.update(neighbour["key"] for neighbour in ranked["neighbours"])
    return sorted(keys)
