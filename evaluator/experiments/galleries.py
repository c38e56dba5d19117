"""Galleries as an experiment: every method on every condition, and over all queries, with intervals and chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.texts import ConditionTexts

from ..evaluation.condition_texts import texts_by_entity
from ..evaluation.inputs import inputs_record
from ..evaluation.warnings import FEW_QUERIES
from ..methods.support.specs import Method, prepare_methods, uses_texts
from ..pictures.gallery_queries import GalleryQuery, read_galleries
from ..pictures.labelled import ImageSource, Labelled
from ..pictures.notes import notes_of
from ..report.findings import Column, Drawing, Findings, Table
from ..retrieval.condition_sets import only_entity
from ..retrieval.galleries import GalleryScores, score_galleries
from ..retrieval.study import Study
from ..retrieval.vectors import FeatureSource, condition_features, extras, needed_texts
from ..scoring.measures import parse_measures
from ..statistics.intervals import SHARES, mean_interval
from ..vectors.arrays import Float64Array
from .plots import percent_axis, short, styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT_METHODS = ("raw", "ip-composer", "text-pca", "clay", "clay-values")
DEFAULT_MEASURES = ("Hit@1", "Hit@2", "Hit@3")
ALL = "all conditions"
_COLUMNS = (
    Column("method", "method"),
    Column("condition", "condition"),
    Column("measure", "measure"),
    Column("value", "mean %", "percent"),
    Column("ci_low", "low %", "percent"),
    Column("ci_high", "high %", "percent"),
    Column("chance", "chance %", "percent"),
    Column("queries", "queries", "count"),
)
CAPTION = (
    "Each query has a gallery of its own. Methods are fitted once a condition, on all pictures that stand in a gallery "
    "of that condition. Equal scores go against a method. Intervals are 95 %, over queries."
)


@dataclass(frozen=True)
class GallerySettings:
    """What decides the numbers, beside the data, the texts and the encoder."""

    file: Path
    methods: tuple[str, ...]
    measures: tuple[str, ...]
    template: str

    def record(self) -> dict[str, Any]:
        """As it stands in the experiment's record."""
        return {
            "galleries_sha256": file_sha256(self.file),
            "methods": [method.name for method in prepare_methods(self.methods)],
            "measures": list(self.measures),
            "template": self.template,
            "ties": "pessimistic",
        }

    def prepare(self, source: ImageSource, texts: Sequence[Path], plan: Path | None) -> PreparedGalleries:
        """Read and check all but the vectors; raises InputError for more than one entity, among others."""
        name, queries = read_galleries(self.file)
        only_entity(source.entities, "galleries are", "--entity")
        chosen = texts_by_entity(source.entities, texts, plan, self.template)
        return PreparedGalleries(self, name, queries, source, chosen, prepare_methods(self.methods))


@dataclass(frozen=True, eq=False)
class PreparedGalleries:
    """Galleries with the data they are about."""

    settings: GallerySettings
    name: str
    queries: Sequence[GalleryQuery]
    source: ImageSource
    texts: Mapping[str, ConditionTexts]
    methods: Sequence[Method]

    @property
    def labels(self) -> Labelled:
        """The pictures and what labels they have."""
        (labels,) = self.source.entities.values()
        return labels

    @property
    def asked(self) -> list[str]:
        """The conditions that are asked for, labelled or not."""
        return list(dict.fromkeys(query.condition for query in self.queries))

    def needed_texts(self) -> list[str]:
        """All texts that methods may ask for."""
        return needed_texts(self.texts, {self.labels.entity: self.asked}, self.methods)

    def inputs(self, encoder: Mapping[str, Any]) -> dict[str, Any]:
        """The identities of data, texts and encoder."""
        return inputs_record(self.source, encoder, self.texts)


