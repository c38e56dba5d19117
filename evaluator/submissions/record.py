"""The sealed record of a scored submission, score.json: results, means over sets of conditions, and every query's score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.schemas.files import locked, write_sealed
from clay_eval.schemas.fingerprint import sealed_text
from clay_eval.schemas.software import versions
from clay_eval.schemas.validate import check, parse_json, read_sealed

from ..pictures.labelled import ImageSource
from ..retrieval.splits import combination_codes
from ..statistics.scoreboard import PERCENTILE, Pooled, number, pooled
from ..vectors.json_values import plain
from .comparable import protocol_fingerprint, protocol_record, settings_of
from .layout import METHOD, SCORE, Record, read_method
from .means import interval_of, mean_of, rows_of
from .scoring import Scored, identity, score_parts

SCHEMA = "clay-eval/score/1"
SINGLE, COMBINATIONS, ALL = "single", "combinations", "all"
_SAID = ("version", "code", "spec", "training_data", "conditions_seen", "privileged", "seconds", "hardware")
_DEFAULTS: Mapping[str, Any] = {"version": "", "privileged": False}


def score_submission(
    folder: Path,
    source: ImageSource,
    *,
    split: Path | None = None,
    to: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Score the submission in `folder`, write its record (score.json beside method.json, or `to`), and return it.

    Raises as `score_parts` does; then nothing is written.
    """
    read_method(folder)  # a lock would make a folder that is not there
    with locked(folder if to is None else to.parent):
        made = scored_record(folder, source, split=split, progress=progress)
        path = to or folder / SCORE
        write_sealed(path, made)
        return read_sealed(path, "score")


