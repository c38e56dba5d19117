"""The leaderboard: what stands in a table, who is ranked, and what never stands beside what."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import complaints, new_tab, visit
from playwright.sync_api import Browser, Page, expect
from submission_world import Pictures

from clay_eval.evaluator.submissions.board import build_board
from clay_eval.evaluator.submissions.pack import About, Form
from clay_eval.evaluator.submissions.pages import duration, render_html, render_markdown
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import check

EVIL = "<img src=x onerror=alert(1)>\"'&|`[x](javascript:1)\u202e\x1b[31m"
METHODS = {
    "clay": "clay(n_components=4)",
    "crl": "crl",
    "raw": "raw",
    "other": "other-condition",
    "lda": "supervised-lda",
}


@pytest.fixture(scope="session")
def boarded(
    submit: Callable[..., Path], score: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """A folder of submissions, and its board. Not to be altered."""
    folder = tmp_path_factory.mktemp("board")
    for name, spec in METHODS.items():
        about = About(name.upper(), "1.0", "https://example.org/?a=1&b=2", "COCO", ["color"], "1 core")
        score(submit(spec, to=folder / name, about=about, seeds=(0, 1)))
    shutil.copytree(folder / "clay", folder / "clay-again")
    score(
        submit(
            "raw",
            Form("runs"),
            to=folder / "evil",
            seeds=(0, 1),
            about=About(EVIL, EVIL[:99], None, EVIL, [EVIL], EVIL),
        )
    )
    score(submit("raw", to=folder / "seed-2", about=About("later"), seeds=(2,)))
    source = Pictures(fingerprint="ef" * 32)
    score(submit("raw", to=folder / "data-2", about=About("elsewhere"), source=source), source)
    shutil.copytree(folder / "raw", folder / "exchanged")
    shutil.copy(folder / "clay" / "method.json", folder / "exchanged" / "method.json")
    (folder / "notes").mkdir()
    (folder / "README.md").write_text("no submission")
    return folder, build_board(folder, [Pictures(), source], randomisations=2000)


def test_results_of_other_data_and_settings_are_never_mixed(boarded: tuple[Path, dict[str, Any]]) -> None:
    tables = boarded[1]["tables"]
    assert [sorted(row["submission"] for row in table["rows"]) for table in tables[:1]] == [
        sorted([*METHODS, "clay-again", "evil"])
    ]
    assert sorted(row["submission"] for table in tables[1:] for row in table["rows"]) == ["data-2", "seed-2"]
    assert len({table["fingerprint"] for table in tables}) == len(tables) == 3


def test_what_cannot_be_scored_is_excluded_with_the_reason(boarded: tuple[Path, dict[str, Any]]) -> None:
    reasons = {one["submission"]: one["reason"] for one in boarded[1]["excluded"]}
    assert set(reasons) == {"exchanged"}
    assert "not the file that method.json speaks of" in reasons["exchanged"]


def test_ranks(boarded: tuple[Path, dict[str, Any]]) -> None:
    table = boarded[1]["tables"][0]
    rows = {row["submission"]: row for row in table["rows"]}
    assert (rows["lda"]["rank"], rows["other"]["rank"]) == (None, None)
    assert rows["other"]["all"]["value"] is None
    assert rows["clay"]["rank"] == rows["clay-again"]["rank"]
    assert rows["clay"]["tied"]
    assert rows["raw"]["rank"] == rows["evil"]["rank"] > rows["clay"]["rank"]
    assert rows["raw"]["all"]["sign"] == "worse"
    assert rows["raw"]["p"] < 0.05
    ranked = [row for row in table["rows"] if row["rank"] is not None]
    assert ranked == table["rows"][: len(ranked)]
    values = [row["all"]["value"] for row in ranked]
    assert values == sorted(values, reverse=True)
    assert ranked[0]["rank"] == 1
    assert ranked[0]["p"] is None


def test_cells_are_the_scores_of_the_records(boarded: tuple[Path, dict[str, Any]]) -> None:
    folder, board = boarded
    table = board["tables"][0]
    for row in table["rows"]:
        record = json.loads((folder / row["submission"] / "score.json").read_text())
        values = {tuple(r["conditions"]): r for r in record["results"] if r["metric"] == "AP"}
        for column, cell in zip(table["columns"], row["cells"], strict=True):
            assert cell["value"] == values[(column,)]["value"]
            assert cell["ci_low"] <= cell["value"] <= cell["ci_high"]
        if row["all"]["value"] is not None:
            found = [r["value"] for r in values.values()]
            assert row["all"]["value"] == pytest.approx(sum(found) / len(found))
            combined = [r["value"] for names, r in values.items() if len(names) > 1]
            assert row["combinations"]["value"] == pytest.approx(sum(combined) / len(combined))
            assert row["all"]["ci_low"] < row["all"]["value"] < row["all"]["ci_high"]
    assert table["combinations"] == 4
    check(board, "leaderboard", "board")


def test_the_order_of_folders_decides_nothing(boarded: tuple[Path, dict[str, Any]]) -> None:
    folder, board = boarded
    sources = [Pictures(fingerprint="ef" * 32), Pictures()]
    assert build_board(folder, sources, randomisations=2000) == board
    assert render_html(board) == render_html(json.loads(json.dumps(board)))


def test_texts_of_strangers_stay_texts(boarded: tuple[Path, dict[str, Any]]) -> None:
    page = render_html(boarded[1])
    assert "<img" not in page
    assert "javascript:1" in page
    assert 'href="javascript' not in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert html.escape("<img src=x onerror=alert(1)>") in page
    assert 'href="https://example.org/?a=1&amp;b=2" rel="noopener noreferrer nofollow ugc"' in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1]
    assert "unsafe-inline" not in policy[1].partition("script-src")[2]
    assert not re.search(r"""(src|href)=["']?(https?:)?//(?!example\.org)""", page)
    text = render_markdown(boarded[1])
    assert "<img" not in text
    bars = {
        len(re.findall(r"(?<!\\)\|", line))
        for line in text.splitlines()
        if line.startswith("| ") and "EVIL" not in line
    }
    assert len(bars) == 1


