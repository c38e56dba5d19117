"""The leaderboard of a folder of submissions: a table for each data set, settings and entity, never mixed.

Only scores that were computed here from the data are compared and ranked; claimed ones are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import check

from ..pictures.labelled import ImageSource
from ..statistics.scoreboard import Pooled
from .gathering import COMPUTED, SAID, claimed, computed, nothing_to_show
from .layout import METHOD, Record
from .means import Sets, mean_of, rows_of
from .ranks import Clusters, Ranked, shared_ranks, signs_beside
from .record import ALL, COMBINATIONS, of_kind

SCHEMA = "clay-eval/leaderboard/2"
ALPHA = 0.05
RANDOMISATIONS = 10_000
_CELL = ("value", "ci_low", "ci_high")

Conditions = tuple[str, ...]


def build_board(
    folder: Path,
    sources: Sequence[ImageSource] = (),
    *,
    split: Path | None = None,
    alpha: float = ALPHA,
    randomisations: int = RANDOMISATIONS,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Return the leaderboard of the submissions in `folder`: the folders in it that have a method.json, by name.

    sources: the data that submissions are for; every one is scored on them anew. Without any, the score records beside the
    submissions are taken on trust: no ranks, no comparisons. split: the file of a given split.

    A submission that cannot be scored, or whose claims do not hold together, is excluded, with the reason. Raises InputError
    where nothing is left.
    """
    places = _submissions(folder)
    found = computed(places, sources, split=split, progress=progress) if sources else claimed(places)
    if not found.records:
        raise nothing_to_show(folder, found)
    records, ranked = found.records, found.scores == COMPUTED
    alike: dict[tuple[str, str], dict[str, Record]] = {}
    for name, record in records.items():
        for entity in record["data"]["entities"]:
            alike.setdefault((record["fingerprint"], entity), {})[name] = record
    tables = [
        _table(entity, some, alpha, randomisations, ranked)
        for (_, entity), some in sorted(
            alike.items(),
            key=lambda item: (-_most(alike, item[0][0]), item[0][0], _place(item[1], item[0][1])),
        )
    ]
    board = {
        "schema": SCHEMA,
        "scores": found.scores,
        "said": SAID[found.scores],
        "alpha": alpha,
        "randomisations": randomisations,
        "tables": tables,
        "excluded": found.excluded,
        "notes": found.notes,
    }
    check(board, "leaderboard", folder)
    return board


