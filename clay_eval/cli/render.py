"""clay-eval render"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from .common import Json, Out, RunFolder, emit, progress_bar

EPILOG = """
**Example**

    clay-eval render --out runs/first

    clay-eval render --out runs/first --size 256 --format png --shard-size 500

Draws the plan in --out into webdataset shards with labels.csv and manifest.json. Interrupted, the same command continues;
changed options are refused (exit code 3).
"""


class RendererName(StrEnum):
    """Renderers by name."""

    procedural = "procedural"


class ImageFormat(StrEnum):
    """Encodings of pictures."""

    jpg = "jpg"
    png = "png"
    webp = "webp"


Size = Annotated[int, typer.Option("--size", help="Width and height in pixels.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="render", epilog=EPILOG)(render)


def render(
    out: Out,
    renderer: Annotated[
        RendererName, typer.Option("--renderer", help="What draws.")
    ] = RendererName.procedural,
    size: Size = 128,
    image_format: Annotated[
        ImageFormat, typer.Option("--format", help="How pictures are stored.")
    ] = ImageFormat.jpg,
    shard_size: Annotated[int, typer.Option("--shard-size", min=1, help="Samples a shard.")] = 256,
    json: Json = False,
) -> None:
    """Draw the planned pictures into shards."""
    manifest = draw(RunFolder(out), size, image_format.value, shard_size)
    emit(
        json,
        manifest,
        f"{manifest['samples']} pictures in {len(manifest['files']) - 1} shards: {RunFolder(out).shards}",
    )


def draw(folder: RunFolder, size: int, image_format: str = "jpg", shard_size: int = 256) -> dict[str, Any]:
    """Render the run's plan."""
    from clay_eval.generator.planning import read_plan_record
    from clay_eval.generator.render.procedural import ProceduralRenderer
    from clay_eval.generator.rendering import RenderOptions, render_plan

    options = RenderOptions(shard_size=shard_size, image_format=image_format)
    total = read_plan_record(folder.plan)["samples"]
    with progress_bar("render", total) as advance:
        return render_plan(folder.plan, folder.shards, ProceduralRenderer(size), options, advance)
