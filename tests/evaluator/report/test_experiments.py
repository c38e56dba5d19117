"""The experiments of a run in its report: plots as images, captions, and nothing from outside their folders."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from clay_eval.evaluator.experiments import record
from clay_eval.evaluator.report import experiments, pages
from clay_eval.evaluator.report.findings import Column, Drawing, Findings, Table

HOSTILE = '"><script>alert(1)</script> | `x`'


def findings() -> Findings:
    table = Table(
        "shares",
        f"Shares {HOSTILE}",
        (Column("what", "what"), Column("share", "share, %", "percent")),
        ((HOSTILE, 0.5), ("nothing", None)),
    )

    def draw(figure: Any) -> None:
        figure.subplots().plot([0, 1], [1, 0])

    drawing = Drawing("main", f"Main {HOSTILE}", f"a line that falls {HOSTILE}", draw, (3.0, 2.0))
    return Findings(
        f"Ablation {HOSTILE}", f"What matters {HOSTILE}", table, (table,), (drawing,), (f"beware {HOSTILE}",)
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    record.run_experiment(tmp_path, "ablate", {"data": "x"}, {"k": 3}, findings)
    return tmp_path


def test_the_page_shows_the_plot_as_an_image_and_its_caption(
    run: Path, made_report: tuple[dict[str, Any], Path]
) -> None:
    report = {k: v for k, v in made_report[0].items() if k != "neighbours"}
    pages.write_pages(report, run / "report")
    text = (run / "report/report.html").read_text("utf-8")
    svg = (run / "experiments/ablate/main.svg").read_bytes()
    assert f'src="data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"' in text
    assert "<script" not in text
    for said in (
        "Ablation",
        "What matters",
        "a line that falls",
        "beware",
        "50.0",
        "../experiments/ablate/numbers.csv",
    ):
        assert said in text
    plain = (run / "report/report.md").read_text("utf-8")
    assert "](../experiments/ablate/main.svg)" in plain
    assert "<script" not in plain
    assert "### Ablation" in plain


def test_no_experiments_no_section(tmp_path: Path, made_report: tuple[dict[str, Any], Path]) -> None:
    assert experiments.experiment_sections(tmp_path) == []
    for name in ("report.html", "report.md"):
        assert "Experiments" not in (made_report[1] / name).read_text("utf-8")


def test_damaged_experiments_are_said_to_be_so(run: Path) -> None:
    (run / "experiments/ablate/main.svg").write_text("<svg/>")
    (section,) = experiments.experiment_sections(run)
    assert section["plots"] == []
    assert "changed" in section["warnings"][0]


def test_an_image_is_read_from_its_own_folder_alone(tmp_path: Path) -> None:
    folder = tmp_path / "ablate"
    folder.mkdir()
    (tmp_path / "secret.svg").write_text("<svg/>")
    (folder / "link.svg").symlink_to(tmp_path / "secret.svg")
    (folder / "text.svg").write_text("#!/bin/sh")
    (folder / "huge.svg").write_bytes(b"<svg>" + bytes(experiments.MAX_BYTES))
    (folder / "page.html").write_text("<svg/>")
    (folder / "folder.svg").mkdir()
    (folder / "good.svg").write_text(' \n<svg xmlns="http://www.w3.org/2000/svg"/>')
    (folder / "good.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    bad = ["link.svg", "text.svg", "huge.svg", "page.html", "folder.svg", "missing.svg", "../secret.svg"]
    for name in bad:
        assert experiments.image_uri([folder / name], folder) is None, name
    uris = [
        experiments.image_uri([folder / n for n in (*bad, last)], folder) for last in ("good.svg", "good.png")
    ]
    assert [uri.split(";")[0] for uri in uris if uri] == ["data:image/svg+xml", "data:image/png"]
