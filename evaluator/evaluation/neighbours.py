"""What every query finds first, for the page of queries: a file of its own beside report.json.

report/neighbours.json    images with labels, and for each set of conditions: queries, scores, first neighbours
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.files import write_text
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.validate import check

from ..pictures.labelled import Labelled
from ..report.beside import NEIGHBOURS, SCHEMA
from ..retrieval.spaces import Space
from ..retrieval.tasks import RetrievalGroup
from ..vectors.arrays import Float64Array
from .retrievals import top

COUNT = 5
EVERY_UP_TO = 1500
EVERY = 5000
SAMPLE = 40
_BLOCK = 256


@dataclass(frozen=True, eq=False)
class Ranked:
    """Of S queries by one method: scores (S,), NaN where nothing is relevant, first neighbours' rows and similarities."""

    scores: Float64Array
    neighbours: Sequence[Sequence[int]]
    similarities: Sequence[Sequence[float]]


@dataclass(frozen=True, eq=False)
class QuerySet:
    """Queries of one set of conditions: rows (S,), the name of each one's database, and what each method finds.

    of: how many queries there are in all; S of them are kept.
    """

    conditions: tuple[str, ...]
    of: int
    queries: Sequence[int]
    groups: Sequence[str | None]
    methods: Mapping[str, Ranked]


def sample_size(images: int, sets: int) -> int:
    """How many queries of each of an entity's `sets` of conditions are kept.

    Of up to EVERY_UP_TO images all can be pictured, and EVERY queries times conditions are kept; beyond, SAMPLE a set, so
    that pictures cost little next to the evaluation.
    """
    return max(SAMPLE, EVERY // max(sets, 1)) if images <= EVERY_UP_TO else SAMPLE


def choose_sample(keys: Sequence[str], scores: Float64Array, limit: int) -> npt.NDArray[np.intp]:
    """Positions of the queries to keep, of Q with `keys` and `scores` (Q,).

    All of them up to `limit`; else so many of those with a score, spread evenly from the worst to the best, ties ordered by
    key.
    """
    if len(keys) <= limit:
        return np.arange(len(keys))
    order = sorted(np.flatnonzero(np.isfinite(scores)).tolist(), key=lambda i: (float(scores[i]), keys[i]))
    places = np.linspace(0, len(order) - 1, min(limit, len(order))).round().astype(np.intp)
    return np.array([order[place] for place in places], np.intp)


def nearest(
    space: Space,
    group: RetrievalGroup,
    positions: npt.NDArray[np.intp],
    keys: Sequence[str],
    count: int = COUNT,
) -> list[list[tuple[int, float]]]:
    """(row, similarity) of the first `count` database images of each query at `positions` of the group, best first.

    The query itself is left out; ties are ordered by key.
    """
    found = []
    for start in range(0, len(positions), _BLOCK):
        chosen = positions[start : start + _BLOCK]
        blocks = [queries[chosen] @ database.T for queries, database in space.pairs]
        scores = blocks[0] if space.combine is None else space.combine(blocks)
        for position, row in zip(chosen, scores, strict=True):
            others = group.database != group.queries[position]
            found.append(top(group.database[others], row[others], keys, count))
    return found


def build_record(
    measure: str,
    entities: Mapping[str, tuple[Labelled, Sequence[QuerySet]]],
    images: Mapping[str, Sequence[int]],
    sheets: Mapping[str, int],
) -> dict[str, Any]:
    """The content of neighbours.json. images: entity -> rows of the images that occur, see `occurring`."""
    found: dict[str, Any] = {}
    first = 0
    for name, (labelled, sets) in entities.items():
        place = {row: number for number, row in enumerate(images[name])}
        found[name] = {
            "first": first,
            "keys": [labelled.keys[row] for row in images[name]],
            "labels": {
                attribute: _coded([str(values[row]) for row in images[name]])
                for attribute, values in labelled.labels.items()
            },
            "sets": [_set(one, place) for one in sets],
        }
        first += len(place)
    return {"schema": SCHEMA, "measure": measure, "count": COUNT, **sheets, "entities": found}


def occurring(sets: Sequence[QuerySet]) -> list[int]:
    """Rows of all images in `sets`, in order."""
    rows = {row for one in sets for row in one.queries}
    for one in sets:
        rows.update(row for ranked in one.methods.values() for found in ranked.neighbours for row in found)
    return sorted(rows)


def write_neighbours(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Write `folder`/neighbours.json; return the report's `neighbours`. Raises InputError if it does not fit its schema."""
    path = folder / NEIGHBOURS
    check(record, "neighbours", path)
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")
    kept = sum(len(one["queries"]) for entity in record["entities"].values() for one in entity["sets"])
    return {"file": path.name, "sha256": file_sha256(path), "queries": kept}


def _coded(values: Sequence[str]) -> dict[str, Any]:
    names = sorted(set(values))
    code = {name: number for number, name in enumerate(names)}
    return {"values": names, "codes": [code[value] for value in values]}


def _set(one: QuerySet, place: Mapping[int, int]) -> dict[str, Any]:
    groups = {name: number for number, name in enumerate(dict.fromkeys(one.groups))}
    return {
        "conditions": list(one.conditions),
        "of": one.of,
        "queries": [place[row] for row in one.queries],
        "groups": list(groups),
        "group": [groups[name] for name in one.groups],
        "methods": {
            method: {
                "scores": [round(float(s), 5) if np.isfinite(s) else None for s in ranked.scores],
                "neighbours": [[place[row] for row in found] for found in ranked.neighbours],
                "similarities": [[round(float(s), 3) + 0.0 for s in found] for found in ranked.similarities],
            }
            for method, ranked in one.methods.items()
        },
    }
