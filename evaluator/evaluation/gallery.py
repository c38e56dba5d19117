"""What a report shows of an entity beside numbers: retrievals, maps, neighbours, and the pictures they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.decoding import decode_image
from clay_eval.schemas.errors import InputError

from ..methods.support.protocol import RIVAL
from ..methods.support.specs import Method
from ..pictures.labelled import ImageSource, Labelled, has_pictures, pictures
from ..report.beside import pictured
from ..report.roles import CLAY, RAW
from ..retrieval.engine import rows_to_fit
from ..retrieval.results import Outcome, Result
from ..retrieval.spaces import Space, make_space
from ..retrieval.study import Study, TextFeatures
from ..retrieval.tasks import RetrievalGroup, RetrievalTask, make_task
from ..scoring import mean_over_groups
from ..vectors.arrays import Float64Array, FloatArray
from .maps import Scene, condition_maps, draw_maps, read_maps, write_maps
from .neighbours import (
    QuerySet,
    Ranked,
    build_record,
    choose_sample,
    nearest,
    occurring,
    sample_size,
    write_neighbours,
)
from .retrievals import choose_retrievals
from .sheets import COLUMNS, SIDE, small_pictures, write_sheets
from .thumbnails import write_thumbnails
from .warnings import direction_shares, text_shares

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = (RAW, CLAY)
BROWSED = 4
PICTURED_SETS = 64
"""Retrievals are shown of so many sets of conditions of an entity, the smallest first: a page is looked at by people."""


@dataclass(frozen=True)
class Showing:
    """What is shown of an evaluation.

    told: is called with the result of each outcome by the first measure, as soon as it is there; pages: whether pages are
    made, with the retrievals, neighbours, maps and pictures that they show.
    """

    told: Callable[[Result], None] = lambda _: None
    pages: bool = True


@dataclass
class Gallery:
    """The report's `retrievals` of one entity, what its maps are drawn of, its queries with their neighbours, and the counts
    behind warnings.

    relevant: set of conditions -> how many database images are relevant to each query, (Q,); text_shares,
    text_directions: as `text_shares` and `direction_shares`.
    """

    retrievals: list[dict[str, Any]] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)
    sets: list[QuerySet] = field(default_factory=list)
    labelled: Labelled | None = None
    relevant: dict[tuple[str, ...], npt.NDArray[np.int64]] = field(default_factory=dict)
    text_shares: dict[str, float] = field(default_factory=dict)
    text_directions: dict[str, float] = field(default_factory=dict)


def show_entity(
    study: Study,
    seed: int,
    methods: Sequence[Method],
    outcomes: Sequence[Outcome],
    measure: str,
    *,
    reference: str | None = None,
    fit_images: int | None = None,
) -> Gallery:
    """Retrievals and neighbours of every set of conditions and maps of every single one, under the study's split, of `seed`.

    Retrievals and maps are of raw and CLAY as far as they were run, else of the first two methods; neighbours are of the
    methods that `browsed_methods` names. A nested condition's map shows its largest group. fit_images: as in the engine.
    """
    labelled, split = study.labelled, study.split
    assert split is not None
    gallery = Gallery(
        labelled=labelled, text_shares=text_shares(study.texts), text_directions=direction_shares(study.texts)
    )
    none = TextFeatures(np.empty((0, study.features.shape[1]), study.features.dtype))
    study = replace(study, texts={name: study.texts.get(name, none) for name in labelled.labels})
    shown = [m.name for m in methods if m.name in SHOWN] or [m.name for m in methods[:2]]
    browsed = browsed_methods(methods, outcomes, measure, reference)
    sets: dict[tuple[str, ...], dict[str, Outcome]] = {}
    for outcome in outcomes:
        scored = sets.setdefault(outcome.conditions, {})
        if outcome.groups:
            scored[outcome.method] = outcome
    limit = sample_size(len(labelled.keys), len(sets))
    for number, (conditions, found) in enumerate(sets.items()):
        present = [m for m in methods if m.name in found and m.name in (*shown, *browsed)]
        task = make_task(labelled, conditions, split.is_query, split.is_database)
        gallery.relevant[conditions] = _relevant(task)
        if not present:
            continue
        spaces = [
            {m.name: make_space(m, study, task, group, rows_to_fit(group, seed, fit_images)) for m in present}
            for group in task.groups
        ]
        values = {m.name: _values(found[m.name], seed, measure) for m in present}
        some = {name: values[name] for name in shown if name in values} or dict([next(iter(values.items()))])
        if number < PICTURED_SETS:
            gallery.retrievals += _retrievals(labelled, conditions, task.groups, spaces, some)
        if len(conditions) == 1:
            gallery.scenes += _scenes(conditions[0], labelled, task.groups, spaces, list(some), seed)
        if asked := {name: values[name] for name in browsed if name in values}:
            gallery.sets.append(_queries(task, labelled, spaces, asked, reference, limit))
    return gallery


def counted_entity(study: Study, outcomes: Sequence[Outcome]) -> Gallery:
    """Only the counts behind warnings, for the sets of conditions of `outcomes`, under the study's split."""
    labelled, split = study.labelled, study.split
    assert split is not None
    gallery = Gallery(text_shares=text_shares(study.texts), text_directions=direction_shares(study.texts))
    for conditions in dict.fromkeys(outcome.conditions for outcome in outcomes):
        task = make_task(labelled, conditions, split.is_query, split.is_database)
        gallery.relevant[conditions] = _relevant(task)
    return gallery


