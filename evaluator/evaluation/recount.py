"""The numbers of a report made again from the scores of every query and the labels: whether one follows from the other.

Splits, groups and chance follow from labels and settings, means and intervals from the scores with them. What follows from
features alone (the scores themselves, hard negatives, retrievals, maps, thumbnails) cannot be made again here.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.reading import open_regular

from ..pictures.labelled import Codes, Labelled
from ..report.build import entity_record
from ..retrieval.engine import plan_tasks
from ..retrieval.hard_negatives import hard_chance
from ..retrieval.per_query import COLUMNS
from ..retrieval.results import GroupScores, Outcome
from ..retrieval.split_kinds import GIVEN, draw_split
from ..retrieval.splits import Split, combination_codes
from ..retrieval.tasks import RetrievalGroup, RetrievalTask
from ..scoring.chance import retrieval_chance
from ..scoring.measures import Measure, parse_measures
from ..statistics.scoreboard import PERCENTILE, Inference, comparisons_of, results_of
from ..vectors.arrays import Float64Array
from ..vectors.json_values import plain

_LINE = 1 << 16
_ROUNDING = 1e-9
"""What another machine's order of additions may change."""
_MOST_DRAWS = 100_000
_HARD_CHANCE = "hard_negatives_chance"
_OF_DRAWS = ("ci_low", "ci_high", "p", "p_adjusted")

Parts = list[tuple[int, RetrievalGroup, Mapping[str, Float64Array], Float64Array | None]]


def recount(report: Mapping[str, Any], scores: Path, labelled: Mapping[str, Labelled]) -> list[str]:
    """Raise IntegrityError where a number of `report` does not follow; what was not made again comes back, a line each.

    scores: the per-query file, whose sha256 the report names; labelled: entity -> keys and labels of all its images.
    """
    settings = report["settings"]
    measures = parse_measures(settings["measures"])
    notes = []
    drawn = max(settings["bootstrap_draws"], settings["randomisations"]) <= _MOST_DRAWS
    if not drawn:
        notes.append(f"intervals and p-values are of more than {_MOST_DRAWS} draws: not made again")
    if report["per_query"]["measures"] != list(settings["measures"]):
        raise _wrong("per_query", "measures", settings["measures"], report["per_query"]["measures"])
    if strange := {row["entity"] for row in report["results"]} - report["entities"].keys():
        raise _wrong("results", "entity", sorted(report["entities"]), sorted(strange))
    with open_regular(scores) as stream:
        lines = _Lines(stream, scores, [*COLUMNS, *settings["measures"]])
        for entity in report["entities"]:
            if entity not in labelled:
                raise _wrong("entities", "name", sorted(labelled), entity)
            notes += _recount_entity(report, entity, labelled[entity], lines, measures, drawn)
        lines.end(report["per_query"]["rows"])
    return notes


def _recount_entity(
    report: Mapping[str, Any],
    entity: str,
    whole: Labelled,
    lines: _Lines,
    measures: Sequence[Measure],
    drawn: bool,
) -> list[str]:
    said, settings = report["entities"][entity], report["settings"]
    named = {name: whole.labels[name] for name in said["attributes"] if name in whole.labels}
    parents = {name: parent for name, parent in whole.parents.items() if name in named and parent in named}
    labelled = Labelled(whole.keys, named, parents)
    splits = {seed: _split(labelled, said, settings, seed) for seed in settings["seeds"]}
    first = next(iter(splits.values()))
    found = plain(
        entity_record(
            said["title"],
            named,
            {seed: split.is_query for seed, split in splits.items()},
            first.is_database,
            whole.keys,
            parents=parents,
            coverage=said["coverage"],
        )
    )
    for name, value in found.items():
        if said[name] != value:
            raise _wrong(f"entities.{entity}", name, value, said[name])
    rows = [row for row in report["results"] if row["entity"] == entity]
    asked = list(dict.fromkeys((row["method"], row["encoder"], tuple(row["conditions"])) for row in rows))
    sets = list(dict.fromkeys(conditions for _, _, conditions in asked))
    # Of a given split, images of no role are not told from those of the database.
    known = settings["split"] != GIVEN or said["queries"] + said["database"] == said["images"]
    try:
        parts = _parts(labelled, splits, sets, measures)
    except InputError as error:
        raise IntegrityError(f"{entity}: {error.what}", where="report.json", found=error.found) from error
    outcomes = [
        Outcome(
            entity,
            method,
            encoder,
            conditions,
            lines.groups(entity, method, encoder, conditions, whole.keys, parts[conditions]),
        )
        for method, encoder, conditions in asked
    ]
    inference = Inference(
        draws=settings["bootstrap_draws"] if drawn else 1,
        confidence=settings["confidence"],
        resample=settings["resample"],
        randomisations=settings["randomisations"] if drawn else 1,
        alpha=settings["alpha"],
        seed=settings["seeds"][0],
        interval=settings.get("interval", PERCENTILE),
    )
    clusters = combination_codes(labelled)
    near = dict.fromkeys(() if drawn else _OF_DRAWS, math.inf)
    near |= {} if known else dict.fromkeys(("chance", _HARD_CHANCE), math.inf)
    if not any(_HARD_CHANCE in row for row in rows):  # earlier reports do not count hard negatives
        near[_HARD_CHANCE] = math.inf
    if "interval" not in settings:  # earlier reports know no icc
        near["icc"] = math.inf
    again = [one.row() for one in results_of(outcomes, settings["measures"], inference, clusters)]
    _require_alike("results", rows, again, near)
    _recount_comparisons(report, entity, outcomes, inference, clusters, near)
    return [] if known else [f"{entity}: the split was given and leaves images out: chance not made again"]


