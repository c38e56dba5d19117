"""clay-eval review"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clay_eval.stages.folders import RunFolder

from .common import Json, Out, emit, progress_bar

if TYPE_CHECKING:
    from clay_eval.generator.review.apply import Applied

EPILOG = """
**Example**

    clay-eval review --out runs/first

    clay-eval review --out runs/first --apply decisions.json --dry-run

    clay-eval review --out runs/first --apply decisions.json

Makes contact sheets of all pictures, to be opened in a browser: no server, no network. One key a picture; press ? for all
keys. It saves decisions.json; --apply moves removed pictures to quarantine, accepted ones back into their shards, and
makes labels.csv and manifest.json again. Interrupted, the same command ends in the same files.
"""

_ROWS = 12


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="review", epilog=EPILOG)(review)


def review(
    out: Out,
    apply: Annotated[
        Path | None, typer.Option("--apply", help="A decisions.json that the sheets saved.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what --apply would do.")] = False,
    thumbnail: Annotated[
        int, typer.Option("--thumbnail", help="Longest side of a picture on the sheets, in pixels.")
    ] = 160,
    large: Annotated[
        int, typer.Option("--large", help="Longest side of an enlarged picture, in pixels.")
    ] = 768,
    json: Json = False,
) -> None:
    """Look through the pictures by hand: make contact sheets, or apply what was decided on them."""
    if apply is None:
        _sheets(RunFolder(out), dry_run, thumbnail, large, json)
    else:
        _apply(RunFolder(out), apply, dry_run, json)


def _sheets(run: RunFolder, dry_run: bool, thumbnail: int, large: int, json: bool) -> None:
    from clay_eval.generator.review.gather import counted
    from clay_eval.generator.review.sheets import write_review
    from clay_eval.generator.review.thumbnails import Sides
    from clay_eval.schemas.errors import InputError
    from clay_eval.schemas.manifest import read_manifest

    if dry_run:
        raise InputError("there is nothing to try", where="--dry-run", hint="use it with --apply")
    total = sum(counted(read_manifest(run.shards)))
    with progress_bar("review", total) as advance:
        made = write_review(run.shards, run.root / "review", Sides(thumbnail, large), advance)
    record = {
        "page": str(made.page),
        "pictures": made.pictures,
        "quarantined": made.quarantined,
        "unreadable": made.unreadable,
    }
    lines = [f"{made.pictures} pictures, {made.quarantined} of them quarantined: {made.page}"]
    if made.unreadable:
        lines.append(f"{made.unreadable} cannot be shown; the sheets say why")
    emit(json, record, *lines, "open it in a browser; it saves decisions.json for clay-eval review --apply")


def _apply(run: RunFolder, path: Path, dry_run: bool, json: bool) -> None:
    from dataclasses import asdict

    from clay_eval.generator.review.apply import apply_decisions

    with progress_bar("apply", None) as advance:
        done = apply_decisions(run.plan, run.shards, path, dry_run=dry_run, progress=advance)
    record = {
        "dry_run": dry_run,
        "already": done.already,
        "removed": done.removed,
        "accepted": done.accepted,
        "samples": dict(zip(("before", "after"), done.samples, strict=True)),
        "decisions": {move.key: move.mark for move in done.moves},
        "balance": [asdict(change) for change in done.changes],
    }
    emit(json, record, *_lines(done, dry_run))


def _lines(done: Applied, dry_run: bool) -> list[str]:
    if done.already:
        return ["these decisions are applied already; nothing was changed"]
    verb = "would be " if dry_run else ""
    lines = [f"{move.key}: {move.mark}" for move in done.moves] if dry_run else []
    lines.append(
        f"{done.removed} {verb}removed, {done.accepted} {verb}accepted: "
        f"{done.samples[0]} pictures before, {done.samples[1]} after"
    )
    if done.changes:
        lines.append("what it does to the balance (pictures planned, before, after), the thinnest first:")
    for change in done.changes[:_ROWS]:
        name = f"{change.entity} {change.attribute} {change.value}"
        lines.append(f"  {name:<48} {change.planned:>6} {change.before:>6} {change.after:>6}")
    if len(done.changes) > _ROWS:
        lines.append(f"  and {len(done.changes) - _ROWS} more: --json lists all")
    return lines
