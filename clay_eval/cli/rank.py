"""clay-eval rank"""

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

    clay-eval rank --out runs/first --order age=child,adult,elderly

    clay-eval rank --data my_pictures --out runs/mine --method raw --method clay

An attribute whose values are all numbers needs no --order. Without --order for the others, they are left out.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="rank", epilog=EPILOG)(rank)


def rank(
    out: Out,
    data: Data = None,
    encoder: EncoderOption = "embedded",
    order: Annotated[
        list[str] | None,
        typer.Option("--order", help="ATTRIBUTE=LOWEST,...,HIGHEST: its values in order; may be repeated."),
    ] = None,
    method: MethodOption = None,
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
    queries: Annotated[
        int, typer.Option("--queries", min=1, help="Queries of a database at most, drawn by the seed.")
    ] = 300,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws for the intervals.")] = 1000,
    by_combination: Annotated[
        bool,
        typer.Option("--by-combination", help="The bootstrap draws combinations of labels, not queries."),
    ] = False,
    features: FeaturesOption = None,
    text_features: TextFeaturesOption = None,
    device: Device = "auto",
    precision: PrecisionOption = Precision.fp32,
    batch_size: BatchSize = 64,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Ask whether similarity follows the order of values: age, count and the like."""
    from clay_eval.evaluator.experiments.orders import parse_orders
    from clay_eval.evaluator.experiments.ranking import RankSettings, find_orderings, require_orders
    from clay_eval.evaluator.experiments.ranking_findings import ranking_findings

    default = RankSettings()
    settings = RankSettings(
        orders=parse_orders(order or []),
        methods=tuple(method or default.methods),
        seeds=seeds_of(seed, default.seeds, split),
        split=split,
        query_share=query_share,
        draws=draws,
        resample="combinations" if by_combination else "queries",
        queries=queries,
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
    require_orders({name: labels.labels for name, labels in inputs.source.entities.items()}, settings.orders)
    record = conduct(
        inputs,
        "rank",
        settings.record(),
        lambda found, advance: ranking_findings(*find_orderings(found, settings, advance)),
        template=template,
        replace=replace,
    )
    show(json, inputs, record, "orders")
