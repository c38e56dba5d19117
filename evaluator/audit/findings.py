"""The audit of an entity: each attribute's labels judged, within the parent's value where there is one, and all ranked.

>>> found = audit(study)                                                                  # doctest: +SKIP
>>> [labelled.keys[row] for row in found.ranking()[:10]]                                   # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..methods.support.specs import Method
from ..pictures.labelled import Codes, Labelled
from ..retrieval.spaces import group_texts, make_space
from ..retrieval.splits import everyone
from ..retrieval.study import Study
from ..retrieval.tasks import RetrievalGroup, RetrievalTask, make_task
from ..vectors.arrays import Float64Array, FloatArray, take_rows, unit_rows
from .calibration import Calibration, calibrated, log_odds, suspicion
from .duplicates import DuplicateGroup, duplicate_groups
from .evidence import (
    UNKNOWN,
    Evidence,
    Posterior,
    nearest,
    neighbour_evidence,
    nothing,
    text_evidence,
)
from .settings import AuditSettings
from .undescribed import oddness

ACCUSED = 0.5
"""The chance of a wrong label from which a picture is accused."""
_HARDLY_SEEN = 0.75
_FEWEST_OTHERS = 1


@dataclass(frozen=True, eq=False)
class Judged:
    """An attribute's labels. suspicion (N,): the chance that a label is wrong, NaN where nothing could judge; ratios (N,):
    its log-likelihood ratio, high for what looks right; neighbours, texts: the evidence; undescribed (N,): how far a picture
    is from what any value's text describes, above 1 for one that none does; auditors: the methods in use."""

    attribute: str
    values: Sequence[str]
    suspicion: Float64Array
    ratios: Float64Array
    neighbours: Evidence
    texts: Evidence
    undescribed: Float64Array
    calibration: Calibration
    auditors: Mapping[str, str | None]

    @property
    def ranking(self) -> npt.NDArray[np.intp]:
        """Rows of the pictures that were judged, the most suspicious first, ties in order of row."""
        order = np.argsort(self.ratios, kind="stable")
        return order[np.isfinite(self.suspicion[order])]

    @property
    def accused(self) -> npt.NDArray[np.bool_]:
        """(N,): whose label is more likely wrong than right."""
        return self.suspicion > ACCUSED

    def suggested(self, row: int) -> str | None:
        """The value that speaks loudest against a picture's label, None where none does."""
        against = [
            (source.margin[row], int(source.other[row]))
            for source in (self.neighbours, self.texts)
            if source.other[row] != UNKNOWN and source.margin[row] < 0
        ]
        return self.values[min(against)[1]] if against else None


@dataclass(frozen=True, eq=False)
class EntityAudit:
    """All that was found of an entity's pictures. least: the cosine from which two are near-duplicates."""

    labelled: Labelled
    attributes: Mapping[str, Judged]
    duplicates: Sequence[DuplicateGroup]
    least: float
    notes: Sequence[str]

    @cached_property
    def suspicion(self) -> Float64Array:
        """The highest chance (N,) among its attributes that a picture's label is wrong, NaN where none was judged."""
        columns = [one.suspicion for one in self.attributes.values()]
        if not columns:
            return np.full(len(self.labelled.keys), np.nan)
        return np.asarray(np.fmax.reduce(columns))

    def ranking(self) -> npt.NDArray[np.intp]:
        """Rows of all pictures that were judged, the most suspicious first."""
        order = np.argsort(-self.suspicion, kind="stable")
        return order[np.isfinite(self.suspicion[order])]

    def undescribed(self) -> list[tuple[int, str]]:
        """(row, attribute) of the pictures that no value describes, the strangest first."""
        found = [
            (-float(one.undescribed[row]), int(row), name)
            for name, one in self.attributes.items()
            for row in np.flatnonzero(one.undescribed > 1)
        ]
        return [(row, name) for _, row, name in sorted(found)]


