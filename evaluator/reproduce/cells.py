"""One number at a time: a method on one set of conditions of one data set, sealed as soon as it is there.

RUN/reproduce/cells/<fingerprint>.json     a number with the scores of its queries (schema: reproduced-cell)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clay_eval.schemas.errors import IntegrityError
from clay_eval.schemas.files import write_sealed
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.validate import check, read_sealed

from ..methods.support.specs import Method
from ..pictures.gallery_queries import GalleryQuery
from ..retrieval.engine import Settings, evaluate_study
from ..retrieval.galleries import score_galleries
from ..retrieval.splits import combination_codes
from ..retrieval.study import Study
from ..scoring.measures import parse_measures
from ..statistics.intervals import SHARES, mean_interval
from ..statistics.scoreboard import Inference, results_of
from ..vectors.arrays import Float64Array
from .paper import RECALLS

SCHEMA = "clay-eval/reproduced-cell/1"
FOLDER = Path("reproduce") / "cells"
DRAWS = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Measured:
    """A number with its interval and chance; scores: a group's rows (Q,) and values (Q,), NaN where nothing is relevant."""

    entity: str
    conditions: tuple[str, ...]
    method: str
    measure: str
    value: float
    low: float
    high: float
    chance: float
    queries: int
    without: int
    scores: tuple[tuple[Float64Array, Float64Array], ...]


def cell_path(root: Path, identity: Mapping[str, Any]) -> Path:
    """Where the cell of this identity lies."""
    return root / FOLDER / f"{fingerprint(identity)[:32]}.json"


def read_cell(root: Path, identity: Mapping[str, Any]) -> list[Measured] | None:
    """The numbers of a finished cell, one a measure; None where there is none.

    Raises IntegrityError for a cell that was changed or is another's.
    """
    path = cell_path(root, identity)
    if not path.exists():
        return None
    record = read_sealed(path, "reproduced-cell")
    if record["identity"] != identity:
        raise IntegrityError("a cell of another identity", where=path, hint="delete it: it is computed again")
    return [_measured(record["identity"], item) for item in record["measures"]]


def write_cell(root: Path, identity: Mapping[str, Any], found: Sequence[Measured]) -> None:
    """Seal a cell."""
    path = cell_path(root, identity)
    record = {
        "schema": SCHEMA,
        "identity": dict(identity),
        "measures": [
            {
                "measure": one.measure,
                "value": one.value,
                "ci_low": one.low,
                "ci_high": one.high,
                "chance": one.chance,
                "queries": one.queries,
                "queries_without_relevant": one.without,
                "groups": [
                    {
                        "rows": [int(row) for row in rows],
                        "scores": [None if np.isnan(v) else min(max(float(v), 0.0), 1.0) for v in values],
                    }
                    for rows, values in one.scores
                ],
            }
            for one in found
        ],
    }
    check(record, "reproduced-cell", path)
    write_sealed(path, record)


def measure_cell(
    study: Study,
    galleries: Sequence[GalleryQuery],
    method: Method,
    conditions: tuple[str, ...],
    settings: Settings,
) -> list[Measured]:
    """Compute a cell: retrieval under `settings`, or recalls of `galleries` where there are some.

    Raises InputError as the engine does.
    """
    if galleries:
        return _recalls(study, galleries, method)
    outcomes, failures = evaluate_study(study, [method.of_entity(study.entity)], settings, [conditions])
    assert not failures
    names = [str(measure) for measure in settings.measures]
    inference = Inference(draws=DRAWS, confidence=CONFIDENCE, seed=settings.seeds[0])
    results = results_of(outcomes, names, inference, combination_codes(study.labelled))
    return [
        Measured(
            study.entity,
            conditions,
            method.name,
            result.metric,
            *_numbers(result.value, result.ci_low, result.ci_high, result.chance),
            result.queries,
            result.queries_without_relevant,
            tuple(
                (group.rows.astype(np.float64), group.values[result.metric]) for group in outcomes[0].groups
            ),
        )
        for result in results
    ]


def _recalls(study: Study, galleries: Sequence[GalleryQuery], method: Method) -> list[Measured]:
    measures = parse_measures(tuple(RECALLS.values()))
    found = score_galleries(study, galleries, [method], measures)
    rows = np.concatenate([one.queries for one in found]).astype(np.float64)
    measured = []
    for measure in map(str, measures):
        values = np.concatenate([one.values[measure] for one in found])
        chance = np.concatenate([one.chances[measure] for one in found])
        low, high = mean_interval([values], CONFIDENCE, bounds=SHARES)
        measured.append(
            Measured(
                study.entity,
                (),
                method.name,
                measure,
                *(float(values.mean()), low, high, float(chance.mean())),
                *(len(values), 0),
                ((rows, values),),
            )
        )
    return measured


def _numbers(*values: float | None) -> tuple[float, float, float, float]:
    value, low, high, chance = (float("nan") if v is None else float(v) for v in values)
    return value, low, high, chance


def _measured(identity: Mapping[str, Any], item: Mapping[str, Any]) -> Measured:
    return Measured(
        identity["entity"],
        tuple(identity["conditions"]),
        identity["method"],
        item["measure"],
        item["value"],
        item["ci_low"],
        item["ci_high"],
        item["chance"],
        item["queries"],
        item["queries_without_relevant"],
        tuple(
            (
                np.array(g["rows"], np.float64),
                np.array([np.nan if v is None else v for v in g["scores"]], np.float64),
            )
            for g in item["groups"]
        ),
    )


def mean_of(cells: Sequence[Measured], draws: int = DRAWS, seed: int = 0) -> tuple[float, float, float]:
    """The mean of several numbers with its bootstrap interval: (value, low, high).

    Queries are drawn with replacement, once for all numbers of a data set: the same pictures are asked for several
    conditions, and that is not twice the evidence. A cell is the mean over its groups of each group's mean.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    replicates = np.zeros(draws)
    for entity in dict.fromkeys(cell.entity for cell in cells):
        mine = [cell for cell in cells if cell.entity == entity]
        everyone = np.unique(np.concatenate([rows for cell in mine for rows, _ in cell.scores]))
        counts = np.zeros((draws, len(everyone)), np.float64)
        for row in counts:
            row += np.bincount(generator.integers(len(everyone), size=len(everyone)), minlength=len(everyone))
        replicates += sum(_drawn(cell, everyone, counts) for cell in mine)
    low, high = np.nanquantile(replicates / len(cells), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(np.mean([cell.value for cell in cells])), float(low), float(high)


def _drawn(cell: Measured, everyone: Float64Array, counts: Float64Array) -> Float64Array:
    """The cell's number under each draw, (draws,)."""
    groups = []
    for rows, values in cell.scores:
        known = ~np.isnan(values)
        if not known.any():
            continue
        place = np.searchsorted(everyone, rows[known])
        weights = counts[:, place]
        total = weights.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            groups.append(weights @ values[known] / total)
    drawn: Float64Array = np.nanmean(np.stack(groups), axis=0)
    return drawn
