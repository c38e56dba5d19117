"""Queries with a condition and a small gallery of their own, as in GeneCIS (Vaze et al., CVPR 2023).

A method is fitted once a condition, on all pictures that stand in a gallery of that condition, and ranks each gallery
by itself. Equal scores go against it: the files of GeneCIS have the target first in every gallery, so a constant
method with a stable sort would be perfect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from clay_eval.schemas.errors import InputError

from ..methods.support.protocol import NotApplicableError
from ..methods.support.specs import Method, uses_texts
from ..pictures.gallery_queries import GalleryQuery
from ..scoring import score_rankings
from ..scoring.measures import Measure
from ..vectors.arrays import Float64Array
from .spaces import make_space
from .study import Study, check_texts
from .tasks import Index, RetrievalGroup, RetrievalTask

_LABELS = "database_labels"


@dataclass(frozen=True, eq=False)
class GalleryScores:
    """One method on all queries of one condition: numbers of the queries in the file, measure -> (Q,) float64, and
    chance."""

    method: str
    condition: str
    queries: Index
    values: Mapping[str, Float64Array]
    chances: Mapping[str, Float64Array]


def score_galleries(
    study: Study, queries: Sequence[GalleryQuery], methods: Sequence[Method], measures: Sequence[Measure]
) -> list[GalleryScores]:
    """Return the scores of every method on every condition, in order of the conditions' first queries.

    The study needs no labels, and no texts where no method uses any.

    Raises InputError for keys that the data does not have, conditions without texts, and methods that fail or see labels.
    """
    place = {key: row for row, key in enumerate(study.labelled.keys)}
    if not uses_texts(methods):
        none = check_texts(None, {one.condition for one in queries}, study.features.shape[1])
        study = replace(study, texts=none)
    for number, one in enumerate(queries):
        missing = [key for key in (one.query, *one.gallery) if key not in place]
        if missing or one.condition not in study.texts:
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
            values, chances = _score(study, place, condition, asked, method, measures)
            found.append(GalleryScores(method.name, condition, chosen, values, chances))
    return found


def _score(
    study: Study,
    place: Mapping[str, int],
    condition: str,
    asked: Sequence[GalleryQuery],
    method: Method,
    measures: Sequence[Measure],
) -> tuple[dict[str, Float64Array], dict[str, Float64Array]]:
    if _LABELS in method.asks:
        raise NotApplicableError(f"{method.name} asks for labels, and galleries have none")
    database = np.array(sorted({place[key] for one in asked for key in one.gallery}), np.intp)
    rows = np.array([place[one.query] for one in asked], np.intp)
    group = RetrievalGroup(None, rows, database, {condition: None})
    task = RetrievalTask((condition,), (group,), np.zeros(len(place), np.int64))
    space = make_space(method, study, task, group)
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
