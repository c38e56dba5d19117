"""clay-eval evaluate"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Json, Out, RunFolder, emit, progress_bar
from .embed import BatchSize, Data, Device, EncoderOption, Precision, PrecisionOption
from .scoring import (
    Backend,
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

if TYPE_CHECKING:
    from clay_eval.evaluator.evaluation.settings import EvaluationSettings

EPILOG = """
**Examples**

    clay-eval evaluate --out runs/first

    clay-eval evaluate --data my_pictures --out runs/mine --encoder ViT-B-32:laion2b_s34b_b79k

    clay-eval evaluate --out runs/first --replace --method all --measure AP --measure P@10 --seed 0 --seed 1 --seed 2

    clay-eval evaluate --out runs/first --replace --method raw --method clay --method 'clay(fusion=sum)' --weight color=2

    clay-eval evaluate --out runs/first --replace --method clay --method my_package.my_module:MyMethod --split combination

    clay-eval evaluate --data my_pictures --features images.safetensors --text-features texts.safetensors --out runs/given

my_pictures is a folder with a labels.csv: a column `file`, then a column a condition. Without --texts, the texts of a
condition are made from its label values by --template. A method that fails is listed (exit code 1), and the same command
tries again.
"""
_SOME_FAILED = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="evaluate", epilog=EPILOG)(evaluate)


def evaluate(
    out: Out,
    data: Data = None,
    encoder: EncoderOption = "embedded",
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="NAME, 'NAME(parameter=value)', package.module:Class, or all; may be repeated. "
            "`clay-eval methods` lists them.",
        ),
    ] = None,
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
        int | None,
        typer.Option("--fit-images", min=2, help="Fit methods on that many database pictures only."),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option("--weight", help="CONDITION=NUMBER, where several conditions meet; may be repeated."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option("--reference", help="The method that others are compared with. Default: clay."),
    ] = None,
    ties: Annotated[Ties, typer.Option("--ties", help="What equal scores count.")] = Ties.expected,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws for the intervals.")] = 1000,
    by_combination: Annotated[
        bool,
        typer.Option(
            "--by-combination", help="Bootstrap and test draw whole combinations of labels, not queries."
        ),
    ] = False,
    backend: Backend = "numpy",
    features: FeaturesOption = None,
    text_features: TextFeaturesOption = None,
    write_texts: Annotated[
        Path | None,
        typer.Option(
            "--write-texts",
            help="Only write the texts that are needed to this file, to encode them elsewhere.",
        ),
    ] = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.fp32,
    batch_size: BatchSize = 64,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a report that other settings made.")
    ] = False,
    json: Json = False,
) -> None:
    """Score methods on every condition and combination of conditions, and write the report."""
    from clay_eval.evaluator.evaluation.settings import EvaluationSettings

    defaults = EvaluationSettings()
    settings = EvaluationSettings(
        methods=tuple(method or defaults.methods),
        n_components=n_components,
        measures=tuple(measure or defaults.measures),
        ties=ties.value,
        split=split,
        seeds=tuple(seed or defaults.seeds),
        query_share=query_share,
        fit_images=fit_images,
        weights=weights_of(weight or []),
        reference=reference,
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
    if write_texts is not None:
        count = _write_texts(inputs, settings, write_texts)
        emit(json, {"texts": count, "file": str(write_texts)}, f"{count} texts, one a line: {write_texts}")
        return
    report = score(inputs, settings, split_file=split_file, replace=replace, backend=backend)
    emit(json, report, *summary(report), f"report: {inputs.folder.report / 'report.html'}")
    if report["failures"]:
        raise typer.Exit(_SOME_FAILED)


def _write_texts(inputs: Inputs, settings: EvaluationSettings, path: Path) -> int:
    from clay_eval.evaluator.embedding.given import write_needed_texts
    from clay_eval.evaluator.evaluation.evaluate import prepare

    evaluation = prepare(
        inputs.source,
        settings,
        texts=inputs.texts,
        plan=inputs.plan,
        methods=inputs.methods(settings),
        chosen=bool(inputs.conditions),
    )
    announce(evaluation)
    texts = evaluation.needed_texts()
    write_needed_texts(path, texts)
    return len(texts)


def score(
    inputs: Inputs,
    settings: EvaluationSettings,
    *,
    split_file: Path | None = None,
    replace: bool = False,
    backend: str = "numpy",
) -> dict[str, Any]:
    """Verify and embed the data, evaluate it, and write report.json and its pages.

    All that can be refused is refused before anything is computed or written.
    """
    from clay_eval.evaluator.evaluation.evaluate import REPORT, evaluate_source, prepare

    folder = inputs.folder
    if not replace:
        settings = _as_before(settings, inputs)
    evaluation = prepare(
        inputs.source,
        settings,
        texts=inputs.texts,
        plan=inputs.plan,
        split=split_file,
        methods=inputs.methods(settings),
        chosen=bool(inputs.conditions),
    )
    announce(evaluation)
    if (folder.report / REPORT).exists() and not replace:
        evaluation.finished(folder.report, inputs.identity())
    with inputs.supply() as supply, progress_bar("evaluate", evaluation.results) as advance:
        return evaluate_source(
            evaluation,
            supply,
            folder.report,
            recorded=inputs.recorded,
            replace=replace,
            progress=advance,
            backend=backend,
        )


def _as_before(settings: EvaluationSettings, inputs: Inputs) -> EvaluationSettings:
    """`settings`, with the largest set of the report of the same data that is there, where they name none.

    So the same command continues what an earlier version began, which knew no bound.
    """
    from dataclasses import replace

    from clay_eval.evaluator.evaluation.evaluate import REPORT, read_report
    from clay_eval.evaluator.retrieval.condition_sets import EVERY_SIZE

    folder = inputs.folder.report
    if settings.largest_set is not None or not (folder / REPORT).exists():
        return settings
    before = read_report(folder)
    if before["inputs"]["data"]["fingerprint"] != inputs.source.fingerprint:
        return settings
    return replace(settings, largest_set=before["settings"].get("largest_set", EVERY_SIZE))


def summary(report: dict[str, Any]) -> list[str]:
    """The results as lines of text: a line a method and set of conditions, then what failed."""
    first = report["settings"]["measures"][0]
    title = "mAP" if first == "AP" else first
    lines = [
        f"{r['entity']:<14} {' + '.join(r['conditions']):<32} {r['method']:<18} "
        f"{title} {_percent(r['value'])} [{_percent(r['ci_low'])}, {_percent(r['ci_high'])}]  chance {_percent(r['chance'])}"
        for r in report["results"]
        if r["metric"] == first
    ]
    failed = [
        f"FAILED {f['method']} on {f['entity']}, {' + '.join(f['conditions'])}: {f['error']}"
        for f in report["failures"]
    ]
    return lines + failed


def _percent(value: float | None) -> str:
    return "    -" if value is None else f"{100 * value:5.1f}"
