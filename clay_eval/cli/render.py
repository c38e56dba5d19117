"""clay-eval render"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from clay_eval.generator.render.kinds import check_options
from clay_eval.stages.drawing import AUTO_JUDGE, Drawing
from clay_eval.stages.folders import RunFolder
from clay_eval.stages.rendering import render as run_rendering

from .choices import renderer_option
from .common import Json, Out, emit, progress_bars
from .engine import ClusterOptions
from .filtering import failures_table, filter_lines
from .options import grouped

EPILOG = """
**Example**

    clay-eval render --out runs/first

    clay-eval render --out runs/exact --renderer procedural --size 256 --format png

    clay-eval render --out runs/xl --model org/name --steps 30 --guidance 5 --judge ViT-L-14:datacomp_xl_s13b_b90k

    clay-eval render --out runs/sd --model models/my-sd --steps 30 --guidance 5 --batch-size 16 --part 3/16

    clay-eval render --out runs/fleet --renderer endpoint --model Qwen/Qwen-Image --base-url http://localhost:8000/v1

Draws the plan in --out into webdataset shards with labels.csv and manifest.json. Interrupted, the same command continues;
changed options are refused (exit code 3); --batch-size, --device, --offload, --compile, --concurrency, --timeout, --retries
and --base-url may change on the way. Samples that failed are listed, and drawn again, alone, by the same command (exit code
1 while some are left).

A judge is an image and text encoder (any that `clay-eval embed` takes; another than the one that you score with, or the
report will say so). It reads every core attribute of a picture on its own. What it rejects is drawn again with another
seed, --attempts times in all, then set aside in shards/quarantine with its reasons: see `clay-eval review`.

A diffusion model is "embedded" (a demonstration that knows demo-object and demo-human), a folder saved by diffusers
(safetensors only) or a name on the Hugging Face Hub, fetched once. Mind its licence before you publish pictures:
FLUX.1-schnell is Apache-2.0; the licence of FLUX.1-dev restricts what its outputs may be used for.

Job arrays: --part i/n draws every n-th shard into parts/i-of-n; when all are done, `clay-eval merge` brings them together.

Many machines: --engine ray uses the Ray cluster that runs here, or at $RAY_ADDRESS, one model a worker; --out is on storage
that all machines share. Machines may come and go meanwhile; the pictures are those of the local engine. Where no cluster is,
one is started on this machine, a worker a GPU, and ends with the command.

    clay-eval render --out /shared/runs/flux --model black-forest-labs/FLUX.1-schnell --engine ray --workers 16
"""


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


_BOTH, _DIFFUSION, _ENDPOINT, _FILTER = "Learned renderers", "Diffusion", "Endpoint", "Alignment filter"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="render", epilog=EPILOG)(grouped(render))


@dataclass(frozen=True)
class StorageOptions:
    """How pictures are stored."""

    size: Annotated[
        int | None,
        typer.Option(
            "--size",
            help="Width and height in pixels. Default: 128 procedural, the model's own diffusion, 1024 endpoint.",
        ),
    ] = None
    image_format: Annotated[ImageFormat, typer.Option("--format", help="How pictures are stored.")] = (
        ImageFormat.jpg
    )
    shard_size: Annotated[int, typer.Option("--shard-size", min=1, help="Samples a shard.")] = 256


@dataclass(frozen=True)
class LearnedOptions:
    """What learned renderers draw with; None is the renderer's own."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="A diffusers folder or Hub name; the model's name at an endpoint. Default: embedded.",
            rich_help_panel=_BOTH,
        ),
    ] = None
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", min=1, help="Denoising steps. Default: the model's own.", rich_help_panel=_BOTH
        ),
    ] = None
    guidance: Annotated[
        float | None,
        typer.Option(
            "--guidance", min=0, help="Guidance scale. Default: the model's own.", rich_help_panel=_BOTH
        ),
    ] = None


@dataclass(frozen=True)
class DiffusionOptions:
    """How a diffusion pipeline is run; None is the renderer's own."""

    revision: Annotated[
        str | None,
        typer.Option("--revision", help="Commit, branch or tag of a Hub model.", rich_help_panel=_DIFFUSION),
    ] = None
    dtype: Annotated[
        Dtype | None,
        typer.Option(
            "--dtype",
            help="Precision. Default: auto (bf16 on CUDA, else fp32).",
            rich_help_panel=_DIFFUSION,
        ),
    ] = None
    device: Annotated[
        str | None,
        typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.", rich_help_panel=_DIFFUSION),
    ] = None
    offload: Annotated[
        Offload | None,
        typer.Option(
            "--offload",
            help="Keep models, or their layers, off the GPU until they are needed; needs accelerate.",
            rich_help_panel=_DIFFUSION,
        ),
    ] = None
    compile: Annotated[
        bool | None,
        typer.Option("--compile", help="Compile the denoiser with torch.", rich_help_panel=_DIFFUSION),
    ] = None
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            min=1,
            help="Pictures at a time; halved if memory runs out. Default: 8.",
            rich_help_panel=_DIFFUSION,
        ),
    ] = None
    trust_remote_code: Annotated[
        bool | None,
        typer.Option(
            "--trust-remote-code", help="Run code that comes with the model.", rich_help_panel=_DIFFUSION
        ),
    ] = None


