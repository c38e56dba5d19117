"""The stage that scores methods and writes the report."""

from __future__ import annotations

from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .folders import Note, Progress, silent, steps
from .inputs import Inputs

if TYPE_CHECKING:
    from clay_eval.evaluator.evaluation.gallery import Showing
    from clay_eval.evaluator.evaluation.prepared import Evaluation
    from clay_eval.evaluator.evaluation.settings import EvaluationSettings


def prepared(inputs: Inputs, settings: EvaluationSettings, split: Path | None = None) -> Evaluation:
    """What an evaluation of `inputs` will do, checked as far as that goes without vectors.

    split: a file as `read_split` takes it, of the one entity there is.
    """
    from clay_eval.evaluator.evaluation.prepared import prepare

    return prepare(
        inputs.source,
        settings,
        texts=inputs.texts,
        plan=inputs.plan,
        split=split,
        methods=inputs.methods(settings),
        chosen=bool(inputs.conditions),
    )


def announce(evaluation: Evaluation, note: Note) -> None:
    """Say what was left out, and how much there is to do, before it is done."""
    for line in (*evaluation.notes, evaluation.size):
        note(line)


def evaluate(
    inputs: Inputs,
    settings: EvaluationSettings | None = None,
    progress: Progress = silent,
    *,
    split: Path | None = None,
    replace: bool = False,
    backend: str = "numpy",
    note: Note = silent,
    showing: Showing | None = None,
) -> dict[str, Any]:
    """Verify and embed the data, evaluate it, write report.json and its pages, and return the report.

    All that can be refused is refused before anything is computed or written. split: a file that says what is a query;
    replace: whether a report of other settings may go; backend: what ranks, as `retrieval_scores` takes it; note: is told
    what was left out and how much there is to do; showing: whether pages are made, and what is told each result as it comes.
    """
    from clay_eval.evaluator.evaluation.evaluate import evaluate_source
    from clay_eval.evaluator.evaluation.gallery import Showing
    from clay_eval.evaluator.evaluation.prepared import REPORT
    from clay_eval.evaluator.evaluation.settings import EvaluationSettings

    folder = inputs.folder.report
    settings = settings or EvaluationSettings()
    evaluation = prepared(inputs, settings if replace else _as_before(settings, inputs), split)
    announce(evaluation, note)
    if (folder / REPORT).exists() and not replace:
        evaluation.finished(folder, inputs.identity())
    with inputs.feature_source(progress) as feature_source:
        return evaluate_source(
            evaluation,
            feature_source,
            folder,
            recorded=inputs.recorded,
            replace=replace,
            progress=steps(progress, "evaluate", evaluation.results),
            backend=backend,
            showing=showing or Showing(),
        )


def write_texts(
    inputs: Inputs,
    settings: EvaluationSettings,
    path: Path,
    note: Note = silent,
    split: Path | None = None,
) -> int:
    """Write the texts that an evaluation needs to `path`, to be encoded elsewhere; return how many."""
    from clay_eval.evaluator.embedding.given import write_needed_texts

    evaluation = prepared(inputs, settings, split)
    announce(evaluation, note)
    texts = evaluation.needed_texts()
    write_needed_texts(path, texts)
    return len(texts)


def _as_before(settings: EvaluationSettings, inputs: Inputs) -> EvaluationSettings:
    """`settings`, with the largest set of the report of the same data that is there, where they name none.

    So the same command continues what an earlier version began, which knew no bound.
    """
    from clay_eval.evaluator.evaluation.prepared import REPORT, read_report
    from clay_eval.evaluator.retrieval.condition_sets import EVERY_SIZE

    folder = inputs.folder.report
    if settings.largest_set is not None or not (folder / REPORT).exists():
        return settings
    before = read_report(folder)
    if before["inputs"]["data"]["fingerprint"] != inputs.source.fingerprint:
        return settings
    return changed(settings, largest_set=before["settings"].get("largest_set", EVERY_SIZE))
