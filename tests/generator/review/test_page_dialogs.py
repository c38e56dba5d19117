"""The enlarged view and the question for a reason, in a real browser: keys go where the eye is, however fast they come."""

from __future__ import annotations

from typing import Any

from review_page import at, marks


def test_a_reason_in_own_words(opened: Any) -> None:
    opened.press("r", *"two bags", "Enter")
    assert marks(opened) == {"k00000": "two bags"}
    opened.press("l", "r", *"n", "Escape")
    opened.until("!document.getElementById('why').open")
    assert marks(opened) == {"k00000": "two bags"}
    assert at(opened) == "k00003"


def test_the_enlarged_view_says_everything_and_takes_the_same_keys(opened: Any) -> None:
    opened.press("l", "Enter")
    said = "document.getElementById('large').innerText"
    for text in ("k00003", "blue", "disc", "a plain prompt 3", "color: 0.5", "side", "8 x 8"):
        assert text in opened.run(said)
    opened.press("1", "l", " ")
    assert marks(opened) == {"k00003": "color is wrong", "k00006": ""}
    assert "k00006" in opened.run(said)
    assert "removed" in opened.run(said)
    opened.press("Enter")
    assert not opened.run("document.getElementById('large').open")
    assert at(opened) == "k00006"


def test_keys_typed_faster_than_the_browser_reports_a_closed_dialog(opened: Any) -> None:
    opened.run(
        "window.typed = (...keys) => { for (const key of keys) {"
        "if (key == 'Ok') document.querySelector('#why form').requestSubmit($('why').querySelector('.main'));"
        "else if (key == 'Escape') document.querySelector('dialog[open]').dispatchEvent(new Event('cancel'));"
        "else document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true})); }"
        "return document.activeElement === cellAt(cursor).firstChild; }"
    )  # in one task of the page: no event that the browser puts off comes between the keys
    assert opened.run("typed('Enter', 'l', 'l', 'Enter')")
    assert opened.run("typed('x', 'Enter', 'l', 'Escape')")
    assert opened.run("typed('x', '?', 'Escape')")
    opened.run("typed('l', 'r') || ($('reason').value = 'late')")
    assert opened.run("typed('Ok', 'l')")
    assert marks(opened) == {"k00006": "", "k00009": "", "k00012": "late"}
    opened.run("typed('r') || ($('reason').value = 'later')")
    assert opened.run("typed('Ok', 'u')")
    assert (marks(opened), at(opened)) == ({"k00006": "", "k00009": "", "k00012": "late"}, "k00015")