def _relevant(task: RetrievalTask) -> npt.NDArray[np.int64]:
    return np.concatenate([task.relevant_counts(group) for group in task.groups])


def browsed_methods(
    methods: Sequence[Method], outcomes: Sequence[Outcome], measure: str, reference: str | None
) -> list[str]:
    """Names of the methods whose neighbours are kept: raw, the reference, and the best other rivals, BROWSED in all.

    Best by the mean over all sets of conditions, among methods that were scored on as many as any; controls and privileged
    methods only fill up where nothing else is left.
    """
    means: dict[str, list[float]] = {}
    for outcome in outcomes:
        if outcome.groups:
            mean = mean_over_groups([group.values[measure] for group in outcome.groups])
            means.setdefault(outcome.method, []).append(mean)
    most = max(map(len, means.values()), default=0)

    def rank(method: Method) -> tuple[bool, bool, float]:
        found = means[method.name]
        rival = method.role == RIVAL
        return not rival, len(found) < most, -float(np.nanmean(found)) if np.isfinite(found).any() else 0.0

    wanted = [m.name for m in methods if m.name in (RAW, reference) and m.name in means]
    others = sorted((m for m in methods if m.name in means and m.name not in wanted), key=rank)
    chosen = {*wanted, *(m.name for m in others[: BROWSED - len(wanted)])}
    return [m.name for m in methods if m.name in chosen]


def drawn_maps(galleries: Iterable[Gallery], folder: Path) -> list[dict[str, Any]]:
    """The report's `maps`; those that `folder` keeps from an earlier evaluation are not drawn again."""
    scenes = [scene for gallery in galleries for scene in gallery.scenes]
    before = read_maps(folder)
    points = draw_maps(scenes, before)
    write_maps(folder, points, before)
    return [scene.record(points[scene.sha256]) for scene in scenes]


def write_pictures(source: ImageSource, galleries: Mapping[str, Gallery], folder: Path) -> dict[str, str]:
    """Write the thumbnails that the galleries' retrievals need; return key -> path relative to `folder`, none without
    pictures."""
    paths: dict[str, str] = {}
    if not has_pictures(source):
        return paths
    for entity, gallery in galleries.items():
        encoded = pictures(source, entity, pictured(gallery.retrievals))
        images = ((key, decode_image(data, key)) for key, data in sorted(encoded.items()))
        paths |= write_thumbnails(images, folder)
    return paths