def _recount_comparisons(
    report: Mapping[str, Any],
    entity: str,
    outcomes: Sequence[Outcome],
    inference: Inference,
    clusters: Codes,
    near: Mapping[str, float],
) -> None:
    settings = report["settings"]
    said = [row for row in report["comparisons"] if row["entity"] == entity]
    found = (
        comparisons_of(outcomes, settings["reference"], settings["measures"][0], inference, clusters)
        if settings["reference"] is not None
        else []
    )
    # A draw that ties with what was seen may fall on either side elsewhere; Holm's correction multiplies that.
    few = 3 / (inference.randomisations + 1)
    draws = {"p": few, "p_adjusted": few * len(found), "significant": math.inf}
    _require_alike("comparisons", said, [one.row() for one in found], {**draws, **near})
    for row in said:
        if row["significant"] != (row["p_adjusted"] < settings["alpha"]):
            raise _wrong(
                f"comparisons: {entity}, {row['method']}", "significant", not row["significant"], row
            )


def _split(labelled: Labelled, said: Mapping[str, Any], settings: Mapping[str, Any], seed: int) -> Split:
    if settings["split"] != GIVEN:
        return draw_split(labelled, settings["split"], seed, settings["query_share"])
    queries = set(said["query_keys"][str(seed)])
    is_query = np.array([key in queries for key in labelled.keys])
    if said["queries"] + said["database"] == said["images"]:
        return Split(is_query, ~is_query)
    spare = np.flatnonzero(~is_query)[: said["database"]]
    is_database = np.zeros_like(is_query)
    is_database[spare] = True
    return Split(is_query, is_database)


def _parts(
    labelled: Labelled,
    splits: Mapping[int, Split],
    sets: Sequence[tuple[str, ...]],
    measures: Sequence[Measure],
) -> dict[tuple[str, ...], Parts]:
    """Conditions -> (seed, group, what chance gives its queries, and in hard negatives), as the per-query file has them."""
    if not sets:
        return {}
    planned = {seed: plan_tasks(labelled, split, sets) for seed, split in splits.items()}
    return {
        conditions: [
            (
                seed,
                group,
                _chance(tasks[number], group, measures),
                hard_chance(tasks[number], group),
            )
            for seed, tasks in planned.items()
            for group in tasks[number].groups
        ]
        for number, conditions in enumerate(sets)
    }


def _chance(
    task: RetrievalTask, group: RetrievalGroup, measures: Sequence[Measure]
) -> Mapping[str, Float64Array]:
    return retrieval_chance(
        task.codes[group.queries],
        task.codes[group.database],
        measures,
        own=group.own if (group.own >= 0).any() else None,
        graded_codes=[(c[group.queries], c[group.database]) for c in task.single_codes.values()],
    )


