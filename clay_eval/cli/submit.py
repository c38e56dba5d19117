"""clay-eval submit"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from .common import Json, Out, RunFolder, emit, progress_bar
from .embed import BatchSize, Data, Device, EncoderOption, Precision, PrecisionOption
from .scoring import (
    ConditionOption,
    EntityOption,
    FeaturesOption,
    Inputs,
    LargestSetOption,
    ParentOption,
    SplitOption,
    TemplateOption,
    TextFeaturesOption,
    TextsOption,
    Ties,
    announce,
    weights_of,
)

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
    app.command(name="submit", epilog=EPILOG)(submit)


def submit(
    out: Out,
    method: Annotated[
        str, typer.Option("--method", help="NAME, 'NAME(parameter=value)', or package.module:Class.")
    ],
    name: Annotated[str, typer.Option("--name", help="The method's name, as it is to stand in a table.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to write the submission to.")],
    version: Annotated[str, typer.Option("--version", help="Of the method.")] = "",
    code: Annotated[str | None, typer.Option("--code", help="Where its code is: a URL.")] = None,
    training_data: Annotated[
        str | None, typer.Option("--training-data", help="What it was trained on, in words.")
    ] = None,
    conditions_seen: Annotated[
        list[str] | None,
        typer.Option(
            "--conditions-seen", help="A condition it was trained or tuned for, or none; may be repeated."
        ),
    ] = None,
    hardware: Annotated[str | None, typer.Option("--hardware", help="What it ran on, in words.")] = None,
    runs: Annotated[
        bool, typer.Option("--runs", help="Pack rankings (TREC runs) instead of embeddings.")
    ] = False,
    depth: Annotated[int, typer.Option("--depth", min=0, help="Pictures a query in a run; 0 for all.")] = 0,
    number: Annotated[
        Number, typer.Option("--number", help="How embeddings are written; float32 keeps every score.")
    ] = Number.float32,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a submission in that folder.")] = False,
    data: Data = None,
    encoder: EncoderOption = "embedded",
    measure: Annotated[
        list[str] | None,
        typer.Option("--measure", help="AP, P@10, nDCG@100, ...; may be repeated, the first one leads."),
    ] = None,
    texts: TextsOption = None,
    template: TemplateOption = "a photo of {c}",
    condition: ConditionOption = None,
    parent: ParentOption = None,
    entity: EntityOption = None,
    largest_set: LargestSetOption = None,
    n_components: Annotated[
        int, typer.Option("--k", min=1, help="Dimensions of CLAY's subspace, at most.")
    ] = 50,
    split: SplitOption = "image",
    split_file: Annotated[
        Path | None,
        typer.Option("--split-file", help="A CSV with the columns key and split (query, database, unused)."),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            "--seed", min=0, help="Draws the split; repeated, every number is a mean over the splits."
        ),
    ] = None,
    query_share: Annotated[
        float, typer.Option("--query-share", help="Share of the pictures (or combinations) that are queries.")
    ] = 0.1,
    fit_images: Annotated[
        int | None, typer.Option("--fit-images", min=2, help="Fit on that many database pictures only.")
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option("--weight", help="CONDITION=NUMBER, where several conditions meet; may be repeated."),
    ] = None,
    ties: Annotated[Ties, typer.Option("--ties", help="What equal scores count.")] = Ties.expected,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws for the intervals.")] = 1000,
    by_combination: Annotated[
        bool, typer.Option("--by-combination", help="Bootstrap and test draw whole combinations of labels.")
    ] = False,
    features: FeaturesOption = None,
    text_features: TextFeaturesOption = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.fp32,
    batch_size: BatchSize = 64,
    json: Json = False,
) -> None:
    """Pack a method's result on the run's data as a submission that others can check."""
    from clay_eval.evaluator.evaluation.evaluate import prepare
    from clay_eval.evaluator.evaluation.settings import EvaluationSettings
    from clay_eval.evaluator.submissions.layout import EMBEDDINGS, METHOD, RUNS
    from clay_eval.evaluator.submissions.pack import About, Form, pack_submission, require_writable

    defaults = EvaluationSettings()
    settings = EvaluationSettings(
        methods=(method,),
        n_components=n_components,
        measures=tuple(measure or defaults.measures),
        ties=ties.value,
        split=split,
        seeds=tuple(seed or defaults.seeds),
        query_share=query_share,
        fit_images=fit_images,
        weights=weights_of(weight or []),
        bootstrap_draws=draws,
        resample="combinations" if by_combination else "queries",
        template=template,
        largest_set=largest_set,
    )
    inputs = Inputs(
        RunFolder(out),
        data,
        encoder,
        device,
        precision.value,
        batch_size,
        entity=entity,
        conditions=condition,
        parents=parent or [],
        texts=texts or [],
        features=features,
        text_features=text_features,
    )
    about = About(name, version, code, training_data, _seen(conditions_seen), hardware)
    form = Form(RUNS if runs else EMBEDDINGS, number.value, depth)
    evaluation = prepare(
        inputs.source,
        settings,
        texts=inputs.texts,
        plan=inputs.plan,
        split=split_file,
        methods=inputs.methods(settings),
        chosen=bool(inputs.conditions),
    )
    require_writable(evaluation, about, form)
    announce(evaluation)
    with inputs.supply() as supply, progress_bar("submit", None) as advance:
        record = pack_submission(
            evaluation, supply, to, about, form, split=split_file, replace=replace, progress=advance
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
