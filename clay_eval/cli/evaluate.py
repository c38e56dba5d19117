"""clay-eval evaluate"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.schemas.errors import StorageError
from clay_eval.stages.evaluation import evaluate as run_evaluation
from clay_eval.stages.evaluation import write_texts as write_needed

from .common import Json, Out, emit, emit_texts, note, progress_bars
from .options import grouped
from .scoring import Backend, DataOptions, SettingsOptions, TextOptions, VectorOptions, WriteTexts, inputs_of

if TYPE_CHECKING:
    from clay_eval.evaluator.retrieval.results import Result

EPILOG = """
**Examples**

    clay-eval evaluate --out runs/first

    clay-eval evaluate --data my_pictures --out runs/mine --encoder ViT-B-32:laion2b_s34b_b79k

    clay-eval evaluate --out runs/first --replace --method all --measure AP --measure P@10 --seed 0 --seed 1 --seed 2

    clay-eval evaluate --out runs/first --replace --method raw --method clay --method 'clay(fusion=sum)' --weight color=2

    clay-eval evaluate --out runs/first --replace --method clay --method my_package.my_module:MyMethod --split combination

    clay-eval evaluate --data my_pictures --features images.safetensors --text-features texts.safetensors --out runs/given

my_pictures is a folder with a labels.csv: a column `file`, then a column a condition. Without --texts, the texts of a
condition are made from its label values by --template. A method that fails is listed (exit code 1), and the same command
tries again.
"""
_SOME_FAILED = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="evaluate", epilog=EPILOG)(grouped(evaluate))


@dataclass(frozen=True)
class ComparedOptions(SettingsOptions):
    """What moves the numbers of an evaluation of several methods."""

    reference: Annotated[
        str | None,
        typer.Option("--reference", help="The method that others are compared with. Default: clay."),
    ] = None


def evaluate(
    *,
    out: Out,
    data: DataOptions,
    vectors: VectorOptions,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="NAME, 'NAME(parameter=value)', package.module:Class, or all; may be repeated. "
            "`clay-eval methods` lists them.",
        ),
    ] = None,
    texts: TextOptions,
    options: ComparedOptions,
    backend: Backend = "numpy",
    write_texts: WriteTexts = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a report that other settings made.")
    ] = False,
    no_pages: Annotated[
        bool,
        typer.Option(
            "--no-pages",
            help="Only report.json and per_query.csv: no pages, nor the maps, retrievals and pictures on them.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Score methods on every condition and combination of conditions, and write the report."""
    settings = options.settings(method, texts.template, options.reference)
    inputs = inputs_of(out, data, vectors, texts.texts)
    if write_texts is not None:
        emit_texts(json, write_needed(inputs, settings, write_texts, note, options.split_file), write_texts)
        return
    from clay_eval.evaluator.evaluation.gallery import Showing

    numbers = Numbers(json)
    with progress_bars() as progress:
        report = run_evaluation(
            inputs,
            settings,
            progress,
            split=options.split_file,
            replace=replace,
            backend=backend,
            note=note,
            showing=Showing(numbers.tell, pages=not no_pages),
        )
    page = inputs.folder.report / ("report.json" if no_pages else "report.html")
    numbers.end(report, f"report: {page}")
    if report["failures"]:
        raise typer.Exit(_SOME_FAILED)


class Numbers:
    """Results on standard output, a line each: as soon as they are there, or as JSON in the end.

    Output that nobody takes ends nothing before the report is written; what it raised is raised then.
    """

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._told: set[str] = set()
        self._fault: Exception | None = None

    def tell(self, result: Result) -> None:
        """Print a result of the first measure."""
        self.say(_line(result.row()))

    def say(self, *lines: str) -> None:
        """Print lines now."""
        if self._as_json or self._fault is not None:
            return
        self._told.update(lines)
        try:
            emit(False, {}, *lines)
        except (typer.Exit, StorageError) as fault:
            self._fault = fault

    def end(self, report: dict[str, Any], *lines: str) -> None:
        """Print what was not told of a report, then `lines`."""
        if self._fault is not None:
            raise self._fault
        emit(self._as_json, report, *(line for line in summary(report) if line not in self._told), *lines)


def summary(report: dict[str, Any]) -> list[str]:
    """The results as lines of text: a line a method and set of conditions, then what failed."""
    first = report["settings"]["measures"][0]
    lines = [_line(result) for result in report["results"] if result["metric"] == first]
    failed = [
        f"FAILED {f['method']} on {f['entity']}, {' + '.join(f['conditions'])}: {f['error']}"
        for f in report["failures"]
    ]
    return lines + failed


def _line(result: Mapping[str, Any]) -> str:
    title = "mAP" if result["metric"] == "AP" else result["metric"]
    return (
        f"{result['entity']:<14} {' + '.join(result['conditions']):<32} {result['method']:<18} "
        f"{title} {_percent(result['value'])} [{_percent(result['ci_low'])}, {_percent(result['ci_high'])}]  "
        f"chance {_percent(result['chance'])}"
    )


def _percent(value: float | None) -> str:
    return "    -" if value is None else f"{100 * value:5.1f}"
