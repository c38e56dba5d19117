"""What tests of the contact sheets share: a table of made-up pictures, and what a page says of itself."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

COLORS = ("blue", "green", "red")
SHAPES = ("box", "disc")
FINGERPRINT = "ab" * 32


def table(count: int, held: int = 0, word: str = "plain") -> tuple[dict[str, Any], list[list[Any]]]:
    """`count` accepted and `held` quarantined pictures of two attributes, as the page takes them."""
    strings = [*COLORS, *SHAPES, "side", word]
    rows, details, reasons, failed = [], [], {}, {}
    for number in range(count + held):
        rows.append([f"k{number:05d}", 0, number % 3, 3 + number % 2])
        rejected = [f"attempt {n}: {'color' if number % 2 else 'prompt'} {word}" for n in (1, 2)]
        if number >= count:
            reasons[number], failed[number] = rejected, "color" if number % 2 else "prompt"
        lines = rejected if number >= count else []
        details.append([f"a {word} prompt {number}", 6, [5], "7", "2", {"color": 0.5, word: -1.0}, lines, 6])
    shown = {
        "manifest": FINGERPRINT,
        "pictures": "pictures-0",
        "entities": [{"name": "thing", "attributes": ["color", "shape"], "diversity": ["view"]}],
        "strings": strings,
        "rows": rows,
        "reasons": reasons,
        "failed": failed,
        "sizes": [[8, 8, 0]] * len(rows),
        "faults": {},
    }
    return shown, details


def marks(tab: Page) -> dict[str, str]:
    """key -> reason ("" for none), or "accept"."""
    saved = tab.evaluate("review.file(new Date())")
    return {
        key: "accept" if mark["decision"] == "accept" else mark.get("reason", "")
        for key, mark in saved["decisions"].items()
    }


def at(tab: Page) -> str:
    """The key under the cursor, which has the focus."""
    focused = tab.evaluate("document.activeElement.closest('.cell')?.dataset.number")
    assert tab.evaluate("current()") == int(focused)
    return str(tab.evaluate("table.rows[current()][0]"))