def test_markdown_holds_the_same_numbers(boarded: tuple[Path, dict[str, Any]]) -> None:
    text = render_markdown(boarded[1])
    row = next(row for row in boarded[1]["tables"][0]["rows"] if row["submission"] == "raw")
    line = next(line for line in text.splitlines() if line.startswith("| RAW 1.0 |"))
    assert f"{100 * row['all']['value']:.1f}▼" in line
    assert "| COCO | color | no |" in line
    assert line.endswith("| 1 core | made-up |")


def test_nothing_to_show(tmp_path: Path, clay_copy: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        build_board(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no scored submission here") as caught:
        build_board(clay_copy.parent)
    assert "not scored yet" in str(caught.value)


def test_whole_combinations_and_leave_one_out(
    submit: Callable[..., Path], score: Callable[..., Any], tmp_path: Path
) -> None:
    source = Pictures(5, ("object", "other"))
    for name in ("raw", "crl"):
        options = {"resample": "combinations", "split": "leave-one-out", "source": source}
        score(submit(name, to=tmp_path / name, about=About(name), **options), source)
    board = build_board(tmp_path, [source], randomisations=1000)
    assert [table["entity"] for table in board["tables"]] == ["object", "other"]
    for table in board["tables"]:
        assert table["queries"] == 60
        assert [row["method"]["name"] for row in table["rows"]] == ["crl", "raw"]
        # 12 combinations of labels are flipped as a whole, in all of their 4,096 ways or in 1,000 of them.
        assert table["rows"][1]["p"] >= 2 / 4096


def test_durations() -> None:
    assert [duration(s) for s in (0.04, 12.31, 90, 7300)] == ["0.04 s", "12 s", "1.5 min", "2.0 h"]


@pytest.fixture(scope="module")
def board_page(boarded: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `boarded`."""
    path = tmp_path_factory.mktemp("board") / "leaderboard.html"
    path.write_text(render_html(boarded[1]))
    return path


@pytest.fixture
def opened(tab: Page, board_page: Path) -> Page:
    """The page in a browser."""
    visit(tab, board_page)
    return tab


def column(tab: Page, place: int) -> list[str]:
    cells = tab.locator("table").first.locator(f"tbody tr > :nth-child({place + 1})")
    return [str(text) for text in cells.evaluate_all("cells => cells.map(cell => cell.dataset.v)")]


def sort_by(tab: Page, place: int, order: str) -> None:
    """Click on the head of a column; it then says, alone and aloud, how it is sorted."""
    table = tab.locator("table").first
    head = table.locator("thead th").nth(place)
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", order)
    expect(table.locator("[aria-sort]")).to_have_count(1)
    expect(tab.get_by_role("status")).to_have_text(f"Sorted by {head.inner_text()}, {order}.")


def test_columns_sort_in_a_browser(opened: Page, boarded: tuple[Path, dict[str, Any]]) -> None:
    table = boarded[1]["tables"][0]
    heads = opened.locator("table").first.locator("thead th")
    assert heads.all_inner_texts()[:6] == ["method", "rank", "mean of all", *table["columns"]]
    expect(opened.locator("[aria-sort]").first).to_have_text("rank")
    before = column(opened, 0)
    sort_by(opened, 3, "descending")
    numbers = [float(v) for v in column(opened, 3)]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers != [row["cells"][0]["value"] for row in table["rows"]]
    sort_by(opened, 3, "ascending")
    assert [float(v) for v in column(opened, 3)] == numbers[::-1]
    sort_by(opened, 2, "descending")
    assert column(opened, 2)[-1] == ""
    sort_by(opened, 2, "ascending")
    assert column(opened, 2)[-1] == ""
    sort_by(opened, 0, "ascending")
    names = [name.lower() for name in column(opened, 0)]
    assert names.index("clay 1.0 (clay)") < names.index("crl 1.0") < names.index("raw 1.0")
    sort_by(opened, 1, "ascending")
    assert column(opened, 0) == before
    heads.nth(5).get_by_role("button").press("Enter")
    expect(heads.nth(5)).to_have_attribute("aria-sort", "descending")
    assert complaints(opened) == []


def test_nothing_of_a_stranger_runs_and_nothing_is_fetched(opened: Page) -> None:
    assert complaints(opened) == []
    expect(opened.locator("img, [onerror]")).to_have_count(0)
    assert opened.evaluate("performance.getEntriesByType('resource').length") == 0
    with opened.expect_console_message(lambda message: "Content Security Policy" in message.text):
        opened.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<img src=https://example.org/x.png>')"
        )


def test_a_phone_shows_the_page_without_scrolling_it_sideways(browser: Browser, board_page: Path) -> None:
    with new_tab(browser, viewport={"width": 390, "height": 844}, is_mobile=True) as phone:
        visit(phone, board_page)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
        assert phone.locator(".scroll").first.evaluate("node => node.scrollWidth") > 390
