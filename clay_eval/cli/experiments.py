"""What the commands of experiments share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.evaluator.retrieval.split_kinds import SPLITS
from clay_eval.stages.experiments import experiment, write_texts
from clay_eval.stages.inputs import Inputs

from .common import emit, emit_texts, progress_bars

if TYPE_CHECKING:
    from clay_eval.evaluator.experiments.studies import Needs
    from clay_eval.evaluator.report.findings import Findings
    from clay_eval.evaluator.retrieval.study import Study

Replace = Annotated[bool, typer.Option("--replace", help="Replace results that other settings made.")]
LISTED = "`clay-eval methods` lists them."
MethodOption = Annotated[
    list[str] | None,
    typer.Option(
        "--method", help="NAME, 'NAME(parameter=value)', or package.module:Class; may be repeated. " + LISTED
    ),
]
AnyMethodsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="NAME, 'NAME(parameter=value)', package.module:Class, or all; may be repeated. " + LISTED,
    ),
]
SeedsOption = Annotated[
    list[int] | None,
    typer.Option("--seed", min=0, help="Draws the split; may be repeated. Default: 0, 1 and 2."),
]


def seeds_of(seeds: Sequence[int] | None, default: tuple[int, ...], split: str) -> tuple[int, ...]:
    """The seeds asked for, or the default ones; one where the split draws nothing."""
    return tuple(seeds) if seeds else default if SPLITS[split].drawn else default[:1]


def conduct(
    inputs: Inputs,
    name: str,
    settings: Mapping[str, Any],
    find: Callable[[Sequence[Study], Callable[[int], None]], Findings],
    *,
    needs: Needs,
    template: str,
    replace: bool,
) -> dict[str, Any]:
    """The record of the experiment `name`, as `stages.experiment` makes it, with bars."""
    with progress_bars() as progress:
        return experiment(
            inputs, name, settings, find, progress, needs=needs, template=template, replace=replace
        )


def only_texts(json: bool, inputs: Inputs, needs: Needs, template: str, path: Path | None) -> bool:
    """Whether the texts that an experiment needs were asked for, to `path`; then they were written."""
    if path is not None:
        emit_texts(json, write_texts(inputs, needs, path, template), path)
    return path is not None


def show(json: bool, inputs: Inputs, record: Mapping[str, Any], table: str) -> None:
    """Print the record as JSON, or one of its tables, its warnings and where the rest lies."""
    from clay_eval.evaluator.report.experiment_records import FOLDER, TABLES, table_of

    folder = inputs.folder.root / FOLDER / record["name"]
    shown = next(one for one in record["tables"] if one["name"] == table)
    plots = [str(folder / plot["svg"]) for plot in record["plots"]]
    emit(
        json,
        record,
        record["title"],
        *table_of(shown).lines(),
        *(f"note: {warning}" for warning in record["warnings"][:_SHOWN]),
        *([f"{len(record['warnings']) - _SHOWN} more notes"] if len(record["warnings"]) > _SHOWN else []),
        f"tables: {folder / TABLES}",
        f"plots:  {', '.join(plots)}",
    )


_SHOWN = 8