def _submissions(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError("there is no such folder", where=folder)
    return [
        place
        for place in sorted(folder.iterdir())
        if place.is_dir() and not place.is_symlink() and (place / METHOD).is_file()
    ]


def _most(alike: Mapping[tuple[str, str], Mapping[str, Record]], fingerprint: str) -> int:
    return max(len(found) for (one, _), found in alike.items() if one == fingerprint)


def _place(records: Mapping[str, Record], entity: str) -> int:
    return list(next(iter(records.values()))["data"]["entities"]).index(entity)


def _table(
    entity: str, records: Mapping[str, Record], alpha: float, draws: int, ranked: bool
) -> dict[str, Any]:
    first = next(iter(records.values()))
    facts, measure = first["data"]["entities"][entity], first["settings"]["measures"][0]
    columns: list[Conditions] = [(condition,) for condition in facts["conditions"]]
    ranks: Mapping[str, Ranked] = {}
    signs: Mapping[tuple[str, int], str] = {}
    if ranked:
        queries = {name: _Queries(entity, record) for name, record in records.items()}
        ranks = _ranks(entity, records, queries, alpha, draws)
        signs = _signs(records, queries, columns, ranks, alpha, draws)
    rows = []
    for name, record in records.items():
        place = ranks.get(name)
        results = {
            tuple(row["conditions"]): row
            for row in record["results"]
            if (row["entity"], row["metric"]) == (entity, measure)
        }
        row = {
            "submission": name,
            "method": dict(record["method"]),
            "rank": place.rank if place else None,
            "tied": bool(place and place.tied),
            "p": place.p if place else None,
            "all": _cell(_mean(record, entity, ALL), signs.get((name, len(columns) + 1), "")),
            "combinations": _cell(_mean(record, entity, COMBINATIONS), signs.get((name, len(columns)), "")),
            "cells": [_cell(results.get(c), signs.get((name, i), "")) for i, c in enumerate(columns)],
        }
        rows.append((row, {c: results[c]["chance"] for c in results}))
    rows.sort(key=lambda pair: _order(pair[0]))
    chances: dict[Conditions, float | None] = {}
    for _, found in rows:
        chances = {**found, **chances}
    whole = next((r for r in records.values() if _mean(r, entity, ALL)["value"] is not None), first)
    return {
        "entity": entity,
        "images": facts["images"],
        "data": first["data"]["fingerprint"],
        "settings": dict(first["settings"]),
        "fingerprint": first["fingerprint"],
        "measure": measure,
        "columns": list(facts["conditions"]),
        "combinations": max(_mean(record, entity, COMBINATIONS)["sets"] for record in records.values()),
        "queries": max(len(_per_query(entity, record)["queries"]) for record in records.values()),
        "chance": {
            "all": _mean(whole, entity, ALL)["chance"],
            "combinations": _mean(whole, entity, COMBINATIONS)["chance"],
            "cells": [chances.get(conditions) for conditions in columns],
        },
        "rows": [row for row, _ in rows],
    }


class _Queries:
    """The scores of every query of one entity, from a record."""

    def __init__(self, entity: str, record: Record) -> None:
        found = _per_query(entity, record)
        self.rows = np.array(found["queries"], np.intp)
        self._clusters = None if found["clusters"] is None else np.array(found["clusters"], np.int64)
        self.sets: dict[Conditions, list[Pooled]] = {
            tuple(one["conditions"]): [
                Pooled(np.array(group["rows"], np.intp), np.array(group["values"], np.float64))
                for group in one["groups"]
            ]
            for one in found["sets"]
        }

    def of(self, kind: str) -> Sets:
        """The sets that a mean over `kind` is of."""
        return [groups for conditions, groups in self.sets.items() if of_kind(conditions, kind)]

    def clusters(self, sets: Sets | None) -> Clusters:
        """The clusters of the pictures that are queries in `sets`, None where queries are drawn one by one."""
        if self._clusters is None or not sets:
            return None
        found: Clusters = self._clusters[np.searchsorted(self.rows, rows_of(sets))]
        return found


def _ranks(
    entity: str, records: Mapping[str, Record], queries: Mapping[str, _Queries], alpha: float, draws: int
) -> dict[str, Ranked]:
    """Ranks of the methods that see no labels and were scored on all sets of conditions."""
    able = [
        name
        for name, record in records.items()
        if not record["method"]["privileged"] and _mean(record, entity, ALL)["value"] is not None
    ]
    able.sort(key=lambda name: (-mean_of(queries[name].of(ALL)), name))
    if not able:
        return {}
    sets = [queries[name].of(ALL) for name in able]
    found = shared_ranks(sets, alpha=alpha, draws=draws, clusters=queries[able[0]].clusters(sets[0]))
    return dict(zip(able, found, strict=True))


def _signs(
    records: Mapping[str, Record],
    queries: Mapping[str, _Queries],
    columns: Sequence[Conditions],
    ranks: Mapping[str, Ranked],
    alpha: float,
    draws: int,
) -> dict[tuple[str, int], str]:
    """Signs of the cells beside the leader: columns, then the mean over combinations, then that over all."""
    leader = next(iter(ranks), None)
    if leader is None:
        return {}
    wanted = len(queries[leader].sets)

    def of(name: str) -> list[Sets | None]:
        mine = queries[name].sets
        single: list[Sets | None] = [[mine[c]] if c in mine else None for c in columns]
        combined = queries[name].of(COMBINATIONS)
        whole = len(combined) == len(queries[leader].of(COMBINATIONS))
        return [
            *single,
            combined if combined and whole else None,
            queries[name].of(ALL) if len(mine) == wanted else None,
        ]

    base = of(leader)
    return signs_beside(
        {name: of(name) for name in records if name != leader},
        base,
        alpha=alpha,
        draws=draws,
        clusters=[queries[leader].clusters(sets) for sets in base],
    )


def _per_query(entity: str, record: Record) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one for one in record["per_query"] if one["entity"] == entity)
    return found


def _mean(record: Record, entity: str, over: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(
        row for row in record["means"] if (row["entity"], row["over"]) == (entity, over)
    )
    return found


def _cell(row: Mapping[str, Any] | None, sign: str) -> dict[str, Any]:
    values = dict.fromkeys(_CELL) if row is None else {name: row[name] for name in _CELL}
    return {**values, "sign": sign}


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Ranked ones first, the highest mean first; then those with gaps and those that are told labels."""
    value, told = row["all"]["value"], row["method"]["privileged"]
    return row["rank"] is None, value is None, row["rank"] or 0, told, -(value or 0), row["submission"]
