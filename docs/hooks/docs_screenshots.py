"""Pictures of the page that explores and of a report, small enough for a README, taken from a run by a browser.

    python docs/hooks/docs_screenshots.py --run runs/first --to docs/assets

Writes explore.webp, explore-dark.webp and report.webp. Needs Playwright and a Chromium or Chrome of the system; nothing but
this machine is asked for anything.
"""

from __future__ import annotations

import argparse
import io
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from clay_eval.evaluator.explore.guards import new_token
from clay_eval.evaluator.explore.server import application
from clay_eval.evaluator.explore.serving import address, bound
from clay_eval.stages.exploring import open_explorer
from clay_eval.stages.folders import RunFolder
from clay_eval.stages.inputs import Inputs

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
VIEWPORT = {"width": 1400, "height": 860}
SIDE = 1200
QUALITY = 72


@contextmanager
def served(run: Path, entity: str | None) -> Iterator[str]:
    """The address of the page that explores a run, for as long as it is needed."""
    explorer = open_explorer(Inputs(RunFolder(run), entity=entity))
    with bound(0) as listening:
        token = new_token()
        config = uvicorn.Config(application(explorer, token), log_level="error", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield address(listening, token)
        server.should_exit = server.force_exit = True
        thread.join(30)


def taken(page: Page, to: Path) -> None:
    """Save what the page shows as a small WebP."""
    with Image.open(io.BytesIO(page.screenshot())) as shown:
        small = shown.convert("RGB").resize(
            (SIDE, SIDE * shown.height // shown.width), Image.Resampling.LANCZOS
        )
    small.save(to, "WEBP", quality=QUALITY, method=6)


def explore(browser: Browser, place: str, scheme: str, to: Path) -> None:
    """The live page: alike in the last condition, beside the raw order, a neighbour under the pointer."""
    page = browser.new_page(viewport=VIEWPORT, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.goto(place)
    page.wait_for_selector("body[data-answers][data-maps]")
    sliders = page.get_by_role("slider")
    sliders.first.fill("0")
    sliders.last.fill("1")
    page.locator("#colour").select_option(index=sliders.count())
    page.locator("#query-title").click()
    page.wait_for_load_state("networkidle")
    page.locator("#list-0 .tile").nth(1).hover()
    page.wait_for_selector("body[data-why]")
    page.wait_for_load_state("networkidle")
    taken(page, to)
    page.close()


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--entity")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    with served(options.run, options.entity) as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--disable-gpu", "--no-sandbox"])
        explore(browser, place, "light", options.to / "explore.webp")
        explore(browser, place, "dark", options.to / "explore-dark.webp")
        page = browser.new_page(viewport=VIEWPORT, color_scheme="light", reduced_motion="reduce")
        page.goto((options.run / "report" / "report.html").resolve().as_uri())
        page.locator(".hits").first.evaluate("hits => hits.previousElementSibling.scrollIntoView()")
        taken(page, options.to / "report.webp")
        browser.close()


if __name__ == "__main__":
    main()
