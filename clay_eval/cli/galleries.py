"""clay-eval galleries"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clay_eval.stages.folders import steps

from .common import Json, Out, emit, emit_texts, progress_bars
from .experiments import MethodOption, Replace
from .options import grouped
from .scoring import PictureOptions, TextOptions, VectorOptions, WriteTexts, inputs_of

EPILOG = """
**Example**

    clay-eval galleries focus.json --data my_pictures --encoder ViT-B-32:laion2b_s34b_b79k --out runs/focus

    clay-eval galleries mine.json --out runs/first --entity demo-object --method raw --method clay

A file of galleries holds queries, each with a condition, the pictures to rank and those that are right:

    {"schema": "clay-eval/galleries/1", "name": "mine", "queries": [{"query": "k1", "condition": "color",
     "gallery": ["k2", "k3", "k4"], "targets": ["k3"]}]}
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="galleries", epilog=EPILOG)(grouped(galleries))


def galleries(
    file: Annotated[Path, typer.Argument(help="The galleries (JSON).")],
    *,
    out: Out,
    data: PictureOptions,
    vectors: VectorOptions,
    method: MethodOption = None,
    measure: Annotated[
        list[str] | None,
        typer.Option("--measure", help="May be repeated. Default: Hit@1, Hit@2, Hit@3 (GeneCIS's recalls)."),
    ] = None,
    texts: TextOptions,
    write_texts: WriteTexts = None,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Rank small galleries, one for each query, as GeneCIS does."""
    from clay_eval.evaluator.embedding.given import write_needed_texts
    from clay_eval.evaluator.experiments.galleries import gallery_findings, gallery_settings
    from clay_eval.evaluator.experiments.record import run_experiment

    inputs = inputs_of(out, data, vectors, texts.texts)
    asked = gallery_settings(file, method, measure, texts.template)
    prepared = asked.prepare(inputs.source, inputs.texts, inputs.plan)
    if write_texts is not None:
        needed = prepared.needed_texts()
        write_needed_texts(write_texts, needed)
        return emit_texts(json, len(needed), write_texts)
    with progress_bars() as progress, inputs.feature_source(progress) as feature_source:
        steps(progress, "galleries", None)
        record = run_experiment(
            inputs.folder.root,
            "galleries",
            prepared.inputs(feature_source.identity),
            asked.record(),
            lambda: gallery_findings(prepared, feature_source),
            recorded=inputs.recorded,
            replace=replace,
        )
    place = inputs.folder.root / "experiments" / "galleries"
    emit(json, record, (place / "tables.md").read_text("utf-8").strip(), f"results: {place}")