@dataclass(frozen=True)
class EndpointOptions:
    """How an endpoint is asked; None is the renderer's own."""

    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url",
            help="The API's URL, usually ending in /v1. Default: $OPENAI_BASE_URL. The key: $OPENAI_API_KEY.",
            rich_help_panel=_ENDPOINT,
        ),
    ] = None
    extras: Annotated[
        bool | None,
        typer.Option(
            "--extras/--no-extras",
            help="Send seed, negative prompt, steps and guidance. Default: yes; OpenAI's own service refuses them.",
            rich_help_panel=_ENDPOINT,
        ),
    ] = None
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency", min=1, help="Requests at a time. Default: 4.", rich_help_panel=_ENDPOINT
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", help="Seconds a request. Default: 300.", rich_help_panel=_ENDPOINT),
    ] = None
    retries: Annotated[
        int | None,
        typer.Option(
            "--retries",
            min=0,
            help="After 429, 5xx and lost connections. Default: 5.",
            rich_help_panel=_ENDPOINT,
        ),
    ] = None


@dataclass(frozen=True)
class FilterOptions:
    """What a picture must pass."""

    judge: Annotated[
        str,
        typer.Option(
            "--judge",
            help="An encoder that checks the pictures, embedded-judge, or none. "
            "Default: embedded-judge for the embedded pipeline, none for others.",
            rich_help_panel=_FILTER,
        ),
    ] = AUTO_JUDGE
    attempts: Annotated[
        int,
        typer.Option("--attempts", min=1, help="Pictures a sample at most.", rich_help_panel=_FILTER),
    ] = 3
    margin: Annotated[
        float,
        typer.Option(
            "--margin",
            help="By how much a label's cosine must exceed every other value's.",
            rich_help_panel=_FILTER,
        ),
    ] = 0.0
    prompt_score: Annotated[
        float | None,
        typer.Option(
            "--prompt-score",
            help="Least cosine of picture and prompt. Default: recorded, not required.",
            rich_help_panel=_FILTER,
        ),
    ] = None
    vqa: Annotated[
        str | None,
        typer.Option(
            "--vqa",
            help="A vision-language model (transformers folder or Hub name) that must say yes, too.",
            rich_help_panel=_FILTER,
        ),
    ] = None
    judge_diversity: Annotated[
        bool,
        typer.Option(
            "--judge-diversity",
            help="Judge diversity labels (viewpoint, light, ...), too, and not core labels alone.",
            rich_help_panel=_FILTER,
        ),
    ] = False


def render(
    *,
    out: Out,
    renderer: Annotated[str, renderer_option("What draws.")] = "diffusion",
    storage: StorageOptions,
    learned: LearnedOptions,
    diffusion: DiffusionOptions,
    endpoint: EndpointOptions,
    alignment: FilterOptions,
    part: Annotated[
        str | None, typer.Option("--part", help="i/n: draw only every n-th shard, for job arrays.")
    ] = None,
    cluster: ClusterOptions,
    json: Json = False,
) -> None:
    """Draw the planned pictures into shards."""
    from clay_eval.generator.shards.rendering import parse_part

    given = given_options(learned, diffusion, endpoint)
    check_options(renderer, given)
    resources = cluster.resources()
    drawing = drawing_of(renderer, storage, given, alignment)
    run = RunFolder(out)
    which = None if part is None else parse_part(part)
    with progress_bars() as progress:
        manifest = run_rendering(run, drawing, progress, part=which, resources=resources)
    conclude(run, manifest, json)


def drawing_of(
    renderer: str, storage: StorageOptions, given: dict[str, Any], alignment: FilterOptions
) -> Drawing:
    """What draws and judges, by the options of a command."""
    return Drawing(
        renderer,
        storage.size,
        storage.image_format.value,
        storage.shard_size,
        alignment.attempts,
        given,
        alignment.judge,
        alignment.margin,
        alignment.prompt_score,
        alignment.vqa,
        alignment.judge_diversity,
    )


def given_options(*groups: LearnedOptions | DiffusionOptions | EndpointOptions) -> dict[str, Any]:
    """The options that were given, by name."""
    options = (item for group in groups for item in vars(group).items())
    return {
        name: value.value if isinstance(value, StrEnum) else value
        for name, value in options
        if value is not None
    }


def conclude(
    run: RunFolder, manifest: dict[str, Any], json: bool, again: str = "the same command draws these alone"
) -> None:
    """Say what was made and what was not; exit with 1 while samples are left that failed."""
    folder = run.shards
    if manifest["part"]:
        folder = run.parts / "{}-of-{}".format(*manifest["part"])
    shards = sum(entry["samples"] is not None for entry in manifest["files"])
    emit(
        json,
        manifest,
        f"{manifest['samples']} pictures in {shards} shards: {folder}",
        *filter_lines(manifest),
    )
    if manifest["filter"]["failed"]:
        lines = failures_table(folder)
        number = manifest["filter"]["failed"]
        typer.echo(f"{number} samples failed; {again}:", err=True)
        typer.echo("\n".join(lines), err=True)
        raise typer.Exit(1)
