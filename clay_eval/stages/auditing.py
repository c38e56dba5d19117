"""The stage that audits labelled pictures: which labels, duplicates and strangers a person should look at first."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .folders import Progress, silent, steps
from .inputs import Inputs

if TYPE_CHECKING:
    from clay_eval.evaluator.audit.duplicates import DuplicateGroup
    from clay_eval.evaluator.audit.findings import EntityAudit
    from clay_eval.evaluator.audit.settings import AuditSettings
    from clay_eval.evaluator.experiments.studies import Needs
    from clay_eval.evaluator.pictures.labelled import ImageSource
    from clay_eval.generator.review.ranked import Exhibit, Ranking

FOLDER = "audit"
RECORD = "audit.json"


@dataclass(frozen=True)
class AuditOptions:
    """template: makes texts of values; top: how long each list is, None for 4 %; page: whether one is made."""

    template: str = "a photo of {c}"
    top: int | None = None
    page: bool = True


@dataclass(frozen=True)
class Audited:
    """The record, where it lies, and the page, None for none."""

    record: Mapping[str, Any]
    path: Path
    page: Path | None = field(default=None)


def text_needs(inputs: Inputs, settings: AuditSettings) -> Needs:
    """What texts are encoded for: nothing, where vectors were given and none of texts."""
    from clay_eval.evaluator.experiments.studies import Needs

    methods = settings.prepared()
    return Needs([] if inputs.features is not None and inputs.text_features is None else methods)


def audit_pictures(
    inputs: Inputs,
    settings: AuditSettings,
    options: AuditOptions | None = None,
    progress: Progress = silent,
) -> Audited:
    """Audit the labels of the pictures that `inputs` name; write audit/audit.json and audit/index.html, and change nothing.

    Raises InputError as `audit`, and for pictures without labels.
    """
    from clay_eval.evaluator.audit.findings import audit
    from clay_eval.evaluator.evaluation.condition_texts import texts_by_entity
    from clay_eval.evaluator.evaluation.inputs import inputs_record
    from clay_eval.evaluator.experiments.studies import studies
    from clay_eval.evaluator.pictures.labelled import has_pictures
    from clay_eval.evaluator.pictures.notes import notes_of
    from clay_eval.evaluator.retrieval.condition_sets import entity_named
    from clay_eval.schemas.files import write_sealed
    from clay_eval.schemas.validate import check

    options = options or AuditOptions()
    needs = text_needs(inputs, settings)
    source, folder = inputs.source, inputs.folder.root / FOLDER
    texts = texts_by_entity(source.entities, inputs.texts, inputs.plan, options.template)
    with inputs.feature_source(progress) as feature_source:
        described = inputs_record(source, feature_source.identity, texts)
        found = studies(source, texts, feature_source, {}, needs)
        advance = steps(progress, "audit", sum(len(one.labelled.labels) for one in found))
        audits: dict[str, EntityAudit] = {}
        for one in found:
            with entity_named(one.entity):
                audits[one.entity] = audit(one, settings, advance)
        notes = [*notes_of(source), *notes_of(feature_source)]
    same = _same_files(source, audits) if has_pictures(source) else {}
    record = _record(inputs, described, audits, same, settings, options, notes)
    check(record, "audit", folder / RECORD)
    write_sealed(folder / RECORD, record)
    page = None
    if options.page and has_pictures(source):
        page = _write_page(source, audits, record, folder, options, progress)
    return Audited(record, folder / RECORD, page)


def _record(
    inputs: Inputs,
    described: Mapping[str, Any],
    audits: Mapping[str, EntityAudit],
    same: Mapping[str, Mapping[DuplicateGroup, bool]],
    settings: AuditSettings,
    options: AuditOptions,
    notes: Sequence[str],
) -> dict[str, Any]:
    from clay_eval.evaluator.audit.record import SCHEMA, entity_record, suspects
    from clay_eval.schemas.software import versions

    space, posterior = settings.prepared()
    return {
        "schema": SCHEMA,
        "inputs": dict(described),
        "judge": getattr(inputs.source, "judge", None),
        "settings": {
            **asdict(settings),
            "method": space.name,
            "posterior": posterior.name,
            "top": options.top,
        },
        "suspects": suspects(audits, options.top),
        "entities": {
            name: entity_record(found, same.get(name, {}), options.top) for name, found in audits.items()
        },
        "warnings": list(
            dict.fromkeys(
                [*notes, *(f"{name}: {note}" for name, one in audits.items() for note in one.notes)]
            )
        ),
        "software": versions("numpy", "torch"),
    }


def _same_files(
    source: ImageSource, audits: Mapping[str, EntityAudit]
) -> dict[str, dict[DuplicateGroup, bool]]:
    """Entity -> group of duplicates -> whether its pictures are one file, byte for byte."""
    from clay_eval.evaluator.pictures.access import PictureReader

    reader = PictureReader(source)
    return {
        name: {
            group: len({hashlib.sha256(reader.read(name, row)).digest() for row in group.rows}) == 1
            for group in found.duplicates
        }
        for name, found in audits.items()
    }


def _write_page(
    source: ImageSource,
    audits: Mapping[str, EntityAudit],
    record: Mapping[str, Any],
    folder: Path,
    options: AuditOptions,
    progress: Progress,
) -> Path:
    from clay_eval.evaluator.pictures.access import PictureReader
    from clay_eval.evaluator.pictures.sources import ClayShards
    from clay_eval.generator.review.ranked import RankedSheets, write_ranked

    reader = PictureReader(source)
    rows = {name: {key: row for row, key in enumerate(one.labelled.keys)} for name, one in audits.items()}
    exhibits, rankings = _exhibited(audits, record, options.top)
    manifest = source.manifest if isinstance(source, ClayShards) else source.fingerprint
    sheets = RankedSheets(manifest, _about(record), exhibits, rankings)
    made = write_ranked(
        sheets,
        folder,
        lambda one: reader.read(one.entity, rows[one.entity][one.key]),
        progress=steps(progress, "page", len(exhibits)),
    )
    return made.page


def _exhibited(
    audits: Mapping[str, EntityAudit], record: Mapping[str, Any], top: int | None
) -> tuple[list[Exhibit], list[Ranking]]:
    """The pictures of all lists, each once, and the lists by their numbers."""
    from clay_eval.evaluator.audit.record import listed
    from clay_eval.generator.review.ranked import Exhibit, Ranking

    numbers: dict[tuple[str, str], int] = {}
    exhibits: list[Exhibit] = []
    rows = {name: {key: row for row, key in enumerate(one.labelled.keys)} for name, one in audits.items()}

    def number(entity: str, key: str) -> int:
        if (entity, key) not in numbers:
            labels = audits[entity].labelled.labels
            row = rows[entity][key]
            exhibits.append(Exhibit(key, entity, {name: column[row] for name, column in labels.items()}))
            numbers[entity, key] = len(exhibits) - 1
        return numbers[entity, key]

    def ranking(title: str, entity: str, entries: Sequence[tuple[str, str, str]]) -> Ranking:
        """entries: (entity, key, words)."""
        return Ranking(
            title, entity, [number(name, key) for name, key, _ in entries], [words for *_, words in entries]
        )

    found = [
        ranking(
            "labels by suspicion",
            "all",
            [(one["entity"], one["key"], _words(one["against"][0])) for one in record["suspects"]],
        )
    ]
    for entity, said in record["entities"].items():
        for name, one in said["attributes"].items():
            entries = [(entity, each["key"], _words({"attribute": name, **each})) for each in one["suspects"]]
            found.append(ranking(name, entity, entries))
        most = listed(said["pictures"], top)
        found.append(ranking("near-duplicates", entity, _duplicates(entity, said["duplicates"])[:most]))
        entries = [
            (entity, one["key"], f"no value of {one['attribute']} describes it")
            for one in said["undescribed"]
        ]
        found.append(
            ranking("described by no value", entity, list({e[1]: e for e in entries}.values())[:most])
        )
    return exhibits, [one for one in found if one.numbers]


def _duplicates(entity: str, groups: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    found = []
    for place, group in enumerate(groups):
        kind = "one file" if group["same_file"] else f"cosine {group['similarity']:.4f}"
        unlike = f", unlike {', '.join(group['unlike'])}" if group["unlike"] else ""
        found += [(entity, key, f"group {place + 1}: {kind}{unlike}") for key in group["keys"]]
    return found


def _words(said: Mapping[str, Any]) -> str:
    """What is said against a label, with the margin of each source that knows it."""
    suggested = f" rather {said['suggested']}" if said["suggested"] else ""
    margins = [f"{name} {said[name]['margin']:+.1f}" for name in ("neighbours", "texts") if said[name]]
    known = f" ({', '.join(margins)})" if margins else ""
    return (
        f"{said['attribute']} {said['label']}?{suggested}: {_chance(said['suspicion'])} likely wrong{known}"
    )


def _chance(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "under 1%"


def _about(record: Mapping[str, Any]) -> str:
    """Who judged, in a sentence."""
    encoder = record["inputs"]["encoder"]
    named = str(encoder.get("name", "given vectors"))
    demonstration = ", a demonstration model" if encoder.get("demonstration") else ""
    judge = record["judge"]
    checked = f" Labels had been checked by {judge.get('name', 'a judge')}." if judge else ""
    return (
        f"An audit by {record['settings']['method']} and {record['settings']['posterior']} on vectors of {named}"
        f"{demonstration}: suspicions, not verdicts. Nothing is removed unless you say so.{checked}"
    )
