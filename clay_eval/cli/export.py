"""clay-eval export"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.stages.evaluation import announce
from clay_eval.stages.folders import RunFolder, steps
from clay_eval.stages.inputs import Inputs

from .common import Json, Out, emit, note, progress_bars
from .options import grouped
from .scoring import DataOptions, TextFiles, VectorOptions, inputs_of

if TYPE_CHECKING:
    from clay_eval.evaluator.evaluation.settings import EvaluationSettings
    from clay_eval.evaluator.exports.vector_stores import Records

EPILOG = """
**Examples**

    clay-eval export --out runs/first --format latex --format parquet

    clay-eval export --out runs/first --format markdown --measure P@10 --intervals --to tables --json

    clay-eval export --out runs/first --format trec --method raw --method clay --depth 0

    clay-eval export --out runs/first --format latex --experiment cluster

    clay-eval export --out runs/first --entity demo-object --format lancedb --condition color --condition category

    clay-eval export --out runs/mine --data photographs --format qdrant --store http://localhost:6333 \\
        --condition "weather: sunny, rainy, snowy"

csv and parquet hold every query's scores, latex and markdown the tables of the report. trec ranks again: it needs the data,
the encoder and the texts of the evaluation, named as they were there, and writes a run a method and database, with qrels.
lancedb and qdrant hold the pictures' vectors under each --condition (as in clay-eval search) with keys and labels; they need
the data and the encoder, and no report; so do atlas, a parquet file with pictures, labels, a map and neighbours under each
--condition, for Embedding Atlas, and fiftyone, a folder that FiftyOne imports. The key of a Qdrant server is
read from QDRANT_API_KEY.
"""
DEPTH = 1000


class Format(StrEnum):
    """What a report can be written as."""

    csv = "csv"
    parquet = "parquet"
    latex = "latex"
    markdown = "markdown"
    trec = "trec"
    lancedb = "lancedb"
    qdrant = "qdrant"
    atlas = "atlas"
    fiftyone = "fiftyone"


_DATABASES = (Format.lancedb, Format.qdrant)
_STORES = (Format.lancedb, Format.qdrant, Format.atlas, Format.fiftyone)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="export", epilog=EPILOG)(grouped(export))


@dataclass(frozen=True)
class TableOptions:
    """What tables show."""

    measure: Annotated[
        str | None, typer.Option("--measure", help="The measure of the tables. Default: the report's first.")
    ] = None
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference", help="The method that tables mark differences from. Default: the report's."
        ),
    ] = None
    intervals: Annotated[bool, typer.Option("--intervals", help="Tables show intervals, too.")] = False
    experiment: Annotated[
        str | None,
        typer.Option(
            "--experiment",
            help="Write the tables of this finished experiment (latex, markdown, csv), not the report's.",
        ),
    ] = None


@dataclass(frozen=True)
class RunOptions:
    """What runs hold."""

    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="A method of the report to write runs of; may be repeated. Default: all. Of lancedb and qdrant the "
            "one that makes the vectors; default: clay(fusion=sum).",
        ),
    ] = None
    depth: Annotated[int, typer.Option("--depth", min=0, help="Documents a query in a run; 0 for all.")] = (
        DEPTH
    )
    compress: Annotated[bool, typer.Option("--compress", help="Runs and qrels are packed, as .gz.")] = False
    split_file: Annotated[
        Path | None, typer.Option("--split-file", help="The file of the split, where one was given.")
    ] = None


@dataclass(frozen=True)
class StoreOptions:
    """Where conditional vectors go."""

    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            help="The database of lancedb or qdrant: a folder, or an address. Default: lancedb/ or qdrant/ of --to.",
        ),
    ] = None
    table: Annotated[
        str | None,
        typer.Option("--table", help="The table or collection. Default: the entity's name."),
    ] = None
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a table or collection that is there.")
    ] = False


def export(
    *,
    out: Out,
    format: Annotated[list[Format], typer.Option("--format", help="May be repeated.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="The folder to write to. Default: exports/ in the run folder.")
    ] = None,
    tables: TableOptions,
    runs: RunOptions,
    stores: StoreOptions,
    data: DataOptions,
    vectors: VectorOptions,
    texts: TextFiles = None,
    json: Json = False,
) -> None:
    """Write a finished report, an experiment, or vectors under conditions in the formats of other tools."""
    if to is not None:
        RunFolder(out).refuse_within(to, "--to")
    if tables.experiment is not None:
        _experiment(out, tables.experiment, format, to or out / "exports", json)
        return
    from clay_eval.evaluator.evaluation.prepared import read_report

    folder = to or out / "exports"
    written = [name for name in dict.fromkeys(format) if name in _STORES]
    files: dict[str, str | Path] = {}
    if written:
        files |= _stored(
            inputs_of(out, replace(data, condition=None), vectors, texts), data, runs, stores, folder, written
        )
    if len(written) == len(set(format)):
        emit(json, {"files": files}, *(f"{name}: {path}" for name, path in files.items()))
        return
    place = RunFolder(out).report if RunFolder(out).report.is_dir() else out
    report = read_report(place)
    for name in dict.fromkeys(format):
        if name in _STORES:
            continue
        if name is Format.trec:
            files[name] = _runs(inputs_of(out, data, vectors, texts), report, runs, folder / "trec")
        elif name in (Format.csv, Format.parquet):
            files[name] = _per_query(name, report, place, folder)
        else:
            files[name] = _tables(name, report, folder, tables)
    record = {"report": report["fingerprint"], "files": {name: str(path) for name, path in files.items()}}
    emit(json, record, *(f"{name}: {path}" for name, path in files.items()))


def _experiment(out: Path, name: str, formats: list[Format], folder: Path, json: bool) -> None:
    from clay_eval.evaluator.exports.experiment_tables import (
        experiment_csv,
        experiment_latex,
        experiment_markdown,
    )
    from clay_eval.evaluator.report.experiment_records import read_experiments
    from clay_eval.schemas.errors import InputError
    from clay_eval.schemas.files import write_text

    found = {record.name: record for record in read_experiments(out)}
    if name not in found:
        raise InputError(
            "no such experiment in the run",
            where="--experiment",
            expected=", ".join(found) or "a finished experiment, and there is none",
            found=repr(name),
        )
    written = {
        Format.latex: ("tex", experiment_latex),
        Format.markdown: ("md", experiment_markdown),
        Format.csv: ("csv", experiment_csv),
    }
    if unfit := [one.value for one in formats if one not in written]:
        raise InputError(
            "an experiment is not written so",
            where="--format",
            expected=", ".join(one.value for one in written),
            found=unfit[0],
        )
    files = {}
    for one in dict.fromkeys(formats):
        ending, form = written[one]
        files[one.value] = folder / f"{name}.{ending}"
        write_text(files[one.value], form(found[name]))
    record = {"experiment": found[name].fingerprint, "files": {key: str(path) for key, path in files.items()}}
    emit(json, record, *(f"{key}: {path}" for key, path in files.items()))


def _per_query(name: Format, report: dict[str, Any], place: Path, folder: Path) -> Path:
    from clay_eval.evaluator.exports.per_query import write_csv, write_parquet

    path = folder / f"per_query.{name.value}"
    (write_csv if name is Format.csv else write_parquet)(report, place, path)
    return path


def _tables(name: Format, report: dict[str, Any], folder: Path, options: TableOptions) -> Path:
    from clay_eval.evaluator.exports.grids import build_grids
    from clay_eval.evaluator.exports.tables import latex, markdown
    from clay_eval.schemas.files import write_text

    grids = build_grids(report, measure=options.measure, reference=options.reference)
    path, form = (folder / "tables.tex", latex) if name is Format.latex else (folder / "tables.md", markdown)
    write_text(path, form(grids, report["fingerprint"], intervals=options.intervals))
    return path


def _stored(
    inputs: Inputs,
    data: DataOptions,
    runs: RunOptions,
    stores: StoreOptions,
    folder: Path,
    formats: Sequence[Format],
) -> dict[str, str | Path]:
    """Write the pictures' vectors under the conditions that are asked for; return where each format lies."""
    import os

    from clay_eval.evaluator.exports.vector_stores import Records, write_lancedb, write_qdrant
    from clay_eval.schemas.errors import InputError
    from clay_eval.stages.searching import METHOD, SearchOptions, open_index

    if (
        not data.condition
        or (stores.store is not None and len(formats) > 1)
        or len(runs.method or [METHOD]) > 1
    ):
        raise InputError(
            "vectors are written under conditions, by one method, and --store is one place",
            where="--condition, --method, --store",
            expected="--condition NAME (may be repeated), at most one --method, and --store with one format",
        )
    options = SearchOptions((runs.method or [METHOD])[0])
    with progress_bars() as progress:
        found = open_index(inputs, data.condition, options, progress)
    table = stores.table or found.entity
    files = found.files if any(found.files) else ()
    records = Records(found.index, files=files)
    places: dict[str, str | Path] = {}
    for name in formats:
        place = stores.store or (folder / name.value if name in _DATABASES else folder)
        if name is Format.fiftyone:
            places[name.value] = _fiftyone(inputs, records, found.entity, Path(place), stores.replace)
            continue
        if name is Format.atlas:
            places[name.value] = _atlas(inputs, records, found.entity, Path(place))
            continue
        if name is Format.lancedb:
            write_lancedb(records, place, table, replace=stores.replace)
        else:
            key = os.environ.get("QDRANT_API_KEY")
            write_qdrant(records, place, table, replace=stores.replace, key=key)
        places[name.value] = f"{place}: {table}, {len(found.index)} pictures"
    return places


