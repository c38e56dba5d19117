"""What the commands of experiments share: from inputs and settings to a sealed record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.evaluator.retrieval.split_kinds import SPLITS

from .common import emit, progress_bar
from .scoring import Inputs

if TYPE_CHECKING:
    from clay_eval.evaluator.experiments.study import Study
    from clay_eval.evaluator.report.findings import Findings

Replace = Annotated[bool, typer.Option("--replace", help="Replace results that other settings made.")]
MethodOption = Annotated[
    list[str] | None,
    typer.Option("--method", help="As in clay-eval evaluate; may be repeated."),
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
    template: str,
    replace: bool,
) -> dict[str, Any]:
    """Return the record of the experiment `name` in the run folder, made by `find` unless it is there.

    find: gets the studies, an entity each, and a function to be called when a step is done.
    """
    from clay_eval.evaluator.evaluation.condition_texts import texts_by_entity
    from clay_eval.evaluator.evaluation.inputs import inputs_record
    from clay_eval.evaluator.experiments.record import finished, run_experiment
    from clay_eval.evaluator.experiments.study import studies
    from clay_eval.evaluator.report.experiment_records import FOLDER

    source, root = inputs.source, inputs.folder.root
    texts = texts_by_entity(source.entities, inputs.texts, inputs.plan, template)
    if not replace:
        asked = inputs_record(source, inputs.identity(), texts)
        if (before := finished(root / FOLDER / name, asked, settings)) is not None:
            return before
    with inputs.supply() as supply, progress_bar(name, None) as advance:
        return run_experiment(
            root,
            name,
            inputs_record(source, supply.identity, texts),
            settings,
            lambda: find(studies(source, texts, supply, {}), advance),
            recorded=inputs.recorded(),
            replace=replace,
        )


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
