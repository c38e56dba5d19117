"""clay-eval search"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from clay_eval.stages.exploring import place_of
from clay_eval.stages.searching import METHOD, SearchOptions, needed_texts, open_index, parse_asked
from clay_eval.stages.searching import search as find

from .common import Json, emit, note, progress_bars
from .options import grouped
from .plan import ServerOptions, model_of
from .scoring import Data, PictureOptions, TextOptions, VectorOptions, inputs_of

EPILOG = """
**Examples**

    clay-eval search --query demo-object-00001 --condition color=2 --condition category --out runs/first

    clay-eval search --query holiday.jpg --condition "weather: sunny, rainy, snowy" --data photographs --top 5 --json

    clay-eval search --query p7 --condition color --condition shape=-1 --features images.npy --text-features texts.npy

A condition is a name whose texts are known, or a name with its values; =NUMBER is its weight, and below 0 (to -1) it says
"regardless of it". Without a condition pictures are compared as they are. Vectors are kept in --out, or in the cache of the
user.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="search", epilog=EPILOG)(grouped(search))


@dataclass(frozen=True)
class AskedOptions:
    """What is searched for."""

    condition: Annotated[
        list[str] | None,
        typer.Option(
            "--condition",
            help="NAME, NAME=WEIGHT, or 'NAME: value, value=WEIGHT'; may be repeated.",
        ),
    ] = None
    query: Annotated[
        str | None, typer.Option("--query", help="A picture's key, or a file with a picture.")
    ] = None
    top: Annotated[int, typer.Option("--top", min=1, help="How many pictures are shown.")] = 20
    method: Annotated[str, typer.Option("--method", help="A feature method, as in clay-eval evaluate.")] = (
        METHOD
    )


@dataclass(frozen=True)
class SearchedOptions:
    """Which pictures are searched."""

    data: Data = None
    entity: Annotated[
        str | None, typer.Option("--entity", help="One entity of the data, or a name for your own data.")
    ] = None
    no_labels: Annotated[
        bool, typer.Option("--no-labels", help="Take every picture of --data, and read no labels.")
    ] = False


def search(
    *,
    asked: AskedOptions,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run to search, or where vectors of --data are kept.")
    ] = None,
    searched: SearchedOptions,
    vectors: VectorOptions,
    texts: TextOptions,
    server: ServerOptions,
    save_texts: Annotated[
        Path | None, typer.Option("--save-texts", help="Keep the conditions' texts in a file for --texts.")
    ] = None,
    list_texts: Annotated[
        Path | None,
        typer.Option("--write-texts", help="Only list the texts that need vectors, one a line, and end."),
    ] = None,
    json: Json = False,
) -> None:
    """Find the pictures most similar to one under conditions."""
    from clay_eval.schemas.errors import InputError

    weights = parse_asked(asked.condition or [])
    if asked.query is None and list_texts is None:
        raise InputError("nothing to search for", where="--query", expected="a picture's key, or a file")
    place = place_of(searched.data, vectors.features, out)
    inputs = inputs_of(place, PictureOptions(searched.data, None, searched.entity), vectors, texts.texts)
    options = SearchOptions(asked.method, None, searched.no_labels, texts.template, model_of(server, place))
    if list_texts is not None:
        from clay_eval.evaluator.embedding.given import write_needed_texts

        needed = needed_texts(inputs, list(weights), options)
        write_needed_texts(list_texts, needed)
        emit(json, {"texts": len(needed), "file": str(list_texts)}, f"{len(needed)} texts: {list_texts}")
        return
    assert asked.query is not None
    with progress_bars() as progress:
        opened = open_index(inputs, list(weights), options, progress, asked.query)
    found = find(opened, asked.query, weights, asked.top)
    if save_texts is not None:
        from clay_eval.stages.wording import write_texts

        if opened.texts is None:
            raise InputError("there is no condition to keep", where="--save-texts", expected="--condition")
        write_texts(save_texts, opened.texts)
        note(f"texts: {save_texts}")
    record = {
        "query": asked.query,
        "entity": opened.entity,
        "method": opened.index.method,
        "conditions": dict(zip(opened.index.conditions, weights.values(), strict=True)),
        "pictures": len(opened.index),
        "neighbours": found,
    }
    emit(json, record, *map(_line, found))


def _line(found: dict[str, Any]) -> str:
    likely = ", ".join(
        f"{name} {said['value'] or 'of no text'} ({said['chance']:.2f})"
        for name, said in found["likely"].items()
    )
    return "  ".join(filter(None, [f"{found['similarity']:6.3f}", found["key"], likely, found["path"]]))
