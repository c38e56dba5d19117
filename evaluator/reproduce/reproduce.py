"""The paper's protocol over whatever data and encoders are there, and each number beside the paper's.

A number is put beside the paper's only where benchmark, model and protocol are the paper's. All others are shown without it,
and what was not run is listed with the reason. A demonstration encoder is never the paper's model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.texts import ConditionTexts

from ..methods.support.specs import Method, parse_spec, reencodes
from ..pictures.gallery_queries import GalleryQuery
from ..pictures.labelled import ImageSource, Labelled
from ..pictures.sources import ClayShards
from ..retrieval.condition_sets import Conditions, condition_sets
from ..retrieval.engine import Settings
from ..retrieval.study import Study
from ..retrieval.vectors import FeatureSource, condition_features, extras
from ..vectors.arrays import FloatArray
from .cells import CONFIDENCE, DRAWS, Measured, measure_cell, read_cell, write_cell
from .paper import MODELS, clay, paper_cells, paper_model

Key = tuple[str, Conditions, str, str]
"""Entity, conditions, model (or the encoder's name, where it is none of the paper's), method."""

FOREIGN = "other pictures"
COMPARED = "compared"
UNEXPLAINED = "another mean"
NOT_RUN = "not run"
ALONE = "no paper number"


@dataclass(frozen=True)
class EncoderUse:
    """An encoder as an option names it: `option` for loading; declared: the model that the user says it is, or None."""

    option: str
    declared: str | None = None

    @staticmethod
    def parse(text: str) -> EncoderUse:
        """Read ENCODER or MODEL=ENCODER."""
        name, equals, option = text.partition("=")
        known = (*MODELS, "GeneCIS")
        if equals and name in known:
            return EncoderUse(option, name)
        if equals and not Path(text).exists():
            raise InputError(
                "no such model of the paper",
                where=f"--encoder {text}",
                expected=f"one of {known}",
                found=repr(name),
            )
        return EncoderUse(text)

    def model(self, identity: Mapping[str, Any]) -> str | None:
        """Which of the paper's models it is; raises InputError for a declaration that cannot be true."""
        if self.declared is None:
            return paper_model(identity)
        expected = MODELS.get(self.declared)
        if identity.get("demonstration"):
            raise InputError(
                "a demonstration encoder is none of the paper's models",
                where=f"--encoder {self.declared}=...",
            )
        if expected is not None and identity.get("dimension") != expected:
            raise InputError(
                f"this is not {self.declared}",
                where=f"--encoder {self.declared}={self.option}",
                expected=f"features of {expected} columns",
                found=identity.get("dimension"),
            )
        return self.declared


@dataclass
class Numbers:
    """All numbers so far, why others are missing, and which entities and models were there.

    foreign: entities of the paper whose pictures were made here; kept: how many cells had been there before.
    """

    measured: dict[Key, list[Measured]] = field(default_factory=dict)
    failed: dict[Key, str] = field(default_factory=dict)
    entities: dict[str, str] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    models: dict[str, str] = field(default_factory=dict)
    computed: int = 0
    kept: int = 0


@dataclass(frozen=True, eq=False)
class Job:
    """What is run on one source with one encoder.

    given: row of the paper -> spec, for rows that need weights of their own; prepare: a spec -> a method.
    """

    root: Path
    source: ImageSource
    texts: Mapping[str, ConditionTexts]
    feature_source: FeatureSource
    model: str | None
    given: Mapping[str, str]
    prepare: Callable[[str], Method]
    settings: Settings

    @property
    def label(self) -> str:
        """The model's name in the paper, or the encoder's own."""
        return self.model or str(self.feature_source.identity["name"])


