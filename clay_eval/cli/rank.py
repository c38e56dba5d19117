"""clay-eval rank"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from .common import Json, Out
from .experiments import MethodOption, Replace, SeedsOption, conduct, only_texts, seeds_of, show
from .options import grouped
from .scoring import (
    DataOptions,
    Draws,
    QueryShare,
    SplitOption,
    TextOptions,
    VectorOptions,
    WriteTexts,
    inputs_of,
)

if TYPE_CHECKING:
    from clay_eval.evaluator.experiments.ranking import RankSettings

EPILOG = """
**Examples**

    clay-eval rank --out runs/first --order age=child,adult,elderly

    clay-eval rank --data my_pictures --out runs/mine --method raw --method clay

An attribute whose values are all numbers needs no --order. Without --order for the others, they are left out.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="rank", epilog=EPILOG)(grouped(rank))


@dataclass(frozen=True)
class RankOptions:
    """Which orders are asked for, and how."""

    order: Annotated[
        list[str] | None,
        typer.Option("--order", help="ATTRIBUTE=LOWEST,...,HIGHEST: its values in order; may be repeated."),
    ] = None
    method: MethodOption = None
    split: SplitOption = "image"
    seed: SeedsOption = None
    query_share: QueryShare = 0.1
    queries: Annotated[
        int, typer.Option("--queries", min=1, help="Queries of a database at most, drawn by the seed.")
    ] = 300
    draws: Draws = 1000
    by_combination: Annotated[
        bool,
        typer.Option("--by-combination", help="The bootstrap draws combinations of labels, not queries."),
    ] = False

    def settings(self) -> RankSettings:
        """The settings of the experiment."""
        from clay_eval.evaluator.experiments.orders import parse_orders
        from clay_eval.evaluator.experiments.ranking import RankSettings

        default = RankSettings()
        return RankSettings(
            orders=parse_orders(self.order or []),
            methods=tuple(self.method or default.methods),
            seeds=seeds_of(self.seed, default.seeds, self.split),
            split=self.split,
            query_share=self.query_share,
            draws=self.draws,
            resample="combinations" if self.by_combination else "queries",
            queries=self.queries,
        )


def rank(
    *,
    out: Out,
    data: DataOptions,
    vectors: VectorOptions,
    texts: TextOptions,
    options: RankOptions,
    write_texts: WriteTexts = None,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Ask whether similarity follows the order of values: age, count and the like."""
    from clay_eval.evaluator.experiments.ranking import find_orderings, require_orders
    from clay_eval.evaluator.experiments.ranking_findings import ranking_findings

    settings = options.settings()
    inputs = inputs_of(out, data, vectors, texts.texts)
    orders = require_orders(
        {name: labels.labels for name, labels in inputs.source.entities.items()}, settings.orders
    )
    needs = settings.needs(orders)
    if only_texts(json, inputs, needs, texts.template, write_texts):
        return
    record = conduct(
        inputs,
        "rank",
        settings.record(),
        lambda found, advance: ranking_findings(*find_orderings(found, settings, advance)),
        needs=needs,
        template=texts.template,
        replace=replace,
    )
    show(json, inputs, record, "orders")
