"""What the tests of pages rely on: nothing outside is asked, a tab is alone, and a missing browser is no silence."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from browser import OUTSIDE, PAGES, REQUIRED, chromium, new_tab, visit


@pytest.mark.parametrize(
    ("url", "outside"),
    [
        ("file:///tmp/page.html", False),
        ("data:text/html,x", False),
        ("blob:null/1", False),
        ("http://127.0.0.1:8000/", False),
        ("http://localhost/x", False),
        ("ws://[::1]:9/", False),
        ("https://example.org/x.png", True),
        ("http://localhost.example.org/", True),
        ("http://127.0.0.1.example.org/", True),
        ("http://user@localhost:80@example.org/", True),
        ("ftp://localhost/", True),
    ],
)
def test_what_is_outside(url: str, outside: bool) -> None:
    assert bool(OUTSIDE.search(url)) == outside


@pytest.mark.parametrize("url", ["http://192.0.2.1/x.png", "https://clay-eval.example/x.png"])
def test_a_page_that_asks_the_network_is_an_error(tmp_path: Path, url: str) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><img src='{url}'>")
    with chromium() as browser, pytest.raises(AssertionError, match=url), new_tab(browser) as tab:
        visit(tab, page)


def test_a_tab_remembers_nothing_of_others(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html>")
    with chromium() as browser:
        for _ in range(2):
            with new_tab(browser) as tab:
                visit(tab, page)
                assert tab.evaluate("localStorage.length") == 0
                tab.evaluate("localStorage.setItem('a', 'b')")


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, and no browser of Playwright's own."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "own"))
    monkeypatch.delenv(REQUIRED, raising=False)
    return tmp_path


def test_a_skip_says_what_was_not_exercised(nowhere: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match=PAGES), chromium():
        pass
    (nowhere / "chromium").write_text("#!/bin/sh\nexit 1\n")
    (nowhere / "chromium").chmod(0o755)
    with pytest.raises(pytest.skip.Exception, match=f"{nowhere}/chromium does not start"), chromium():
        pass


def test_a_browser_that_is_required_and_missing_is_a_failure(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REQUIRED, "required")
    with pytest.raises(pytest.fail.Exception, match=PAGES), chromium():
        pass


def test_no_event_loop_is_left_behind() -> None:
    with chromium():
        pass
    asyncio.run(asyncio.sleep(0))
