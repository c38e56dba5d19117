"""Tables of an experiment as LaTeX (booktabs), Markdown and CSV."""

from __future__ import annotations

from ..report.experiment_records import ExperimentRecord
from ..report.findings import Cell, Column, Table
from .tables import latex_text

_WIDEST = 8
"""Columns from which on a table is set small."""


def experiment_latex(record: ExperimentRecord) -> str:
    """Return all tables as LaTeX, to be read by \\input; the first column of words stands left, numbers right."""
    head = (
        f"% Made by clay-eval from the experiment {record.name} {record.fingerprint}.\n"
        "% Needs \\usepackage[T1]{fontenc} and \\usepackage{booktabs}; names beyond Latin letters need lualatex.\n"
    )
    return head + "\n" + "\n".join(_latex_table(record.name, table) for table in record.tables)


def experiment_markdown(record: ExperimentRecord) -> str:
    """Return all tables as Markdown, each under its title."""
    parts = [f"## {table.title}\n\n{table.markdown()}\n" for table in record.tables]
    return "\n".join([*parts, f"Experiment {record.name} {record.fingerprint}\n"])


def experiment_csv(record: ExperimentRecord) -> str:
    """Return the first table as CSV with whole numbers."""
    return record.tables[0].csv()


def _latex_table(name: str, table: Table) -> str:
    sides = "".join("l" if column.form == "text" else "r" for column in table.columns)
    rows = [
        " & ".join(_latex_cell(column, cell) for column, cell in zip(table.columns, row, strict=True))
        + r" \\"
        for row in table.rows
    ]
    return "\n".join(
        [
            r"\begin{table}[tb]",
            r"\centering",
            *([r"\scriptsize"] if len(table.columns) > _WIDEST else []),
            rf"\caption{{{latex_text(table.title)}}}",
            rf"\label{{tab:{name}-{table.name}}}",
            rf"\begin{{tabular}}{{{sides}}}",
            r"\toprule",
            " & ".join(latex_text(column.title) for column in table.columns) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex_cell(column: Column, cell: Cell) -> str:
    return latex_text(column.show(cell))
