"""The evaluation stage: labelled pictures and their features in, a report folder out.

report/report.json        everything, sealed (schema: report)
report/per_query.csv      average precision of every query
report/report.html, report.md, thumbnails/
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import IntegrityError
from clay_eval.schemas.files import locked, refuse_changes, remove_leftovers, write_sealed, write_text
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.texts import ConditionTexts
from clay_eval.schemas.validate import parse_json, read_sealed, read_text

from .condition_texts import texts_by_entity
from .encoders import Encoder
from .engine import Settings, TextFeatures, evaluate_features
from .features import FeatureStore
from .methods import MethodFactory, describe, method_names, resolve_method
from .metrics import Formula, Ties
from .protocol import Labelled, split_queries
from .report.build import build_report, entity_record
from .report.gallery import Gallery, show_entity, write_pictures
from .report.pages import write_pages
from .results import Result
from .sources import ClayShards, ImageFolder, ImageSource, Labels

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
        return {
            name: resolve_method(
                name, **({"n_components": self.n_components} if name in _COMPONENTS else {})
            )[1]
            for name in dict.fromkeys(self.methods)
        }


def evaluate_source(
    source: ImageSource,
    encoder: Encoder,
    store: FeatureStore,
    folder: Path,
    settings: EvaluationSettings,
    *,
    texts: Sequence[Path] = (),
    plan: Path | None = None,
    recorded: Mapping[str, Any] | None = None,
    replace: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Evaluate `source` on the features in `store` and write the report to `folder`; return its record.

    texts: files of condition texts; plan: a run's plan folder, for its texts and coverage; recorded: what is kept in the
    report without being part of its identity. A report of the same inputs and settings is kept and its pages are written
    again; one of others raises ConfigChangedError unless `replace`. `progress` is called with 1 for every result.
    """
    factories = settings.factories()
    chosen = texts_by_entity(source.entities, texts, plan, settings.template)
    inputs = _inputs(source, encoder, chosen)
    options = {**asdict(settings), "methods": list(factories)}
    with locked(folder):
        remove_leftovers(folder)
        if (folder / REPORT).exists() and not replace:
            before = read_report(folder)
            now = {"inputs": inputs, "settings": options}
            refuse_changes(folder, {name: before[name] for name in now}, now)
            write_pages(before, folder)
            return before
        features = store.load(source, encoder.identity)
        results: list[Result] = []
        galleries: dict[str, Gallery] = {}
        entities: dict[str, Any] = {}
        coverage = _coverage(plan)
        for name, labels in source.entities.items():
            labelled = Labelled(labels.keys, labels.labels, labels.parents)
            encoded = encode_texts(chosen[name], labels, store, encoder)
            is_query = split_queries(labels.keys, settings.seed, settings.query_share)
            found = evaluate_features(
                features[name].matrix,
                labelled,
                encoded,
                factories,
                entity=name,
                encoder=str(encoder.identity["name"]),
                settings=settings.engine(),
                is_query=is_query,
                on_result=lambda _: progress(1),
            )
            results += found
            galleries[name] = show_entity(
                name, labelled, is_query, features[name].matrix, encoded, factories, found, settings.seed
            )
            queries = [key for key, query in zip(labels.keys, is_query, strict=True) if query]
            entities[name] = entity_record(
                _title(plan, name),
                labels.labels,
                queries,
                parents=labels.parents,
                coverage=coverage.get(name),
            )
        report = build_report(
            title="Conditional image similarity",
            inputs=inputs,
            settings=options,
            entities=entities,
            results=results,
            methods=_methods(factories, results),
            per_query=_write_per_query(results, folder),
            retrievals=[item for gallery in galleries.values() for item in gallery.retrievals],
            maps=[item for gallery in galleries.values() for item in gallery.maps],
            warnings=[w for result in results for w in result.warnings],
            thumbnails=write_pictures(source, galleries, folder),
            recorded=recorded,
        )
        write_sealed(folder / REPORT, report)
        report = read_report(folder)
        write_pages(report, folder)
        return report


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


def _inputs(source: ImageSource, encoder: Encoder, texts: Mapping[str, ConditionTexts]) -> dict[str, Any]:
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
        "encoder": dict(encoder.identity),
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


def _write_per_query(results: Sequence[Result], folder: Path) -> dict[str, Any]:
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
    write_text(folder / PER_QUERY, stream.getvalue())
    return {"file": PER_QUERY, "sha256": file_sha256(folder / PER_QUERY), "rows": rows}


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
