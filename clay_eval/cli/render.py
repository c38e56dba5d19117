"""clay-eval render"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Json, Out, RunFolder, emit, progress_bar

if TYPE_CHECKING:
    from clay_eval.generator.render.base import Renderer

EPILOG = """
**Example**

    clay-eval render --out runs/first

    clay-eval render --out runs/first --size 256 --format png --shard-size 500

    clay-eval render --out runs/flux --renderer diffusion --model black-forest-labs/FLUX.1-schnell --steps 4 --guidance 0

    clay-eval render --out runs/sd --renderer diffusion --model models/my-sd --steps 30 --guidance 5 --batch-size 16

    clay-eval render --out runs/fleet --renderer endpoint --model Qwen/Qwen-Image --base-url http://localhost:8000/v1

Draws the plan in --out into webdataset shards with labels.csv and manifest.json. Interrupted, the same command continues;
changed options are refused (exit code 3); --batch-size, --device, --offload, --compile, --concurrency, --timeout, --retries
and --base-url may change on the way.

A diffusion model is a folder saved by diffusers (safetensors only) or a name on the Hugging Face Hub, fetched once. Mind its
licence before you publish pictures: FLUX.1-schnell is Apache-2.0; the licence of FLUX.1-dev restricts what its outputs may
be used for.
"""


class RendererName(StrEnum):
    """Renderers by name."""

    procedural = "procedural"
    diffusion = "diffusion"
    endpoint = "endpoint"


class ImageFormat(StrEnum):
    """Encodings of pictures."""

    jpg = "jpg"
    png = "png"
    webp = "webp"


class Dtype(StrEnum):
    """Precisions of a pipeline."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class Offload(StrEnum):
    """What leaves the GPU while it is not at work."""

    none = "none"
    model = "model"
    sequential = "sequential"


Size = Annotated[int, typer.Option("--size", help="Width and height in pixels.")]
DEFAULT_SIZE = 128
_OF_BOTH = frozenset({"model", "steps", "guidance"})
_OF_DIFFUSION = _OF_BOTH | {
    "revision",
    "dtype",
    "device",
    "offload",
    "compile",
    "batch_size",
    "trust_remote_code",
}
_OF_ENDPOINT = _OF_BOTH | {"base_url", "extras", "concurrency", "timeout", "retries"}
_OPTIONS = {
    RendererName.procedural: frozenset[str](),
    RendererName.diffusion: _OF_DIFFUSION,
    RendererName.endpoint: _OF_ENDPOINT,
}
_BOTH, _DIFFUSION, _ENDPOINT = "Learned renderers", "Diffusion", "Endpoint"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="render", epilog=EPILOG)(render)


