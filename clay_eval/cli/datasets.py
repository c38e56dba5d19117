"""clay-eval datasets"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import Json, emit, progress_bar

if TYPE_CHECKING:
    from clay_eval.evaluator.pictures.labelled import ImageSource

EPILOG = """
**Example**

    clay-eval datasets

    clay-eval datasets clevr4 data/clevr_4_10k_v1

    clay-eval datasets genecis data/genecis --galleries focus.json

    clay-eval evaluate --data clevr4:data/clevr_4_10k_v1 --encoder ViT-B-32:openai --out runs/clevr4

Nothing is downloaded. With a name and a folder, the folder is checked: every list is read, every picture decoded, and what
is missing, broken or not as published is said (exit code 1 for broken pictures). NAME@PART:FOLDER takes a part.
"""
_SOME_BROKEN = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="datasets", epilog=EPILOG)(datasets)


def datasets(
    name: Annotated[
        str | None, typer.Argument(help="A data set, or NAME@PART; without it, all are listed.")
    ] = None,
    folder: Annotated[Path | None, typer.Argument(help="Where it lies.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Hash the pictures, but do not decode them.")
    ] = False,
    galleries: Annotated[
        Path | None, typer.Option("--galleries", help="Of genecis: write its queries to this file.")
    ] = None,
    json: Json = False,
) -> None:
    """List the published data sets that can be read, or check a folder that holds one."""
    from clay_eval.evaluator.pictures.benchmarks.checking import (
        catalogue_lines,
        catalogue_record,
        check_folder,
        check_lines,
        require_folder,
    )
    from clay_eval.evaluator.pictures.benchmarks.naming import parse_data_name
    from clay_eval.schemas.errors import InputError

    require_folder(name, folder)
    if name is None:
        emit(json, catalogue_record(), *catalogue_lines())
        return
    data = parse_data_name(f"{name}:{folder}")
    if data is None:
        raise InputError(
            "no such data set", where="clay-eval datasets", expected="NAME or NAME@PART", found=name
        )
    if galleries is not None and data.name != "genecis":
        raise InputError("only genecis has galleries", where="--galleries", found=data.name)
    with progress_bar("check", None) as advance:
        record, source = check_folder(data, decode=not quick, progress=advance)
    lines = check_lines(record)
    if galleries is not None:
        record["galleries"] = _write_galleries(source, galleries)
        conditions = len(record["galleries"]["conditions"])
        lines.append("{queries} queries, {n} conditions: {file}".format(**record["galleries"], n=conditions))
    emit(json, record, *lines)
    if record["broken"]:
        raise typer.Exit(_SOME_BROKEN)


def _write_galleries(source: ImageSource, path: Path) -> dict[str, object]:
    from clay_eval.evaluator.pictures.benchmarks.genecis import ENTITY, galleries_record
    from clay_eval.evaluator.pictures.benchmarks.source import BenchmarkSource
    from clay_eval.schemas.files import write_text
    from clay_eval.schemas.fingerprint import canonical_json

    assert isinstance(source, BenchmarkSource)
    write_text(path, canonical_json(galleries_record(source.queries, ENTITY)) + "\n")
    return {
        "file": str(path),
        "queries": len(source.queries),
        "conditions": sorted({query.condition for query in source.queries}),
    }
