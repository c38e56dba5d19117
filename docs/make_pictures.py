"""The pictures of the README and the documentation, taken from a run: the live page, the report, a contact sheet.

python docs/make_pictures.py                    # draws a run of 200 exact pictures first
python docs/make_pictures.py --run runs/demo    # of a run that is there: planned, drawn, embedded, evaluated
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ASSETS = Path(__file__).parent / "assets"
WIDTH = 1000
CLAY_EVAL = Path(sys.executable).with_name("clay-eval")


def clay_eval(*arguments: object) -> None:
    subprocess.run([CLAY_EVAL, *map(str, arguments)], check=True)


@contextmanager
def exploring(run: Path) -> Iterator[str]:
    """The address of the live page of a run."""
    command = [str(CLAY_EVAL), "explore", "--out", str(run), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(word for line in process.stdout for word in line.split() if word.startswith("http"))
        finally:
            process.terminate()


def take(browser: Browser, address: str, name: str, size: tuple[int, int], ready: str) -> None:
    """Write assets/NAME.webp: the page at `address` as a window of `size` shows it when `ready` (a selector) is there."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(address)
    page.wait_for_selector(ready)
    page.wait_for_load_state("networkidle")
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        height = round(shot.height * WIDTH / shot.width)
        shot.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS).save(
            ASSETS / f"{name}.webp", quality=78, method=6
        )
    page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures of the README and the documentation.")
    parser.add_argument(
        "--run", type=Path, help="a run that is there; by default one of 200 pictures is made"
    )
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("google-chrome"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or Path(folder) / "demo"
        if options.run is None:
            clay_eval("run", "--renderer", "procedural", "--count", 100, "--out", run)
        clay_eval("review", "--out", run)
        with sync_playwright() as playwright, exploring(run) as address:
            browser = playwright.chromium.launch(executable_path=options.browser)
            take(browser, address, "explore", (1400, 900), "main img")
            take(browser, (run / "report/report.html").resolve().as_uri(), "report", (1400, 1000), "table")
            take(browser, (run / "review/index.html").resolve().as_uri(), "review", (1400, 900), "img")
            browser.close()


if __name__ == "__main__":
    main()
