"""clay-eval leaderboard"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.stages.folders import RunFolder

from .common import Json, emit, progress_bar
from .options import grouped
from .scoring import DataOptions

if TYPE_CHECKING:
    from clay_eval.evaluator.pictures.labelled import ImageSource

EPILOG = """
**Examples**

    clay-eval leaderboard submissions --out runs/first --to leaderboard.html

    clay-eval leaderboard submissions --out runs/first --markdown LEADERBOARD.md --json

    clay-eval leaderboard submissions --to claims.html

DIR holds submissions, a folder each. With `--out` (or `--data`) every one is scored anew, as `clay-eval score` does it,
whatever its score.json says. Without, the score.json files are taken on trust: the page says so, and nothing is ranked.
Submissions for different data or settings stand in tables of their own. The page is one file that needs no server and no
network.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="leaderboard", epilog=EPILOG)(grouped(leaderboard))


def leaderboard(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where submissions lie, a folder each.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The run folder with the data that submissions are scored on. "
            "Default: claimed scores, on trust and without ranks.",
        ),
    ] = None,
    data: DataOptions,
    split_file: Annotated[
        Path | None,
        typer.Option("--split-file", help="The file of the submissions' split, where one was given."),
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="The page to write.")] = Path("leaderboard.html"),
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="A Markdown file to write, too.")
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Adjusted p-values below it are called significant.")
    ] = 0.05,
    json: Json = False,
) -> None:
    """Score submissions and rank them on a page, with intervals and significance."""
    from clay_eval.evaluator.submissions.board import build_board
    from clay_eval.evaluator.submissions.pages import render_html, render_markdown
    from clay_eval.schemas.errors import InputError
    from clay_eval.schemas.files import write_text

    if not 0 < alpha < 1:
        raise InputError("alpha must lie between 0 and 1", where="--alpha", expected="0 < x < 1", found=alpha)
    sources: Sequence[ImageSource] = ()
    for option, place in (("--to", to), ("--markdown", markdown)):
        if out is not None and place is not None:
            RunFolder(out).refuse_within(place, option)
    if out is not None or data.data is not None:
        sources = _sources(out, data)
    elif data.entity or data.condition or data.parent or split_file:
        raise InputError(
            "without data nothing is scored, and these options mean nothing",
            where="leaderboard",
            expected="--out RUN or --data DIR beside --entity, --condition, --parent or --split-file",
        )
    with progress_bar("score", None) as advance:
        board = build_board(folder, sources, split=split_file, alpha=alpha, progress=advance)
    write_text(to, render_html(board))
    if markdown is not None:
        write_text(markdown, render_markdown(board))
    emit(json, board, *_lines(board), f"leaderboard: {to}")


def _sources(out: Path | None, data: DataOptions) -> list[ImageSource]:
    """The data as `clay-eval score` opens them; of several entities all together, and each alone."""
    whole = data.source(out, data.entity)
    alone = list(whole.entities) if data.entity is None and len(whole.entities) > 1 else []
    return [whole, *(data.source(out, name) for name in alone)]


def _lines(board: dict[str, Any]) -> list[str]:
    lines = [board["said"]]
    for table in board["tables"]:
        lines.append(f"{table['entity']}, data {table['data'][:12]}, settings {table['fingerprint'][:12]}")
        for row in table["rows"]:
            mean = row["all"]["value"]
            rank = "-" if row["rank"] is None else f"{row['rank']}{'=' if row['tied'] else ''}"
            name = ascii(row["method"]["name"])[1:-1]
            lines.append(f"  {rank:>4}  {'-' if mean is None else f'{100 * mean:.1f}':>5}  {name}")
    lines += [f"note: {ascii(one['submission'])[1:-1]}: {one['note']}" for one in board["notes"]]
    lines += [f"not shown: {ascii(one['submission'])[1:-1]}: {one['reason']}" for one in board["excluded"]]
    return lines
