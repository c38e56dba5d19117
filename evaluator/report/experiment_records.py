"""Finished experiments of a run, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import IntegrityError
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.validate import read_sealed

from .findings import Column, Table

FOLDER = "experiments"
RECORD = "experiment.json"
NUMBERS = "numbers.csv"
TABLES = "tables.md"
NAMES = ("ablate", "paraphrase", "cluster", "cost", "rank", "leak", "galleries", "reproduce")


@dataclass(frozen=True)
class Plot:
    """A figure of an experiment in two formats, and what it shows in words."""

    name: str
    title: str
    alt: str
    svg: Path
    png: Path


@dataclass(frozen=True)
class ExperimentRecord:
    """A finished experiment, read and checked. `plot` is the SVG that stands for it."""

    folder: Path
    name: str
    title: str
    caption: str
    fingerprint: str
    plots: tuple[Plot, ...]
    tables: tuple[Table, ...]
    warnings: tuple[str, ...]

    @property
    def plot(self) -> Path:
        """The first plot, as SVG."""
        return self.plots[0].svg


def read_record(folder: Path) -> dict[str, Any]:
    """The sealed record of `folder`; raises IntegrityError where it, its numbers or a plot was changed."""
    record = read_sealed(folder / RECORD, "experiment")
    for name, digest in record["files"].items():
        path = folder / name
        if path.parent != folder or not path.is_file() or file_sha256(path) != digest:
            raise IntegrityError(
                "a file of the experiment is missing or was changed",
                where=path,
                hint=f"run clay-eval {record['name']} again with --replace",
            )
    return record


def read_experiments(run_folder: Path) -> list[ExperimentRecord]:
    """Return all finished experiments of a run, in the order of NAMES; raises IntegrityError for damaged ones."""
    folders = [run_folder / FOLDER / name for name in NAMES]
    return [_read(folder) for folder in folders if (folder / RECORD).is_file()]


def _read(folder: Path) -> ExperimentRecord:
    record = read_record(folder)
    return ExperimentRecord(
        folder=folder,
        name=record["name"],
        title=record["title"],
        caption=record["caption"],
        fingerprint=record["fingerprint"],
        plots=tuple(
            Plot(p["name"], p["title"], p["alt"], folder / p["svg"], folder / p["png"])
            for p in record["plots"]
        ),
        tables=tuple(table_of(table) for table in record["tables"]),
        warnings=tuple(record["warnings"]),
    )


def table_of(record: Mapping[str, Any]) -> Table:
    """A table as it stands in a record."""
    columns = tuple(Column(c["name"], c["title"], c["form"]) for c in record["columns"])
    return Table(record["name"], record["title"], columns, tuple(tuple(row) for row in record["rows"]))
