"""The evaluation stage: labelled pictures and their features in, a report folder out.

report/report.json        everything, sealed (schema: report)
report/per_query.csv      every measure of every query
report/neighbours.json    what queries find first
report/report.html, report.md, queries.html, thumbnails/, pictures/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.files import locked, remove_file, remove_leftovers, write_sealed
from clay_eval.schemas.fingerprint import sealed

from ..methods.support.protocol import RIVAL
from ..pictures.labelled import Labelled
from ..pictures.notes import notes_of
from ..pictures.sources import ClayShards
from ..report.beside import NEIGHBOURS, SHEETS, THUMBNAILS
from ..report.build import Contents, build_report, clipped
from ..report.pages import remove_pages, write_pages
from ..report.summary import PAGES
from ..retrieval.condition_sets import entity_named
from ..retrieval.engine import score_methods, seeded_splits
from ..retrieval.per_query import PER_QUERY, write_per_query
from ..retrieval.results import Compared, Failure, Outcome, Result
from ..retrieval.splits import combination_codes
from ..retrieval.vectors import FeatureSource
from ..statistics.scoreboard import comparisons_of, results_of
from ..vectors.arrays import FloatArray
from .gallery import (
    PICTURED_SETS,
    Gallery,
    Showing,
    counted_entity,
    drawn_maps,
    show_entity,
    write_pictures,
    write_queries,
)
from .inputs import described_entity, methods_record
from .judged import judged_by_itself
from .prepared import REPORT, TITLE, Evaluation, study_of
from .warnings import Facts, report_warnings


def evaluate_source(
    evaluation: Evaluation,
    feature_source: FeatureSource,
    folder: Path,
    *,
    recorded: Callable[[], Mapping[str, Any]] = dict,
    replace: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    backend: str = "numpy",
    showing: Showing = Showing(),
) -> dict[str, Any]:
    """Score what `prepare` found on the vectors of `feature_source`, write the report to `folder` and return its record.

    recorded: makes what the report keeps without its being part of the report's identity. A report of the same inputs and
    settings is kept and its pages are written again; one of others raises ConfigChangedError unless `replace`.
    `progress` is called with 1 for every outcome or failure. backend: as `retrieval_scores` takes it. Without pages
    there is report.json and the per-query file only; a report that has none is scored again where pages are wanted.
    """
    with locked(folder):
        for place in (folder, folder / THUMBNAILS):
            remove_leftovers(place)
        before = None if replace else evaluation.finished(folder, feature_source.identity)
        if before is not None and not showing.pages:
            return before
        if before is not None and before["recorded"].get(PAGES, True):
            write_pages(before, folder)
            return before
        report = sealed(_score(evaluation, feature_source, folder, recorded, progress, backend, showing))
        write_sealed(folder / REPORT, report)
        if showing.pages:
            write_pages(report, folder)
        else:
            remove_pages(folder)
        _remove_strays(folder, report)
        return report


@dataclass
class _Gathered:
    """What was found so far, over all entities."""

    outcomes: list[Outcome]
    failures: list[Failure]
    results: list[Result]
    comparisons: list[Compared]
    entities: dict[str, Any]
    galleries: dict[str, Gallery]
    faults: list[InputError]


def _score(
    evaluation: Evaluation,
    feature_source: FeatureSource,
    folder: Path,
    recorded: Callable[[], Mapping[str, Any]],
    progress: Callable[[int], None],
    backend: str,
    showing: Showing,
) -> dict[str, Any]:
    """The report's record; of the folder, thumbnails and the per-query file are written."""
    source = evaluation.source
    features = feature_source.images(source)
    found = _Gathered([], [], [], [], {}, {}, [])
    for name, labels in evaluation.entities.items():
        try:
            with entity_named(name):
                _score_entity(
                    evaluation,
                    feature_source,
                    labels,
                    features[name].matrix,
                    found,
                    progress,
                    backend,
                    showing,
                )
        except InputError as error:
            found.faults.append(error)
            found.failures += [
                Failure(name, method.name, conditions, str(error))
                for conditions in evaluation.sets[name]
                for method in evaluation.methods
            ]
    if found.faults and not any(outcome.groups for outcome in found.outcomes):
        raise found.faults[0]
    keys = {name: labels.keys for name, labels in evaluation.entities.items()}
    judge = source.judge if isinstance(source, ClayShards) else None
    contents = Contents(
        title=TITLE,
        **evaluation.identity(feature_source.identity),
        entities=found.entities,
        results=found.results,
        comparisons=[one.row() for one in found.comparisons],
        failures=[
            {"entity": f.entity, "method": f.method, "conditions": f.conditions, "error": clipped(f.error)}
            for f in found.failures
        ],
        methods=methods_record(evaluation.methods, found.outcomes),
        per_query=write_per_query(folder / PER_QUERY, found.outcomes, keys, evaluation.settings.measures),
        retrievals=[item for gallery in found.galleries.values() for item in gallery.retrievals],
        maps=drawn_maps(found.galleries.values(), folder) if showing.pages else [],
        warnings=[
            *notes_of(source),
            *notes_of(feature_source),
            *evaluation.notes,
            *(
                f"{name}: retrievals are shown of the first {PICTURED_SETS} of {len(sets)} sets of conditions"
                for name, sets in evaluation.sets.items()
                if len(sets) > PICTURED_SETS and showing.pages
            ),
            *judged_by_itself(judge, feature_source.identity),
            *report_warnings(_facts(evaluation, found)),
            *(warning for outcome in found.outcomes for warning in outcome.warnings),
        ],
        thumbnails=write_pictures(source, found.galleries, folder),
        neighbours=write_queries(source, found.galleries, folder, evaluation.settings.measures[0])
        if showing.pages
        else None,
        recorded={**recorded(), "backend": backend, **({} if showing.pages else {PAGES: False})},
    )
    return build_report(contents)


