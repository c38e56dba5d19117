"""The contact sheets in a real browser: keys and mouse, what is kept, what is saved, what strangers' texts cannot do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from browser import complaints, press, visit
from playwright.sync_api import Locator, Page, expect
from review_page import FINGERPRINT, at, marks, table

from clay_eval.generator.review.decisions import read_decisions
from clay_eval.generator.review.sheets import render_page
from clay_eval.schemas.validate import check

HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">&lt;b>\u202egnp'


def columns(tab: Page) -> int:
    tops = tab.locator(".cell").evaluate_all("cells => cells.map(cell => cell.offsetTop)")
    return int(tops.count(tops[0]))


def group_by(tab: Page, grouping: str) -> None:
    tab.locator("#grouping").select_option(grouping)


def title(tab: Page) -> str:
    return tab.locator("#title").inner_text()


def test_the_first_sheet_shows_one_value_of_the_first_attribute(opened: Page) -> None:
    expect(opened.locator("#title")).to_have_text("color: blue · 100")
    shown = opened.locator(".cell").evaluate_all("cells => cells.map(cell => Number(cell.dataset.number))")
    assert shown == list(range(0, 300, 3))
    expect(opened.locator(".cell img").first).to_have_js_property("naturalWidth", 8)
    assert at(opened) == "k00000"
    assert complaints(opened) == []


def test_arrows_and_letters_move(opened: Page) -> None:
    wide = columns(opened)
    assert 5 <= wide <= 15
    for keys, place in [
        (["ArrowRight", "l"], 2),
        (["ArrowDown"], 2 + wide),
        (["j"], 2 + 2 * wide),
        (["i", "ArrowUp", "ArrowUp"], 2),
        (["h", "ArrowLeft", "ArrowLeft"], 0),
    ]:
        press(opened, *keys)
        assert at(opened) == f"k{3 * place:05d}", keys


def test_marks_reasons_and_undo(opened: Page) -> None:
    press(opened, "x", "l", " ", "l", "1", "l", "2", "l", "0", "l", "7")
    decided = {
        "k00000": "",
        "k00003": "",
        "k00006": "color is wrong",
        "k00009": "shape is wrong",
        "k00012": "the picture is faulty",
    }
    assert marks(opened) == decided
    press(opened, "h", "2")
    assert marks(opened)["k00012"] == "shape is wrong"
    press(opened, "k")
    assert "k00012" not in marks(opened)
    press(opened, "u", "u")
    assert marks(opened) == decided
    press(opened, "u")
    assert at(opened) == "k00012"
    press(opened, "u", "u", "u", "u", "u", "u")
    assert marks(opened) == {}


def test_x_twice_is_nothing_and_a_cell_says_what_it_is(opened: Page) -> None:
    first = opened.locator(".cell .pick").first
    expect(first).to_have_attribute("aria-label", "color blue, shape box, k00000")
    press(opened, "1")
    expect(first).to_have_attribute("aria-label", "removed: color is wrong, color blue, shape box, k00000")
    expect(first).to_have_attribute("aria-pressed", "true")
    press(opened, "x")
    expect(first).to_have_attribute("aria-pressed", "false")
    assert marks(opened) == {}


def test_a_range_by_shift_and_arrows(opened: Page) -> None:
    press(opened, "l")
    press(opened, "Shift+ArrowRight", "Shift+ArrowRight")
    press(opened, "1")
    assert marks(opened) == dict.fromkeys(["k00003", "k00006", "k00009"], "color is wrong")
    press(opened, "u")
    assert marks(opened) == {}


def test_the_mouse_marks_and_takes_ranges(opened: Page) -> None:
    picks = opened.locator(".pick")
    picks.nth(2).click()
    assert marks(opened) == {"k00006": ""}
    picks.nth(4).click(modifiers=["Shift"])
    assert marks(opened) == dict.fromkeys(["k00006", "k00009", "k00012"], "")
    picks.nth(2).click()
    assert marks(opened) == dict.fromkeys(["k00009", "k00012"], "")
    opened.locator(".zoom").nth(1).click()
    expect(opened.get_by_role("dialog")).to_be_visible()
    expect(opened.locator("#large-title")).to_have_text("k00003")


def test_quarantined_pictures_are_accepted_and_never_removed(opened: Page) -> None:
    group_by(opened, "quarantine")
    expect(opened.locator("main h2")).to_have_text(["color · 2", "prompt · 3"])
    expect(opened.locator(".cell .words").first).to_contain_text("color plain")
    press(opened, "x", "1")
    assert marks(opened) == {}
    press(opened, "k", "l", "k", "x")
    assert marks(opened) == {"k00301": "accept"}


def test_sheets_and_groupings(opened: Page) -> None:
    seen = []
    for key in ("n", "PageDown", "n", "p", "PageUp", "PageUp"):
        press(opened, key)
        seen.append(title(opened).split(" ")[1])
    assert seen == ["green", "red", "red", "green", "blue", "blue"]
    options = opened.locator("#grouping option").evaluate_all("nodes => nodes.map(node => node.value)")
    assert options == ["thing/color", "thing/shape", "thing/*", "quarantine"]
    group_by(opened, "thing/shape")
    expect(opened.locator("#jump option")).to_have_text(
        [
            f"{n} of 4: {name}, part {2 - n % 2} of 2"
            for n, name in enumerate(("box", "box", "disc", "disc"), 1)
        ]
    )
    expect(opened.locator(".cell")).to_have_count(75)
    group_by(opened, "thing/*")
    sheets = opened.evaluate("sheets.map(s => s.sections.map(p => [p.title, p.numbers.length]))")
    assert sheets[0] == [["blue, box", 50], ["blue, disc", 50]]
    assert sum(size for sheet in sheets for _, size in sheet) == 300


def test_a_closed_tab_loses_nothing(opened: Page, page: Path) -> None:
    press(opened, "1", "l", "x", "n", "l", "2")
    group_by(opened, "quarantine")
    press(opened, "k")
    progress = "5 of 5 seen, 3 removed, 1 accepted"
    expect(opened.locator("#progress")).to_have_text(progress)
    before = marks(opened)
    opened.close()
    again = opened.context.new_page()
    visit(again, page)
    assert marks(again) == before
    expect(again.locator("#title")).to_have_text("what was quarantined: color to prompt · 5")
    expect(again.locator("#progress")).to_have_text(progress)
    press(again, "u")
    assert set(before) - set(marks(again)) == {"k00301"}


def test_what_was_in_view_counts_as_seen(opened: Page) -> None:
    progress, row = opened.locator("#progress"), columns(opened)
    seen = "color => [...review.seen.get('thing/color')].filter(number => number % 3 == color).length"
    expect(progress).not_to_have_text("0 of 300 seen, 0 removed, 0 accepted")
    press(opened, "n")
    first = opened.evaluate(seen, 0)
    assert row <= first < 100
    expect(progress).not_to_have_text(f"{first} of 300 seen, 0 removed, 0 accepted")
    assert opened.evaluate(seen, 0) == first
    assert row <= opened.evaluate(seen, 1) < 100


@pytest.mark.parametrize(
    "kept", ["{", "[]", '{"marks":[[0,{"decision":"accept"}],[999,null]],"steps":[],"seen":[]}']
)
def test_odd_things_in_the_browsers_memory_are_left_out(opened: Page, kept: str) -> None:
    opened.evaluate("kept => localStorage.setItem(review.place, kept)", kept)
    opened.reload()
    assert marks(opened) == {}
    press(opened, "x")
    assert marks(opened) == {"k00000": ""}
    assert complaints(opened) == []


def test_another_tab_is_heard(opened: Page, page: Path) -> None:
    press(opened, "x")
    other = opened.context.new_page()
    visit(other, page)
    press(other, "l", "r", *"late", "Enter")
    expect(opened.locator(".words").nth(1)).to_have_text("late")
    assert marks(opened) == marks(other) == {"k00000": "", "k00003": "late"}


def test_a_browser_that_keeps_nothing_says_so(opened: Page) -> None:
    expect(opened.locator("#unkept")).to_be_hidden()
    opened.evaluate("review.storage = {setItem() { throw new Error('full'); }}")
    press(opened, "x")
    expect(opened.locator("#unkept")).to_be_visible()
    assert marks(opened) == {"k00000": ""}


def take_over(tab: Page, content: str) -> Locator:
    """Choose a file of decisions; where the page says what became of it."""
    tab.locator("#status").evaluate("node => { node.textContent = ''; }")
    file = {"name": "d.json", "mimeType": "application/json", "buffer": content.encode()}
    tab.locator("#file").set_input_files(file)
    expect(tab.locator("#status")).not_to_be_empty()
    return tab.locator("#status")


def test_the_saved_file_is_one_that_apply_reads_and_the_page_takes_back(opened: Page, tmp_path: Path) -> None:
    reviewer = opened.locator("#reviewer")
    reviewer.press_sequentially("Ann")
    reviewer.press("Enter")
    reviewer.blur()
    press(opened, "1", "l", "x")
    group_by(opened, "quarantine")
    press(opened, "k")
    with opened.expect_download() as saved:
        press(opened, "s")
    expect(opened.locator("#status")).to_have_text("3 decisions saved as decisions.json")
    path = tmp_path / saved.value.suggested_filename
    assert path.name == "decisions.json"
    saved.value.save_as(path)
    record = json.loads(path.read_text())
    check(record, "decisions", path)
    assert (record["reviewer"], record["manifest"]) == ("Ann", FINGERPRINT)
    assert read_decisions(path).marks == {
        "k00000": "by hand: color is wrong",
        "k00003": "by hand: removed",
        "k00301": "by hand: accepted",
    }
    before = marks(opened)
    press(opened, "u", "u", "u")
    expect(take_over(opened, path.read_text())).to_have_text("3 decisions taken over from d.json")
    assert marks(opened) == before
    opened.locator("#undo").click()
    assert marks(opened) == {}


def changed(**fields: Any) -> str:
    decisions = {"k00003": {"decision": "remove", "reason": "x"}}
    record = {"schema": "clay-eval/decisions/1", "manifest": FINGERPRINT, "date": "2026-01-01"}
    return json.dumps({**record, "decisions": decisions, **fields})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("null", "no decisions"),
        (changed(schema="other"), "no decisions"),
        (changed(manifest="0" * 64), "other pictures"),
        (changed(decisions={"nobody": {"decision": "remove"}}), "called nobody"),
        (changed(decisions={"__proto__x": {"decision": "remove"}}), "called"),
        (changed(decisions={"k00003": {"decision": "accept"}}), "cannot be decided"),
        (changed(decisions={"k00301": {"decision": "remove"}}), "cannot be decided"),
        (changed(decisions={"k00003": {"decision": "remove", "reason": 5}}), "cannot be decided"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_whole(opened: Page, content: str, said: str) -> None:
    press(opened, "x")
    expect(take_over(opened, content)).to_have_text(re.compile(f"^not loaded: .*{said}"))
    assert marks(opened) == {"k00000": ""}


def test_texts_of_strangers_stay_texts(tab: Page, tmp_path: Path) -> None:
    shown, details = table(4, 4, HOSTILE)
    shown["strings"] = [HOSTILE + name for name in shown["strings"]]
    shown["faults"] = {"1": HOSTILE}
    shown["entities"][0].update(name=HOSTILE, diversity=[HOSTILE])
    (tmp_path / "index.html").write_text(render_page(shown, details))
    visit(tab, tmp_path / "index.html")
    press(tab, "Enter", "l", "l", "1", "Enter", "n", "n")
    group_by(tab, "quarantine")
    press(tab, "Enter")
    expect(tab.locator("#large")).to_contain_text(HOSTILE[:20])
    assert tab.evaluate("typeof window.hacked") == "undefined"
    expect(tab.locator("script")).to_have_count(3)
    assert tab.evaluate("[...document.images].every(i => i.src.includes('pictures-0/'))")


def test_the_policy_lets_no_other_script_run(opened: Page) -> None:
    with opened.expect_console_message(lambda message: "Content Security Policy" in message.text):
        opened.evaluate(
            "() => { const node = document.createElement('script'); node.textContent = 'window.hacked = 1';"
            "document.body.append(node); document.body.insertAdjacentHTML('beforeend', "
            "'<button id=evil onclick=\"window.hacked = 1\">b</button>'); document.getElementById('evil').click(); }"
        )
    assert opened.evaluate("typeof window.hacked") == "undefined"


def test_the_page_refers_to_nothing_outside() -> None:
    page = render_page(*table(3, 1, HOSTILE))
    assert not re.findall(r"https?://|//[a-z]+\.[a-z]", page.split('<script type="application/json"')[0])
    assert page.count("<script") == page.count("</script>") == 3
    for found in re.findall(r'<script type="application/json" id="\w+">(.*?)</script>', page, re.S):
        json.loads(found)
        assert "<" not in found


def test_fifteen_thousand_pictures(tab: Page, tmp_path: Path) -> None:
    text = render_page(*table(15000, 200))
    assert len(text) < 6_000_000
    (tmp_path / "index.html").write_text(text)
    visit(tab, tmp_path / "index.html")
    assert tab.locator("*").count() < 1500
    press(tab, "n", "1", "PageDown", "l", "x")
    last = tab.locator("#jump option").count() - 1
    tab.locator("#jump").select_option(index=last)
    press(tab, "x")
    assert len(marks(tab)) == 3
    assert tab.evaluate("localStorage.getItem(review.place).length") < 20_000