def write_queries(
    source: ImageSource, galleries: Mapping[str, Gallery], folder: Path, measure: str
) -> dict[str, Any]:
    """Write neighbours.json and the sheets of its pictures to `folder`; return the report's `neighbours`."""
    images: dict[str, list[int]] = {name: [] for name in galleries}

    def laid_out() -> Iterator[Image]:
        for name, gallery in galleries.items():
            labelled = gallery.labelled
            if labelled is None:
                continue
            if not has_pictures(source):
                images[name] = occurring(gallery.sets)
                continue
            row = {labelled.keys[i]: i for i in occurring(gallery.sets)}
            for key, picture in small_pictures(source, name, row):
                images[name].append(row[key])
                yield picture
            if len(images[name]) < len(row):
                raise InputError(
                    "pictures are missing", where=name, expected=len(row), found=len(images[name])
                )

    sheets = {"side": SIDE, "columns": COLUMNS, "sheets": write_sheets(laid_out(), folder)}
    entities = {name: (g.labelled, g.sets) for name, g in galleries.items() if g.labelled is not None}
    return write_neighbours(folder, build_record(measure, entities, images, sheets))


def _values(outcome: Outcome, seed: int, measure: str) -> Float64Array:
    """The measure of every query of one seed, group after group."""
    return np.concatenate([group.values[measure] for group in outcome.groups if group.seed == seed])


def _queries(
    task: RetrievalTask,
    labelled: Labelled,
    spaces: Sequence[Mapping[str, Space]],
    values: Mapping[str, Float64Array],
    reference: str | None,
    limit: int,
) -> QuerySet:
    """At most `limit` queries to browse, chosen by the reference's values (Q,), or the first method's."""
    rows = np.concatenate([group.queries for group in task.groups])
    judge = next((values[name] for name in values if name == reference), next(iter(values.values())))
    chosen = choose_sample([labelled.keys[row] for row in rows], judge, limit)
    starts = np.cumsum([0, *(len(group.queries) for group in task.groups)])
    found: dict[str, list[list[tuple[int, float]]]] = {name: [] for name in values}
    order: list[int] = []
    for number, group in enumerate(task.groups):
        mine = chosen[(chosen >= starts[number]) & (chosen < starts[number + 1])]
        order += mine.tolist()
        for name in values:
            found[name] += nearest(spaces[number][name], group, mine - starts[number], labelled.keys)
    where = np.searchsorted(starts, order, "right") - 1
    return QuerySet(
        conditions=task.conditions,
        of=len(rows),
        queries=rows[order].tolist(),
        groups=[task.groups[number].name for number in where],
        methods={
            name: Ranked(
                values[name][order],
                [[row for row, _ in one] for one in found[name]],
                [[similarity for _, similarity in one] for one in found[name]],
            )
            for name in values
        },
    )


def _retrievals(
    labelled: Labelled,
    conditions: Sequence[str],
    groups: Sequence[RetrievalGroup],
    spaces: Sequence[Mapping[str, Space]],
    values: Mapping[str, Float64Array],
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
        labelled,
        conditions,
        queries,
        values,
        score,
        group=lambda row: groups[place[row][0]].name,
    )


def _scenes(
    condition: str,
    labelled: Labelled,
    groups: Sequence[RetrievalGroup],
    spaces: Sequence[Mapping[str, Space]],
    methods: Sequence[str],
    seed: int,
) -> list[Scene]:
    number = max(range(len(groups)), key=lambda i: len(groups[i].database))
    group = groups[number]
    further = group.own < 0
    rows = np.concatenate([group.database, group.queries[further]])
    pairs = {name: spaces[number][name].pairs[0] for name in methods}
    return condition_maps(
        labelled.entity,
        condition,
        [labelled.keys[row] for row in rows],
        [labelled.labels[condition][row] for row in rows],
        {name: np.concatenate([database, queries[further]]) for name, (queries, database) in pairs.items()},
        seed=seed,
        group=group.name,
    )
