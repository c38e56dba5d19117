"""The pages of a report: all that was measured is shown, and no name a stranger chose can break out."""

from __future__ import annotations

import hashlib
import html.parser
import re
from pathlib import Path
from typing import Any

import pytest

from clay_eval.evaluator.report import pages
from clay_eval.evaluator.report.protocol import protocol
from clay_eval.schemas.validate import check

SHA = hashlib.sha256(b"x").hexdigest()


class Reader(html.parser.HTMLParser):
    """Collects tags, attributes and text, and checks that every element is closed in order."""

    void = frozenset({"meta", "img", "br", "link", "hr", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(folder: Path) -> str:
    return (folder / "report.html").read_text("utf-8")


def test_the_page_is_whole_self_contained_and_small(made_report: tuple[dict[str, Any], Path]) -> None:
    page = page_of(made_report[1])
    reader = Reader(page)
    assert len(page) < 3_000_000
    assert not [tag for tag, _ in reader.tags if tag in {"script", "link", "iframe", "object"}]
    sources = [attrs["src"] or "" for tag, attrs in reader.tags if tag == "img"]
    assert len(sources) == len(made_report[0]["retrievals"]) * 11
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert all(attrs.get("alt") for tag, attrs in reader.tags if tag == "img")
    links = {attrs["href"] for tag, attrs in reader.tags if tag == "a"}
    ids = {"#" + str(attrs["id"]) for _, attrs in reader.tags if "id" in attrs}
    assert {link for link in links if link and link.startswith("#")} <= ids
    assert {"report.json", "per_query.csv", "queries.html", "queries.html#entity=demo-human"} <= links


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_every_score_and_notice_is_shown(made_report: tuple[dict[str, Any], Path], name: str) -> None:
    report, folder = made_report
    text = (folder / name).read_text("utf-8")
    words = Reader(text).text if name.endswith("html") else text.replace("\\", "")
    for result in report["results"]:
        assert f"{100 * result['value']:.1f}" in words
        assert f"{100 * result['ci_low']:.1f}–{100 * result['ci_high']:.1f}" in words
    for one in report["comparisons"]:
        assert one["method"] in words
    for part in (
        "Controls:",
        "Privileged:",
        "the values that texts name",
        "this project's own method",
        "P@10",
        "Holm",
    ):
        assert part in words
    assert "my.methods:Broken" in words
    assert "fit raised ValueError" in words
    assert (
        "trained by this project on drawn pictures; the numbers say nothing about real photographs" in words
    )
    assert "41 % of their variance" in words
    assert report["fingerprint"] in words
    assert "subcategory (by category)" in words
    used = [f["n_components"] for f in report["methods"]["clay"]["fitted"]]
    assert f"{min(used)} to {max(used)}" in words
    for item in report["retrievals"]:
        for ranked in item["methods"].values():
            assert f"{100 * ranked['ap']:.1f}" in words


def test_markdown_tables_have_as_many_cells_in_every_row(made_report: tuple[dict[str, Any], Path]) -> None:
    text = (made_report[1] / "report.md").read_text("utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    assert len(tables) >= 2 * 2 * 3 + 14
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_marks_and_signs_say_what_is_relevant(made_report: tuple[dict[str, Any], Path]) -> None:
    report, folder = made_report
    neighbours = [n for r in report["retrievals"] for m in r["methods"].values() for n in m["neighbours"]]
    signs = [word.strip() for word in Reader(page_of(folder)).words if word.strip() in {"✓", "✗"}]
    assert signs.count("✓") == sum(n["relevant"] for n in neighbours)
    assert signs.count("✗") == sum(not n["relevant"] for n in neighbours) > 0


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
HOSTILE_MARKDOWN = "|x| [a](javascript:alert(1)) ![b](http://e.example/x.png) `c` <script>d</script>\n# big"


def hostile(report: dict[str, Any], word: str) -> dict[str, Any]:
    """The report with every name a stranger can choose replaced by `word`, one entity and one retrieval of it."""
    entity = {
        **report["entities"]["demo-human"],
        "title": word,
        "attributes": {word[:60]: {"values": {word[:70]: 3}, "parent": None}},
    }
    conditions = [word[:60]]
    labels = {word[:60]: word[:70]}
    shown = report["retrievals"][0]
    ranked = {
        m: {"ap": 0.5, "neighbours": [{"key": word, "score": 0.1, "relevant": True, "labels": labels}] * 5}
        for m in shown["methods"]
    }
    result = {**report["results"][0], "entity": word[:50], "conditions": conditions, "encoder": word}
    drawn_map = {**report["maps"][0], "entity": word[:50], "conditions": conditions}
    drawn_map["labels"] = [word[:70]] * len(drawn_map["points"])
    made_up = {
        **report,
        "title": word,
        "warnings": [word],
        "software": {word[:50]: word},
        "recorded": {word[:50]: word},
        "entities": {word[:50]: entity},
        "results": [result, {**result, "method": word[:60]}],
        "comparisons": [
            {
                **report["comparisons"][0],
                "entity": word[:50],
                "conditions": conditions,
                "method": word[:60],
                "reference": "raw",
            }
        ],
        "failures": [{"entity": word[:50], "method": word, "conditions": conditions, "error": word}],
        "settings": {
            **report["settings"],
            "methods": ["raw", word[:60]],
            "reference": "raw",
            "weights": {word: 2},
        },
        "methods": {
            name: {
                "title": word,
                "target": word,
                "parameters": {word: word},
                "fitted": [],
                "sees": [word],
                "privileged": False,
            }
            for name in ("raw", word[:60])
        },
        "retrievals": [
            {
                **shown,
                "entity": word[:50],
                "conditions": conditions,
                "choice": word,
                "query": {"key": word, "labels": labels},
                "methods": ranked,
            }
        ],
        "maps": [drawn_map],
        "inputs": {
            **report["inputs"],
            "specs": {word[:50]: SHA},
            "texts": {
                word[:50]: {
                    "fingerprint": SHA,
                    "origin": {word: word},
                    "conditions": {word[:50]: {"texts": 1, "values": 1}},
                }
            },
            "encoder": {"name": word, "demonstration": False, word: word},
        },
    }
    made_up.pop("neighbours")
    check(made_up, "report", "hostile")
    return made_up


def test_names_cannot_break_out_of_the_page(made_report: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    pages.write_pages(hostile(made_report[0], HOSTILE), tmp_path)
    reader = Reader(page_of(tmp_path))
    assert not [tag for tag, _ in reader.tags if tag in {"script", "img"}]
    assert not [name for _, attrs in reader.tags for name in attrs if name.startswith("on")]
    assert HOSTILE in reader.text
    assert "no picture" in reader.text


def test_names_cannot_break_out_of_markdown(made_report: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    pages.write_pages(hostile(made_report[0], HOSTILE_MARKDOWN), tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "<script" not in text
    assert "http://" not in text
    assert not re.search(r"(?<!\\)\]\((?!report\.|per)", text)
    assert not re.search(r"^# big", text, re.M)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


def test_a_report_without_pictures_maps_or_coverage_still_makes_pages(
    made_report: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    entities = {name: {**entity, "coverage": None} for name, entity in made_report[0]["entities"].items()}
    empty = [{**r, "value": None, "ci_low": None, "ci_high": None} for r in made_report[0]["results"]]
    bare = {
        **made_report[0],
        "entities": entities,
        "retrievals": [],
        "maps": [],
        "thumbnails": {},
        "results": empty,
        "comparisons": [],
        "failures": [],
    }
    del bare["neighbours"]
    pages.write_pages(bare, tmp_path)
    reader = Reader(page_of(tmp_path))
    assert "Nothing was scored." in reader.text
    assert "What the data holds" in reader.text
    assert "What was planned" not in reader.text
    assert "beside clay" not in reader.text
    assert not (tmp_path / "queries.html").exists()


def test_one_method_alone_has_no_comparison_and_no_signs(
    made_report: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    full = made_report[0]
    alone = {
        **full,
        "results": [r for r in full["results"] if r["method"] == "raw"],
        "comparisons": [],
        "methods": {"raw": full["methods"]["raw"]},
        "settings": {**full["settings"], "methods": ["raw"], "reference": None},
        "retrievals": [],
    }
    pages.write_pages(alone, tmp_path)
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text("utf-8")
        assert not set("▲▼†") & set(text)
        assert "raw has the highest mean" in text


@pytest.mark.parametrize(
    ("resample", "said"),
    [
        ("queries", "on the same queries (p below"),
        ("combinations", "on the same combinations of labels, each one observation (p below"),
    ],
)
def test_the_legend_says_what_the_signs_are_of(
    made_report: tuple[dict[str, Any], Path], tmp_path: Path, resample: str, said: str
) -> None:
    full = made_report[0]
    report = {**full, "settings": {**full["settings"], "resample": resample}}
    pages.write_pages(report, tmp_path)
    for name in ("report.html", "report.md"):
        text = " ".join((tmp_path / name).read_text("utf-8").split())
        assert said in text
        assert ("sign flips of whole combinations of labels" in text) == (resample == "combinations")


def test_a_table_of_many_methods_shows_each(made_report: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    full = made_report[0]
    names = [f"clay(mean=karcher, n_components={k})" for k in range(1, 41)]
    clay = [r for r in full["results"] if r["method"] == "clay"]
    many = {
        **full,
        "results": [*full["results"], *({**r, "method": name} for name in names for r in clay)],
        "methods": {**full["methods"], **dict.fromkeys(names, full["methods"]["clay"] | {"title": ""})},
        "settings": {**full["settings"], "methods": [*full["settings"]["methods"], *names]},
        "retrievals": [],
    }
    pages.write_pages(many, tmp_path)
    words = [word.strip() for word in Reader(page_of(tmp_path)).words]
    entities_tables_measures, hard_negatives = 2 * 2 * 2, 2 * 2
    assert {words.count(name) for name in names[3:]} == {entities_tables_measures + hard_negatives + 1}
    assert "all methods are in the tables" in " ".join(words)


def test_several_seeds_combinations_and_weights_are_said(
    made_report: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    full = made_report[0]
    results = [{**r, "seeds_std": 0.0123} for r in full["results"]]
    chosen = {
        **full["settings"],
        "seeds": [3, 5],
        "split": "combination",
        "resample": "combinations",
        "weights": {"color": 2.5, "age": 1.0},
        "fit_images": 1000,
    }
    pages.write_pages({**full, "results": results, "settings": chosen}, tmp_path)
    text = Reader(page_of(tmp_path)).text
    for said in (
        "±1.2",
        "the means of 2 seeds",
        "combinations of labels are queries",
        "the seeds 3, 5",
        "over combinations of labels (queries that share all labels count as one)",
        "color 2.5, all others 1",
        "fitted on 1,000 images",
    ):
        assert said in text
    for split, said in (("leave-one-out", "Every image is a query"), ("given", "a given file")):
        assert said in dict(protocol({**full, "settings": {**chosen, "split": split}}))["Split"]
