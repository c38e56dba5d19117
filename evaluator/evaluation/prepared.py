"""An evaluation before anything is scored: its methods, texts and sets of conditions; and whether its report is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.files import refuse_changes
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.texts import ConditionTexts
from clay_eval.schemas.validate import read_sealed

from ..methods.support.specs import Method, uses_texts
from ..pictures.labelled import ImageSource, Labelled
from ..pictures.names import count
from ..report.build import check_writable
from ..retrieval.condition_sets import (
    Conditions,
    askable,
    bounded_note,
    entity_named,
    largest_for,
    only_entity,
)
from ..retrieval.engine import plan_tasks, seeded_splits
from ..retrieval.split_kinds import GIVEN
from ..retrieval.splits import Split, read_split
from ..retrieval.study import Study
from ..retrieval.vectors import FeatureSource, condition_features, extras, needed_texts
from ..vectors.arrays import FloatArray
from .condition_texts import require_several_texts, texts_by_entity
from .inputs import described_entity, inputs_record
from .settings import EvaluationSettings

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
    given = {}
    if split is not None:
        only = only_entity(source.entities, "a split file is", "--split-file")
        given[only] = read_split(split, source.entities[only])
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


def study_of(
    evaluation: Evaluation, labels: Labelled, features: FloatArray, feature_source: FeatureSource
) -> Study:
    """The study of an entity with its `features` (N, d); texts are encoded as far as methods use any."""
    texts = {}
    if uses_texts(evaluation.methods):
        written = evaluation.texts[labels.entity]
        texts = condition_features(written, labels.labels, labels.parents, feature_source)
    return Study(
        features,
        texts,
        extras(feature_source, evaluation.settings.weights),
        labelled=labels,
        encoder=str(feature_source.identity["name"]),
        split=evaluation.given.get(labels.entity),
    )


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