def _fiftyone(inputs: Inputs, records: Records, entity: str, folder: Path, replace: bool) -> Path:
    """Write the folder for FiftyOne."""
    from clay_eval.evaluator.exports.fiftyone import write_fiftyone
    from clay_eval.evaluator.pictures.access import PictureReader
    from clay_eval.schemas.errors import InputError

    if not getattr(inputs.source, "pictured", True):
        raise InputError(
            "FiftyOne shows pictures, and there are none", where="--format fiftyone", hint="use --data"
        )
    reader = PictureReader(inputs.source)
    path = folder / f"{entity}.fiftyone"
    write_fiftyone(records, path, lambda row: reader.read(entity, row), replace=replace)
    return path


def _atlas(inputs: Inputs, records: Records, entity: str, folder: Path) -> Path:
    """Write the file for Embedding Atlas, with the pictures where they are at hand."""
    from clay_eval.evaluator.exports.atlas import write_atlas
    from clay_eval.evaluator.pictures.access import PictureReader

    reader = PictureReader(inputs.source) if getattr(inputs.source, "pictured", True) else None
    path = folder / f"{entity}.atlas.parquet"
    write_atlas(records, path, None if reader is None else lambda row: reader.read(entity, row))
    return path


def _runs(inputs: Inputs, report: dict[str, Any], options: RunOptions, folder: Path) -> Path:
    """Rank again, after a check that all is as it was in the report, and return the index of what was written."""
    from clay_eval.evaluator.evaluation.prepared import prepare
    from clay_eval.evaluator.exports.rankings import evaluation_rankings
    from clay_eval.evaluator.trec.writing import INDEX, export_rankings

    settings = _settings(report, options.split_file)
    chosen = _chosen(report, options.method)
    methods = inputs.methods(settings)
    evaluation = prepare(
        inputs.source,
        settings,
        texts=inputs.texts,
        plan=inputs.plan,
        split=options.split_file,
        methods=methods,
    )
    announce(evaluation, note)
    evaluation.finished(inputs.folder.report, inputs.identity())
    evaluation = replace(evaluation, methods=[m for m in methods if m.name in chosen])
    failed = {(f["entity"], f["method"], tuple(f["conditions"])) for f in report["failures"]}
    with progress_bars() as progress, inputs.feature_source(progress) as feature_source:
        export_rankings(
            evaluation_rankings(evaluation, feature_source, failed),
            folder,
            fingerprint=report["fingerprint"],
            depth=options.depth,
            compress=options.compress,
            progress=steps(progress, "rank", None),
        )
    return folder / INDEX


