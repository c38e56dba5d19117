"""clay-eval submit"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.stages.evaluation import announce, prepared
from clay_eval.stages.evaluation import write_texts as write_needed
from clay_eval.stages.folders import RunFolder, steps

from .common import Json, Out, emit, emit_texts, note, progress_bars
from .options import grouped
from .scoring import DataOptions, SettingsOptions, TextOptions, VectorOptions, WriteTexts, inputs_of

if TYPE_CHECKING:
    from clay_eval.evaluator.submissions.pack import About, Form

EPILOG = """
**Examples**

    clay-eval submit --out runs/first --method clay --name CLAY --to submissions/clay

    clay-eval submit --out runs/first --method my_package.my_module:MyMethod --name Mine --version 1.2 --to submissions/mine
    --code https://example.org/mine --training-data "COCO captions" --conditions-seen color --hardware "1 H100" --json

    clay-eval submit --out runs/first --method 'clay(fusion=rrf)' --runs --depth 1000 --name CLAY-RRF --to submissions/rrf

The folder holds method.json and an embedding file or a run a set of conditions, database and seed. It is scored before it is
finished, as `clay-eval score` will. Other programs can write such folders, too: the layout is in the documentation.
"""


class Number(StrEnum):
    """How embeddings are written."""

    float16 = "float16"
    float32 = "float32"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="submit", epilog=EPILOG)(grouped(submit))


@dataclass(frozen=True)
class AboutOptions:
    """What is said of the method."""

    name: Annotated[str, typer.Option("--name", help="The method's name, as it is to stand in a table.")]
    version: Annotated[str, typer.Option("--version", help="Of the method.")] = ""
    code: Annotated[str | None, typer.Option("--code", help="Where its code is: a URL.")] = None
    training_data: Annotated[
        str | None, typer.Option("--training-data", help="What it was trained on, in words.")
    ] = None
    conditions_seen: Annotated[
        list[str] | None,
        typer.Option(
            "--conditions-seen", help="A condition it was trained or tuned for, or none; may be repeated."
        ),
    ] = None
    hardware: Annotated[str | None, typer.Option("--hardware", help="What it ran on, in words.")] = None

    def about(self) -> About:
        """The same, as a submission states it."""
        from clay_eval.evaluator.submissions.pack import About

        seen = _seen(self.conditions_seen)
        return About(self.name, self.version, self.code, self.training_data, seen, self.hardware)


@dataclass(frozen=True)
class FormOptions:
    """How the result is packed."""

    runs: Annotated[bool, typer.Option("--runs", help="Pack rankings (TREC runs) instead of embeddings.")] = (
        False
    )
    depth: Annotated[int, typer.Option("--depth", min=0, help="Pictures a query in a run; 0 for all.")] = 0
    number: Annotated[
        Number, typer.Option("--number", help="How embeddings are written; float32 keeps every score.")
    ] = Number.float32

    def form(self) -> Form:
        """The same, as a submission states it."""
        from clay_eval.evaluator.submissions.layout import EMBEDDINGS, RUNS
        from clay_eval.evaluator.submissions.pack import Form

        return Form(RUNS if self.runs else EMBEDDINGS, self.number.value, self.depth)


@dataclass(frozen=True)
class OneMethodOptions(SettingsOptions):
    """What moves the numbers of one method."""

    fit_images: Annotated[
        int | None, typer.Option("--fit-images", min=2, help="Fit on that many database pictures only.")
    ] = None
    by_combination: Annotated[
        bool, typer.Option("--by-combination", help="Intervals and tests count whole combinations of labels.")
    ] = False


def submit(
    *,
    out: Out,
    method: Annotated[
        str, typer.Option("--method", help="NAME, 'NAME(parameter=value)', or package.module:Class.")
    ],
    to: Annotated[Path, typer.Option("--to", help="The folder to write the submission to.")],
    method_facts: AboutOptions,
    packing: FormOptions,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a submission in that folder.")] = False,
    data: DataOptions,
    vectors: VectorOptions,
    texts: TextOptions,
    options: OneMethodOptions,
    write_texts: WriteTexts = None,
    json: Json = False,
) -> None:
    """Pack a method's result on the run's data as a submission that others can check."""
    from clay_eval.evaluator.submissions.layout import METHOD
    from clay_eval.evaluator.submissions.pack import pack_submission, require_writable

    RunFolder(out).refuse_within(to, "--to")
    settings = options.settings([method], texts.template)
    inputs = inputs_of(out, data, vectors, texts.texts)
    if write_texts is not None:
        return emit_texts(
            json, write_needed(inputs, settings, write_texts, note, options.split_file), write_texts
        )
    about, form = method_facts.about(), packing.form()
    evaluation = prepared(inputs, settings, options.split_file)
    require_writable(evaluation, about, form)
    announce(evaluation, note)
    with progress_bars() as progress, inputs.feature_source(progress) as feature_source:
        record = pack_submission(
            evaluation,
            feature_source,
            to,
            about,
            form,
            split=options.split_file,
            replace=replace,
            progress=steps(progress, "submit", None),
        )
    emit(json, record, *_lines(record), f"submission: {to / METHOD}")


def _seen(conditions: list[str] | None) -> list[str] | None:
    return None if conditions is None else [name for name in conditions if name.lower() != "none"]


def _lines(record: dict[str, Any]) -> list[str]:
    first = record["settings"]["measures"][0]
    lines = [
        f"{one['entity']:<14} {' + '.join(one['conditions']):<32} {first} "
        + ("-" if one["value"] is None else f"{100 * one['value']:.1f}")
        for one in record["claimed"]
        if one["metric"] == first
    ]
    missing = [
        name for name in ("code", "training_data", "conditions_seen", "hardware") if record[name] is None
    ]
    if missing:
        lines.append(f"note: not said: {', '.join(missing)}")
    return lines
