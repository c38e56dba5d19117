"""clay-eval ablate"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from .common import Json, Out
from .experiments import Replace, SeedsOption, conduct, only_texts, seeds_of, show
from .options import grouped
from .scoring import DataOptions, QueryShare, SplitOption, TextOptions, VectorOptions, WriteTexts, inputs_of

if TYPE_CHECKING:
    from clay_eval.evaluator.experiments.ablation import AblationSettings

EPILOG = """
**Examples**

    clay-eval ablate --out runs/first

    clay-eval ablate --out runs/first --axis composition --axis k --seed 0 --seed 1

    clay-eval ablate --out runs/first --axis k --method raw --method clay --method text-pca

    clay-eval ablate --data my_pictures --out runs/mine --encoder ViT-B-32:laion2b_s34b_b79k --axis texts

The axes are k, alignment, log-map, mean, texts (how many), composition (what they say) and database (how many pictures give
the mean). What is best here was chosen on the pictures it is scored on: settle it elsewhere before you report it.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="ablate", epilog=EPILOG)(grouped(ablate))


@dataclass(frozen=True)
class AblateOptions:
    """What is varied, and how it is scored."""

    axis: Annotated[
        list[str] | None, typer.Option("--axis", help="What to vary; may be repeated. Default: all axes.")
    ] = None
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="NAME, 'NAME(parameter=value)', or package.module:Class; may be repeated. An axis takes those that have "
            "what it varies. Default: the axis's own.",
        ),
    ] = None
    measure: Annotated[str, typer.Option("--measure", help="AP, P@10, nDCG@100, ...")] = "AP"
    split: SplitOption = "image"
    seed: SeedsOption = None
    query_share: QueryShare = 0.1
    draws: Annotated[
        int, typer.Option("--draws", min=1, help="Draws of subsets of texts, and of texts that are drawn.")
    ] = 3

    def settings(self) -> AblationSettings:
        """The settings of the ablation."""
        from clay_eval.evaluator.experiments.ablation import AblationSettings

        default = AblationSettings()
        return AblationSettings(
            axes=tuple(self.axis or default.axes),
            methods=tuple(self.method) if self.method else None,
            seeds=seeds_of(self.seed, default.seeds, self.split),
            draws=self.draws,
            measure=self.measure,
            split=self.split,
            query_share=self.query_share,
        )


def ablate(
    *,
    out: Out,
    data: DataOptions,
    vectors: VectorOptions,
    texts: TextOptions,
    options: AblateOptions,
    write_texts: WriteTexts = None,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Vary one choice of CLAY at a time, and see what it does to the score."""
    from clay_eval.evaluator.experiments.ablation import sweep
    from clay_eval.evaluator.experiments.ablation_findings import ablation_findings

    settings = options.settings()
    inputs = inputs_of(out, data, vectors, texts.texts)
    needs = settings.needs()
    if only_texts(json, inputs, needs, texts.template, write_texts):
        return
    record = conduct(
        inputs,
        "ablate",
        settings.record(),
        lambda found, advance: ablation_findings(found, settings, sweep(found, settings, advance)),
        needs=needs,
        template=texts.template,
        replace=replace,
    )
    show(json, inputs, record, record["tables"][0]["name"])