def audit(
    study: Study, settings: AuditSettings | None = None, progress: Callable[[int], None] = lambda _: None
) -> EntityAudit:
    """Audit the pictures of a study, whose texts may be of some conditions only.

    An attribute without texts is judged by its neighbours among the vectors as they are. progress: called with 1 for every
    attribute. Raises InputError where there are no more pictures than neighbours, and where no attribute can be judged.
    """
    settings = settings or AuditSettings()
    methods, labelled = settings.prepared(), study.labelled
    labelled.require_attributes()
    if len(labelled.keys) <= settings.neighbours:
        raise InputError(
            "no more pictures than neighbours",
            where=labelled.entity or "data",
            expected=f"more than {settings.neighbours} pictures",
            found=f"{len(labelled.keys)} pictures",
            hint="ask fewer with --neighbours",
        )
    found: dict[str, Judged] = {}
    notes: list[str] = []
    faults: list[InputError] = []
    for attribute in sorted(labelled.labels, key=lambda name: len(labelled.ancestors(name))):
        try:
            work = _Attribute(study, attribute, settings, methods)
            judged, said = work.judged()
            doubtful = [found[above].accused for above in labelled.ancestors(attribute) if above in found]
            found[attribute], more = _within_doubtful(judged, doubtful)
            notes += [*said, *more]
        except InputError as error:
            faults.append(error)
            notes.append(f"{attribute} left out: {error.what}")
        progress(1)
    if not found:
        raise faults[0]
    groups, least = duplicate_groups(study.features, labelled.codes, settings.near)
    found = {name: found[name] for name in labelled.labels if name in found}
    return EntityAudit(labelled, found, groups, least, list(dict.fromkeys(notes)))


def _within_doubtful(judged: Judged, doubtful: Sequence[npt.NDArray[np.bool_]]) -> tuple[Judged, list[str]]:
    """A nested attribute without a verdict where the parent's label is accused: it was judged among the wrong pictures."""
    left = np.any([*doubtful, np.zeros(len(judged.suspicion), np.bool_)], axis=0)
    if not left.any():
        return judged, []
    note = (
        f"{judged.attribute}: {int(left.sum())} pictures not judged, the label of what it lies in looks wrong"
    )
    return replace(judged, suspicion=np.where(left, np.nan, judged.suspicion)), [note]


