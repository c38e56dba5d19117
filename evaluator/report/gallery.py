"""What a report shows of an entity beside numbers: retrievals, maps, and the pictures they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray
from ..images import decode_image
from ..method_specs import Method
from ..protocol import Labelled, RetrievalGroup, make_task
from ..results import Outcome
from ..sources import ImageSource, pictures
from ..spaces import Extras, Space, TextFeatures, make_space
from ..splits import Split
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
    split: Split,
    seed: int,
    features: FloatArray,
    texts: Mapping[str, TextFeatures],
    methods: Sequence[Method],
    outcomes: Sequence[Outcome],
    measure: str,
    extras: Extras | None = None,
) -> Gallery:
    """Retrievals of every set of conditions and maps of every single one, under the split of `seed`.

    Of the methods raw and CLAY are shown as far as they were run, else the first two. A nested condition's map shows its
    largest group.
    """
    gallery = Gallery()
    shown = [m for m in methods if m.name in SHOWN] or list(methods[:2])
    for conditions in dict.fromkeys(outcome.conditions for outcome in outcomes):
        found = {o.method: o for o in outcomes if o.conditions == conditions and o.groups}
        present = [method for method in shown if method.name in found]
        if not present:
            continue
        task = make_task(labelled, conditions, split.is_query, split.is_database)
        spaces = [
            {m.name: make_space(m, features, texts, task, group, extras) for m in present}
            for group in task.groups
        ]
        values = {m.name: _values(found[m.name], seed, measure) for m in present}
        gallery.retrievals += _retrievals(entity, conditions, labelled, task.groups, spaces, values)
        if len(conditions) == 1:
            gallery.maps += _maps(entity, conditions[0], labelled, task.groups, spaces, seed)
    return gallery


def _values(outcome: Outcome, seed: int, measure: str) -> FloatArray:
    """The measure of every query of one seed, group after group."""
    return np.concatenate([group.values[measure] for group in outcome.groups if group.seed == seed])


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
    spaces: Sequence[Mapping[str, Space]],
    values: Mapping[str, FloatArray],
) -> list[dict[str, Any]]:
    queries = np.concatenate([group.queries for group in groups])
    place = {
        int(row): (number, position)
        for number, group in enumerate(groups)
        for position, row in enumerate(group.queries)
    }

    def score(method: str, row: int) -> tuple[npt.NDArray[np.intp], FloatArray]:
        number, position = place[row]
        others = groups[number].database != row
        return groups[number].database[others], spaces[number][method].scores(position)[others]

    return choose_retrievals(
        entity,
        conditions,
        labelled.keys,
        labelled.labels,
        queries,
        values,
        score,
        group=lambda row: groups[place[row][0]].name,
    )


def _maps(
    entity: str,
    condition: str,
    labelled: Labelled,
    groups: Sequence[RetrievalGroup],
    spaces: Sequence[Mapping[str, Space]],
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
        {name: np.concatenate([s.pairs[0][1], s.pairs[0][0]]) for name, s in spaces[number].items()},
        seed=seed,
        group=group.name,
    )