class _Lines:
    """The lines of a per-query file, taken in order; each must be the one that the report asks for next."""

    def __init__(self, stream: IO[bytes], path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._reader = csv.reader(self._read(stream), strict=True)
        self._measures = list(columns[len(COLUMNS) :])
        self.rows = 0
        if (found := self._next()) != list(columns):
            raise self._error(f"columns {', '.join(columns)}", found)

    def groups(
        self,
        entity: str,
        method: str,
        encoder: str,
        conditions: Sequence[str],
        keys: Sequence[str],
        parts: Parts,
    ) -> tuple[GroupScores, ...]:
        """The scores of one outcome, its groups as `parts` has them."""
        what = [entity, method, encoder, "+".join(conditions)]
        return tuple(
            replace(
                self._group([*what, str(seed), group.name or ""], keys, seed, group, chances),
                hard_chance=hard,
            )
            for seed, group, chances, hard in parts
        )

    def end(self, rows: int) -> None:
        """Raise IntegrityError unless these were all lines, `rows` of them."""
        if (found := self._next()) is not None or self.rows != rows:
            raise self._error(f"{rows} rows", found or f"{self.rows} rows")

    def _group(
        self,
        what: Sequence[str],
        keys: Sequence[str],
        seed: int,
        group: RetrievalGroup,
        chances: Mapping[str, Float64Array],
    ) -> GroupScores:
        table = np.empty((len(self._measures), len(group.queries)))
        for place, row in enumerate(group.queries.tolist()):
            found = self._next()
            self.rows += 1
            if found is None or found[: len(COLUMNS)] != [*what, keys[row]]:
                raise self._error(", ".join([*what, keys[row]]), found)
            for number, (name, text) in enumerate(zip(self._measures, found[len(COLUMNS) :], strict=True)):
                table[number, place] = value = self._number(text, found)
                if math.isnan(value) != math.isnan(chances[name][place]):
                    raise self._error(f"a {name} where, and only where, something is relevant", found)
        values = dict(zip(self._measures, table, strict=True))
        return GroupScores(seed, group.name, group.queries, values, chances, len(group.database), 0, {})

    def _number(self, text: str, line: Sequence[str]) -> float:
        if text == "":
            return math.nan
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not -_ROUNDING <= value <= 1 + _ROUNDING or repr(value) != text:
            raise self._error("numbers from 0 to 1", line)
        return value

    def _next(self) -> list[str] | None:
        try:
            return next(self._reader, None)
        except (csv.Error, UnicodeDecodeError) as error:
            raise self._error("comma-separated UTF-8 text", error) from error

    def _read(self, stream: IO[bytes]) -> Iterator[str]:
        while line := stream.readline(_LINE):
            if len(line) == _LINE:
                raise self._error(f"lines of less than {_LINE} bytes", "a longer one")
            yield line.decode()

    def _error(self, expected: object, found: object) -> IntegrityError:
        said = ", ".join(found) if isinstance(found, list) else "the end" if found is None else found
        return IntegrityError(
            "these scores are not those of the report",
            where=f"{self._path} line {self._reader.line_num if self.rows else 1}",
            expected=expected,
            found=str(said)[:300],
        )


def _require_alike(
    part: str,
    said: Sequence[Mapping[str, Any]],
    again: Sequence[Mapping[str, Any]],
    near: Mapping[str, float],
) -> None:
    """Raise IntegrityError, naming row and number, unless two lists of rows say the same but for rounding.

    near: name -> by how much more a number may differ.
    """
    if len(said) != len(again):
        raise _wrong(part, "number of rows", len(again), len(said))
    for row, right in zip(said, again, strict=True):
        for name, value in right.items():
            if not _alike(row.get(name), value, near.get(name, 0.0)):
                what = ", ".join([row["entity"], " + ".join(row["conditions"]), row["method"], row["metric"]])
                raise _wrong(f"{part}: {what}", name, value, row.get(name))


def _alike(said: Any, value: Any, near: float) -> bool:
    if near == math.inf:
        return True
    if isinstance(value, float) and type(said) in (float, int):
        return math.isclose(said, value, rel_tol=_ROUNDING, abs_tol=_ROUNDING + near)
    return type(said) is type(value) and bool(said == value)


def _wrong(where: str, name: str, expected: object, found: object) -> IntegrityError:
    return IntegrityError(
        "a number of the report does not follow from the scores of the queries and the labels",
        where=f"report.json: {where}: {name}",
        expected=str(expected)[:300],
        found=str(found)[:300],
    )
