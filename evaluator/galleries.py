"""Queries with a condition and a small gallery of their own, as in GeneCIS (Vaze et al., CVPR 2023).

A method is fitted once a condition, on all pictures that stand in a gallery of that condition, and ranks each gallery
by itself. Equal scores go against it: the files of GeneCIS have the target first in every gallery, so a constant
method with a stable sort would be perfect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import read_json

from .arrays import Float64Array, FloatArray
from .method_specs import Method
from .methods.protocol import NotApplicableError
from .protocol import Index, RetrievalGroup, RetrievalTask
from .scoring import score_rankings
from .scoring.measures import Measure
from .spaces import Extras, TextFeatures, make_space

_LABELS = "database_labels"


@dataclass(frozen=True)
class GalleryQuery:
    """A query picture, the condition asked for, the keys to rank, and which of them are right."""

    query: str
    condition: str
    gallery: tuple[str, ...]
    targets: frozenset[str]


@dataclass(frozen=True, eq=False)
class GalleryScores:
    """One method on all queries of one condition: numbers of the queries in the file, measure -> (Q,) float64, and
    chance."""

    method: str
    condition: str
    queries: Index
    values: Mapping[str, Float64Array]
    chances: Mapping[str, Float64Array]


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


def score_galleries(
    features: FloatArray,
    keys: Sequence[str],
    queries: Sequence[GalleryQuery],
    texts: Mapping[str, TextFeatures],
    methods: Sequence[Method],
    measures: Sequence[Measure],
    extras: Extras | None = None,
) -> list[GalleryScores]:
    """Return the scores of every method on every condition, in order of the conditions' first queries.

    features (N, d), row i of the picture keys[i]; texts: condition -> its encoded texts.

    Raises InputError for keys that the data does not have, conditions without texts, and methods that fail or see labels.
    """
    place = {key: row for row, key in enumerate(keys)}
    for number, one in enumerate(queries):
        missing = [key for key in (one.query, *one.gallery) if key not in place]
        if missing or one.condition not in texts:
            raise InputError(
                "a query's pictures or texts are not there",
                where=f"query {number}",
                expected="keys of the data, and a condition with texts",
                found=missing[:3] or one.condition,
            )
    found = []
    for condition in dict.fromkeys(one.condition for one in queries):
        chosen = np.array([i for i, one in enumerate(queries) if one.condition == condition], np.intp)
        asked = [queries[i] for i in chosen]
        for method in methods:
            values, chances = _score(features, place, condition, asked, texts, method, measures, extras)
            found.append(GalleryScores(method.name, condition, chosen, values, chances))
    return found


def _score(
    features: FloatArray,
    place: Mapping[str, int],
    condition: str,
    asked: Sequence[GalleryQuery],
    texts: Mapping[str, TextFeatures],
    method: Method,
    measures: Sequence[Measure],
    extras: Extras | None,
) -> tuple[dict[str, Float64Array], dict[str, Float64Array]]:
    if _LABELS in method.asks:
        raise NotApplicableError(f"{method.name} asks for labels, and galleries have none")
    database = np.array(sorted({place[key] for one in asked for key in one.gallery}), np.intp)
    rows = np.array([place[one.query] for one in asked], np.intp)
    group = RetrievalGroup(None, rows, database, {condition: None})
    task = RetrievalTask((condition,), (group,), np.zeros(len(place), np.int64))
    space = make_space(method, features, texts, task, group, extras)
    column = {int(row): i for i, row in enumerate(database)}
    sizes = np.array([len(one.gallery) for one in asked])
    counts = np.array([len(one.targets) for one in asked])
    values = {str(measure): np.empty(len(asked)) for measure in measures}
    for size in np.unique(sizes):
        same = np.flatnonzero(sizes == size)
        columns = np.array([[column[place[key]] for key in asked[int(i)].gallery] for i in same])
        scores = np.stack([space.scores(int(i))[chosen] for i, chosen in zip(same, columns, strict=True)])
        right = np.array([[key in asked[int(i)].targets for key in asked[int(i)].gallery] for i in same])
        for name, part in score_rankings(scores, right, measures, ties="pessimistic").items():
            values[name][same] = part
    return values, {str(measure): measure.chance(sizes, counts) for measure in measures}