def scored_record(
    folder: Path,
    source: ImageSource,
    *,
    split: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Return the record of the submission in `folder`, computed from the data and checked; nothing is written.

    Raises as `score_parts` does.
    """
    record = read_method(folder)
    scored = score_parts(record, folder, source, split=split, progress=progress)
    made = score_record(record, scored, source.fingerprint)
    check(parse_json(sealed_text(made), folder / SCORE), "score", folder / SCORE)
    return made


def read_score(folder: Path) -> dict[str, Any]:
    """Return the score record in `folder`.

    Raises InputError where there is none, and IntegrityError where it was changed, method.json was since, or the record
    contradicts itself. That it was computed from the data it does not show.
    """
    path = folder / SCORE
    if not path.is_file():
        raise InputError("not scored yet", where=folder, hint=f"clay-eval score {folder} --out RUN")
    found = read_sealed(path, "score")
    _require_whole(found, path)
    method = read_method(folder)
    if found["submission"] != identity(method) or found["method"] != plain(_said(method)):
        raise IntegrityError(f"{METHOD} is not the one that was scored", where=folder, hint="score it again")
    return found


def _require_whole(found: Record, path: Path) -> None:
    """Raise IntegrityError unless a record's settings, fingerprint, entities, means and queries belong together."""
    try:
        settings = protocol_record(settings_of(found))
    except (ClayEvalError, TypeError, ValueError):
        settings = {}
    entities = list(found["data"]["entities"])
    means = {(row["entity"], row["over"]) for row in found["means"]}
    whole = (
        settings == found["settings"]
        and found["fingerprint"] == protocol_fingerprint(found["data"]["fingerprint"], settings)
        and means == {(entity, over) for entity in entities for over in (SINGLE, COMBINATIONS, ALL)}
        and [one["entity"] for one in found["per_query"]] == entities
    )
    if not whole:
        raise IntegrityError("the score record contradicts itself", where=path, hint="score it again")


def score_record(record: Record, scored: Scored, data: str) -> dict[str, Any]:
    """Return the record as plain JSON values, without its seal."""
    settings = protocol_record(scored.settings)
    made: dict[str, Any] = plain(
        {
            "schema": SCHEMA,
            "software": versions("numpy", "scipy"),
            "submission": identity(record),
            "method": _said(record),
            "data": {
                "fingerprint": data,
                "entities": {
                    name: {"images": len(labels.keys), "conditions": list(labels.labels)}
                    for name, labels in scored.labelled.items()
                },
            },
            "settings": settings,
            "fingerprint": protocol_fingerprint(data, settings),
            "results": scored.results,
            "means": [row for entity in scored.labelled for row in _means(entity, scored)],
            "left_out": scored.left_out,
            "per_query": [_per_query(entity, scored) for entity in scored.labelled],
        }
    )
    return made


def _said(record: Record) -> dict[str, Any]:
    """What method.json says of the method."""
    return {
        "name": record["name"],
        **{name: record.get(name, _DEFAULTS.get(name)) for name in _SAID},
        "encoder": (record.get("encoder") or {}).get("name"),
        "format": record["format"],
        "depth": record.get("depth"),
    }


def of_kind(conditions: Sequence[str], kind: str) -> bool:
    """Whether a set of conditions counts for a mean over `kind`: single ones, combinations, or all."""
    return kind == ALL or (len(conditions) == 1) == (kind == SINGLE)


def _groups(entity: str, scored: Scored) -> dict[tuple[str, ...], list[Pooled]]:
    """Set of conditions -> its scored groups; sets in which no query has anything to find are left out."""
    measure = scored.settings.measures[0]
    found = {outcome.conditions: pooled(outcome, measure) for outcome in scored.outcomes[entity]}
    return {conditions: groups for conditions, groups in found.items() if groups}


def _means(entity: str, scored: Scored) -> list[dict[str, Any]]:
    groups = _groups(entity, scored)
    measure = scored.settings.measures[0]
    results = {
        tuple(row["conditions"]): row
        for row in scored.results
        if (row["entity"], row["metric"]) == (entity, measure) and row["value"] is not None
    }
    missing = [tuple(one["conditions"]) for one in scored.left_out if one["entity"] == entity]
    rows = []
    for kind in (SINGLE, COMBINATIONS, ALL):
        chosen = [conditions for conditions in groups if of_kind(conditions, kind)]
        row: dict[str, Any] = {"entity": entity, "over": kind, "sets": len(chosen)}
        row |= dict.fromkeys(("value", "ci_low", "ci_high", "chance"))
        if chosen and not any(of_kind(conditions, kind) for conditions in missing):
            row |= _mean(entity, scored, [groups[c] for c in chosen], [results[c] for c in chosen])
        rows.append(row)
    return rows


def _mean(
    entity: str, scored: Scored, sets: Sequence[Sequence[Pooled]], results: Sequence[Mapping[str, Any]]
) -> dict[str, float | None]:
    settings = scored.settings
    low, high = interval_of(
        sets,
        draws=settings.bootstrap_draws,
        confidence=settings.confidence,
        seed=settings.inference().seed,
        percentiles=settings.interval == PERCENTILE,
        clusters=_clusters(entity, scored, sets),
    )
    value, centre = float(np.mean([row["value"] for row in results])), mean_of(sets)
    return {
        "value": number(value),
        "ci_low": number(value + low - centre),
        "ci_high": number(value + high - centre),
        "chance": number(float(np.mean([row["chance"] for row in results]))),
    }


def _clusters(entity: str, scored: Scored, sets: Sequence[Sequence[Pooled]]) -> Any:
    if scored.settings.resample != "combinations":
        return None
    return combination_codes(scored.labelled[entity])[rows_of(sets)]


def _per_query(entity: str, scored: Scored) -> dict[str, Any]:
    groups = _groups(entity, scored)
    sets = list(groups.values())
    return {
        "entity": entity,
        "queries": rows_of(sets) if sets else [],
        "clusters": _clusters(entity, scored, sets) if sets else None,
        "sets": [
            {
                "conditions": list(conditions),
                "groups": [{"rows": group.rows, "values": group.values} for group in found],
            }
            for conditions, found in groups.items()
        ],
    }
