"""clay-eval report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import Json, emit

EPILOG = """
**Example**

    clay-eval report runs/first

Makes report.html, queries.html and report.md from report.json and what lies beside it: again, or for the first time after
clay-eval evaluate --no-pages, of which only the numbers are there.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="report", epilog=EPILOG)(report)


def report(
    folder: Annotated[
        Path | None, typer.Argument(help="A run folder, or the folder that holds report.json.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The same, as other commands take it.")] = None,
    json: Json = False,
) -> None:
    """Write the pages of a finished evaluation."""
    from clay_eval.evaluator.evaluation.prepared import read_report
    from clay_eval.evaluator.report.pages import write_pages
    from clay_eval.schemas.errors import InputError

    folders = [each for each in (folder, out) if each is not None]
    if len(folders) != 1:
        raise InputError("which report?", where="FOLDER", expected="one run folder", found=len(folders))
    folder = folders[0]
    place = folder / "report" if (folder / "report" / "report.json").is_file() else folder
    record = read_report(place)
    write_pages(record, place)
    page = place / "report.html"
    emit(json, {"report": str(page), "results": record["results"]}, f"report: {page}")
