"""clay-eval galleries"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import Json, Out, RunFolder, emit, progress_bar
from .embed import BatchSize, Data, Device, EncoderOption, Precision, PrecisionOption
from .scoring import (
    ConditionOption,
    EntityOption,
    FeaturesOption,
    Inputs,
    TemplateOption,
    TextFeaturesOption,
    TextsOption,
)

EPILOG = """
**Example**

    clay-eval galleries focus.json --data my_pictures --encoder ViT-B-32:laion2b_s34b_b79k --out runs/focus

    clay-eval galleries mine.json --out runs/first --entity demo-object --method raw --method clay

A file of galleries holds queries, each with a condition, the pictures to rank and those that are right:

    {"schema": "clay-eval/galleries/1", "name": "mine", "queries": [{"query": "k1", "condition": "color",
     "gallery": ["k2", "k3", "k4"], "targets": ["k3"]}]}
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="galleries", epilog=EPILOG)(galleries)


def galleries(
    file: Annotated[Path, typer.Argument(help="The galleries (JSON).")],
    out: Out,
    data: Data = None,
    encoder: EncoderOption = "embedded",
    method: Annotated[
        list[str] | None, typer.Option("--method", help="As in clay-eval evaluate; may be repeated.")
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option("--measure", help="May be repeated. Default: Hit@1, Hit@2, Hit@3 (GeneCIS's recalls)."),
    ] = None,
    texts: TextsOption = None,
    template: TemplateOption = "a photo of {c}",
    condition: ConditionOption = None,
    entity: EntityOption = None,
    features: FeaturesOption = None,
    text_features: TextFeaturesOption = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.fp32,
    batch_size: BatchSize = 64,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace results that other settings made.")
    ] = False,
    json: Json = False,
) -> None:
    """Rank small galleries, one for each query, as GeneCIS does."""
    from clay_eval.evaluator.experiments.galleries import gallery_findings, gallery_settings
    from clay_eval.evaluator.experiments.record import run_experiment

    inputs = Inputs(
        RunFolder(out),
        data,
        encoder,
        device,
        precision.value,
        batch_size,
        entity=entity,
        conditions=condition,
        texts=texts or [],
        features=features,
        text_features=text_features,
    )
    asked = gallery_settings(file, method, measure, template)
    prepared = asked.prepare(inputs.source, inputs.texts, inputs.plan)
    with inputs.supply() as supply, progress_bar("galleries", None):
        record = run_experiment(
            inputs.folder.root,
            "galleries",
            prepared.inputs(supply.identity),
            asked.record(),
            lambda: gallery_findings(prepared, supply),
            recorded=inputs.recorded(),
            replace=replace,
        )
    place = inputs.folder.root / "experiments" / "galleries"
    emit(json, record, (place / "tables.md").read_text("utf-8").strip(), f"results: {place}")
