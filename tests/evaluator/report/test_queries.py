"""The page of queries in a real browser: what it shows in which order, and what strangers' texts cannot do."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from browser import complaints, visit
from playwright.sync_api import Page, expect

from clay_eval.evaluator.evaluation import neighbours
from clay_eval.evaluator.report import beside, browse, pages

HOSTILE = '</script><script>document.title="hacked"</script><img src=x onerror=alert(1)>\u202e"\'&amp;'

Shown = Callable[..., Page]


@pytest.fixture
def shown(tab: Page) -> Shown:
    """Open the page of a report's folder with `state` in its address."""

    def page(folder: Path, **state: Any) -> Page:
        visit(tab, folder / "queries.html", "#" + urlencode(state, doseq=True))
        return tab

    return page


def keys(page: Page) -> list[str]:
    """The keys of the queries shown, in the order of the page."""
    return page.locator("#list code").all_text_contents()


def queries(folder: Path, report: dict[str, Any], entity: str, conditions: list[str]) -> list[dict[str, Any]]:
    """Key, labels and scores by method of every query, from the file."""
    record = beside.read_neighbours(folder, report["neighbours"])
    assert record is not None
    found = record["entities"][entity]
    one = next(s for s in found["sets"] if s["conditions"] == conditions)
    return [
        {
            "key": found["keys"][image],
            "labels": {n: c["values"][c["codes"][image]] for n, c in found["labels"].items()},
            **{method: ranked["scores"][place] for method, ranked in one["methods"].items()},
        }
        for place, image in enumerate(one["queries"])
    ]


def test_the_first_view_has_signs_pictures_and_the_reference_worst_first(
    made_report: tuple[dict[str, Any], Path], shown: Shown
) -> None:
    report, folder = made_report
    page = shown(folder)
    mine = queries(folder, report, "demo-object", ["category"])
    ordered = sorted(mine, key=lambda q: (q["clay"], q["key"]))
    first = keys(page)
    assert first == [q["key"] for q in ordered][:24]
    pictures = page.locator(".pic").evaluate_all("nodes => nodes.map(node => node.style.backgroundImage)")
    assert len(pictures) == len(first) * (1 + 4 * 5)
    assert all(re.fullmatch(r'url\("pictures/000\d\.jpg"\)', picture) for picture in pictures)
    signs = page.locator(".sign").all_text_contents()
    record = beside.read_neighbours(folder, report["neighbours"])
    assert record is not None
    found = record["entities"]["demo-object"]
    (one,) = (s for s in found["sets"] if s["conditions"] == ["category"])
    codes = found["labels"]["category"]["codes"]
    places = [[found["keys"][image] for image in one["queries"]].index(key) for key in first]
    expected = [
        "✓" if codes[image] == codes[one["queries"][place]] else "✗"
        for place in places
        for name in report["settings"]["methods"]
        if name in one["methods"]
        for image in one["methods"][name]["neighbours"][place]
    ]
    assert signs == expected
    expect(page.locator("#sample")).to_contain_text(f"All {len(mine)} queries of category")
    assert complaints(page) == []


@pytest.mark.parametrize(
    ("order", "value"),
    [
        ("worst", lambda q: q["raw"]),
        ("best", lambda q: -q["raw"]),
        ("gain", lambda q: -(q["raw"] - q["clay"])),
        ("loss", lambda q: q["raw"] - q["clay"]),
        ("key", lambda q: 0),
    ],
)
def test_queries_are_ordered_and_filtered_as_asked(
    made_report: tuple[dict[str, Any], Path], shown: Shown, order: str, value: Callable[[Any], float]
) -> None:
    report, folder = made_report
    asked = ["age", "background"]
    state = {"entity": "demo-human", "condition": asked, "order": order, "first": "raw", "second": "clay"}
    mine = queries(folder, report, "demo-human", asked)
    scored = [q for q in mine if q["raw"] is not None]
    rest = [q for q in mine if q["raw"] is None]
    if order == "key":
        scored, rest = mine, []
    expected = [q["key"] for q in sorted(scored, key=lambda q: (round(value(q), 9), q["key"]))]
    expected += sorted(q["key"] for q in rest)
    assert keys(shown(folder, **state)) == expected[:24]
    only = [key for key in expected if next(q for q in mine if q["key"] == key)["labels"]["age"] == "child"]
    page = shown(folder, **state, label=["age", "child"])
    assert keys(page) == only[:24]
    mean = [q["clay"] for q in mine if q["key"] in only and q["clay"] is not None]
    assert f"{100 * sum(mean) / len(mean):.1f}" in page.locator("#status b").all_text_contents()


def test_an_unknown_address_shows_the_first_view(
    made_report: tuple[dict[str, Any], Path], shown: Shown
) -> None:
    folder = made_report[1]
    wrong = {
        "entity": "<b>",
        "condition": "x",
        "label": ["y", "z"],
        "order": "up",
        "first": "q",
        "second": "__proto__",
    }
    assert keys(shown(folder, **wrong)) == keys(shown(folder))


def renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def test_names_cannot_break_out_and_missing_pictures_are_placeholders(
    made_report: tuple[dict[str, Any], Path], tmp_path: Path, shown: Shown
) -> None:
    report, folder = made_report
    names = {
        n: f"{n}{HOSTILE}" for n in ("demo-human", "age", "child", "clay", "raw", "Demonstration people")
    }
    bad = renamed(copy.deepcopy(report), names)
    bad["title"] = HOSTILE
    record = beside.read_neighbours(folder, report["neighbours"])
    assert record is not None
    bad["neighbours"] = neighbours.write_neighbours(tmp_path, renamed(record, names))
    bad.update(retrievals=[], maps=[], results=[], comparisons=[])
    pages.write_pages(bad, tmp_path)
    page = shown(tmp_path, entity=names["demo-human"], condition=names["age"].replace("\u202e", " "))
    expect(page.locator("script")).to_have_count(2)
    expect(page.locator("img, iframe")).to_have_count(0)
    attributes = page.locator("*").evaluate_all("nodes => nodes.flatMap(node => node.getAttributeNames())")
    assert not [name for name in attributes if name.startswith("on")]
    assert "hacked</title" not in page.content()
    assert "\u202e" not in page.content()
    expect(page.locator(".none").first).to_have_text("no picture")
    expect(page.locator("h4").filter(has_text=HOSTILE.replace("\u202e", " "))).not_to_have_count(0)
    assert complaints(page) == []


def test_the_page_fetches_nothing_but_pictures_beside_it(made_report: tuple[dict[str, Any], Path]) -> None:
    text = (made_report[1] / "queries.html").read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src &#39;none&#39;; style-src")
    assert "unsafe-eval" not in policy[1]
    script = text.split("<script>")[1].split("</script>")[0]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|fetch\(|https?:", script
    )


def test_the_data_says_what_methods_are(made_report: tuple[dict[str, Any], Path]) -> None:
    report, folder = made_report
    record = beside.read_neighbours(folder, report["neighbours"])
    assert record is not None
    data = browse.page_data(report, record, folder)
    assert [(m["name"], m["role"]) for m in data["methods"]] == [
        ("raw", "rival"),
        ("clay", "rival"),
        ("ip-composer", "rival"),
        ("clay-values", "rival"),
    ]
    assert [bool(m["note"]) for m in data["methods"]] == [False, False, False, True]
    assert list(data["entities"]) == list(report["entities"])
    assert data["pictured"]
    assert not browse.page_data(report, record, folder / "elsewhere")["pictured"]
