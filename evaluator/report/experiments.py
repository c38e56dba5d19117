"""The experiments of a run as a report shows them: title, caption, plots as images, warnings."""

from __future__ import annotations

import base64
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import ClayEvalError

from .experiment_records import FOLDER, ExperimentRecord, read_experiments

MAX_BYTES = 4 << 20
_KINDS = {".svg": ("image/svg+xml", (b"<?xml", b"<svg")), ".png": ("image/png", (b"\x89PNG\r\n\x1a\n",))}


def experiment_sections(run_folder: Path) -> list[dict[str, Any]]:
    """One section a finished experiment of the run; one that says why, where they are damaged or none can be read."""
    try:
        records = read_experiments(run_folder)
    except ClayEvalError as error:
        return [_damaged(str(error.what))]
    return [_section(record) for record in records]


def image_uri(paths: Sequence[Path], folder: Path) -> str | None:
    """The first of `paths` as a data URI for an <img>, where scripts in an SVG do not run; None if none can be shown.

    A path outside `folder` (also by a link), a missing file, one over MAX_BYTES and one that is not what its name says are
    passed over.
    """
    for path in paths:
        kind = _KINDS.get(path.suffix)
        content = None if kind is None else _content(path, folder)
        if kind is not None and content is not None and content.lstrip().startswith(kind[1]):
            return f"data:{kind[0]};base64,{base64.b64encode(content).decode('ascii')}"
    return None


def _section(record: ExperimentRecord) -> dict[str, Any]:
    place = f"../{FOLDER}/{record.name}"
    return {
        "name": record.name,
        "title": record.title,
        "caption": record.caption,
        "warnings": list(record.warnings),
        "plots": [
            {
                "title": plot.title,
                "alt": plot.alt,
                "image": image_uri((plot.svg, plot.png), record.folder),
                "path": f"{place}/{plot.svg.name}",
            }
            for plot in record.plots
        ],
        "tables": [
            {
                "title": table.title,
                "columns": [(column.title, column.form != "text") for column in table.columns],
                "rows": [
                    [column.show(cell) for column, cell in zip(table.columns, row, strict=True)]
                    for row in table.rows
                ],
            }
            for table in record.tables
        ],
        "files": [(name, f"{place}/{name}") for name in ("experiment.json", "numbers.csv", "tables.md")],
        "fingerprint": record.fingerprint,
    }


def _damaged(why: str) -> dict[str, Any]:
    return {
        "name": "damaged",
        "title": "Experiments that cannot be shown",
        "caption": "",
        "warnings": [why],
        "plots": [],
        "tables": [],
        "files": [],
        "fingerprint": "",
    }


def _content(path: Path, folder: Path) -> bytes | None:
    try:
        file = path.resolve(strict=True)
        status = file.stat()
        if file.parent != folder.resolve() or not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return None
        return file.read_bytes()
    except (OSError, RuntimeError):
        return None
