"""clay-eval embed"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Json, Out, RunFolder, emit, progress_bar
from .engine import CpusPerWorker, EngineName, EngineOption, GpusPerWorker, Workers, ray_resources

if TYPE_CHECKING:
    from clay_eval.evaluator.embedding.encoders import Encoder
    from clay_eval.evaluator.embedding.store import EmbedCounts
    from clay_eval.evaluator.pictures.sources import ImageSource
    from clay_eval.ray.cluster import Resources

EPILOG = """
**Example**

    clay-eval embed --out runs/first

    clay-eval embed --data my_pictures --encoder ViT-B-32:laion2b_s34b_b79k --device cuda --out runs/mine

    clay-eval embed --data my_pictures --encoder transformers:google/siglip2-base-patch16-224 --out runs/mine

    clay-eval embed --out /shared/runs/first --encoder ViT-L-14:datacomp_xl_s13b_b90k --engine ray --workers 8

Features are kept in features/, a file a shard; those that are there and up to date are not computed again.
"""


class Precision(StrEnum):
    """Number formats of the encoder."""

    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Labelled pictures: shards, a release, webdataset tars, a folder with labels.csv or metadata.csv, a folder of "
        "pictures for each class, or NAME:FOLDER (see clay-eval datasets). Default: shards/ of --out.",
    ),
]
EncoderOption = Annotated[
    str,
    typer.Option(
        "--encoder",
        help="embedded, MODEL:TAG or MODEL:FILE.safetensors of open_clip, a model folder, hf-hub:ORG/NAME, or "
        "transformers:FOLDER or ORG/NAME[@REVISION] for CLIP, SigLIP and SigLIP 2 of transformers.",
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="Number format of the encoder.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Pictures a forward pass.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="embed", epilog=EPILOG)(embed)


def embed(
    out: Out,
    data: Data = None,
    encoder: EncoderOption = "embedded",
    device: Device = "auto",
    precision: PrecisionOption = Precision.fp32,
    batch_size: BatchSize = 64,
    engine: EngineOption = EngineName.local,
    workers: Workers = None,
    gpus_per_worker: GpusPerWorker = None,
    cpus_per_worker: CpusPerWorker = None,
    json: Json = False,
) -> None:
    """Turn every picture into one vector, once."""
    from clay_eval.evaluator.embedding.encoders.names import request
    from clay_eval.schemas.files import locked

    resources = ray_resources(engine, workers, gpus_per_worker, cpus_per_worker)
    folder = RunFolder(out)
    source = open_data(folder, data)
    request(encoder, precision.value)
    with locked(folder.features):
        counts, model = embed_source(folder, source, encoder, device, precision.value, batch_size, resources)
    record = {
        "encoder": dict(model.identity),
        "computed": counts.computed,
        "reused": counts.reused,
    }
    emit(json, record, f"{counts.computed} pictures embedded, {counts.reused} were there: {folder.features}")


def open_data(folder: RunFolder, data: Path | None, **own: Any) -> ImageSource:
    """Open the labelled pictures in `data`, or the run's own; `own` as in `open_source`."""
    from clay_eval.evaluator.pictures.opening import open_source
    from clay_eval.schemas.manifest import SETTINGS, read_manifest

    place = data or folder.shards
    if data is None or (place / SETTINGS).exists():
        read_manifest(place)
    return open_source(place, **own)


def embed_source(
    folder: RunFolder,
    source: ImageSource,
    encoder: str,
    device: str,
    precision: str,
    batch_size: int,
    resources: Resources | None = None,
) -> tuple[EmbedCounts, Encoder]:
    """Embed what the run's feature store lacks; return the counts and the encoder. Hold the store's lock meanwhile.

    resources: has it done by workers of the Ray cluster; `device` is then theirs, and this machine needs no GPU.
    """
    from clay_eval.evaluator.embedding.lazy import open_encoder
    from clay_eval.evaluator.embedding.store import FeatureStore
    from clay_eval.evaluator.embedding.store import embed as compute

    total = sum(len(labels.keys) for labels in source.entities.values())
    with progress_bar("embed", total) as advance:
        store = FeatureStore(folder.features)
        store.clean()
        last = 0

        def report(done: int, _: int) -> None:
            nonlocal last
            advance(done - last)
            last = done

        if resources is None:
            model = open_encoder(encoder, store, device, precision, batch_size)
            return compute(source, model, store, batch_size, report), model
        from clay_eval.ray.embedding import EncoderRecipe, ray_engine

        model = open_encoder(encoder, store, "cpu", precision, batch_size)
        recipe = EncoderRecipe(encoder, device, precision, batch_size)
        engine = ray_engine(
            source, model.identity, store, recipe, batch_size, resources, can_use_gpus=device != "cpu"
        )
        return compute(source, model, store, batch_size, report, engine), model
