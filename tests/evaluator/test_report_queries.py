"""The page of queries in a real browser: what it shows in which order, and what strangers' texts cannot do."""

from __future__ import annotations

import copy
import html.parser
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from clay_eval.evaluator.report import browse, neighbours, pages

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = '</script><script>document.title="hacked"</script><img src=x onerror=alert(1)>\u202e"\'&amp;'

Page = Callable[..., "Shown"]


class Shown(html.parser.HTMLParser):
    """The page as the browser has it after the script ran: tags with attributes, and texts by the class they stand in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[tuple[str, str]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "img", "link", "br"):
            self.open.append((tag, dict(attrs).get("class") or dict(attrs).get("id") or ""))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open:
            self.texts.append((" ".join(c or t for t, c in self.open), data))

    def within(self, words: str) -> list[str]:
        return [text for place, text in self.texts if place.endswith(words)]

    @property
    def keys(self) -> list[str]:
        return self.within("code")


@pytest.fixture
def shown(tmp_path: Path) -> Page:
    if CHROMIUM is None:
        pytest.skip("no Chromium here")

    def page(folder: Path, **state: Any) -> Shown:
        address = (folder / "queries.html").as_uri() + "#" + urlencode(state, doseq=True)
        command = [
            *(
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                f"--user-data-dir={tmp_path / 'profile'}",
            ),
            *("--virtual-time-budget=2000", "--dump-dom", address),
        ]
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
        return Shown(done.stdout.decode())

    return page


def queries(folder: Path, report: dict[str, Any], entity: str, conditions: list[str]) -> list[dict[str, Any]]:
    """Key, labels and scores by method of every query, from the file."""
    record = neighbours.read_neighbours(folder, report["neighbours"])
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
    made_report: tuple[dict[str, Any], Path], shown: Page
) -> None:
    report, folder = made_report
    page = shown(folder)
    mine = queries(folder, report, "demo-object", ["category"])
    ordered = sorted(mine, key=lambda q: (q["clay"], q["key"]))
    assert page.keys == [q["key"] for q in ordered][:24]
    cards = [attrs for tag, attrs in page.tags if attrs.get("class") == "pic"]
    assert len(cards) == len(page.keys) * (1 + 4 * 5)
    assert all(
        "pictures/0000.jpg" in (attrs["style"] or "") or "pictures/000" in (attrs["style"] or "")
        for attrs in cards
    )
    signs = page.within("sign")
    record = neighbours.read_neighbours(folder, report["neighbours"])
    assert record is not None
    found = record["entities"]["demo-object"]
    (one,) = (s for s in found["sets"] if s["conditions"] == ["category"])
    codes = found["labels"]["category"]["codes"]
    places = [[found["keys"][image] for image in one["queries"]].index(key) for key in page.keys]
    expected = [
        "✓" if codes[image] == codes[one["queries"][place]] else "✗"
        for place in places
        for name in report["settings"]["methods"]
        if name in one["methods"]
        for image in one["methods"][name]["neighbours"][place]
    ]
    assert signs == expected
    assert f"All {len(mine)} queries of category" in page.within("sample")[0]


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
    made_report: tuple[dict[str, Any], Path], shown: Page, order: str, value: Callable[[Any], float]
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
    assert shown(folder, **state).keys == expected[:24]
    only = [key for key in expected if next(q for q in mine if q["key"] == key)["labels"]["age"] == "child"]
    page = shown(folder, **state, label=["age", "child"])
    assert page.keys == only[:24]
    mean = [q["clay"] for q in mine if q["key"] in only and q["clay"] is not None]
    assert f"{100 * sum(mean) / len(mean):.1f}" in page.within("status b")


def test_an_unknown_address_shows_the_first_view(
    made_report: tuple[dict[str, Any], Path], shown: Page
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
    assert shown(folder, **wrong).keys == shown(folder).keys


def renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def test_names_cannot_break_out_and_missing_pictures_are_placeholders(
    made_report: tuple[dict[str, Any], Path], tmp_path: Path, shown: Page
) -> None:
    report, folder = made_report
    names = {
        n: f"{n}{HOSTILE}" for n in ("demo-human", "age", "child", "clay", "raw", "Demonstration people")
    }
    bad = renamed(copy.deepcopy(report), names)
    bad["title"] = HOSTILE
    record = neighbours.read_neighbours(folder, report["neighbours"])
    assert record is not None
    bad["neighbours"] = neighbours.write_neighbours(tmp_path, renamed(record, names))
    bad.update(retrievals=[], maps=[], results=[], comparisons=[])
    pages.write_pages(bad, tmp_path)
    page = shown(tmp_path, entity=names["demo-human"], condition=names["age"].replace("\u202e", " "))
    scripts = [attrs for tag, attrs in page.tags if tag == "script"]
    assert len(scripts) == 2
    assert not [tag for tag, _ in page.tags if tag in ("img", "iframe")]
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert "<title>hacked" not in page.page
    assert "\u202e" not in page.page
    assert "no picture" in page.within("none")
    assert any(HOSTILE.replace("\u202e", " ") in text for text in page.within("h4"))


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
    record = neighbours.read_neighbours(folder, report["neighbours"])
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
