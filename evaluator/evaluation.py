"""The evaluation stage: labelled pictures and their features in, a report folder out.

report/report.json        everything, sealed (schema: report)
report/per_query.csv      average precision of every query
report/report.html, report.md, thumbnails/
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.files import locked, refuse_changes, remove_leftovers, write_sealed, write_text
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.texts import ConditionTexts
from clay_eval.schemas.validate import parse_json, read_sealed, read_text

from .condition_texts import require_several_texts, texts_by_entity
from .encoders import Encoder
from .engine import Settings, TextFeatures, evaluate_features, plan_tasks
from .features import FeatureStore
from .methods import BUILT_IN, MethodFactory, describe, method_names, resolve_method
from .methods.guard import guarded, plug_in_errors
from .metrics import Ties
from .protocol import Labelled, split_queries
from .report.build import build_report, entity_record
from .report.gallery import Gallery, show_entity, write_pictures
from .report.judged import judged_by_itself
from .report.pages import write_pages
from .report.thumbnails import FOLDER as THUMBNAILS
from .results import Result
from .sources import ClayShards, ImageFolder, ImageSource, Labels
from .ties import Formula

REPORT = "report.json"
PER_QUERY = "per_query.csv"
_COMPONENTS = ("clay",)


@dataclass(frozen=True)
class EvaluationSettings:
    """What decides the numbers, beside the data, the texts and the encoder.

    methods: names as `resolve_method` takes them. n_components: CLAY's k. template: makes texts of label values where no
    texts are given.
    """

    methods: tuple[str, ...] = ("raw", "clay", "ip-composer")
    n_components: int = 50
    seed: int = 0
    query_share: float = 0.1
    formula: Formula = "standard"
    ties: Ties = "expected"
    bootstrap_draws: int = 1000
    confidence: float = 0.95
    template: str = "a photo of {c}"

    def engine(self) -> Settings:
        """The part that the engine needs."""
        return Settings(
            self.seed, self.query_share, self.formula, self.ties, self.bootstrap_draws, self.confidence
        )

    def factories(self) -> dict[str, MethodFactory]:
        """Method name -> factory; CLAY gets `n_components`, the others their own defaults."""
        factories = {}
        for name in dict.fromkeys(self.methods):
            options = {"n_components": self.n_components} if name in _COMPONENTS else {}
            with plug_in_errors(name, "when it was imported"):
                factory = resolve_method(name, **options)[1]
            factories[name] = factory if name in BUILT_IN else guarded(name, factory)
        return factories


@dataclass(frozen=True)
class Evaluation:
    """What is to be scored: checked as far as it can be before a picture is embedded. Made by `prepare`.

    plan: a run's plan folder, for titles and coverage. results: how many results there will be.
    """

    source: ImageSource
    settings: EvaluationSettings
    factories: Mapping[str, MethodFactory]
    texts: Mapping[str, ConditionTexts]
    plan: Path | None
    results: int

    def identity(self, encoder: Mapping[str, Any]) -> dict[str, Any]:
        """The `inputs` and `settings` of a report on features of the encoder of this identity."""
        options = {**asdict(self.settings), "methods": list(self.factories)}
        return {"inputs": _inputs(self.source, encoder, self.texts), "settings": options}

    def finished(self, folder: Path, encoder: Mapping[str, Any]) -> dict[str, Any] | None:
        """The record in `folder`, if it is of the same inputs and settings; None if there is none.

        Raises ConfigChangedError, with what differs, for a report of others.
        """
        if not (folder / REPORT).exists():
            return None
        before = read_report(folder)
        now = self.identity(encoder)
        hint = "use the same options, choose another --out, or let clay-eval evaluate --replace this report"
        refuse_changes(folder, {name: before[name] for name in now}, now, hint)
        return before


def prepare(
    source: ImageSource,
    settings: EvaluationSettings,
    *,
    texts: Sequence[Path] = (),
    plan: Path | None = None,
) -> Evaluation:
    """Find methods and texts, and check that there is something to retrieve.

    texts: files of condition texts; plan: a run's plan folder, for its texts and coverage. Raises InputError, among others,
    for methods that cannot be found, conditions with less than two texts, and queries without any relevant image.
    """
    factories = settings.factories()
    chosen = texts_by_entity(source.entities, texts, plan, settings.template)
    results = 0
    for name, labels in source.entities.items():
        with _entity_named(name):
            labelled = Labelled(labels.keys, labels.labels, labels.parents)
            tasks = plan_tasks(labelled, settings.engine())
            if set(factories) != {"raw"}:
                require_several_texts(chosen[name], labels, tasks)
            results += len(tasks) * len(factories)
    return Evaluation(source, settings, factories, chosen, plan, results)


def evaluate_source(
    evaluation: Evaluation,
    encoder: Encoder,
    store: FeatureStore,
    folder: Path,
    *,
    recorded: Callable[[], Mapping[str, Any]] = dict,
    replace: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Score what `prepare` found on the features in `store`, write the report to `folder` and return its record.

    recorded: makes what the report keeps without its being part of the report's identity. A report of the same inputs and
    settings is kept and its pages are written again; one of others raises ConfigChangedError unless `replace`.
    `progress` is called with 1 for every result.
    """
    with locked(folder):
        for place in (folder, folder / THUMBNAILS):
            remove_leftovers(place)
        before = None if replace else evaluation.finished(folder, encoder.identity)
        if before is not None:
            write_pages(before, folder)
            return before
        report, per_query = _score(evaluation, encoder, store, folder, recorded, progress)
        write_text(folder / PER_QUERY, per_query)
        write_sealed(folder / REPORT, report)
        report = read_report(folder)
        write_pages(report, folder)
        _remove_strays(folder, report)
        return report


