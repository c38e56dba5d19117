"""clay-eval leak"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from .common import Json, Out
from .experiments import MethodOption, Replace, SeedsOption, conduct, only_texts, show
from .options import grouped
from .scoring import DataOptions, TextOptions, VectorOptions, WriteTexts, inputs_of, split_name

if TYPE_CHECKING:
    from clay_eval.evaluator.experiments.leak import LeakSettings

EPILOG = """
**Examples**

    clay-eval leak --out runs/first

    clay-eval leak --out runs/first --method raw --method clay --method supervised-lda --split image

Reading B from A's space should not beat what A's label tells of B: the column "label only".
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="leak", epilog=EPILOG)(grouped(leak))


@dataclass(frozen=True)
class LeakOptions:
    """What is probed, and how."""

    method: MethodOption = None
    split: Annotated[
        str,
        typer.Option(
            "--split",
            parser=split_name,
            metavar="<combination|image>",
            help="What is held out to test the probe.",
        ),
    ] = "combination"
    held_out: Annotated[float, typer.Option("--held-out", help="The share that is held out.")] = 0.3
    seed: SeedsOption = None

    def settings(self) -> LeakSettings:
        """The settings of the probes."""
        from clay_eval.evaluator.experiments.leak import LeakSettings

        default = LeakSettings()
        return LeakSettings(
            methods=tuple(self.method or default.methods),
            seeds=tuple(self.seed or default.seeds),
            split=self.split,
            held_out=self.held_out,
        )


def leak(
    *,
    out: Out,
    data: DataOptions,
    vectors: VectorOptions,
    texts: TextOptions,
    options: LeakOptions,
    write_texts: WriteTexts = None,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Measure how much of every other attribute survives in an attribute's space."""
    from clay_eval.evaluator.experiments.leak import find_leaks
    from clay_eval.evaluator.experiments.leak_findings import leak_findings

    settings = options.settings()
    inputs = inputs_of(out, data, vectors, texts.texts)
    needs = settings.needs()
    if only_texts(json, inputs, needs, texts.template, write_texts):
        return
    record = conduct(
        inputs,
        "leak",
        settings.record(),
        lambda found, advance: leak_findings(*find_leaks(found, settings, advance)),
        needs=needs,
        template=texts.template,
        replace=replace,
    )
    show(json, inputs, record, "summary")