def run_job(job: Job, found: Numbers, progress: Callable[[int], None] = lambda _: None) -> None:
    """Compute every cell of `job` that is not there, and add all of them to `found`; what fails is noted with its reason."""
    if job.model is not None:
        found.models[job.model] = str(job.feature_source.identity["name"])
    vectors = job.feature_source.images(job.source)
    queries = tuple(getattr(job.source, "queries", ()))
    for entity, labels in job.source.entities.items():
        found.entities[entity] = job.source.fingerprint
        if isinstance(job.source, ClayShards):
            found.foreign.add(entity)
        wanted = wanted_cells(entity, labels, job.model, job.given)
        study: Study | None = None
        for spec, conditions in wanted:
            key = (entity, conditions, job.label, spec)
            try:
                method = job.prepare(spec)
                identity = _identity(job, entity, method, conditions, queries)
                cell = read_cell(job.root, identity)
                if cell is None:
                    study = study or _study(job, labels, vectors[entity].matrix, queries)
                    cell = measure_cell(study, queries, method, conditions, job.settings)
                    write_cell(job.root, identity, cell)
                    found.computed += 1
                else:
                    found.kept += 1
                found.measured[key] = cell
            except InputError as error:
                found.failed[key] = _reason(error)
            progress(1)


def wanted_cells(
    entity: str, labels: Labelled, model: str | None, given: Mapping[str, str]
) -> list[tuple[str, Conditions]]:
    """(method's spec, conditions) of everything to run on an entity: what the paper has of this model; beside it, where the
    paper has nothing, plain similarity and CLAY on each condition and each pair of conditions of the demonstration data."""
    wanted = []
    for cell in paper_cells():
        spec = given.get(cell.row, cell.method)
        if spec is None or not (
            cell.model == model or (cell.row in given and reencodes(parse_spec(spec).name))
        ):
            continue
        wanted += [(spec, conditions) for name, conditions in cell.parts if name == entity]
    known = {name for cell in paper_cells() for name, _ in cell.parts}
    if model is None or entity not in known:
        largest = 1 if entity in known else 2
        sets = condition_sets(labels.labels, largest) if labels.labels else [()]
        wanted += [(spec, conditions) for spec in ("raw", clay()) for conditions in sets]
    return list(dict.fromkeys(wanted))


def _study(job: Job, labels: Labelled, features: FloatArray, queries: tuple[GalleryQuery, ...]) -> Study:
    asked = list(dict.fromkeys(query.condition for query in queries)) or list(labels.labels)
    texts = job.texts[labels.entity]
    if lacking := [name for name in asked if name not in texts.conditions]:
        raise InputError(f"no texts for the conditions {', '.join(lacking)}", hint="--texts FILE")
    encoded = condition_features(texts, asked, labels.parents, job.feature_source)
    return Study(features, encoded, extras(job.feature_source, {}), labelled=labels, encoder=job.label)


def _identity(
    job: Job, entity: str, method: Method, conditions: Conditions, queries: tuple[GalleryQuery, ...]
) -> dict[str, Any]:
    asked = [[q.query, q.condition, list(q.gallery), sorted(q.targets)] for q in queries]
    return {
        "entity": entity,
        "conditions": list(conditions),
        "method": method.name,
        "method_identity": dict(method.identity),
        "data": job.source.fingerprint,
        "texts": job.texts[entity].fingerprint,
        "queries": fingerprint(asked) if asked else None,
        "encoder": dict(job.feature_source.identity),
        "settings": settings_record(job.settings),
    }


def settings_record(settings: Settings) -> dict[str, Any]:
    """The protocol, as it stands in records."""
    return {
        "measures": [str(measure) for measure in settings.measures],
        "ties": settings.ties,
        "split": settings.split,
        "query_share": settings.query_share,
        "seeds": list(settings.seeds),
        "draws": DRAWS,
        "confidence": CONFIDENCE,
    }


def _reason(error: InputError) -> str:
    return error.what + (f" ({error.hint})" if error.hint else "")


@dataclass(frozen=True)
class Line:
    """A line of the results: a cell of the paper, a number of ours, or both."""

    table: str
    row: str
    column: str
    status: str
    why: str = ""
    encoder: str = ""
    method: str = ""
    measure: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    queries: int | None = None
    paper: float | None = None

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's, where the two are about the same."""
        return (
            self.value - self.paper
            if self.status == COMPARED and self.value is not None and self.paper
            else None
        )

    @property
    def inside(self) -> bool | None:
        """Whether the paper's number, as rounded there, lies within our interval."""
        if self.difference is None or self.low is None or self.high is None or self.paper is None:
            return None
        return self.low - 0.0005 <= self.paper <= self.high + 0.0005
