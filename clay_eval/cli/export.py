"""clay-eval export"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from .common import Json, Out, RunFolder, emit

EPILOG = """
**Examples**

    clay-eval export --out runs/first --format latex --format parquet

    clay-eval export --out runs/first --format markdown --measure P@10 --intervals --to tables --json

csv and parquet hold every query's scores, latex and markdown the tables of the report.
"""


class Format(StrEnum):
    """What a report can be written as."""

    csv = "csv"
    parquet = "parquet"
    latex = "latex"
    markdown = "markdown"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="export", epilog=EPILOG)(export)


def export(
    out: Out,
    format: Annotated[list[Format], typer.Option("--format", help="May be repeated.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="The folder to write to. Default: exports/ in the run folder.")
    ] = None,
    measure: Annotated[
        str | None, typer.Option("--measure", help="The measure of the tables. Default: the report's first.")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference", help="The method that tables mark differences from. Default: the report's."
        ),
    ] = None,
    intervals: Annotated[bool, typer.Option("--intervals", help="Tables show intervals, too.")] = False,
    json: Json = False,
) -> None:
    """Write a finished report in the formats of other tools."""
    from clay_eval.evaluator.evaluation import read_report

    place = RunFolder(out).report if RunFolder(out).report.is_dir() else out
    report = read_report(place)
    folder = to or out / "exports"
    tables = {"measure": measure, "reference": reference, "intervals": intervals}
    files = {name.value: _write(name, report, place, folder, tables) for name in dict.fromkeys(format)}
    record = {"report": report["fingerprint"], "files": {name: str(path) for name, path in files.items()}}
    emit(json, record, *(f"{name}: {path}" for name, path in files.items()))


def _write(name: Format, report: dict[str, Any], place: Path, folder: Path, tables: dict[str, Any]) -> Path:
    """Write one format, and return its file."""
    from clay_eval.evaluator.exports.grids import build_grids
    from clay_eval.evaluator.exports.per_query import write_csv, write_parquet
    from clay_eval.evaluator.exports.tables import latex, markdown
    from clay_eval.schemas.files import write_text

    if name in (Format.csv, Format.parquet):
        path = folder / f"per_query.{name.value}"
        (write_csv if name is Format.csv else write_parquet)(report, place, path)
        return path
    grids = build_grids(report, measure=tables["measure"], reference=tables["reference"])
    path, form = (folder / "tables.tex", latex) if name is Format.latex else (folder / "tables.md", markdown)
    write_text(path, form(grids, report["fingerprint"], intervals=tables["intervals"]))
    return path