def gallery_settings(
    file: Path, methods: Sequence[str] | None, measures: Sequence[str] | None, template: str
) -> GallerySettings:
    """Settings with their defaults; raises InputError for measures and methods that are unknown."""
    wanted = tuple(measures or DEFAULT_MEASURES)
    parse_measures(wanted)
    return GallerySettings(file, tuple(methods or DEFAULT_METHODS), wanted, template)


def gallery_findings(prepared: PreparedGalleries, feature_source: FeatureSource) -> Findings:
    """Score the galleries on the vectors of `feature_source`."""
    labels = prepared.labels
    encoded = (
        condition_features(prepared.texts[labels.entity], prepared.asked, labels.parents, feature_source)
        if uses_texts(prepared.methods)
        else {}
    )
    features = feature_source.images(prepared.source)[labels.entity].matrix
    study = Study(features, encoded, extras(feature_source, {}), labelled=labels)
    measures = parse_measures(prepared.settings.measures)
    scores = score_galleries(study, prepared.queries, prepared.methods, measures)
    numbers = Table("numbers", "Every number", _COLUMNS, _rows(scores, prepared.settings.measures))
    first = prepared.settings.measures[0]
    shown = tuple(row for row in numbers.rows if row[1] == ALL)
    drawing = Drawing(
        "galleries",
        f"{prepared.name}: {first}",
        f"{first} of each method over all {len(prepared.queries)} queries, with 95 % intervals and chance. "
        + " ".join(f"{row[0]}: {100 * float(row[3] or 0):.1f} %." for row in shown if row[2] == first),
        partial(_bars, rows=[row for row in shown if row[2] == first], measure=first),
    )
    return Findings(
        title=f"Galleries: {prepared.name}",
        caption=CAPTION,
        numbers=numbers,
        tables=[Table("galleries", "Over all queries", _COLUMNS, shown)],
        drawings=[drawing],
        warnings=(*notes_of(prepared.source), *few_queries(scores)),
    )


def few_queries(scores: Sequence[GalleryScores]) -> list[str]:
    """A warning of the conditions whose queries are too few for their intervals to hold what they say."""
    counts = {one.condition: len(one.queries) for one in scores}
    few = [f"{condition} ({count})" for condition, count in counts.items() if count < FEW_QUERIES]
    if not few:
        return []
    return [
        f"fewer than {FEW_QUERIES} queries for {', '.join(few)}: intervals are wide, and near 0 or 100 % still too narrow"
    ]


def _rows(scores: Sequence[GalleryScores], measures: Sequence[str]) -> tuple[tuple[Any, ...], ...]:
    rows = []
    for method in dict.fromkeys(one.method for one in scores):
        mine = [one for one in scores if one.method == method]
        for measure in measures:
            parts = {one.condition: (one.values[measure], one.chances[measure]) for one in mine}
            values, chances = (np.concatenate(side) for side in zip(*parts.values(), strict=True))
            parts[ALL] = (values, chances)
            rows += [
                (method, condition, measure, *_interval(found), float(np.mean(chance)), len(found))
                for condition, (found, chance) in parts.items()
            ]
    return tuple(rows)


def _interval(values: Float64Array) -> tuple[float, float, float]:
    return float(np.mean(values)), *mean_interval([values], bounds=SHARES)


def _bars(figure: Figure, rows: Sequence[tuple[Any, ...]], measure: str) -> None:
    axes = figure.subplots()
    look = styles([str(row[0]) for row in rows])
    for place, (method, _, _, value, low, high, chance, _) in enumerate(reversed(rows)):
        axes.errorbar(
            value,
            place,
            xerr=[[value - low], [high - value]],
            fmt=look[method]["marker"],
            color=look[method]["color"],
            capsize=3,
        )
        axes.plot([chance, chance], [place - 0.3, place + 0.3], color="#7A7A7A", linestyle=":")
    axes.set_yticks(range(len(rows)), [short(str(row[0])) for row in reversed(rows)])
    percent_axis(axes, f"{measure}; dotted: chance", axis="x")
