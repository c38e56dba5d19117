"""The evaluation stage: labelled pictures and their features in, a report folder out.

report/report.json        everything, sealed (schema: report)
report/per_query.csv      every measure of every query
report/neighbours.json    what queries find first
report/report.html, report.md, queries.html, thumbnails/, pictures/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.files import locked, refuse_changes, remove_file, remove_leftovers, write_sealed
from clay_eval.schemas.fingerprint import file_sha256, sealed
from clay_eval.schemas.texts import ConditionTexts
from clay_eval.schemas.validate import read_sealed

from ..methods.support.protocol import RIVAL
from ..methods.support.specs import Method, uses_texts
from ..pictures.labelled import ImageSource, Labelled
from ..pictures.names import count
from ..pictures.notes import notes_of
from ..pictures.sources import ClayShards
from ..report.beside import NEIGHBOURS, SHEETS, THUMBNAILS
from ..report.build import build_report, check_writable, clipped
from ..report.pages import remove_pages, write_pages
from ..report.summary import PAGES
from ..retrieval.condition_sets import Conditions, askable, bounded_note, entity_named, largest_for
from ..retrieval.engine import plan_tasks, score_methods, seeded_splits
from ..retrieval.per_query import PER_QUERY, write_per_query
from ..retrieval.results import Compared, Failure, Outcome, Result
from ..retrieval.spaces import TextFeatures
from ..retrieval.split_kinds import GIVEN
from ..retrieval.splits import Split, combination_codes, read_split
from ..retrieval.vectors import FeatureSource, condition_features, extras, needed_texts
from ..statistics.scoreboard import comparisons_of, results_of
from .condition_texts import require_several_texts, texts_by_entity
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
from .inputs import described_entity, inputs_record, methods_record
from .judged import judged_by_itself
from .settings import EvaluationSettings
from .warnings import Facts, report_warnings

REPORT = "report.json"
TITLE = "Conditional image similarity"


@dataclass(frozen=True)
class Evaluation:
    """What is to be scored: checked as far as it can be before a picture is embedded. Made by `prepare`.

    plan: a run's plan folder, for titles and coverage. given: entity -> a split from a file. sets: entity -> the sets of
    conditions that are asked; an entity without any is left out. notes: what was left out, and why. `settings` say what
    `largest_set` is for these data.
    """

    source: ImageSource
    settings: EvaluationSettings
    methods: Sequence[Method]
    texts: Mapping[str, ConditionTexts]
    plan: Path | None
    given: Mapping[str, Split]
    sets: Mapping[str, Sequence[Conditions]]
    notes: Sequence[str] = ()

    @property
    def entities(self) -> dict[str, Labelled]:
        """Labels of the entities that are scored."""
        return {name: labels for name, labels in self.source.entities.items() if name in self.sets}

    @property
    def results(self) -> int:
        """How many outcomes there will be."""
        return sum(map(len, self.sets.values())) * len(self.methods)

    @property
    def size(self) -> str:
        """How much there is to do, in words."""
        sets = sum(map(len, self.sets.values()))
        parts = [count(sets, "set"), count(len(self.methods), "method"), count(self.results, "result")]
        return "{} of conditions x {} = {}".format(*parts)

    def identity(self, encoder: Mapping[str, Any]) -> dict[str, Any]:
        """The `inputs` and `settings` of a report on features of the encoder of this identity."""
        return {
            "inputs": inputs_record(self.source, encoder, self.texts),
            "settings": self.settings.record(list(self.methods)),
        }

    def needed_texts(self) -> list[str]:
        """All texts that methods may ask for, as `vectors.needed_texts`."""
        conditions = {name: labels.labels for name, labels in self.entities.items()}
        return needed_texts(self.texts, conditions, self.methods)

    def finished(self, folder: Path, encoder: Mapping[str, Any]) -> dict[str, Any] | None:
        """The record in `folder`, if it is of the same inputs and settings; None if there is none, or methods failed in it.

        Raises ConfigChangedError, with what differs, for a report of others.
        """
        if not (folder / REPORT).exists():
            return None
        before = read_report(folder)
        now = self.identity(encoder)
        if "interval" not in before["settings"]:
            # Begun when intervals were percentiles: it is kept as it is, and only what is scored anew has others.
            del now["settings"]["interval"]
        hint = "use the same options, choose another --out, or let clay-eval evaluate --replace this report"
        refuse_changes(folder, {name: before[name] for name in now}, now, hint)
        return None if before["failures"] else before


def prepare(
    source: ImageSource,
    settings: EvaluationSettings,
    *,
    texts: Sequence[Path] = (),
    plan: Path | None = None,
    split: Path | None = None,
    methods: Sequence[Method] | None = None,
    chosen: bool = False,
) -> Evaluation:
    """Find methods and texts, settle which sets of conditions are asked, and say what is left out.

    texts: files of condition texts; plan: a run's plan folder, for its texts and coverage; split: a file as
    `read_split` takes it, of the one entity there is; methods: those of `settings`, prepared, where that has been
    done; chosen: the user named the conditions. Conditions and entities that cannot be scored are left out (see
    `askable`). Raises InputError, among others, for methods that cannot be found, too many sets of conditions,
    conditions with less than two texts, and where nothing is left.
    """
    prepared = list(methods) if methods is not None else settings.prepared()
    settings.compared_with(prepared)
    attributes = {name: labels.labels for name, labels in source.entities.items()}
    settings = replace(settings, largest_set=largest_for(attributes, settings.largest_set))
    texts_of = texts_by_entity(source.entities, texts, plan, settings.template)
    known = {condition for labels in source.entities.values() for condition in labels.labels}
    if unknown := sorted(set(settings.weights) - known):
        raise InputError(
            "a weight of an unknown condition", where="--weight", expected=sorted(known), found=unknown
        )
    given = {} if split is None else {_only(source): read_split(split, source.entities[_only(source)])}
    if split is not None:
        settings = replace(settings, split=GIVEN, split_sha256=file_sha256(split))
    engine = settings.engine()
    labelled = source.entities

    def splits(name: str) -> dict[int, Split]:
        return seeded_splits(labelled[name], engine, given.get(name))

    sets, notes = askable(
        labelled, lambda name: list(splits(name).values()), settings.largest_set, chosen=chosen
    )
    for name in sets if uses_texts(prepared) else ():
        with entity_named(name):
            alone = [conditions for conditions in sets[name] if len(conditions) == 1]
            tasks = plan_tasks(labelled[name], next(iter(splits(name).values())), alone)
            require_several_texts(texts_of[name], source.entities[name], tasks)
    check_writable(
        TITLE,
        inputs_record(source, {}, texts_of),
        settings.record(prepared),
        {name: described_entity(source.entities[name], splits(name), plan) for name in sets},
        {method.name: method.target for method in prepared},
    )
    if (bounded := bounded_note(attributes, settings.largest_set or 0)) is not None:
        notes.insert(0, bounded)
    return Evaluation(source, settings, prepared, texts_of, plan, given, sets, notes)


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
    return build_report(
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
    matrix: Any,
    found: _Gathered,
    progress: Callable[[int], None],
    backend: str,
    showing: Showing,
) -> None:
    settings, name = evaluation.settings, labels.entity
    engine = settings.engine(backend)
    given = evaluation.given.get(name)
    splits = seeded_splits(labels, engine, given)
    seed, first = next(iter(splits.items()))
    found.entities[name] = described_entity(labels, splits, evaluation.plan)
    texts = encoded_texts(evaluation, labels, feature_source)
    asked = extras(feature_source, settings.weights)
    methods = [method.of_entity(name) for method in evaluation.methods]
    clusters, inference = combination_codes(labels), settings.inference()
    measure, reference = settings.measures[0], settings.compared_with(methods)

    def done(outcome: Outcome | Failure) -> None:
        progress(1)
        if isinstance(outcome, Outcome):
            for result in results_of([outcome], [measure], inference, clusters):
                showing.told(result)

    outcomes, failures, faults = score_methods(
        matrix,
        labels,
        texts,
        methods,
        entity=name,
        encoder=str(feature_source.identity["name"]),
        settings=engine,
        conditions=evaluation.sets[name],
        split=given,
        extras=asked,
        on_outcome=done,
    )
    found.results += results_of(outcomes, settings.measures, inference, clusters)
    if reference is not None:
        found.comparisons += comparisons_of(outcomes, reference, measure, inference, clusters)
    if showing.pages:
        found.galleries[name] = show_entity(
            name,
            labels,
            first,
            seed,
            matrix,
            texts,
            methods,
            outcomes,
            measure,
            asked,
            reference=reference,
            fit_images=settings.fit_images,
        )
    else:
        found.galleries[name] = counted_entity(labels, first, texts, outcomes)
    found.outcomes += outcomes
    found.failures += failures
    found.faults += faults


def encoded_texts(
    evaluation: Evaluation, labels: Labelled, feature_source: FeatureSource
) -> dict[str, TextFeatures]:
    """Condition -> the encoded texts of an entity, as far as methods use any."""
    if not uses_texts(evaluation.methods):
        return {}
    return condition_features(evaluation.texts[labels.entity], labels.labels, labels.parents, feature_source)


def _only(source: ImageSource) -> str:
    if len(source.entities) != 1:
        raise InputError(
            "a split file is of one entity",
            where="--split-file",
            expected="one entity",
            found=sorted(source.entities),
            hint="choose one with --entity",
        )
    return next(iter(source.entities))


def _remove_strays(folder: Path, report: Mapping[str, Any]) -> None:
    """Delete thumbnails of a report that was replaced, and all neighbours where there are none now."""
    if "neighbours" not in report:
        for stray in (folder / NEIGHBOURS, *(folder / SHEETS).glob("*.jpg")):
            remove_file(stray)
    wanted = {folder / path for path in report["thumbnails"].values()}
    for path in (folder / THUMBNAILS).glob("*.jpg"):
        if path not in wanted:
            path.unlink(missing_ok=True)


def read_report(folder: Path) -> dict[str, Any]:
    """report.json of `folder`, with the files beside it checked; raises InputError or IntegrityError."""
    report = read_sealed(folder / REPORT, "report")
    for part, what in (
        ("per_query", "the per-query results"),
        ("neighbours", "the neighbours of the queries"),
    ):
        if part not in report:
            continue
        path = folder / report[part]["file"]
        if path.parent != folder or not path.is_file() or file_sha256(path) != report[part]["sha256"]:
            raise IntegrityError(
                f"{what} are missing or were changed", where=path, hint="evaluate again with --replace"
            )
    return report
