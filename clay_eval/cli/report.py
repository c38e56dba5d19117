"""clay-eval report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import Json, emit

EPILOG = """
**Example**

    clay-eval report runs/first

Makes report.html and report.md again from report.json and the thumbnails beside it.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="report", epilog=EPILOG)(report)


def report(
    folder: Annotated[Path, typer.Argument(help="A run folder, or the folder that holds report.json.")],
    json: Json = False,
) -> None:
    """Write the pages of a finished evaluation."""
    from clay_eval.evaluator.report.pages import write_pages
    from clay_eval.schemas.validate import read_sealed

    place = folder / "report" if (folder / "report" / "report.json").is_file() else folder
    record = read_sealed(place / "report.json", "report")
    write_pages(record, place)
    page = place / "report.html"
    emit(json, {"report": str(page), "results": record["results"]}, f"report: {page}")
