"""clay-eval audit"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.stages.auditing import Audited, AuditOptions, audit_pictures, text_needs
from clay_eval.stages.exploring import place_of

from .common import Json, emit, progress_bars
from .experiments import only_texts
from .options import grouped
from .scoring import DataOptions, TextOptions, VectorOptions, WriteTexts, inputs_of

if TYPE_CHECKING:
    from clay_eval.evaluator.audit.settings import AuditSettings

EPILOG = """
**Examples**

    clay-eval audit --out runs/first

    clay-eval audit --data photographs --condition color --json

    clay-eval audit --features images.npy --labels labels.csv --text-features texts.npy --out audited

Looks for labels that a picture's neighbours under the condition and the texts of its values contradict, for near-duplicates,
and for pictures that no value describes. The page lists them, the most suspicious first, and saves decisions.json, which
clay-eval review --apply takes for a run's own pictures. Nothing is removed by itself.
"""

_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="audit", epilog=EPILOG)(grouped(audit))


@dataclass(frozen=True)
class JudgingOptions:
    """How labels are judged."""

    method: Annotated[
        str, typer.Option("--method", help="A feature method: the space in which neighbours are near.")
    ] = "clay-values"
    posterior: Annotated[
        str, typer.Option("--posterior", help="text-mixture or label-posterior: what texts say of a picture.")
    ] = "text-mixture"
    neighbours: Annotated[
        int, typer.Option("--neighbours", min=1, help="How many neighbours are asked about each picture.")
    ] = 10
    noise: Annotated[
        float, typer.Option("--noise", help="The share of wrong labels that is expected beforehand.")
    ] = 0.02
    near: Annotated[
        float | None,
        typer.Option("--near", help="The cosine of near-duplicates. Default: far nearer than is usual here."),
    ] = None
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Draws the wrong labels that the audit learns from.")
    ] = 0

    def settings(self) -> AuditSettings:
        """The settings of the audit, checked."""
        from clay_eval.evaluator.audit.settings import AuditSettings

        return AuditSettings(self.method, self.posterior, self.neighbours, self.noise, self.near, self.seed)


def audit(
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run to audit, or where vectors and the page are kept.")
    ] = None,
    data: DataOptions,
    vectors: VectorOptions,
    texts: TextOptions,
    judging: JudgingOptions,
    top: Annotated[
        int | None,
        typer.Option(
            "--top", min=1, help="How long each list is. Default: 4 % of the pictures, 100 to 5000."
        ),
    ] = None,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Make the page of pictures.")] = True,
    write_texts: WriteTexts = None,
    json: Json = False,
) -> None:
    """Find labels that look wrong, duplicates, and pictures that no value describes."""
    settings = judging.settings()
    place = place_of(data.data or vectors.labels, vectors.features, out)
    inputs = inputs_of(place, data, vectors, texts.texts)
    if only_texts(json, inputs, text_needs(inputs, settings), texts.template, write_texts):
        return
    with progress_bars() as progress:
        done = audit_pictures(inputs, settings, AuditOptions(texts.template, top, page), progress)
    emit(json, done.record, *_lines(done.record), f"record: {done.path}", *_page(done))


def _page(done: Audited) -> list[str]:
    if done.page is None:
        return []
    ours = done.record["inputs"]["data"]["kind"] == "shards"
    use = "for clay-eval review --apply" if ours else "with the keys that you mark"
    return [f"page:   {done.page}", f"open it in a browser; it saves decisions.json {use}"]


def _lines(record: Mapping[str, Any]) -> list[str]:
    lines = []
    for entity, said in record["entities"].items():
        for name, one in said["attributes"].items():
            lines.append(f"{entity:<14} {name:<20} {one['accused']:>6} of {one['judged']} labels look wrong")
        unlike = sum(bool(group["unlike"]) for group in said["duplicates"])
        lines.append(
            f"{entity:<14} {len(said['duplicates'])} groups of near-duplicates, {unlike} with unlike labels; "
            f"{len({one['key'] for one in said['undescribed']})} pictures that no value describes"
        )
    lines.append("the most suspicious first:")
    for suspect in record["suspects"][:_SHOWN]:
        said = suspect["against"][0]
        suggested = f", rather {said['suggested']}" if said["suggested"] else ""
        lines.append(
            f"  {suspect['suspicion']:.3f}  {suspect['key']}  {said['attribute']} {said['label']}{suggested}"
        )
    lines += [f"note: {warning}" for warning in record["warnings"][:_SHOWN]]
    return lines
