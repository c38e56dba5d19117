"""clay-eval explore"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from clay_eval.stages.exploring import ExploreOptions, open_explorer, place_of

from .common import Json, emit, note, progress_bars
from .experiments import MethodOption
from .options import grouped
from .plan import ServerOptions, model_of
from .scoring import PictureOptions, TextOptions, VectorOptions, inputs_of

EPILOG = """
**Examples**

    clay-eval explore --out runs/first

    clay-eval explore --data photographs

    clay-eval explore --data photographs --encoder ViT-B-32:laion2b_s34b_b79k --texts conditions.json

    clay-eval explore --features images.npy --labels labels.csv --text-features texts.npy --texts conditions.json

Opens a page in the browser, served by this machine to itself alone, until Ctrl-C. Pictures need no labels: type what they
may be alike in. Vectors are computed once and kept in --out, or in the cache of the user.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="explore", epilog=EPILOG)(grouped(explore))


@dataclass(frozen=True)
class PageOptions:
    """How the page is served and opened."""

    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of 127.0.0.1; 0 is a free one.")
    ] = 0
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = (
        True
    )
    view: Annotated[
        str,
        typer.Option("--view", help="Begin with the view of this address, or what stands behind # in it."),
    ] = ""


def explore(
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run to explore, or where vectors of --data are kept.")
    ] = None,
    data: PictureOptions,
    vectors: VectorOptions,
    no_labels: Annotated[
        bool, typer.Option("--no-labels", help="Take every picture of --data, and read no labels.")
    ] = False,
    texts: TextOptions,
    method: MethodOption = None,
    page: PageOptions,
    server: ServerOptions,
    json: Json = False,
) -> None:
    """Look at pictures on a page: who is alike in what, while sliders move."""
    from clay_eval.evaluator.explore.serving import bound, serve

    with bound(page.port):
        pass  # a port in use is said before anything is embedded
    place = place_of(data.data, vectors.features, out)
    inputs = inputs_of(place, data, vectors, texts.texts)
    options = ExploreOptions(no_labels=no_labels, methods=method, template=texts.template)
    with progress_bars() as progress:
        explorer = open_explorer(inputs, options, progress, model_of(server, place))

    def ready(address: str) -> None:
        record = {"address": address, "entities": list(explorer.workbenches), "kept": str(place)}
        emit(json, record, f"exploring at {address}", "Ctrl-C ends it")

    serve(explorer, port=page.port, view=page.view, browser=page.browser, ready=ready)
    note("ended")
