"""The record of an audit (schema: audit): who judged, how, and what is suspicious, the most suspicious first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..pictures.labelled import Labelled
from .duplicates import DuplicateGroup
from .evidence import UNKNOWN, Evidence
from .findings import EntityAudit, Judged

SCHEMA = "clay-eval/audit/1"
_DIGITS = 4
_SHARE = 0.04
_AT_LEAST, _AT_MOST = 100, 5000


def listed(count: int, asked: int | None = None) -> int:
    """How many of `count` pictures a list has: as many as were asked for, else 4 %, between 100 and 5,000."""
    return min(count, asked or min(max(_AT_LEAST, round(_SHARE * count)), _AT_MOST))


def suspects(audits: Mapping[str, EntityAudit], top: int | None) -> list[dict[str, Any]]:
    """The pictures of all entities, each once, the most suspicious first, with what is said against each label."""
    count = sum(len(found.labelled.keys) for found in audits.values())
    ordered = sorted(
        (-float(found.suspicion[row]), entity, row)
        for entity, found in audits.items()
        for row in found.ranking()[: listed(count, top)].tolist()
    )
    return [
        {
            "key": audits[entity].labelled.keys[row],
            "entity": entity,
            "suspicion": rounded(-chance),
            "against": [
                {"attribute": name, **accusation(one, audits[entity].labelled, row)}
                for name, one in _by_suspicion(audits[entity], row)
            ],
        }
        for chance, entity, row in ordered[: listed(count, top)]
    ]


def accusation(one: Judged, labelled: Labelled, row: int) -> dict[str, Any]:
    """What is said of a picture's label of one attribute."""
    return {
        "label": labelled.labels[one.attribute][row],
        "suggested": one.suggested(row),
        "suspicion": rounded(float(one.suspicion[row])),
        "neighbours": _side(one.neighbours, one.values, row),
        "texts": _side(one.texts, one.values, row),
    }


def entity_record(found: EntityAudit, same: Mapping[DuplicateGroup, bool], top: int | None) -> dict[str, Any]:
    """What was found of an entity. same: whether the files of a group of duplicates are the same; left out, not known."""
    keys, count = found.labelled.keys, listed(len(found.labelled.keys), top)
    return {
        "pictures": len(keys),
        "attributes": {
            name: {
                "parent": found.labelled.parents.get(name),
                "auditors": dict(one.auditors),
                "judged": int(np.isfinite(one.suspicion).sum()),
                "accused": int(one.accused.sum()),
                "told": rounded(one.calibration.told),
                "weights": dict(
                    zip(("neighbours", "texts"), map(rounded, one.calibration.slopes.tolist()), strict=True)
                ),
                "suspects": [
                    {"key": keys[row], **accusation(one, found.labelled, row)}
                    for row in one.ranking[:count].tolist()
                ],
            }
            for name, one in found.attributes.items()
        },
        "near": found.least,
        "duplicates": [
            {
                "keys": [keys[row] for row in group.rows],
                "similarity": round(group.similarity, 6),
                "same_file": same.get(group),
                "unlike": list(group.unlike),
            }
            for group in found.duplicates
        ],
        "undescribed": [
            {
                "key": keys[row],
                "attribute": name,
                "label": found.labelled.labels[name][row],
                "oddness": rounded(float(found.attributes[name].undescribed[row])),
            }
            for row, name in found.undescribed()
        ],
    }


def rounded(number: float) -> float | None:
    """A number of a record; None for one that there is not."""
    return round(float(number), _DIGITS) + 0.0 if np.isfinite(number) else None


def _by_suspicion(found: EntityAudit, row: int) -> list[tuple[str, Judged]]:
    """The attributes that accuse a picture, or the one that comes nearest to it."""
    judged = [(name, one) for name, one in found.attributes.items() if np.isfinite(one.suspicion[row])]
    judged.sort(key=lambda pair: -float(pair[1].suspicion[row]))
    return [pair for place, pair in enumerate(judged) if place == 0 or pair[1].accused[row]]


def _side(source: Evidence, values: Sequence[str], row: int) -> dict[str, Any] | None:
    if np.isnan(source.chances[row, 0]):
        return None
    other = int(source.other[row])
    return {
        "own": rounded(source.chances[row, 0]),
        "other": None if other == UNKNOWN else values[other],
        "other_share": rounded(source.other_chance[row]),
        "margin": rounded(source.margin[row]),
    }
