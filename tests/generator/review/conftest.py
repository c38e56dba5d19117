"""Contact sheets in a browser, and run folders to review."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from browser import visit
from decided_runs import render
from PIL import Image
from playwright.sync_api import Page
from review_page import table

from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.review.sheets import render_page
from clay_eval.schemas.entity import load_entity


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 pictures, of each color 100, and 5 quarantined ones."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "pictures-0" / "0").mkdir(parents=True)
    for number in range(305):
        Image.new("RGB", (8, 8), (number % 256, 90, 90)).save(folder / f"pictures-0/0/{number}.jpg")
    (folder / "index.html").write_text(render_page(*table(300, 5)))
    return folder / "index.html"


@pytest.fixture
def opened(tab: Page, page: Path) -> Page:
    """The page as a new reviewer sees it."""
    visit(tab, page)
    return tab


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 2 x 10 pictures, of which a judge rejected some. Not to be altered."""
    run = tmp_path_factory.mktemp("runs") / "original"
    specs = [load_entity("demo-object"), load_entity("demo-human")]
    write_plan(PlanRequest(specs, [None, None], 10, 0), run / "plan")
    render(run, ProceduralRenderer(64))
    return run


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    """A copy of `original`, to be altered."""
    return Path(shutil.copytree(original, tmp_path / "run"))
