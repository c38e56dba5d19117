"""Scores a submission from the data alone: labels, split and relevance are made here, only embeddings or runs are taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import file_sha256, fingerprint

from ..evaluation.settings import EvaluationSettings
from ..pictures.labelled import ImageSource, Labelled
from ..retrieval.condition_sets import Conditions, askable, only_entity
from ..retrieval.engine import plan_tasks, score_group, seeded_splits
from ..retrieval.results import GroupScores, Outcome
from ..retrieval.spaces import Space
from ..retrieval.split_kinds import GIVEN
from ..retrieval.splits import Split, combination_codes, read_split
from ..retrieval.tasks import RetrievalGroup, RetrievalTask
from ..scoring.chance import retrieval_chance
from ..statistics.scoreboard import results_of
from ..vectors.arrays import unit_rows
from . import embeddings, runs
from .comparable import settings_of
from .layout import (
    EMBEDDINGS,
    METHOD,
    Part,
    Record,
    open_part,
    ordered,
    parts_of,
    shown,
)

TOLERANCE = 1e-4
"""How far a claimed score may be from the one that comes out."""


@dataclass(frozen=True, eq=False)
class Scored:
    """What came out: outcomes by entity, and the sets of conditions that the method has no meaning for, with reasons."""

    settings: EvaluationSettings
    labelled: Mapping[str, Labelled]
    outcomes: Mapping[str, Sequence[Outcome]]
    left_out: Sequence[Mapping[str, Any]]
    results: Sequence[Mapping[str, Any]]


def score_parts(
    record: Record,
    folder: Path,
    source: ImageSource,
    *,
    split: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Scored:
    """Score what lies in `folder` as `record`, the content of its method.json, says.

    split: the file of a given split. `progress` is called with 1 for every database. Memory: one part's rows, mapped.

    Raises InputError, with the reason, for a submission for other data, sets of conditions, queries or pictures that are
    missing, anything in a file that is not as `layout` says, and claimed scores that do not come out again; IntegrityError
    for files that were changed.
    """
    require_data(record, source)
    labelled = source.entities
    settings = settings_of(record)
    given = _given_split(settings, labelled, split)
    parts = parts_of(record, labelled)
    left_out = {
        (one["entity"], ordered(one["entity"], one["conditions"], labelled, f"{METHOD} at left_out")): one[
            "reason"
        ]
        for one in record.get("left_out", ())
    }
    reader = _Reader(record, folder, labelled, parts)
    outcomes: dict[str, list[Outcome]] = {}
    splits = {entity: seeded_splits(labels, settings.engine(), given) for entity, labels in labelled.items()}
    sets, _ = askable(labelled, lambda entity: list(splits[entity].values()), settings.largest_set)
    labelled = {entity: labelled[entity] for entity in sets}
    for entity, asked in sets.items():
        outcomes[entity] = []
        planned = {seed: plan_tasks(labelled[entity], one, asked) for seed, one in splits[entity].items()}
        for number, first in enumerate(next(iter(planned.values()))):
            tasks = {seed: found[number] for seed, found in planned.items()}
            if (entity, first.conditions) in left_out:
                _refuse_both(reader, entity, first.conditions)
                continue
            groups = []
            for seed, task in tasks.items():
                for group in task.groups:
                    groups.append(reader.score(entity, task, group, seed, settings))
                    progress(1)
            encoder = (record.get("encoder") or {}).get("name", "")
            outcomes[entity].append(Outcome(entity, record["name"], encoder, first.conditions, tuple(groups)))
    rows = [
        result.row()
        for entity, found in outcomes.items()
        for result in results_of(
            found, settings.measures, settings.inference(), combination_codes(labelled[entity])
        )
    ]
    require_claims(record, labelled, rows)
    return Scored(
        settings,
        labelled,
        outcomes,
        [{"entity": e, "conditions": list(c), "reason": why} for (e, c), why in sorted(left_out.items())],
        rows,
    )


def require_data(record: Record, source: ImageSource) -> None:
    """Raise InputError for a submission for other data."""
    found = record["data"]["fingerprint"]
    if found != source.fingerprint:
        raise InputError(
            "a submission for other data",
            where=f"{METHOD} at data.fingerprint",
            expected=source.fingerprint,
            found=found,
            hint="score it on the data it was made for; conditions, parents and entity must be those of then, too",
        )


def require_claims(
    record: Record, labelled: Mapping[str, Labelled], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Raise InputError where a claimed score is not within TOLERANCE of what came out, naming the one farthest off."""
    values = {(row["entity"], tuple(row["conditions"]), row["metric"]): row["value"] for row in rows}
    worst: tuple[float, InputError] | None = None
    for number, claim in enumerate(record.get("claimed", ())):
        where = f"{METHOD} at claimed[{number}]"
        conditions = ordered(claim["entity"], claim["conditions"], labelled, where)
        value = values.get((claim["entity"], conditions, claim["metric"]))
        told = claim["value"]
        off = 0.0 if value is None and told is None else np.inf
        if value is not None and told is not None:
            off = abs(value - told)
        if off > TOLERANCE and (worst is None or off > worst[0]):
            error = InputError(
                "a claimed score does not come out again",
                where=f"{where}, {shown(claim['metric'])} of {claim['entity']}, {' + '.join(conditions)}",
                expected=f"{value} within {TOLERANCE}",
                found=told,
            )
            worst = (off, error)
    if worst is not None:
        raise worst[1]


