"""A real Chromium for the tests of pages: found on this machine, driven by Playwright, and kept from the network."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, Playwright, Route, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--disable-gpu", "--disable-quic", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
)
"""Beside Playwright's own, which turn off first runs, updates and all else that a browser does in the background."""
OUTSIDE = re.compile(r"^(?!(file|data|blob|about):|(http|ws)s?://(localhost|127\.0\.0\.1|\[::1\])[:/])")
PAGES = "the page that explores, contact sheets, leaderboard, page of queries, search of the documentation"
REQUIRED = "CLAY_EVAL_BROWSER"
"""Environment variable; where it says "required", a test without a browser fails instead of being skipped."""
PATIENCE = 60_000
"""Milliseconds until a condition that is waited for counts as never to come, for machines with much else to do."""

expect.set_options(timeout=PATIENCE)


def _launched(playwright: Playwright) -> tuple[Browser | None, list[str]]:
    """The first browser that starts, and what was said of those before it."""
    said = []
    for name in (*NAMES, playwright.chromium.executable_path):
        if path := shutil.which(name):
            try:
                return playwright.chromium.launch(
                    executable_path=path, args=FLAGS, chromium_sandbox=os.geteuid() != 0, timeout=PATIENCE
                ), said
            except Error as error:
                said.append(f"; {path} does not start: {error.message.splitlines()[0]}")
    return None, said


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a fresh profile. Where none starts the test is skipped, or fails if one is required."""
    with sync_playwright() as playwright:
        browser, said = _launched(playwright)
        if browser is None:
            missing = f"no Chromium or Chrome here: not exercised in a browser are {PAGES}{''.join(said)}"
            (pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip)(missing)
        yield browser
        browser.close()


@contextmanager
def new_tab(browser: Browser, **options: Any) -> Iterator[Page]:
    """An empty tab that shares nothing with others; a request to anything but this machine is aborted and an error."""
    requested: list[str] = []

    def abort(route: Route) -> None:
        requested.append(route.request.url)
        route.abort()

    context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
    context.set_default_timeout(PATIENCE)
    context.route(OUTSIDE, abort)
    yield context.new_page()
    context.close()
    assert not requested, f"the page asked the network for {requested}"


def visit(tab: Page, page: Path, query: str = "") -> None:
    """Open a local page anew, even one that only differs in its fragment from the one that is open."""
    tab.goto("about:blank")
    tab.goto(page.as_uri() + query)


def press(tab: Page, *keys: str) -> None:
    """Press keys, one after the other, where the focus is."""
    for key in keys:
        tab.keyboard.press(key)


def complaints(tab: Page) -> list[str]:
    """What pages in this tab logged as errors, refused by policy or threw."""
    logged = [message.text for message in tab.console_messages() if message.type == "error"]
    return [*logged, *(error.message for error in tab.page_errors())]