class _Attribute:
    """The work on one attribute."""

    def __init__(
        self, study: Study, attribute: str, settings: AuditSettings, methods: tuple[Method, Method]
    ) -> None:
        labelled, texts = study.labelled, study.texts
        whole = everyone(labelled.keys)
        self.task: RetrievalTask = make_task(labelled, [attribute], whole, whole)
        self.study, self.attribute, self.settings = study, attribute, settings
        self.space, self.posterior = methods
        self.codes = labelled.codes[attribute]
        self.names = [""] * (int(self.codes.max()) + 1)
        for code, value in zip(self.codes.tolist(), labelled.labels[attribute], strict=True):
            self.names[code] = value
        own = texts.get(attribute)
        self.texts = texts if own is not None and len(own.features) and own.values is not None else None
        self.known = np.isin(self.names, list(own.values or ()) if own is not None else [])
        self.notes = list(self.task.warnings)
        if self.texts is None:
            self.notes.append(
                f"{attribute}: there are no texts, so neighbours among the vectors as they are judge alone"
            )

    def judged(self) -> tuple[Judged, list[str]]:
        count = len(self.codes)
        asked = np.full((count, 2), UNKNOWN, np.int64)
        asked[:, 0] = self.codes
        draw = np.random.default_rng(self.settings.seed)
        neighbours, said, undescribed = nothing(count), nothing(count), np.zeros(count)
        inside = np.zeros(count, np.bool_)
        for group in self.task.groups:
            rows = group.database
            inside[rows] = True
            asked[rows, 1] = _drawn(self.codes[rows], draw)
            _put(neighbours, rows, self._neighbours(group, asked[rows]))
            if self.texts is not None:
                evidence, odd = self._said(group, asked[rows])
                _put(said, rows, evidence)
                undescribed[rows] = odd
        self._leave_single_values(neighbours)
        odds = [log_odds(source.chances) for source in (neighbours, said)]
        own, drawn = (np.stack([one[:, column] for one in odds], axis=1) for column in range(2))
        learnt_from = asked[:, 1] != UNKNOWN
        calibration = calibrated(own[learnt_from], drawn[learnt_from], self.settings.noise)
        if calibration.told < _HARDLY_SEEN:
            self.notes.append(
                f"{self.attribute}: the encoder hardly sees it (a picture's label stands out against another value "
                f"{calibration.told:.0%} of the time, chance is 50%), so that little can be said of its labels"
            )
        ratios = calibration.ratios(own)
        silent = np.isnan(neighbours.chances[:, 0]) & np.isnan(said.chances[:, 0]) | ~inside
        chance = np.where(silent, np.nan, suspicion(ratios, self.settings.noise))
        if silent.any():
            self.notes.append(f"{self.attribute}: {int(silent.sum())} pictures could not be judged")
        auditors = {
            "neighbours": self.space.name if self.texts is not None else "raw",
            "posterior": self.posterior.name if not np.isnan(said.chances[:, 0]).all() else None,
        }
        found = Judged(
            self.attribute, self.names, chance, ratios, neighbours, said, undescribed, calibration, auditors
        )
        return found, self.notes

    def _neighbours(self, group: RetrievalGroup, asked: Codes) -> Evidence:
        rows = group.database
        count = min(self.settings.neighbours, max(1, (len(rows) - 1) // 2))
        if count < self.settings.neighbours:
            self.notes.append(
                f"{self.attribute}: {count} neighbours in {group.name or 'the data'}, which is small"
            )
        queries = database = take_rows(self.study.features, rows)
        if self.texts is not None:
            space = make_space(self.space, self.study, self.task, group)
            self.notes += [f"{self.attribute}: {warning}" for warning in space.warnings]
            ((queries, database),) = space.pairs
        else:
            queries = database = unit_rows(database)
        return neighbour_evidence(*nearest(queries, database, count), self.codes[rows], asked)

    def _said(self, group: RetrievalGroup, asked: Codes) -> tuple[Evidence, Float64Array]:
        """What the texts say; nothing, and a note, where they cannot be used."""
        assert self.texts is not None
        own = self.texts[self.attribute]
        chosen, _ = group_texts(self.texts, self.attribute, group)
        values = list(own.values or ())
        named = list(dict.fromkeys(values[row] for row in chosen))
        features = take_rows(self.study.features, group.database)
        place = {name: code for code, name in enumerate(self.names)}
        codes = np.array([place.get(name, UNKNOWN) for name in named], np.int64)
        try:
            fitted = self._fitted(features, own.features[chosen], [values[row] for row in chosen])
            evidence, unnamed = text_evidence(fitted, features, codes, asked, self.known)
        except InputError as error:
            where = f" in {group.name}" if group.name else ""
            self.notes.append(f"{self.attribute}{where}: neighbours judge alone, {error.what}")
            return nothing(len(features)), np.zeros(len(features))
        return evidence, oddness(features, own.features[chosen], [values[row] for row in chosen], unnamed)

    def _fitted(self, features: FloatArray, texts: FloatArray, values: list[str]) -> Posterior:
        known: dict[str, Callable[[], Any]] = {
            "text_values": lambda: values,
            "logit_scale": self.study.extras.logit_scale,
        }
        method = self.posterior.factory()
        method.fit(features, texts, **{name: known[name]() for name in self.posterior.asks if name in known})
        assert isinstance(method, Posterior)
        return method

    def _leave_single_values(self, neighbours: Evidence) -> None:
        """Of a value that one picture alone has, neighbours can say nothing."""
        counts = np.bincount(self.codes)
        single = counts[self.codes] <= _FEWEST_OTHERS
        neighbours.chances[single, 0] = np.nan


def _drawn(codes: Codes, draw: np.random.Generator) -> Codes:
    """A value (n,) for each picture by lot, of those that two of them or more have, other than its own; else UNKNOWN."""
    values, counts = np.unique(codes, return_counts=True)
    usual = values[counts > _FEWEST_OTHERS]
    if len(usual) < 2:
        return np.full(len(codes), UNKNOWN, np.int64)
    place = np.searchsorted(usual, codes)
    inside = usual[np.minimum(place, len(usual) - 1)] == codes
    chosen = draw.integers(0, len(usual) - inside)
    drawn: Codes = usual[chosen + (inside & (chosen >= place))]
    return drawn


def _put(all_: Evidence, rows: npt.NDArray[np.intp], some: Evidence) -> None:
    all_.chances[rows], all_.other[rows], all_.other_chance[rows] = (
        some.chances,
        some.other,
        some.other_chance,
    )
