"""clay-eval leaderboard"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .common import Json, emit

EPILOG = """
**Examples**

    clay-eval leaderboard submissions --to leaderboard.html

    clay-eval leaderboard submissions --to leaderboard.html --markdown LEADERBOARD.md --json

DIR holds submissions, a folder each, scored by `clay-eval score`. The page is one file that needs no server and no network.
Submissions for different data or settings stand in tables of their own.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="leaderboard", epilog=EPILOG)(leaderboard)


def leaderboard(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where scored submissions lie, a folder each.")
    ],
    to: Annotated[Path, typer.Option("--to", help="The page to write.")] = Path("leaderboard.html"),
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="A Markdown file to write, too.")
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Adjusted p-values below it are called significant.")
    ] = 0.05,
    json: Json = False,
) -> None:
    """Rank scored submissions on a page, with intervals and significance."""
    from clay_eval.evaluator.submissions.board import build_board
    from clay_eval.evaluator.submissions.pages import render_html, render_markdown
    from clay_eval.schemas.errors import InputError
    from clay_eval.schemas.files import write_text

    if not 0 < alpha < 1:
        raise InputError("alpha must lie between 0 and 1", where="--alpha", expected="0 < x < 1", found=alpha)
    board = build_board(folder, alpha=alpha)
    write_text(to, render_html(board))
    if markdown is not None:
        write_text(markdown, render_markdown(board))
    emit(json, board, *_lines(board), f"leaderboard: {to}")


def _lines(board: dict[str, Any]) -> list[str]:
    lines = []
    for table in board["tables"]:
        lines.append(f"{table['entity']}, data {table['data'][:12]}, settings {table['fingerprint'][:12]}")
        for row in table["rows"]:
            mean = row["all"]["value"]
            rank = "-" if row["rank"] is None else f"{row['rank']}{'=' if row['tied'] else ''}"
            name = ascii(row["method"]["name"])[1:-1]
            lines.append(f"  {rank:>4}  {'-' if mean is None else f'{100 * mean:.1f}':>5}  {name}")
    lines += [f"not shown: {one['submission']}: {one['reason']}" for one in board["excluded"]]
    return lines
