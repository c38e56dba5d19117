"""Queries with a condition and a small gallery of their own, and the file that lists them (schema: galleries)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import read_json


@dataclass(frozen=True)
class GalleryQuery:
    """A query picture, the condition asked for, the keys to rank, and which of them are right."""

    query: str
    condition: str
    gallery: tuple[str, ...]
    targets: frozenset[str]


def read_galleries(path: Path) -> tuple[str, list[GalleryQuery]]:
    """Read a file of galleries (schema: galleries): its name and its queries.

    Raises InputError for what does not fit the schema, targets that are not in their gallery, and a query in its own
    gallery.
    """
    record = read_json(path, "galleries")
    queries = []
    for number, item in enumerate(record["queries"]):
        found = GalleryQuery(
            item["query"], item["condition"], tuple(item["gallery"]), frozenset(item["targets"])
        )
        strangers = sorted(found.targets - set(found.gallery))
        if strangers or found.query in found.gallery:
            raise InputError(
                "a target is not in its gallery" if strangers else "a query stands in its own gallery",
                where=f"{path} at $.queries[{number}]",
                expected="targets that are in the gallery, and a query that is not",
                found=strangers or found.query,
            )
        queries.append(found)
    return record["name"], queries
