"""The stage of experiments: from inputs and settings to a sealed record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .folders import Progress, silent, steps
from .inputs import Inputs

if TYPE_CHECKING:
    from clay_eval.evaluator.experiments.studies import Needs
    from clay_eval.evaluator.report.findings import Findings
    from clay_eval.evaluator.retrieval.study import Study


def experiment(
    inputs: Inputs,
    name: str,
    settings: Mapping[str, Any],
    find: Callable[[Sequence[Study], Callable[[int], None]], Findings],
    progress: Progress = silent,
    *,
    needs: Needs | None = None,
    template: str = "a photo of {c}",
    replace: bool = False,
) -> dict[str, Any]:
    """Return the record of the experiment `name` in the run folder, made by `find` unless it is there.

    find: gets the studies, an entity each, and a function to be called when a step is done. needs: what texts are encoded
    for, None for all; template: makes texts of label values where there are none; replace: whether a record of other
    settings may go.
    """
    from clay_eval.evaluator.evaluation.condition_texts import texts_by_entity
    from clay_eval.evaluator.evaluation.inputs import inputs_record
    from clay_eval.evaluator.experiments.record import finished, run_experiment
    from clay_eval.evaluator.experiments.studies import studies
    from clay_eval.evaluator.report.experiment_records import FOLDER

    source, root = inputs.source, inputs.folder.root
    texts = texts_by_entity(source.entities, inputs.texts, inputs.plan, template)
    if not replace:
        asked = inputs_record(source, inputs.identity(), texts)
        if (before := finished(root / FOLDER / name, asked, settings)) is not None:
            return before
    with inputs.feature_source(progress) as feature_source:
        advance = steps(progress, name, None)
        return run_experiment(
            root,
            name,
            inputs_record(source, feature_source.identity, texts),
            settings,
            lambda: find(studies(source, texts, feature_source, {}, needs), advance),
            recorded=inputs.recorded,
            replace=replace,
        )


def write_texts(inputs: Inputs, needs: Needs, path: Path, template: str = "a photo of {c}") -> int:
    """Write the texts that an experiment needs to `path`, to be encoded elsewhere; return how many."""
    from clay_eval.evaluator.embedding.given import write_needed_texts
    from clay_eval.evaluator.evaluation.condition_texts import texts_by_entity

    source = inputs.source
    texts = needs.texts(source, texts_by_entity(source.entities, inputs.texts, inputs.plan, template))
    write_needed_texts(path, texts)
    return len(texts)