def _score(
    evaluation: Evaluation,
    encoder: Encoder,
    store: FeatureStore,
    folder: Path,
    recorded: Callable[[], Mapping[str, Any]],
    progress: Callable[[int], None],
) -> tuple[dict[str, Any], str]:
    """The report's record and the content of the per-query file; of the folder only thumbnails are written."""
    source, settings, plan = evaluation.source, evaluation.settings, evaluation.plan
    features = store.load(source, encoder.identity)
    results: list[Result] = []
    galleries: dict[str, Gallery] = {}
    entities: dict[str, Any] = {}
    coverage = _coverage(plan)
    for name, labels in source.entities.items():
        labelled = Labelled(labels.keys, labels.labels, labels.parents)
        encoded = encode_texts(evaluation.texts[name], labels, store, encoder)
        is_query = split_queries(labels.keys, settings.seed, settings.query_share)
        with _entity_named(name):
            found = evaluate_features(
                features[name].matrix,
                labelled,
                encoded,
                evaluation.factories,
                entity=name,
                encoder=str(encoder.identity["name"]),
                settings=settings.engine(),
                is_query=is_query,
                on_result=lambda _: progress(1),
            )
            results += found
            galleries[name] = show_entity(
                name,
                labelled,
                is_query,
                features[name].matrix,
                encoded,
                evaluation.factories,
                found,
                settings.seed,
            )
        queries = [key for key, query in zip(labels.keys, is_query, strict=True) if query]
        entities[name] = entity_record(
            _title(plan, name),
            labels.labels,
            queries,
            parents=labels.parents,
            coverage=coverage.get(name),
        )
    per_query, rows = _per_query(results)
    report = build_report(
        title="Conditional image similarity",
        **evaluation.identity(encoder.identity),
        entities=entities,
        results=results,
        methods=_methods(evaluation.factories, results),
        per_query={
            "file": PER_QUERY,
            "sha256": hashlib.sha256(per_query.encode()).hexdigest(),
            "rows": rows,
        },
        retrievals=[item for gallery in galleries.values() for item in gallery.retrievals],
        maps=[item for gallery in galleries.values() for item in gallery.maps],
        warnings=[
            *judged_by_itself(source.judge if isinstance(source, ClayShards) else None, encoder.identity),
            *(warning for result in results for warning in result.warnings),
        ],
        thumbnails=write_pictures(source, galleries, folder),
        recorded=recorded(),
    )
    return report, per_query


@contextmanager
def _entity_named(entity: str) -> Iterator[None]:
    """Say in an InputError which entity it is about."""
    try:
        yield
    except InputError as error:
        where = entity if error.where is None else f"{entity}: {error.where}"
        raise InputError(
            error.what, where=where, expected=error.expected, found=error.found, hint=error.hint
        ) from error