def _settings(report: dict[str, Any], split_file: Path | None) -> EvaluationSettings:
    """The settings that the report records."""
    from dataclasses import fields

    from clay_eval.evaluator.evaluation.settings import EvaluationSettings
    from clay_eval.evaluator.retrieval.condition_sets import EVERY_SIZE
    from clay_eval.schemas.errors import InputError

    found = report["settings"]
    if found["split"] == "given" and split_file is None:
        raise InputError(
            "the report is of a split that was given", where="--split-file", expected="that file"
        )
    values: dict[str, Any] = {
        field.name: tuple(value) if isinstance(value := found[field.name], list) else value
        for field in fields(EvaluationSettings)
        if field.name in found
    }
    return EvaluationSettings(**{"largest_set": EVERY_SIZE, **values})


def _chosen(report: dict[str, Any], method: list[str] | None) -> set[str]:
    from clay_eval.evaluator.methods.support.specs import parse_spec
    from clay_eval.schemas.errors import InputError

    known = report["settings"]["methods"]
    chosen = {str(parse_spec(name)) for name in method or known}
    if unknown := sorted(chosen - set(known)):
        raise InputError(
            "the report has no such method",
            where="--method",
            expected=", ".join(known),
            found=repr(unknown[0]),
        )
    return chosen
