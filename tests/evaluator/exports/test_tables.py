"""Tables of a report: what is marked, and that LaTeX and Markdown survive any name."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clay_eval.evaluator.exports.grids import Cell, Grid, Line, build_grids
from clay_eval.evaluator.exports.tables import latex, latex_text, markdown, markdown_text
from clay_eval.schemas.errors import InputError

Report = dict[str, Any]


def cells(grid: Grid, title: str) -> tuple[Cell, ...]:
    return next(line.cells for line in grid.lines if line.title.startswith(title))


def test_a_grid_marks_best_second_and_what_is_significant(report: Report) -> None:
    single, pairs = build_grids(report)
    assert single.columns == ("color", "back_ground", "mean")
    assert [(line.title[:6], line.role) for line in single.lines] == [
        ("raw", "rival"),
        ("clay", "rival"),
        ("my_pkg", "rival"),
        ("random", "control"),
        ("lda", "privileged"),
    ]
    assert cells(single, "raw") == (
        Cell("30.0", "25.0–35.0", "", "worse"),
        Cell("50.0", "45.0–55.0", "best", "better"),
        Cell("40.0", "", "second"),
    )
    assert [cell.rank for cell in cells(single, "clay")] == ["best", "second", "best"]
    assert [(cell.rank, cell.sign) for cell in cells(single, "my_pkg")] == [
        ("second", ""),
        ("", ""),
        ("", ""),
    ]
    assert cells(single, "random") == (Cell("90.0", "85.0–95.0"), Cell("–"), Cell("–"))
    assert [cell.rank for cell in cells(single, "lda")] == ["", "", ""]
    assert single.chance == ("10.0", "10.0", "10.0")
    assert pairs.columns == ("color + back_ground",)
    assert [cells(pairs, name)[0].text for name in ("raw", "clay")] == ["25.0", "75.0"]


def test_what_prints_alike_ranks_alike(report: Report) -> None:
    report["results"] = [row for row in report["results"] if row["metric"] == "AP"]
    for row in report["results"]:
        row["value"] = {"clay": 0.62549, "my_pkg:A(x=1)": 0.62451}.get(row["method"], 0.3)
    ranks = {line.title[:6]: line.cells[0].rank for line in build_grids(report)[0].lines}
    assert ranks == {"clay": "best", "my_pkg": "best", "raw": "second", "random": "", "lda": ""}
    for row in report["results"]:
        row["value"] = 0.5
    assert {cell.rank for line in build_grids(report)[0].lines for cell in line.cells} == {""}


def test_another_measure_has_no_marks_of_significance(report: Report) -> None:
    single = build_grids(report, measure="P@10")[0]
    assert cells(single, "raw")[0].text == "15.0"
    assert {cell.sign for line in single.lines for cell in line.cells} == {""}
    assert "†" not in single.caption
    assert "P@10 in %" in single.caption


def test_what_the_report_lacks_is_named(report: Report) -> None:
    with pytest.raises(InputError, match="no such measure") as caught:
        build_grids(report, measure="nDCG")
    assert "AP, P@10" in str(caught.value)
    with pytest.raises(InputError, match="no such reference"):
        build_grids(report, reference="raw")
    report["comparisons"] = []
    assert build_grids(report)
    with pytest.raises(InputError, match="no such reference"):
        build_grids(report, reference="clay")


def test_wide_tables_are_divided(report: Report) -> None:
    row = next(r for r in report["results"] if r["metric"] == "AP")
    report["results"] = [row | {"conditions": [f"c{i}"]} for i in range(17)]
    assert [len(grid.columns) for grid in build_grids(report)] == [8, 8, 2]
    del report["results"][-1]
    grids = build_grids(report)
    assert [len(grid.columns) for grid in grids] == [8, 9]
    assert [grid.name for grid in grids] == ["things-single-1", "things-single-2"]
    assert grids[1].columns[-1] == "mean"
    assert grids[0].caption.endswith("Part 1 of 2.")


SPECIAL = set("&%$#_{}~^\\")


def checked_latex(text: str) -> list[list[str]]:
    """Check what TeX would stop at, and return the cells of every row of the tables."""
    depth, names, rows = 0, [], []
    for line in text.splitlines():
        if line.startswith("%"):
            continue
        bare = re.sub(r"\\[&%$#_{}\\]", "", line)
        for mark in re.findall(r"[{}]", bare):
            depth += 1 if mark == "{" else -1
            assert depth >= 0
        assert depth == 0, line
        assert not set(re.sub(r"\$\^\{\\d?dagger\}\$", "", bare)) & set("%#~"), line
        assert re.sub(r"\$\^\{\\d?dagger\}\$", "", bare).count("$") == 0, line
        for what, name in re.findall(r"\\(begin|end)\{(\w+)\}", bare):
            names.append(name) if what == "begin" else None
            assert what == "begin" or names.pop() == name
        if line.endswith(r"\\"):
            rows.append(re.sub(r"\\&", "", line[:-2]).split(" & "))
    assert not names
    known = {
        *("begin", "end", "centering", "caption", "label", "toprule", "midrule", "bottomrule", "textbf"),
        *("underline", "scriptsize", "dagger", "ddagger", "textbackslash", "textasciicircum"),
        *("textasciitilde", "textless", "textgreater", "textbar", "textquotedbl", "textasciigrave"),
    }
    assert set(re.findall(r"\\([A-Za-z]+)", re.sub(r"^%.*$", "", text, flags=re.M))) <= known
    return rows


@pytest.mark.parametrize("intervals", [False, True])
def test_latex_is_well_formed(report: Report, intervals: bool) -> None:
    text = latex(build_grids(report), "ab" * 32, intervals=intervals)
    rows = checked_latex(text)
    assert {len(row) for row in rows[: 7 + 5 * intervals]} == {4}
    assert {len(row) for row in rows[7 + 5 * intervals :]} == {2}
    assert r"\textbf{62.5} &" in text
    assert r"raw & 30.0$^{\ddagger}$ & \textbf{50.0}$^{\dagger}$ & \underline{40.0} \\" in text
    assert r"my\_pkg:A(x=1) \textbar{} 50\% \& \#1 &" in text
    assert "lda* &" in text
    assert text.count(r"\midrule") == (2 + 2) + 2
    assert (r"{\scriptsize 25.0--35.0}" in text) == intervals
    assert r"Things\_100\% \textbackslash{}of \$all\{kinds\}\textasciitilde{}\textasciicircum{} \&" in text


@given(st.text(max_size=40))
def test_any_text_is_one_harmless_line_of_latex(name: str) -> None:
    grid = Grid("a b", name, (name, "c"), (Line(name, (Cell("1.0"), Cell("2.0"))),), ("–", "–"))
    rows = checked_latex(latex([grid], "f"))
    assert [len(row) for row in rows] == [3, 3, 3]
    assert "\n" not in latex_text(name)


@pytest.mark.parametrize("name", ["[1cm] method", "*starred", r"\\[2pt]"])
def test_a_name_is_no_argument_of_the_line_break_before_it(name: str) -> None:
    grid = Grid("a", "b", ("c",), (Line("first", (Cell("1.0"),)), Line(name, (Cell("2.0"),))), ("–",))
    assert not re.search(r"\\\\\s*[\[*]", latex([grid], "f"))


@given(st.text(max_size=40))
def test_any_text_is_one_cell_of_markdown(name: str) -> None:
    grid = Grid("a", name, (name, "c"), (Line(name, (Cell("1.0"), Cell("2.0"))),), ("–", "–"))
    lines = markdown([grid], "f").split("\n")
    table = [line for line in lines if line.startswith("| ")]
    assert len(table) == 4
    for line in table:
        assert len(re.sub(r"\\.", "", line).split("|")) == 5
    shown = markdown_text(name)
    assert not re.search(r"(?<!\\)(\\\\)*[*_`|\[~$]", shown)
    assert "<" not in shown


def test_markdown_reads_as_the_grid(report: Report) -> None:
    text = markdown(build_grids(report), "ab" * 32, intervals=True)
    assert "| raw | 30.0‡ (25.0–35.0) | **50.0**† (45.0–55.0) | *40.0* |" in text
    assert r"| my\_pkg:A(x=1) \| 50% &amp; #1 |" in text
    assert r"| lda\* |" in text
    assert "| random | 90.0 (85.0–95.0) | – | – |" in text
    assert "second best in italics" in text
    assert text.endswith(f"Report {'ab' * 32}\n")


@pytest.mark.parametrize("name", ["# heading", "- item", "1. item", "+ item", "> quote", "12) item", "== x"])
def test_a_caption_starts_no_markdown_block(name: str) -> None:
    first = markdown_text(name)
    assert first.startswith(("\\", "&gt;")) or re.match(r"^\d+\\", first)
