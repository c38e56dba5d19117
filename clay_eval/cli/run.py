"""clay-eval run"""

from __future__ import annotations

from typing import Annotated

import typer

from clay_eval.generator.render.kinds import RENDERERS
from clay_eval.stages.drawing import Drawing
from clay_eval.stages.evaluation import evaluate
from clay_eval.stages.planning import PlanOptions, plan
from clay_eval.stages.rendering import render

from .choices import renderer_option
from .common import Json, Out, Seed, note, progress_bars
from .evaluate import Numbers
from .filtering import filter_lines
from .options import grouped
from .scoring import EncoderOptions

EPILOG = """
**Example**

    clay-eval run --out runs/demo

    clay-eval run --out runs/small --count 100 --entity demo-object --seed 7

    clay-eval run --out runs/exact --renderer procedural --count 1000

Plans, draws, embeds, evaluates and reports, all with the embedded defaults. Interrupted, the same command continues where
it was; with other options it refuses and says what changed.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="run", epilog=EPILOG)(grouped(run))


def run(
    *,
    out: Out,
    entity: Annotated[
        list[str] | None,
        typer.Option(
            "--entity",
            help="A shipped entity or an entity spec; may be repeated. Default: demo-object, demo-human.",
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=2, help="Samples an entity.")] = 300,
    seed: Seed = 0,
    renderer: Annotated[
        str, renderer_option("What draws: the embedded diffusion pipeline, or exact drawing code.")
    ] = "diffusion",
    encoder: EncoderOptions,
    json: Json = False,
) -> None:
    """Do it all: plan, render, embed, evaluate, report."""
    from clay_eval.evaluator.embedding.encoders.names import request
    from clay_eval.evaluator.evaluation.gallery import Showing
    from clay_eval.evaluator.evaluation.settings import EvaluationSettings
    from clay_eval.schemas.errors import InputError

    if RENDERERS[renderer].needs_model:
        raise InputError(
            "an endpoint needs options that this command does not have",
            where="--renderer",
            hint="clay-eval plan, render, evaluate",
        )

    inputs = encoder.inputs(out)
    request(inputs.encoder, inputs.precision)  # one that is not there is named before anything is drawn
    folder = inputs.folder
    numbers = Numbers(json)
    with progress_bars() as progress:
        plan(folder, PlanOptions(entity or ["demo-object", "demo-human"], count, seed), progress)
        manifest = render(folder, Drawing(renderer), progress)
        numbers.say(*filter_lines(manifest))
        settings, showing = EvaluationSettings(seeds=(seed,)), Showing(numbers.tell)
        report = evaluate(inputs, settings, progress, note=note, showing=showing)
    numbers.end(report, f"report: {folder.report / 'report.html'}")
