"""clay-eval paraphrase"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from .common import Json, Out
from .experiments import AnyMethodsOption, Replace, SeedsOption, conduct, only_texts, seeds_of, show
from .options import grouped
from .scoring import DataOptions, QueryShare, SplitOption, TextOptions, VectorOptions, WriteTexts, inputs_of

if TYPE_CHECKING:
    from clay_eval.evaluator.experiments.paraphrase import ParaphraseSettings

EPILOG = """
**Examples**

    clay-eval paraphrase --out runs/first

    clay-eval paraphrase --data my_pictures --out runs/mine --texts texts.json --method clay --draws 50 --per-value 3

Splits stay as they are, so what differs between draws is the texts alone. clay-eval ablate --axis texts varies their number.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="paraphrase", epilog=EPILOG)(grouped(paraphrase))


@dataclass(frozen=True)
class ParaphraseOptions:
    """What is drawn, and how it is scored."""

    method: AnyMethodsOption = None
    draws: Annotated[int, typer.Option("--draws", min=2, help="Draws of texts, in each of two ways.")] = 20
    per_value: Annotated[
        int,
        typer.Option("--per-value", min=1, help="Texts of every value that a draw of the first way keeps."),
    ] = 1
    share: Annotated[
        float, typer.Option("--share", help="Share of all texts that a draw of the second way keeps.")
    ] = 0.5
    measure: Annotated[str, typer.Option("--measure", help="AP, P@10, nDCG@100, ...")] = "AP"
    split: SplitOption = "image"
    seed: SeedsOption = None
    query_share: QueryShare = 0.1

    def settings(self) -> ParaphraseSettings:
        """The settings of the experiment."""
        from clay_eval.evaluator.experiments.paraphrase import ParaphraseSettings

        default = ParaphraseSettings()
        return ParaphraseSettings(
            methods=tuple(self.method or default.methods),
            draws=self.draws,
            per_value=self.per_value,
            share=self.share,
            measure=self.measure,
            split=self.split,
            seeds=seeds_of(self.seed, default.seeds, self.split),
            query_share=self.query_share,
        )


def paraphrase(
    *,
    out: Out,
    data: DataOptions,
    vectors: VectorOptions,
    texts: TextOptions,
    options: ParaphraseOptions,
    write_texts: WriteTexts = None,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Score with other draws of the texts, and see how much the numbers hang on them."""
    from clay_eval.evaluator.experiments.paraphrase import find_spreads
    from clay_eval.evaluator.experiments.paraphrase_findings import paraphrase_findings
    from clay_eval.evaluator.experiments.studies import Needs

    settings = options.settings()
    methods = settings.evaluation().prepared()
    inputs = inputs_of(out, data, vectors, texts.texts)
    needs = Needs(methods)
    if only_texts(json, inputs, needs, texts.template, write_texts):
        return
    record = conduct(
        inputs,
        "paraphrase",
        settings.record(methods),
        lambda found, advance: paraphrase_findings(
            *find_spreads(found, methods, settings, advance), settings
        ),
        needs=needs,
        template=texts.template,
        replace=replace,
    )
    show(json, inputs, record, "spread")
