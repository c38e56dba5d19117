"""The folder of an experiment: a sealed record, its numbers and tables, its plots.

RUN/experiments/NAME/experiment.json     inputs, settings, numbers, tables, warnings, hashes (schema: experiment)
RUN/experiments/NAME/numbers.csv         every number
RUN/experiments/NAME/tables.md           what to read first
RUN/experiments/NAME/PLOT.svg, PLOT.png
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clay_eval.schemas.files import locked, refuse_changes, remove_leftovers, write_sealed, write_text
from clay_eval.schemas.fingerprint import file_sha256, fingerprint
from clay_eval.schemas.software import versions
from clay_eval.schemas.validate import check

from ..report.build import LONGEST_TITLE, clipped
from ..report.experiment_records import FOLDER, NUMBERS, RECORD, TABLES, read_record
from ..report.findings import Findings, Table
from .plots import save

SCHEMA = "clay-eval/experiment/1"
_PACKAGES = ("numpy", "scipy", "scikit-learn", "matplotlib", "torch")


def run_experiment(
    run_folder: Path,
    name: str,
    inputs: Mapping[str, Any],
    settings: Mapping[str, Any],
    find: Callable[[], Findings],
    *,
    recorded: Callable[[], Mapping[str, Any]] = dict,
    replace: bool = False,
) -> dict[str, Any]:
    """Return the record of the experiment `name` in `run_folder`; `find` is called if there is none yet.

    A record of the same inputs and settings is kept, and its CSV, Markdown and missing plots are not needed again. One of
    others raises ConfigChangedError, with what differs, unless `replace`. recorded: makes what does not belong to its
    identity.
    """
    folder = run_folder / FOLDER / name
    with locked(folder):
        remove_leftovers(folder)
        if not replace and (before := finished(folder, inputs, settings)) is not None:
            return before
        record = _record(folder, name, find(), inputs, settings, recorded())
        write_sealed(folder / RECORD, record)
        _remove_strays(folder, record)
        return read_record(folder)


def finished(folder: Path, inputs: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record in `folder`, or None; raises ConfigChangedError where it is of other inputs or settings."""
    if not (folder / RECORD).exists():
        return None
    before = read_record(folder)
    hint = "use the same options, choose another --out, or replace these results with --replace"
    refuse_changes(
        folder,
        {"inputs": before["inputs"], "settings": before["settings"]},
        {"inputs": _json(inputs), "settings": _json(settings)},
        hint,
    )
    return before


def _record(
    folder: Path,
    name: str,
    found: Findings,
    inputs: Mapping[str, Any],
    settings: Mapping[str, Any],
    recorded: Mapping[str, Any],
) -> dict[str, Any]:
    """Write numbers, tables and plots, and return the record of them, checked."""
    plots, files = [], []
    for drawing in found.drawings:
        svg, png = save(drawing, folder)
        plots.append(
            {
                "name": drawing.name,
                "title": clipped(drawing.title, LONGEST_TITLE),
                "alt": clipped(drawing.alt),
                "svg": svg.name,
                "png": png.name,
            }
        )
        files += [svg, png]
    write_text(folder / NUMBERS, found.numbers.csv())
    warnings = list(dict.fromkeys(found.warnings))
    write_text(folder / TABLES, _markdown(found, warnings))
    files += [folder / NUMBERS, folder / TABLES]
    identity = {"inputs": _json(inputs), "settings": _json(settings)}
    record = {
        "schema": SCHEMA,
        "name": name,
        "title": clipped(found.title, LONGEST_TITLE),
        "caption": clipped(found.caption),
        "software": versions(*_PACKAGES),
        **identity,
        "recorded": _json(recorded),
        "fingerprint": fingerprint({"name": name, **identity}),
        "numbers": _table_record(found.numbers),
        "tables": [_table_record(table) for table in found.tables],
        "plots": plots,
        "files": {path.name: file_sha256(path) for path in files},
        "warnings": warnings,
    }
    check(record, "experiment", folder / RECORD)
    return record


def _markdown(found: Findings, warnings: list[str]) -> str:
    parts = [f"# {found.title}", found.caption]
    for table in found.tables:
        parts += [f"## {table.title}", table.markdown()]
    for drawing in found.drawings:
        parts.append(f"![{drawing.title}]({drawing.name}.svg)")
    if warnings:
        parts += ["## To bear in mind", "\n".join(f"- {warning}" for warning in warnings)]
    return "\n\n".join(parts) + "\n"


def _table_record(table: Table) -> dict[str, Any]:
    columns = [
        {"name": c.name, "title": clipped(c.title, LONGEST_TITLE), "form": c.form} for c in table.columns
    ]
    return {
        "name": table.name,
        "title": clipped(table.title, LONGEST_TITLE),
        "columns": columns,
        "rows": [list(row) for row in table.rows],
    }


def _json(value: Any) -> Any:
    """Mappings as dicts and tuples as lists, as they come back from JSON."""
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    return [_json(item) for item in value] if isinstance(value, list | tuple) else value


def _remove_strays(folder: Path, record: Mapping[str, Any]) -> None:
    """Delete plots of results that were replaced."""
    for path in (*folder.glob("*.svg"), *folder.glob("*.png")):
        if path.name not in record["files"]:
            path.unlink(missing_ok=True)
