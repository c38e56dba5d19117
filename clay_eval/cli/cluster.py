"""clay-eval cluster"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from .common import Json, Out
from .experiments import AnyMethodsOption, Replace, conduct, only_texts, show
from .options import grouped
from .scoring import DataOptions, TextOptions, VectorOptions, WriteTexts, inputs_of

if TYPE_CHECKING:
    from clay_eval.evaluator.experiments.clustering import ClusterSettings

EPILOG = """
**Examples**

    clay-eval cluster --out runs/first

    clay-eval cluster --out runs/first --method all --largest-set 2

    clay-eval cluster --data my_pictures --out runs/mine --method raw --method clay --seed 0 --seed 1 --starts 1

K is the number of values, taken from the labels. Every method that gives an image one feature can be clustered; others, and
those that are told labels, are left out and named.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="cluster", epilog=EPILOG)(grouped(cluster))


@dataclass(frozen=True)
class ClusterOptions:
    """What is clustered, and how often."""

    method: AnyMethodsOption = None
    largest_set: Annotated[
        int, typer.Option("--largest-set", min=1, help="The most conditions asked for together.")
    ] = 1
    seed: Annotated[
        list[int] | None,
        typer.Option("--seed", min=0, help="Draws k-means' starts; may be repeated. Default: 0 to 9."),
    ] = None
    starts: Annotated[
        int, typer.Option("--starts", min=1, help="Starts of k-means a seed, of which the tightest counts.")
    ] = 10

    def settings(self) -> ClusterSettings:
        """The settings of the experiment."""
        from clay_eval.evaluator.experiments.clustering import ClusterSettings

        default = ClusterSettings()
        return ClusterSettings(
            methods=tuple(self.method or default.methods),
            seeds=tuple(self.seed or default.seeds),
            starts=self.starts,
            largest_set=self.largest_set,
        )


def cluster(
    *,
    out: Out,
    data: DataOptions,
    vectors: VectorOptions,
    texts: TextOptions,
    options: ClusterOptions,
    write_texts: WriteTexts = None,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Cluster the pictures under each condition, and compare the clusters with its values."""
    from clay_eval.evaluator.experiments.clustering import find_clusterings
    from clay_eval.evaluator.experiments.clustering_findings import clustering_findings
    from clay_eval.evaluator.experiments.studies import Needs

    settings = options.settings()
    inputs = inputs_of(out, data, vectors, texts.texts)
    methods = inputs.methods(settings.evaluation())
    needs = Needs(methods)
    if only_texts(json, inputs, needs, texts.template, write_texts):
        return
    record = conduct(
        inputs,
        "cluster",
        settings.record(methods),
        lambda found, advance: clustering_findings(find_clusterings(found, methods, settings, advance)),
        needs=needs,
        template=texts.template,
        replace=replace,
    )
    show(json, inputs, record, "clusters")
