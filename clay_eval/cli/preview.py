"""clay-eval preview"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from clay_eval.generator.render.kinds import check_options
from clay_eval.stages.folders import RunFolder
from clay_eval.stages.previewing import preview as run_preview

from .choices import renderer_option
from .common import Json, Out, emit, progress_bars
from .options import grouped
from .render import (
    DiffusionOptions,
    EndpointOptions,
    FilterOptions,
    LearnedOptions,
    StorageOptions,
    drawing_of,
    given_options,
)

EPILOG = """
**Example**

    clay-eval preview --out runs/first --count 24

    clay-eval preview --out runs/sd --model models/a --model models/b --steps 30 --judge ViT-L-14:datacomp_xl_s13b_b90k

    clay-eval preview --out runs/sd --model models/a --steps 8          # one more row on the same page

Draws a few samples of the plan, so chosen that every value is shown as evenly as can be, and judges them as `clay-eval
render` does with the same options. preview/index.html shows them, with prompts, labels and verdicts, a row for each setting
that was previewed, and what the whole plan would take on this machine. `clay-eval render` with the same settings keeps what
was drawn.
"""


@dataclass(frozen=True)
class SteeringOptions:
    """What learned renderers draw with; None is the renderer's own."""

    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="As for clay-eval render; may be given several times, a row each."),
    ] = None
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Denoising steps. Default: the model's own.")
    ] = None
    guidance: Annotated[
        float | None, typer.Option("--guidance", min=0, help="Guidance scale. Default: the model's own.")
    ] = None


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="preview", epilog=EPILOG)(grouped(preview))


def preview(
    *,
    out: Out,
    count: Annotated[int, typer.Option("--count", min=1, help="Samples to draw.")] = 24,
    renderer: Annotated[str, renderer_option("What draws.")] = "diffusion",
    steering: SteeringOptions,
    storage: StorageOptions,
    diffusion: DiffusionOptions,
    endpoint: EndpointOptions,
    alignment: FilterOptions,
    json: Json = False,
) -> None:
    """Draw a few pictures first: look at them, and learn what the whole plan would take."""
    drawings = []
    models: list[str | None] = [*steering.model] if steering.model else [None]
    for model in dict.fromkeys(models):
        learned = LearnedOptions(model, steering.steps, steering.guidance)
        given = given_options(learned, diffusion, endpoint)
        check_options(renderer, given)
        drawings.append(drawing_of(renderer, storage, given, alignment))
    with progress_bars() as progress:
        record = run_preview(RunFolder(out), drawings, count, progress)
    emit(json, record, *_lines(record))


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    from clay_eval.generator.progress.quantities import lasting, number, size

    yield f"{record['samples']} of {record['planned']} samples: {record['page']}"
    if record["llm"] is not None:
        yield (
            "the plan's language model gave {answers} answers: {prompt_tokens} prompt and {completion_tokens} completion "
            "tokens".format(**record["llm"])
        )
    for one in record["settings"]:
        yield ""
        yield f"{one['model']} ({one['folder']})"
        yield (
            f"  accepted {one['drawn']} of {one['looked_at']}, quarantined {one['quarantined']}, failed {one['failed']}"
        )
        if one["seconds_a_picture"] is not None:
            yield f"  a picture takes {lasting(one['seconds_a_picture'])}"
        if one["hours"] is not None:
            yield f"  the whole plan takes {lasting([3600 * hours for hours in one['hours']])} on this machine"
        if one["bytes"] is not None:
            yield f"  disk for the whole plan: {size(one['bytes'])}"
        if one["quarantine"] is not None:
            yield f"  expected in quarantine: {number(one['quarantine'])} samples"
