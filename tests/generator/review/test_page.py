"""The contact sheets in a real browser: keys and mouse, what is kept, what is saved, what strangers' texts cannot do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from review_page import FINGERPRINT, at, marks, table

from clay_eval.generator.review.decisions import read_decisions
from clay_eval.generator.review.sheets import render_page
from clay_eval.schemas.validate import check

HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">&lt;b>\u202egnp'


def columns(browser: Any) -> int:
    return int(
        browser.run(
            "(() => { const tops = [...document.querySelectorAll('.cell')].map(c => c.offsetTop);"
            "return tops.filter(t => t === tops[0]).length; })()"
        )
    )


def test_the_first_sheet_shows_one_value_of_the_first_attribute(opened: Any) -> None:
    assert opened.run("document.getElementById('title').textContent") == "color: blue · 100"
    shown = opened.run("[...document.querySelectorAll('.cell')].map(c => Number(c.dataset.number))")
    assert shown == list(range(0, 300, 3))
    opened.until("document.querySelector('.cell img').naturalWidth == 8")
    assert at(opened) == "k00000"
    assert opened.complaints() == []


def test_arrows_and_letters_move(opened: Any) -> None:
    wide = columns(opened)
    assert 5 <= wide <= 15
    for keys, place in [
        (["ArrowRight", "l"], 2),
        (["ArrowDown"], 2 + wide),
        (["j"], 2 + 2 * wide),
        (["i", "ArrowUp", "ArrowUp"], 2),
        (["h", "ArrowLeft", "ArrowLeft"], 0),
    ]:
        opened.press(*keys)
        assert at(opened) == f"k{3 * place:05d}", keys


def test_marks_reasons_and_undo(opened: Any) -> None:
    opened.press("x", "l", " ", "l", "1", "l", "2", "l", "0", "l", "7")
    decided = {
        "k00000": "",
        "k00003": "",
        "k00006": "color is wrong",
        "k00009": "shape is wrong",
        "k00012": "the picture is faulty",
    }
    assert marks(opened) == decided
    opened.press("h", "2")
    assert marks(opened)["k00012"] == "shape is wrong"
    opened.press("k")
    assert "k00012" not in marks(opened)
    opened.press("u", "u")
    assert marks(opened) == decided
    opened.press("u")
    assert at(opened) == "k00012"
    opened.press("u", "u", "u", "u", "u", "u")
    assert marks(opened) == {}


def test_x_twice_is_nothing_and_a_cell_says_what_it_is(opened: Any) -> None:
    label = "document.querySelector('.cell .pick').getAttribute('aria-label')"
    pressed = "document.querySelector('.cell .pick').getAttribute('aria-pressed')"
    assert opened.run(label) == "color blue, shape box, k00000"
    opened.press("1")
    assert opened.run(label) == "removed: color is wrong, color blue, shape box, k00000"
    assert opened.run(pressed) == "true"
    opened.press("x")
    assert (marks(opened), opened.run(pressed)) == ({}, "false")


def test_a_range_by_shift_and_arrows(opened: Any) -> None:
    opened.press("l")
    opened.press("ArrowRight", "ArrowRight", shift=True)
    opened.press("1")
    assert marks(opened) == dict.fromkeys(["k00003", "k00006", "k00009"], "color is wrong")
    opened.press("u")
    assert marks(opened) == {}


def test_the_mouse_marks_and_takes_ranges(opened: Any) -> None:
    opened.click(".pick", 2)
    assert marks(opened) == {"k00006": ""}
    opened.click(".pick", 4, shift=True)
    assert marks(opened) == dict.fromkeys(["k00006", "k00009", "k00012"], "")
    opened.click(".pick", 2)
    assert marks(opened) == dict.fromkeys(["k00009", "k00012"], "")
    opened.click(".zoom", 1)
    assert opened.run("document.getElementById('large').open")
    assert opened.run("document.getElementById('large-title').textContent") == "k00003"


def test_quarantined_pictures_are_accepted_and_never_removed(opened: Any) -> None:
    opened.run("openGrouping('quarantine')")
    headings = opened.run("[...document.querySelectorAll('main h2')].map(h => h.textContent)")
    assert headings == ["color · 2", "prompt · 3"]
    assert "color plain" in opened.run("document.querySelector('.cell .words').textContent")
    opened.press("x", "1")
    assert marks(opened) == {}
    opened.press("k", "l", "k", "x")
    assert marks(opened) == {"k00301": "accept"}


def test_sheets_and_groupings(opened: Any) -> None:
    title = "document.getElementById('title').textContent"
    seen = []
    for key in ("n", "PageDown", "n", "p", "PageUp", "PageUp"):
        opened.press(key)
        seen.append(opened.run(title).split(" ")[1])
    assert seen == ["green", "red", "red", "green", "blue", "blue"]
    options = "[...document.getElementById('grouping').options].map(o => o.value)"
    assert opened.run(options) == ["thing/color", "thing/shape", "thing/*", "quarantine"]
    opened.run("openGrouping('thing/shape')")
    sizes = opened.run("sheets.map(s => [s.title, s.numbers.length])")
    assert sizes == [
        ["box, part 1 of 2", 75],
        ["box, part 2 of 2", 75],
        ["disc, part 1 of 2", 75],
        ["disc, part 2 of 2", 75],
    ]
    opened.run("openGrouping('thing/*')")
    sheets = opened.run("sheets.map(s => s.sections.map(p => [p.title, p.numbers.length]))")
    assert sheets[0] == [["blue, box", 50], ["blue, disc", 50]]
    assert sum(size for sheet in sheets for _, size in sheet) == 300


def test_a_closed_tab_loses_nothing(opened: Any) -> None:
    opened.press("1", "l", "x", "n", "l", "2")
    opened.run("openGrouping('quarantine')")
    opened.press("k")
    opened.until("review.seen.get('quarantine')?.size == 5")
    before, progress = marks(opened), opened.run("document.getElementById('progress').textContent")
    assert progress == "5 of 5 seen, 3 removed, 1 accepted"
    opened.reload()
    assert marks(opened) == before
    assert (
        opened.run("document.getElementById('title').textContent")
        == "what was quarantined: color to prompt · 5"
    )
    assert opened.run("document.getElementById('progress').textContent") == progress
    opened.press("u")
    assert set(before) - set(marks(opened)) == {"k00301"}


def test_what_was_in_view_counts_as_seen(opened: Any) -> None:
    first = opened.until("review.seen.get('thing/color')?.size")
    assert columns(opened) <= first < 100
    opened.press("n")
    opened.until(f"review.seen.get('thing/color').size > {first}")
    assert opened.run("[...review.seen.get('thing/color')].filter(n => n % 3 == 1).length") >= columns(opened)


@pytest.mark.parametrize(
    "kept", ["{", "[]", '{"marks":[[0,{"decision":"accept"}],[999,null]],"steps":[],"seen":[]}']
)
def test_odd_things_in_the_browsers_memory_are_left_out(opened: Any, kept: str) -> None:
    opened.run(f"localStorage.setItem(review.place, {json.dumps(kept)})")
    opened.reload()
    assert marks(opened) == {}
    opened.press("x")
    assert marks(opened) == {"k00000": ""}
    assert opened.complaints() == []


def test_another_tab_is_heard(opened: Any) -> None:
    opened.press("x")
    opened.run(
        "(() => { const other = new Review(table, localStorage); other.restore();"
        "other.set([[3, {decision: 'remove', reason: 'late'}]]);"
        "window.dispatchEvent(new StorageEvent('storage', {key: review.place})); })()"
    )
    assert marks(opened) == {"k00000": "", "k00003": "late"}
    assert "late" in opened.run("document.querySelectorAll('.words')[1].textContent")


def test_a_browser_that_keeps_nothing_says_so(opened: Any) -> None:
    assert opened.run("document.getElementById('unkept').hidden")
    opened.run("review.storage = {setItem() { throw new Error('full'); }}")
    opened.press("x")
    assert not opened.run("document.getElementById('unkept').hidden")
    assert marks(opened) == {"k00000": ""}


def test_the_saved_file_is_one_that_apply_reads_and_the_page_takes_back(opened: Any, tmp_path: Path) -> None:
    opened.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    opened.run("document.getElementById('reviewer').focus()")
    opened.press(*"Ann", "Enter")
    opened.run("document.activeElement.blur()")
    opened.press("1", "l", "x")
    opened.run("openGrouping('quarantine')")
    opened.press("k", "s")
    path = tmp_path / "decisions.json"
    opened.until("document.getElementById('status').textContent == '3 decisions saved as decisions.json'")
    for _ in range(3000):
        if path.exists() and path.stat().st_size:
            break
        opened.run("new Promise(done => setTimeout(done, 20))")
    record = json.loads(path.read_text())
    check(record, "decisions", path)
    assert (record["reviewer"], record["manifest"]) == ("Ann", FINGERPRINT)
    assert read_decisions(path).marks == {
        "k00000": "by hand: color is wrong",
        "k00003": "by hand: removed",
        "k00301": "by hand: accepted",
    }
    before = marks(opened)
    opened.press("u", "u", "u")
    opened.run(f"load(new File([{json.dumps(path.read_text())}], 'd.json'))")
    assert marks(opened) == before
    opened.press("u")
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
def test_a_file_that_does_not_fit_is_refused_whole(opened: Any, content: str, said: str) -> None:
    opened.press("x")
    opened.run(f"load(new File([{json.dumps(content)}], 'd.json'))")
    status = opened.run("document.getElementById('status').textContent")
    assert status.startswith("not loaded: ")
    assert said in status
    assert marks(opened) == {"k00000": ""}


def test_texts_of_strangers_stay_texts(browser: Any, tmp_path: Path) -> None:
    shown, details = table(4, 4, HOSTILE)
    shown["strings"] = [HOSTILE + name for name in shown["strings"]]
    shown["faults"] = {"1": HOSTILE}
    shown["entities"][0].update(name=HOSTILE, diversity=[HOSTILE])
    (tmp_path / "index.html").write_text(render_page(shown, details))
    browser.open(tmp_path / "index.html")
    browser.run("localStorage.clear()")
    browser.press("Enter", "l", "l", "1", "Enter", "n", "n")
    browser.run("openGrouping('quarantine')")
    browser.press("Enter")
    assert HOSTILE[:20] in browser.run("document.getElementById('large').innerText")
    assert browser.run("typeof window.hacked") == "undefined"
    assert browser.run("document.querySelectorAll('script').length") == 3
    assert browser.run("[...document.images].every(i => i.src.includes('pictures-0/'))")


def test_the_policy_lets_no_other_script_run(opened: Any) -> None:
    opened.run(
        "(() => { const node = document.createElement('script'); node.textContent = 'window.hacked = 1';"
        "document.body.append(node); document.body.insertAdjacentHTML('beforeend', "
        "'<button id=evil onclick=\"window.hacked = 1\">b</button>'); document.getElementById('evil').click(); })()"
    )
    assert opened.run("typeof window.hacked") == "undefined"
    assert any("Content Security Policy" in text for text in opened.complaints())


def test_the_page_refers_to_nothing_outside() -> None:
    page = render_page(*table(3, 1, HOSTILE))
    assert not re.findall(r"https?://|//[a-z]+\.[a-z]", page.split('<script type="application/json"')[0])
    assert page.count("<script") == page.count("</script>") == 3
    for found in re.findall(r'<script type="application/json" id="\w+">(.*?)</script>', page, re.S):
        json.loads(found)
        assert "<" not in found


def test_fifteen_thousand_pictures(browser: Any, tmp_path: Path) -> None:
    text = render_page(*table(15000, 200))
    assert len(text) < 6_000_000
    (tmp_path / "index.html").write_text(text)
    browser.open(tmp_path / "index.html")
    browser.run("localStorage.clear()")
    browser.reload()
    assert browser.run("document.querySelectorAll('*').length") < 1500
    browser.press("n", "1", "PageDown", "l", "x")
    browser.run("openSheet(sheets.length - 1)")
    browser.press("x")
    assert len(marks(browser)) == 3
    assert browser.run("localStorage.getItem(review.place).length") < 20_000
