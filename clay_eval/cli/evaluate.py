"""clay-eval evaluate"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Json, Out, RunFolder, Seed, emit, progress_bar
from .embed import BatchSize, Data, Device, EncoderOption, Precision, PrecisionOption, embed_source, open_data

if TYPE_CHECKING:
    from clay_eval.evaluator.evaluation import EvaluationSettings

EPILOG = """
**Examples**

    clay-eval evaluate --out runs/first

    clay-eval evaluate --data my_pictures --out runs/mine --encoder ViT-B-32:laion2b_s34b_b79k

    clay-eval evaluate --data my_shards --out runs/mine --texts texts.json --parent breed=species

my_pictures is a folder with a labels.csv: a column `file`, then a column a condition. Without --texts, the texts of a
condition are made from its label values by --template.
"""


class Formula(StrEnum):
    """Formulas of average precision."""

    standard = "standard"
    trapezoid = "trapezoid"


class Ties(StrEnum):
    """What equal scores count."""

    expected = "expected"
    pessimistic = "pessimistic"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="evaluate", epilog=EPILOG)(evaluate)


def evaluate(
    out: Out,
    data: Data = None,
    encoder: EncoderOption = "embedded",
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="raw, clay, ip-composer, or package.module:Class; may be repeated. Default: those three.",
        ),
    ] = None,
    texts: Annotated[
        list[Path] | None,
        typer.Option("--texts", help="Condition texts (JSON) of an entity; may be repeated."),
    ] = None,
    template: Annotated[
        str,
        typer.Option(
            "--template", help="Makes texts from label values where there are none; {c} is the value."
        ),
    ] = "a photo of {c}",
    condition: Annotated[
        list[str] | None,
        typer.Option(
            "--condition",
            help="A column of labels.csv to take as a condition; may be repeated. Default: all.",
        ),
    ] = None,
    parent: Annotated[
        list[str] | None,
        typer.Option(
            "--parent", help="CHILD=PARENT: CHILD is evaluated within each value of PARENT; may be repeated."
        ),
    ] = None,
    entity: Annotated[
        str | None, typer.Option("--entity", help="One entity of the data only, or a name for your own data.")
    ] = None,
    n_components: Annotated[
        int, typer.Option("--k", min=1, help="Dimensions of CLAY's subspace, at most.")
    ] = 50,
    seed: Seed = 0,
    query_share: Annotated[
        float, typer.Option("--query-share", help="Share of the pictures that are queries.")
    ] = 0.1,
    formula: Annotated[
        Formula, typer.Option("--formula", help="Formula of average precision.")
    ] = Formula.standard,
    ties: Annotated[Ties, typer.Option("--ties", help="What equal scores count.")] = Ties.expected,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws for the intervals.")] = 1000,
    device: Device = "auto",
    precision: PrecisionOption = Precision.fp32,
    batch_size: BatchSize = 64,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a report that other settings made.")
    ] = False,
    json: Json = False,
) -> None:
    """Score methods on every condition and combination of conditions, and write the report."""
    from clay_eval.evaluator.evaluation import EvaluationSettings

    settings = EvaluationSettings(
        methods=tuple(method or EvaluationSettings.methods),
        n_components=n_components,
        seed=seed,
        query_share=query_share,
        formula=formula.value,
        ties=ties.value,
        bootstrap_draws=draws,
        template=template,
    )
    own = {"entity": entity, "parents": _parents(parent or []), "conditions": condition}
    report = score(
        RunFolder(out),
        data,
        own,
        encoder,
        device,
        precision.value,
        batch_size,
        settings,
        texts or [],
        replace,
    )
    emit(json, report, *summary(report), f"report: {RunFolder(out).report / 'report.html'}")


def _parents(pairs: list[str]) -> dict[str, str] | None:
    from clay_eval.schemas.errors import InputError

    parents: dict[str, str] = {}
    for pair in pairs:
        child, _, parent = pair.partition("=")
        if not child or not parent or "=" in parent or child in parents:
            raise InputError(
                "cannot read this, or a second parent" if child in parents else "cannot read this",
                where="--parent",
                expected="CHILD=PARENT, once a CHILD",
                found=repr(pair),
            )
        parents[child] = parent
    return parents or None


def score(
    folder: RunFolder,
    data: Path | None,
    own: dict[str, Any],
    encoder: str,
    device: str,
    precision: str,
    batch_size: int,
    settings: EvaluationSettings,
    texts: list[Path],
    replace: bool,
) -> dict[str, Any]:
    """Verify and embed the data, evaluate it, and write report.json and its pages.

    All that can be refused is refused before anything is computed or written.
    """
    from clay_eval.evaluator.encoder_names import request
    from clay_eval.evaluator.encoders import load_encoder
    from clay_eval.evaluator.evaluation import REPORT, evaluate_source, prepare
    from clay_eval.evaluator.features import FeatureStore
    from clay_eval.schemas.files import locked

    source = open_data(folder, data, **own)
    evaluation = prepare(source, settings, texts=texts, plan=folder.plan if data is None else None)
    asked = request(encoder, precision)
    store = FeatureStore(folder.features)
    if (folder.report / REPORT).exists() and not replace:
        known = store.known(asked)
        evaluation.finished(
            folder.report, known or load_encoder(encoder, device, precision, batch_size).identity
        )
    with locked(folder.features):
        _, model = embed_source(folder, source, encoder, device, precision, batch_size)
        with progress_bar("evaluate", evaluation.results) as advance:
            return evaluate_source(
                evaluation,
                model,
                store,
                folder.report,
                recorded=lambda: _recorded(device, batch_size),
                replace=replace,
                progress=advance,
            )


def _recorded(device: str, batch_size: int) -> dict[str, Any]:
    """What can move a number by rounding, and is no part of a report's identity."""
    import torch

    from clay_eval.evaluator.encoders import choose_device

    return {"device": choose_device(device), "batch_size": batch_size, "threads": torch.get_num_threads()}


def summary(report: dict[str, Any]) -> list[str]:
    """The results as lines of text, a line a method and set of conditions."""
    return [
        f"{r['entity']:<14} {' + '.join(r['conditions']):<32} {r['method']:<14} "
        f"mAP {_percent(r['value'])} [{_percent(r['ci_low'])}, {_percent(r['ci_high'])}]  chance {_percent(r['chance'])}"
        for r in report["results"]
    ]


def _percent(value: float | None) -> str:
    return "    -" if value is None else f"{100 * value:5.1f}"