def _remove_strays(folder: Path, report: Mapping[str, Any]) -> None:
    """Delete thumbnails of a report that was replaced."""
    wanted = {folder / path for path in report["thumbnails"].values()}
    for path in (folder / THUMBNAILS).glob("*.jpg"):
        if path not in wanted:
            path.unlink(missing_ok=True)


def encode_texts(
    texts: ConditionTexts, labels: Labels, store: FeatureStore, encoder: Encoder
) -> dict[str, TextFeatures]:
    """Condition -> encoded texts with the parents' values, for the conditions of `labels`."""
    encoded = {}
    for condition in labels.labels:
        items = texts.condition(condition)
        features = store.text_features([item.text for item in items], encoder)
        parents = [item.parent for item in items] if condition in labels.parents else None
        encoded[condition] = TextFeatures(features, parents)
    return encoded


def read_report(folder: Path) -> dict[str, Any]:
    """report.json of `folder`, with the per-query file checked; raises InputError or IntegrityError."""
    report = read_sealed(folder / REPORT, "report")
    path = folder / report["per_query"]["file"]
    if path.parent != folder or not path.is_file() or file_sha256(path) != report["per_query"]["sha256"]:
        raise IntegrityError(
            "the per-query results are missing or were changed",
            where=path,
            hint="evaluate again with --replace",
        )
    return report


def _inputs(
    source: ImageSource, encoder: Mapping[str, Any], texts: Mapping[str, ConditionTexts]
) -> dict[str, Any]:
    ours = source if isinstance(source, ClayShards) else None
    kind = "shards" if ours else "folder" if isinstance(source, ImageFolder) else "webdataset"
    return {
        "data": {
            "kind": kind,
            "fingerprint": source.fingerprint,
            "renderer": ours.renderer if ours else None,
        },
        "plan": ours.plan if ours else None,
        "specs": {name: ours.specs[name] for name in ours.entities} if ours else {},
        "texts": {
            name: {
                "fingerprint": item.fingerprint,
                "origin": dict(item.record["origin"]),
                "conditions": {
                    condition: {
                        "texts": len(item.conditions[condition]),
                        "values": len({text.value for text in item.conditions[condition]}),
                    }
                    for condition in source.entities[name].labels
                },
            }
            for name, item in texts.items()
        },
        "encoder": dict(encoder),
    }


def _methods(factories: Mapping[str, MethodFactory], results: Sequence[Result]) -> dict[str, Any]:
    names = method_names()
    described = {}
    for name, factory in factories.items():
        fitted = [
            {
                "entity": result.entity,
                "conditions": list(result.conditions),
                "group": group.name,
                "n_components": None,
                **{key.rstrip("_"): value for key, value in group.method.items() if key.endswith("_")},
            }
            for result in results
            if result.method == name
            for group in result.groups
        ]
        parameters = {k: v for k, v in describe(factory()).items() if not k.endswith("_")}
        described[name] = {
            "title": name,
            "target": names.get(name, name),
            "parameters": parameters,
            "fitted": fitted,
        }
    return described


def _per_query(results: Sequence[Result]) -> tuple[str, int]:
    """The per-query file's content, and its number of rows without the header."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["entity", "method", "encoder", "conditions", "group", "query", "average_precision"])
    rows = 0
    for result in results:
        for score in result.per_query:
            value = "" if score.average_precision is None else repr(score.average_precision)
            conditions = "+".join(result.conditions)
            writer.writerow(
                [
                    result.entity,
                    result.method,
                    result.encoder,
                    conditions,
                    score.group or "",
                    score.key,
                    value,
                ]
            )
            rows += 1
    return stream.getvalue(), rows


def _coverage(plan: Path | None) -> dict[str, Any]:
    path = None if plan is None else plan / "coverage.json"
    if path is None or not path.is_file():
        return {}
    record: dict[str, Any] = parse_json(read_text(path), path)
    return record


def _title(plan: Path | None, entity: str) -> str:
    path = None if plan is None else plan / "specs" / f"{entity}.json"
    if path is None or not path.is_file():
        return entity
    return str(parse_json(read_text(path), path).get("title", entity))