def _facts(evaluation: Evaluation, found: _Gathered) -> Facts:
    """What the rules of the report's warnings look at."""
    settings, methods = evaluation.settings, list(evaluation.methods)
    return Facts(
        measure=settings.measures[0],
        rivals=[m.name for m in methods if m.role == RIVAL],
        reference=settings.compared_with(methods),
        results=found.results,
        comparisons=found.comparisons,
        failures=found.failures,
        outcomes=found.outcomes,
        relevant={name: gallery.relevant for name, gallery in found.galleries.items()},
        text_shares={name: gallery.text_shares for name, gallery in found.galleries.items()},
        text_directions={name: gallery.text_directions for name, gallery in found.galleries.items()},
        seeds=len(settings.seeds),
        split=settings.split,
        resample=settings.resample,
    )


def _score_entity(
    evaluation: Evaluation,
    feature_source: FeatureSource,
    labels: Labelled,
    features: FloatArray,
    found: _Gathered,
    progress: Callable[[int], None],
    backend: str,
    showing: Showing,
) -> None:
    settings, name = evaluation.settings, labels.entity
    engine = settings.engine(backend)
    splits = seeded_splits(labels, engine, evaluation.given.get(name))
    seed, first = next(iter(splits.items()))
    found.entities[name] = described_entity(labels, splits, evaluation.plan)
    study = study_of(evaluation, labels, features, feature_source)
    methods = [method.of_entity(name) for method in evaluation.methods]
    clusters, inference = combination_codes(labels), settings.inference()
    measure, reference = settings.measures[0], settings.compared_with(methods)

    def done(outcome: Outcome | Failure) -> None:
        progress(1)
        if isinstance(outcome, Outcome):
            for result in results_of([outcome], [measure], inference, clusters):
                showing.told(result)

    outcomes, failures, faults = score_methods(study, methods, engine, evaluation.sets[name], done)
    found.results += results_of(outcomes, settings.measures, inference, clusters)
    if reference is not None:
        found.comparisons += comparisons_of(outcomes, reference, measure, inference, clusters)
    study = replace(study, split=first)
    found.galleries[name] = (
        show_entity(
            study, seed, methods, outcomes, measure, reference=reference, fit_images=settings.fit_images
        )
        if showing.pages
        else counted_entity(study, outcomes)
    )
    found.outcomes += outcomes
    found.failures += failures
    found.faults += faults


def _remove_strays(folder: Path, report: Mapping[str, Any]) -> None:
    """Delete thumbnails of a report that was replaced, and all neighbours where there are none now."""
    if "neighbours" not in report:
        for stray in (folder / NEIGHBOURS, *(folder / SHEETS).glob("*.jpg")):
            remove_file(stray)
    wanted = {folder / path for path in report["thumbnails"].values()}
    for path in (folder / THUMBNAILS).glob("*.jpg"):
        if path not in wanted:
            path.unlink(missing_ok=True)
