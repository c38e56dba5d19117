"""clay-eval embed"""

from __future__ import annotations

import typer

from clay_eval.stages.embedding import embed as run_embedding

from .common import Json, Out, emit, progress_bars
from .engine import ClusterOptions
from .options import grouped
from .scoring import Data, EncoderOptions

EPILOG = """
**Example**

    clay-eval embed --out runs/first

    clay-eval embed --data my_pictures --encoder ViT-B-32:laion2b_s34b_b79k --device cuda --out runs/mine

    clay-eval embed --data my_pictures --encoder transformers:google/siglip2-base-patch16-224 --out runs/mine

    clay-eval embed --out /shared/runs/first --encoder ViT-L-14:datacomp_xl_s13b_b90k --engine ray --workers 8

Features are kept in features/, a file a shard; those that are there and up to date are not computed again.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="embed", epilog=EPILOG)(grouped(embed))


def embed(
    *, out: Out, data: Data = None, encoder: EncoderOptions, cluster: ClusterOptions, json: Json = False
) -> None:
    """Turn every picture into one vector, once."""
    resources = cluster.resources()
    inputs = encoder.inputs(out, data)
    with progress_bars() as progress:
        counts, model = run_embedding(inputs, progress, resources=resources)
    record = {
        "encoder": dict(model.identity),
        "computed": counts.computed,
        "reused": counts.reused,
    }
    line = f"{counts.computed} pictures embedded, {counts.reused} were there: {inputs.folder.features}"
    emit(json, record, line)
