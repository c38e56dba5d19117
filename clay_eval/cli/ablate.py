"""clay-eval ablate"""

from __future__ import annotations

from typing import Annotated

import typer

from .common import Json, Out, RunFolder
from .embed import BatchSize, Data, Device, EncoderOption, Precision, PrecisionOption
from .experiments import MethodOption, Replace, SeedsOption, conduct, seeds_of, show
from .scoring import (
    ConditionOption,
    EntityOption,
    FeaturesOption,
    Inputs,
    ParentOption,
    SplitOption,
    TemplateOption,
    TextFeaturesOption,
    TextsOption,
)

EPILOG = """
**Examples**

    clay-eval ablate --out runs/first

    clay-eval ablate --out runs/first --axis composition --axis k --seed 0 --seed 1

    clay-eval ablate --data my_pictures --out runs/mine --encoder ViT-B-32:laion2b_s34b_b79k --axis texts

The axes are k, alignment, log-map, mean, texts (how many), composition (what they say) and database (how many pictures give
the mean). What is best here was chosen on the pictures it is scored on: settle it elsewhere before you report it.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="ablate", epilog=EPILOG)(ablate)


def ablate(
    out: Out,
    data: Data = None,
    encoder: EncoderOption = "embedded",
    axis: Annotated[
        list[str] | None, typer.Option("--axis", help="What to vary; may be repeated. Default: all axes.")
    ] = None,
    method: MethodOption = None,
    measure: Annotated[str, typer.Option("--measure", help="AP, P@10, nDCG@100, ...")] = "AP",
    texts: TextsOption = None,
    template: TemplateOption = "a photo of {c}",
    condition: ConditionOption = None,
    parent: ParentOption = None,
    entity: EntityOption = None,
    split: SplitOption = "image",
    seed: SeedsOption = None,
    query_share: Annotated[
        float, typer.Option("--query-share", help="Share of the pictures (or combinations) that are queries.")
    ] = 0.1,
    draws: Annotated[
        int, typer.Option("--draws", min=1, help="Draws of subsets of texts, and of texts that are drawn.")
    ] = 3,
    features: FeaturesOption = None,
    text_features: TextFeaturesOption = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.fp32,
    batch_size: BatchSize = 64,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Vary one choice of CLAY at a time, and see what it does to the score."""
    from clay_eval.evaluator.experiments.ablation import AblationSettings, sweep
    from clay_eval.evaluator.experiments.ablation_findings import ablation_findings

    default = AblationSettings()
    settings = AblationSettings(
        axes=tuple(axis or default.axes),
        methods=tuple(method or default.methods),
        seeds=seeds_of(seed, default.seeds, split),
        draws=draws,
        measure=measure,
        split=split,
        query_share=query_share,
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
    record = conduct(
        inputs,
        "ablate",
        settings.record(),
        lambda found, advance: ablation_findings(found, settings, sweep(found, settings, advance)),
        template=template,
        replace=replace,
    )
    show(json, inputs, record, record["tables"][0]["name"])