def render(
    out: Out,
    renderer: Annotated[
        RendererName, typer.Option("--renderer", help="What draws.")
    ] = RendererName.procedural,
    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            help="Width and height in pixels. Default: 128 procedural, the model's own diffusion, 1024 endpoint.",
        ),
    ] = None,
    image_format: Annotated[
        ImageFormat, typer.Option("--format", help="How pictures are stored.")
    ] = ImageFormat.jpg,
    shard_size: Annotated[int, typer.Option("--shard-size", min=1, help="Samples a shard.")] = 256,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="A diffusers folder or Hub name; the model's name at an endpoint.",
            rich_help_panel=_BOTH,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", min=1, help="Denoising steps. Default: the model's own.", rich_help_panel=_BOTH
        ),
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(
            "--guidance", min=0, help="Guidance scale. Default: the model's own.", rich_help_panel=_BOTH
        ),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option("--revision", help="Commit, branch or tag of a Hub model.", rich_help_panel=_DIFFUSION),
    ] = None,
    dtype: Annotated[
        Dtype | None,
        typer.Option(
            "--dtype",
            help="Precision. Default: auto (bf16 on CUDA, else fp32).",
            rich_help_panel=_DIFFUSION,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.", rich_help_panel=_DIFFUSION),
    ] = None,
    offload: Annotated[
        Offload | None,
        typer.Option(
            "--offload",
            help="Keep models, or their layers, off the GPU until they are needed; needs accelerate.",
            rich_help_panel=_DIFFUSION,
        ),
    ] = None,
    compile: Annotated[
        bool | None,
        typer.Option("--compile", help="Compile the denoiser with torch.", rich_help_panel=_DIFFUSION),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            min=1,
            help="Pictures at a time; halved if memory runs out. Default: 8.",
            rich_help_panel=_DIFFUSION,
        ),
    ] = None,
    trust_remote_code: Annotated[
        bool | None,
        typer.Option(
            "--trust-remote-code", help="Run code that comes with the model.", rich_help_panel=_DIFFUSION
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url",
            help="The API's URL, usually ending in /v1. Default: $OPENAI_BASE_URL. The key: $OPENAI_API_KEY.",
            rich_help_panel=_ENDPOINT,
        ),
    ] = None,
    extras: Annotated[
        bool | None,
        typer.Option(
            "--extras/--no-extras",
            help="Send seed, negative prompt, steps and guidance. Default: yes; OpenAI's own service refuses them.",
            rich_help_panel=_ENDPOINT,
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency", min=1, help="Requests at a time. Default: 4.", rich_help_panel=_ENDPOINT
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", help="Seconds a request. Default: 300.", rich_help_panel=_ENDPOINT),
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(
            "--retries",
            min=0,
            help="After 429, 5xx and lost connections. Default: 5.",
            rich_help_panel=_ENDPOINT,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Draw the planned pictures into shards."""
    of_pipelines = {
        "revision": revision,
        "dtype": dtype and dtype.value,
        "device": device,
        "offload": offload and offload.value,
        "compile": compile,
        "batch_size": batch_size,
        "trust_remote_code": trust_remote_code,
    }
    of_endpoints = {
        "base_url": base_url,
        "extras": extras,
        "concurrency": concurrency,
        "timeout": timeout,
        "retries": retries,
    }
    of_both = {"model": model, "steps": steps, "guidance": guidance}
    given = {k: v for k, v in (of_both | of_pipelines | of_endpoints).items() if v is not None}
    _refuse_foreign(renderer, given)
    manifest = draw(RunFolder(out), size, image_format.value, shard_size, renderer, given)
    emit(
        json,
        manifest,
        f"{manifest['samples']} pictures in {len(manifest['files']) - 1} shards: {RunFolder(out).shards}",
    )


def _refuse_foreign(renderer: RendererName, given: dict[str, Any]) -> None:
    """Raise InputError for options that mean nothing to the renderer, or a model that is not named."""
    from clay_eval.schemas.errors import InputError

    foreign = sorted(given.keys() - _OPTIONS[renderer])
    if foreign:
        name = foreign[0]
        others = [other.value for other, known in _OPTIONS.items() if name in known]
        raise InputError(
            f"the {renderer.value} renderer has no such option",
            where="--" + name.replace("_", "-"),
            hint=f"leave it out, or use --renderer {' or '.join(others)}",
        )
    if "model" in _OPTIONS[renderer] and "model" not in given:
        raise InputError(
            f"the {renderer.value} renderer needs a model",
            where="--model",
            hint="for example --model black-forest-labs/FLUX.1-schnell --steps 4 --guidance 0",
        )


def draw(
    folder: RunFolder,
    size: int | None,
    image_format: str = "jpg",
    shard_size: int = 256,
    renderer: RendererName = RendererName.procedural,
    given: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Render the run's plan. `given`: the options of learned renderers that were given, by name."""
    from clay_eval.generator.planning import read_plan_record
    from clay_eval.generator.rendering import RenderOptions, render_plan

    given = dict(given or {})
    # An endpoint gets several rounds of requests at once, so that one slow answer holds up few others.
    usual = 4 * given.get("concurrency", 4) if renderer is RendererName.endpoint else 8
    batch_size = given.pop("batch_size", usual)
    options = RenderOptions(shard_size=shard_size, image_format=image_format, batch_size=batch_size)
    total = read_plan_record(folder.plan)["samples"]
    with progress_bar("render", total) as advance:
        made = _make(renderer, size, given)
        return render_plan(folder.plan, folder.shards, made, options, advance)


def _make(renderer: RendererName, size: int | None, given: dict[str, Any]) -> Renderer:
    if size is not None:
        given = {**given, "size": size}
    if renderer is RendererName.procedural:
        from clay_eval.generator.render.procedural import ProceduralRenderer

        return ProceduralRenderer(size or DEFAULT_SIZE)
    model = given.pop("model")
    if renderer is RendererName.endpoint:
        from clay_eval.generator.render.endpoint import EndpointOptions, EndpointRenderer

        return EndpointRenderer(model, EndpointOptions(**given))
    from clay_eval.generator.render.diffusion import DiffusionOptions, load_diffusion

    revision = given.pop("revision", None)
    return load_diffusion(model, DiffusionOptions(**given), revision)
