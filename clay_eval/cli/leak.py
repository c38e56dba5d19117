"""clay-eval leak"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from .common import Json, Out, RunFolder
from .embed import BatchSize, Data, Device, EncoderOption, Precision, PrecisionOption
from .experiments import MethodOption, Replace, SeedsOption, conduct, show
from .scoring import (
    ConditionOption,
    EntityOption,
    FeaturesOption,
    Inputs,
    ParentOption,
    TemplateOption,
    TextFeaturesOption,
    TextsOption,
)

EPILOG = """
**Examples**

    clay-eval leak --out runs/first

    clay-eval leak --out runs/first --method raw --method clay --method supervised-lda --split image

Reading B from A's space should not beat what A's label tells of B: the column "label only".
"""


class LeakSplit(StrEnum):
    """What is held out to test the probe."""

    combination = "combination"
    image = "image"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="leak", epilog=EPILOG)(leak)


def leak(
    out: Out,
    data: Data = None,
    encoder: EncoderOption = "embedded",
    method: MethodOption = None,
    texts: TextsOption = None,
    template: TemplateOption = "a photo of {c}",
    condition: ConditionOption = None,
    parent: ParentOption = None,
    entity: EntityOption = None,
    split: Annotated[
        LeakSplit, typer.Option("--split", help="What is held out to test the probe.")
    ] = LeakSplit.combination,
    held_out: Annotated[float, typer.Option("--held-out", help="The share that is held out.")] = 0.3,
    seed: SeedsOption = None,
    features: FeaturesOption = None,
    text_features: TextFeaturesOption = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.fp32,
    batch_size: BatchSize = 64,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Measure how much of every other attribute survives in an attribute's space."""
    from clay_eval.evaluator.experiments.leak import LeakSettings, find_leaks
    from clay_eval.evaluator.experiments.leak_findings import leak_findings

    default = LeakSettings()
    settings = LeakSettings(
        methods=tuple(method or default.methods),
        seeds=tuple(seed or default.seeds),
        split=split.value,
        held_out=held_out,
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
        "leak",
        settings.record(),
        lambda found, advance: leak_findings(*find_leaks(found, settings, advance)),
        template=template,
        replace=replace,
    )
    show(json, inputs, record, "summary")
