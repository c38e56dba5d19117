"""Grids of results as LaTeX (booktabs) and Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256

from ..report.roles import PRIVILEGED
from .grids import ABSENT, Cell, Grid, Line

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "*": "{*}",
    "–": "--",
    "†": r"$^{\dagger}$",
    "‡": r"$^{\ddagger}$",
}
_SAID = "Best rival bold, second best {}."
_SIGNS = {"": "", "better": "†", "worse": "‡"}


def latex(grids: Sequence[Grid], fingerprint: str, *, intervals: bool = False) -> str:
    """Return the grids as LaTeX tables, to be read by \\input; fingerprint: of the report they come from.

    intervals: print each cell's interval under its value.
    """
    head = (
        f"% Made by clay-eval from the report {latex_text(fingerprint)}.\n"
        "% Needs \\usepackage[T1]{fontenc} and \\usepackage{booktabs}; names beyond Latin letters need lualatex.\n"
    )
    return head + "\n" + "\n".join(_latex_table(grid, intervals) for grid in grids)


def markdown(grids: Sequence[Grid], fingerprint: str, *, intervals: bool = False) -> str:
    """Return the grids as Markdown tables; the best of a column is bold, the second best in italics."""
    parts = [_markdown_table(grid, intervals) for grid in grids]
    return "\n".join([*parts, f"Report {markdown_text(fingerprint)}\n"])


def latex_text(text: str) -> str:
    """`text` as LaTeX prints it literally, on one line."""
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def markdown_text(text: str) -> str:
    """`text` as Markdown prints it literally, on one line, in a cell of a table, too."""
    marked = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", _one_line(text))
    marked = re.sub(r"^(\d*)([-#+=.)])", r"\1\\\2", marked)
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _latex_table(grid: Grid, intervals: bool) -> str:
    rows = [_latex_row("Method", map(latex_text, grid.columns)), r"\midrule"]
    for line, before in zip(grid.lines, [None, *grid.lines], strict=False):
        if before is not None and line.role != before.role:
            rows.append(r"\midrule")
        title = latex_text(line.title) + ("*" if line.role == PRIVILEGED else "")
        rows.append(_latex_row(title, (_latex_cell(cell) for cell in line.cells)))
        if intervals:
            rows.append(_latex_row("", (_latex_interval(cell) for cell in line.cells)))
    rows += [r"\midrule", _latex_row("chance", map(latex_text, grid.chance))]
    return "\n".join(
        [
            r"\begin{table}[tb]",
            r"\centering",
            rf"\caption{{{latex_text(grid.caption)} {_SAID.format('underlined')}}}",
            rf"\label{{tab:{_latex_name(grid.name)}}}",
            rf"\begin{{tabular}}{{l{'r' * len(grid.columns)}}}",
            r"\toprule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex_name(name: str) -> str:
    """`name` as a label: other characters than ASCII's letters, digits and - become -, and a hash tells names of other
    scripts apart."""
    plain = re.sub("[^A-Za-z0-9-]", "-", name)
    return plain if name.isascii() else f"{plain}-{sha256(name.encode()).hexdigest()[:8]}"


def _latex_row(title: str, cells: Iterable[str]) -> str:
    return " & ".join([title, *cells]) + r" \\"


def _latex_cell(cell: Cell) -> str:
    text = latex_text(cell.text)
    marked = {"": text, "best": rf"\textbf{{{text}}}", "second": rf"\underline{{{text}}}"}[cell.rank]
    return marked + latex_text(_SIGNS[cell.sign])


def _latex_interval(cell: Cell) -> str:
    return rf"{{\scriptsize {latex_text(cell.interval)}}}" if cell.interval else ""


def _markdown_table(grid: Grid, intervals: bool) -> str:
    lines = [
        markdown_text(f"{grid.caption} {_SAID.format('in italics')}"),
        "",
        _markdown_row("Method", [markdown_text(column) for column in grid.columns]),
        _markdown_row("---", ["---:"] * len(grid.columns)),
        *(_markdown_line(line, intervals) for line in grid.lines),
        _markdown_row("chance", list(grid.chance)),
        "",
    ]
    return "\n".join(lines)


def _markdown_line(line: Line, intervals: bool) -> str:
    title = markdown_text(line.title) + (r"\*" if line.role == PRIVILEGED else "")
    return _markdown_row(title, [_markdown_cell(cell, intervals) for cell in line.cells])


def _markdown_cell(cell: Cell, intervals: bool) -> str:
    marked = {"": cell.text, "best": f"**{cell.text}**", "second": f"*{cell.text}*"}[cell.rank]
    interval = f" ({cell.interval})" if intervals and cell.interval and cell.text != ABSENT else ""
    return marked + _SIGNS[cell.sign] + interval


def _markdown_row(title: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([title, *cells])} |"
