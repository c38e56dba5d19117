"""The enlarged view and the question for a reason, in a real browser: keys go where the eye is, however fast they come."""

from __future__ import annotations

from browser import press
from playwright.sync_api import Page, expect
from review_page import at, marks


def test_a_reason_in_own_words(opened: Page) -> None:
    press(opened, "r", *"two bags", "Enter")
    assert marks(opened) == {"k00000": "two bags"}
    press(opened, "l", "r", *"n", "Escape")
    expect(opened.locator("#why")).to_be_hidden()
    assert marks(opened) == {"k00000": "two bags"}
    assert at(opened) == "k00003"


def test_the_enlarged_view_says_everything_and_takes_the_same_keys(opened: Page) -> None:
    press(opened, "l", "Enter")
    large = opened.locator("#large")
    for text in ("k00003", "blue", "disc", "a plain prompt 3", "color: 0.5", "side", "8 x 8"):
        expect(large).to_contain_text(text)
    press(opened, "1", "l", " ")
    assert marks(opened) == {"k00003": "color is wrong", "k00006": ""}
    expect(large).to_contain_text("k00006")
    expect(large).to_contain_text("removed")
    press(opened, "Enter")
    expect(large).to_be_hidden()
    assert at(opened) == "k00006"


TYPE = """keys => {
  for (const key of keys) {
    if (key == "Ok") document.querySelector("#why form").requestSubmit($("why").querySelector(".main"));
    else if (key == "Escape") document.querySelector("dialog[open]").dispatchEvent(new Event("cancel"));
    else document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  }
  return document.activeElement === cellAt(cursor).firstChild;
}"""
"""All keys in one task of the page: no event that the browser puts off comes between them."""


def typed(tab: Page, *keys: str) -> bool:
    """Press keys faster than any hand; whether the cell under the cursor has the focus then."""
    return bool(tab.evaluate(TYPE, keys))


def test_keys_typed_faster_than_the_browser_reports_a_closed_dialog(opened: Page) -> None:
    reason = opened.locator("#reason")
    assert typed(opened, "Enter", "l", "l", "Enter")
    assert typed(opened, "x", "Enter", "l", "Escape")
    assert typed(opened, "x", "?", "Escape")
    assert not typed(opened, "l", "r")
    reason.fill("late")
    assert typed(opened, "Ok", "l")
    assert marks(opened) == {"k00006": "", "k00009": "", "k00012": "late"}
    assert not typed(opened, "r")
    reason.fill("later")
    assert typed(opened, "Ok", "u")
    assert (marks(opened), at(opened)) == ({"k00006": "", "k00009": "", "k00012": "late"}, "k00015")
