"""What a report shows of an entity beside numbers: retrievals, maps, and the pictures they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray
from ..engine import ConditionalSpace, TextFeatures, conditional_space, stack_texts
from ..images import decode_image
from ..methods import MethodFactory
from ..protocol import Labelled, RetrievalGroup, make_task
from ..results import Result
from ..sources import ImageSource, pictures
from .maps import condition_maps
from .retrievals import choose_retrievals, pictured
from .thumbnails import write_thumbnails

SHOWN = ("raw", "clay")


@dataclass
class Gallery:
    """The report's `retrievals` and `maps` of one entity."""

    retrievals: list[dict[str, Any]] = field(default_factory=list)
    maps: list[dict[str, Any]] = field(default_factory=list)


def show_entity(
    entity: str,
    labelled: Labelled,
    is_query: npt.NDArray[np.bool_],
    features: FloatArray,
    texts: Mapping[str, TextFeatures],
    factories: Mapping[str, MethodFactory],
    results: Sequence[Result],
    seed: int,
) -> Gallery:
    """Retrievals of every set of conditions and maps of every single one, for raw and CLAY as far as they were run.

    A nested condition's map shows its largest group.
    """
    gallery = Gallery()
    methods = {name: factories[name] for name in SHOWN if name in factories} or dict(
        list(factories.items())[:2]
    )
    for conditions in dict.fromkeys(result.conditions for result in results):
        task = make_task(labelled, conditions, is_query)
        spaces = [
            {
                name: conditional_space(factory, features, stack_texts(texts, task, group)[0], group)
                for name, factory in methods.items()
            }
            for group in task.groups
        ]
        found = {r.method: r for r in results if r.conditions == conditions and r.method in methods}
        gallery.retrievals += _retrievals(entity, conditions, labelled, task.groups, spaces, found)
        if len(conditions) == 1:
            gallery.maps += _maps(entity, conditions[0], labelled, task.groups, spaces, seed)
    return gallery


def write_pictures(source: ImageSource, galleries: Mapping[str, Gallery], folder: Path) -> dict[str, str]:
    """Write the thumbnails that the galleries need; return key -> path relative to `folder`."""
    paths: dict[str, str] = {}
    for entity, gallery in galleries.items():
        encoded = pictures(source, entity, pictured(gallery.retrievals))
        images = ((key, decode_image(data, key)) for key, data in sorted(encoded.items()))
        paths |= write_thumbnails(images, folder)
    return paths


def _retrievals(
    entity: str,
    conditions: Sequence[str],
    labelled: Labelled,
    groups: Sequence[RetrievalGroup],
    spaces: Sequence[Mapping[str, ConditionalSpace]],
    results: Mapping[str, Result],
) -> list[dict[str, Any]]:
    queries = np.concatenate([group.queries for group in groups])
    place = {
        int(row): (number, position)
        for number, group in enumerate(groups)
        for position, row in enumerate(group.queries)
    }
    precision = {
        name: np.array(
            [np.nan if s.average_precision is None else s.average_precision for s in result.per_query]
        )
        for name, result in results.items()
    }

    def score(method: str, row: int) -> tuple[npt.NDArray[np.intp], FloatArray]:
        number, position = place[row]
        space = spaces[number][method]
        return groups[number].database, space.database @ space.queries[position]

    return choose_retrievals(
        entity,
        conditions,
        labelled.keys,
        labelled.labels,
        queries,
        precision,
        score,
        group=lambda row: groups[place[row][0]].name,
    )


def _maps(
    entity: str,
    condition: str,
    labelled: Labelled,
    groups: Sequence[RetrievalGroup],
    spaces: Sequence[Mapping[str, ConditionalSpace]],
    seed: int,
) -> list[dict[str, Any]]:
    number = max(range(len(groups)), key=lambda i: len(groups[i].database))
    group = groups[number]
    rows = np.concatenate([group.database, group.queries])
    return condition_maps(
        entity,
        condition,
        [labelled.keys[row] for row in rows],
        [labelled.labels[condition][row] for row in rows],
        {name: np.concatenate([s.database, s.queries]) for name, s in spaces[number].items()},
        seed=seed,
        group=group.name,
    )