class _Reader:
    """Finds the part of a database and scores it; the part that was read last is kept, for it may serve several."""

    def __init__(
        self, record: Record, folder: Path, labelled: Mapping[str, Labelled], parts: Sequence[Part]
    ) -> None:
        self._record, self._folder, self._labelled = record, folder, labelled
        self._parts: dict[tuple[str, Conditions], list[Part]] = {}
        for part in parts:
            self._parts.setdefault((part.entity, part.conditions), []).append(part)
        self._rows = {
            name: {key: row for row, key in enumerate(labels.keys)} for name, labels in labelled.items()
        }
        self._last: tuple[Part, embeddings.Embeddings] | None = None

    def has(self, entity: str, conditions: Conditions) -> bool:
        """Whether there is a part of this set of conditions."""
        return (entity, conditions) in self._parts

    def score(
        self, entity: str, task: RetrievalTask, group: RetrievalGroup, seed: int, settings: EvaluationSettings
    ) -> GroupScores:
        """The scores of the queries of one database."""
        part = self._find(entity, task.conditions, group.name, seed)
        keys = self._labelled[entity].keys
        engine = settings.engine()
        if self._record["format"] == EMBEDDINGS:
            return score_group(self._space(part, keys, group), task, group, seed, engine)
        path = open_part(self._folder, part, runs.most_bytes(keys))
        values = runs.score_run_part(path, keys, task, group, engine, self._record["depth"])
        chances = retrieval_chance(
            task.codes[group.queries],
            task.codes[group.database],
            engine.measures,
            own=group.own,
            graded_codes=[(c[group.queries], c[group.database]) for c in task.single_codes.values()],
        )
        return GroupScores(seed, group.name, group.queries, values, chances, len(group.database), 0, {})

    def _space(self, part: Part, keys: Sequence[str], group: RetrievalGroup) -> Space:
        if self._last is None or self._last[0] != part:
            path = open_part(self._folder, part, embeddings.most_bytes(keys))
            self._last = (part, embeddings.read_embeddings(path, self._rows[part.entity]))
        queries, database = self._last[1].pair(
            [keys[row] for row in group.queries], [keys[row] for row in group.database]
        )
        if self._record["similarity"] == "cosine":
            kind = np.result_type(queries.dtype, database.dtype, np.float32)
            queries, database = unit_rows(queries.astype(kind)), unit_rows(database.astype(kind))
        return Space(((queries, database),), None, {}, 0)

    def _find(self, entity: str, conditions: Conditions, group: str | None, seed: int) -> Part:
        found = [
            part
            for part in self._parts.get((entity, conditions), ())
            if part.group in (None, group) and part.seed in (None, seed)
        ]
        if len(found) != 1:
            raise InputError(
                "a set of conditions is missing" if not found else "two parts are of the same queries",
                where=f"{METHOD} at parts",
                expected="one part of each set of conditions, database and seed (or its reason in left_out)",
                found=f"{len(found)} of {entity}, {' + '.join(conditions)}, {group or 'the whole data'}, seed {seed}",
            )
        return found[0]


def _refuse_both(reader: _Reader, entity: str, conditions: Conditions) -> None:
    if reader.has(entity, conditions):
        raise InputError(
            "a set of conditions is both there and left out",
            where=f"{METHOD} at left_out",
            found=f"{entity}, {' + '.join(conditions)}",
        )


def _given_split(
    settings: EvaluationSettings, labelled: Mapping[str, Labelled], path: Path | None
) -> Split | None:
    if settings.split != GIVEN:
        if path is not None:
            raise InputError(
                "the submission is of no given split", where="--split-file", found=settings.split
            )
        return None
    if path is None or file_sha256(path) != settings.split_sha256:
        raise InputError(
            "the submission is of a split that was given",
            where="--split-file",
            expected=f"that file, sha256 {settings.split_sha256}",
        )
    return read_split(path, labelled[only_entity(labelled, "a split file is", "--split-file")])


def identity(record: Record) -> str:
    """Return the fingerprint of what a submission says, whatever its layout in the file."""
    return fingerprint({key: value for key, value in record.items() if key != "seal"})
