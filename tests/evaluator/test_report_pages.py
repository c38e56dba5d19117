from __future__ import annotations

import hashlib
import html.parser
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from clay_eval.evaluator.report import build, maps, pages, retrievals, thumbnails
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.files import write_sealed
from clay_eval.schemas.validate import check, read_sealed

COLORS = {"red": "#d33", "orange": "#f80", "green": "#2a4", "blue": "#26d", "black": "#222"}
SUBCATEGORIES = {
    "shoes": ("boot", "sandal", "sneaker"),
    "bag": ("backpack", "handbag"),
    "hat": ("cap", "top hat"),
}
AGES = ("child", "adult", "elderly")
ACTIONS = ("running", "reading", "waving", "lifting weights")
PLACES = {"beach": "#f3dca0", "forest": "#2b6b3c", "city street": "#9aa0a8", "snowy mountain": "#e8f1fa"}
TITLES = {"raw": "raw cosine", "clay": "CLAY", "ip-composer": "IP-Composer"}
STRENGTH = {"raw": 0.15, "clay": 1.1, "ip-composer": 0.6}
SHA = hashlib.sha256(b"x").hexdigest()


def object_labels() -> dict[str, list[str]]:
    rows = [(c, s, k) for c, subs in SUBCATEGORIES.items() for s in subs for k in COLORS for _ in range(4)]
    return {name: [row[i] for row in rows] for i, name in enumerate(("category", "subcategory", "color"))}


def human_labels() -> dict[str, list[str]]:
    rows = [row for row in itertools.product(AGES, ACTIONS, PLACES) for _ in range(3)]
    return {name: [row[i] for row in rows] for i, name in enumerate(("age", "action", "background"))}


def one_hot(values: list[str]) -> np.ndarray:
    names = sorted(set(values))
    return np.eye(len(names))[[names.index(value) for value in values]]


def drawn(entity: str, labels: dict[str, str], seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    x, y = (int(v) for v in rng.integers(-6, 7, 2))
    image = Image.new("RGB", (96, 96), "#dfe5ea" if entity == "demo-object" else PLACES[labels["background"]])
    draw = ImageDraw.Draw(image)
    if entity == "demo-object":
        sides = {"shoes": 3, "bag": 4, "hat": 6}[labels["category"]]
        draw.regular_polygon((48 + x, 48 + y, 30), sides, fill=COLORS[labels["color"]], outline="#111")
    else:
        tall = {"child": 16, "adult": 28, "elderly": 24}[labels["age"]]
        lean = ACTIONS.index(labels["action"]) * 7
        draw.line((48 + x, 84, 48 + x + lean, 84 - tall), fill="#334", width=9)
        draw.ellipse((38 + x + lean, 68 - tall, 58 + x + lean, 88 - tall), fill="#c98")
    return image


def average_precision(relevant: np.ndarray, scores: np.ndarray) -> float:
    hits = relevant[np.argsort(-scores, kind="stable")]
    ranks = np.flatnonzero(hits) + 1
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks)) if len(ranks) else float("nan")


def coverage(labels: dict[str, list[str]]) -> dict[str, Any]:
    pairs = itertools.combinations(labels, 2)
    association = {"before": 0.0, "after": 0.0421}
    count = len(next(iter(labels.values())))
    return {
        "combinations": {"all": 40, "excluded": 5, "kept": 35},
        "exclusions": [
            {
                "when": {"category": ["hat"], "color": ["black", "red"]},
                "reason": "not told apart",
                "combinations": 5,
            }
        ],
        "samples": count,
        "values": {
            **{name: {v: values.count(v) for v in sorted(set(values))} for name, values in labels.items()},
            "viewpoint": {"front": count // 2, "side": count - count // 2},
        },
        "pairs": {
            **{f"{a}|{b}": {"cramers_v": association, "nmi": association, "counts": {}} for a, b in pairs},
            "age|viewpoint": {"cramers_v": {"before": None, "after": 0.1}, "nmi": association, "counts": {}},
        },
    }


def fake_entity(name: str, labels: dict[str, list[str]], parts: dict[str, list[Any]]) -> dict[str, Any]:
    count = len(next(iter(labels.values())))
    keys = [f"{name[5:6]}{i:05d}" for i in range(count)]
    rng = np.random.default_rng(len(name))
    queries = np.sort(rng.permutation(count)[: count // 8])
    database = np.setdiff1d(np.arange(count), queries)
    noise = rng.normal(size=(count, 24)) * 0.42
    everything = [one_hot(values) for values in labels.values()]
    for size in (1, 2, 3):
        for conditions in itertools.combinations(labels, size):
            asked = [one_hot(labels[c]) for c in conditions]
            vectors = {
                m: np.hstack([noise, *everything[:1], *(strength * part for part in asked)])
                for m, strength in STRENGTH.items()
            }
            vectors = {m: v / np.linalg.norm(v, axis=1, keepdims=True) for m, v in vectors.items()}
            combined = np.array(["|".join(row) for row in zip(*(labels[c] for c in conditions), strict=True)])
            relevant = combined[queries][:, None] == combined[database][None, :]
            ap = {}
            for method, v in vectors.items():
                scores = v[queries] @ v[database].T
                ap[method] = np.array(
                    [average_precision(r, s) for r, s in zip(relevant, scores, strict=True)]
                )
                value = float(np.nanmean(ap[method]))
                half = 2 * float(np.nanstd(ap[method])) / np.sqrt(len(queries))
                parts["results"].append(
                    {
                        "entity": name,
                        "method": method,
                        "encoder": "embedded",
                        "conditions": conditions,
                        "metric": "mAP",
                        "value": value,
                        "ci_low": np.float64(max(0.0, value - half)),
                        "ci_high": min(1.0, value + half),
                        "chance": relevant.mean(),
                        "queries": np.int64(np.isfinite(ap[method]).sum()),
                        "queries_without_relevant": int(np.isnan(ap[method]).sum()),
                    }
                )

            def score(method: str, row: int, vectors: dict[str, np.ndarray] = vectors) -> Any:
                return database, vectors[method][database] @ vectors[method][row]

            shown = {m: ap[m] for m in ("raw", "clay")}
            parts["retrievals"] += retrievals.choose_retrievals(
                name, conditions, keys, labels, queries, shown, score
            )
            if size == 1:
                features = {m: vectors[m] for m in ("raw", "clay")}
                parts["maps"] += maps.condition_maps(
                    name, conditions[0], keys, labels[conditions[0]], features, seed=0
                )
    needed = retrievals.pictured(parts["retrievals"])
    parts["images"] += [
        (key, drawn(name, {a: values[i] for a, values in labels.items()}, i))
        for i, key in enumerate(keys)
        if key in needed
    ]
    parents = {"subcategory": "category"} if "subcategory" in labels else {}
    title = {"demo-object": "Demonstration objects", "demo-human": "Demonstration people"}[name]
    return build.entity_record(
        title, labels, [keys[i] for i in queries], parents=parents, coverage=coverage(labels)
    )


def fake_report(folder: Path) -> dict[str, Any]:
    """A whole report of two entities with its thumbnails in `folder`, made through the package's own functions."""
    parts: dict[str, list[Any]] = {"results": [], "retrievals": [], "maps": [], "images": []}
    labelled = {"demo-object": object_labels(), "demo-human": human_labels()}
    entities = {name: fake_entity(name, labels, parts) for name, labels in labelled.items()}
    origin = {"author": "clay-eval contributors", "method": "written by hand", "model": None}
    return build.build_report(
        title="Embedded demonstration",
        software={"clay-eval": "0.1.0", "python": "3.11.9", "numpy": "2.1.0"},
        inputs={
            "data": {"kind": "shards", "fingerprint": SHA, "renderer": "procedural"},
            "plan": SHA,
            "specs": dict.fromkeys(entities, SHA),
            "texts": {
                name: {
                    "fingerprint": SHA,
                    "origin": origin,
                    "conditions": {c: {"texts": 60, "values": len(set(v))} for c, v in labels.items()},
                }
                for name, labels in labelled.items()
            },
            "encoder": {
                "name": "embedded",
                "demonstration": True,
                "weights_sha256": SHA,
                "precision": "float32",
            },
        },
        settings={
            "seed": 0,
            "query_share": 0.1,
            "formula": "standard",
            "ties": "expected",
            "bootstrap_draws": 1000,
            "confidence": 0.95,
            "n_components": 50,
            "methods": list(TITLES),
        },
        entities=entities,
        results=parts["results"],
        methods={
            name: {
                "title": title,
                "target": f"clay_eval.evaluator.methods:{title}",
                "parameters": {} if name == "raw" else {"n_components": 50},
                "fitted": [
                    {"entity": "demo-human", "conditions": ["age"], "group": None, "n_components": 22},
                    {
                        "entity": "demo-object",
                        "conditions": ["subcategory"],
                        "group": "category=bag",
                        "n_components": 9,
                    },
                ],
            }
            for name, title in TITLES.items()
        },
        per_query={"file": "per_query.csv", "sha256": SHA, "rows": 1234},
        retrievals=parts["retrievals"],
        maps=parts["maps"],
        warnings=["the texts of 'action' spend 41 % of their variance between values"],
        thumbnails=thumbnails.write_thumbnails(parts["images"], folder),
        recorded={"device": "cpu", "batch_size": 64},
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("report")
    report = fake_report(folder)
    pages.write_pages(report, folder)
    return report, folder


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


def test_a_sealed_report_survives_reading_and_makes_the_same_pages(
    made: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    report, folder = made
    write_sealed(tmp_path / "report.json", report)
    again = read_sealed(tmp_path / "report.json", "report")
    (tmp_path / "thumbnails").mkdir()
    for file in (folder / "thumbnails").iterdir():
        (tmp_path / "thumbnails" / file.name).write_bytes(file.read_bytes())
    pages.write_pages(again, tmp_path)
    for name in ("report.html", "report.md"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_the_page_is_whole_self_contained_and_small(made: tuple[dict[str, Any], Path]) -> None:
    page = page_of(made[1])
    reader = Reader(page)
    assert len(page) < 3_000_000
    assert not [tag for tag, _ in reader.tags if tag in {"script", "link", "iframe", "object"}]
    sources = [attrs["src"] or "" for tag, attrs in reader.tags if tag == "img"]
    assert len(sources) == len(made[0]["retrievals"]) * 11
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert all(attrs.get("alt") for tag, attrs in reader.tags if tag == "img")
    links = {attrs["href"] for tag, attrs in reader.tags if tag == "a"}
    ids = {"#" + str(attrs["id"]) for _, attrs in reader.tags if "id" in attrs}
    assert {link for link in links if link and link.startswith("#")} <= ids
    assert {"report.json", "per_query.csv"} <= links


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_every_score_and_notice_is_shown(made: tuple[dict[str, Any], Path], name: str) -> None:
    report, folder = made
    text = (folder / name).read_text("utf-8")
    words = Reader(text).text if name.endswith("html") else text.replace("\\", "")
    for result in report["results"]:
        assert f"{100 * result['value']:.1f}" in words
        assert f"{100 * result['ci_low']:.1f}–{100 * result['ci_high']:.1f}" in words
    assert (
        "trained by this project on drawn pictures; the numbers say nothing about real photographs" in words
    )
    assert "41 % of their variance" in words
    assert report["fingerprint"] in words
    assert "subcategory (by category)" in words
    assert "9 to 22" in words
    for item in report["retrievals"]:
        for ranked in item["methods"].values():
            assert f"{100 * ranked['ap']:.1f}" in words


def test_markdown_tables_have_as_many_cells_in_every_row(made: tuple[dict[str, Any], Path]) -> None:
    text = (made[1] / "report.md").read_text("utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    assert len(tables) >= 2 * 2 + 14
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_marks_and_signs_say_what_is_relevant(made: tuple[dict[str, Any], Path]) -> None:
    report, folder = made
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
        "results": [result],
        "methods": {"raw": {"title": word, "target": word, "parameters": {word: word}, "fitted": []}},
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
    check(made_up, "report", "hostile")
    return made_up


def test_names_cannot_break_out_of_the_page(made: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    pages.write_pages(hostile(made[0], HOSTILE), tmp_path)
    reader = Reader(page_of(tmp_path))
    assert not [tag for tag, _ in reader.tags if tag in {"script", "img"}]
    assert not [name for _, attrs in reader.tags for name in attrs if name.startswith("on")]
    assert HOSTILE in reader.text
    assert "no picture" in reader.text


def test_names_cannot_break_out_of_markdown(made: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    pages.write_pages(hostile(made[0], HOSTILE_MARKDOWN), tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "<script" not in text
    assert "http://" not in text
    assert not re.search(r"(?<!\\)\]\((?!report\.|per)", text)
    assert not re.search(r"^# big", text, re.M)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


def test_thumbnails_are_read_from_the_report_alone(tmp_path: Path) -> None:
    outside = tmp_path / "secret.jpg"
    Image.new("RGB", (4, 4)).save(outside)
    folder = tmp_path / "report"
    good = thumbnails.write_thumbnails(
        [("a", Image.new("RGB", (200, 100))), ("b/../c", Image.new("L", (9, 9)))], folder
    )
    inside = folder / "thumbnails"
    (inside / "link.jpg").symlink_to(outside)
    (inside / "text.jpg").write_text("<svg onload=alert(1)>")
    (inside / "huge.jpg").write_bytes(b"\xff\xd8\xff" + bytes(thumbnails.MAX_BYTES))
    (inside / "folder.jpg").mkdir()
    bad = {
        "up": "thumbnails/../../secret.jpg",
        "absolute": str(outside),
        **{name: f"thumbnails/{name}.jpg" for name in ("link", "text", "huge", "folder", "missing")},
    }
    assert set(thumbnails.data_uris({**good, **bad}, folder)) == {"a", "b/../c"}
    assert good["a"] == "thumbnails/a.jpg"
    assert re.fullmatch(r"thumbnails/sha256-[0-9a-f]{32}\.jpg", good["b/../c"])
    with Image.open(folder / good["a"]) as image:
        assert image.size == (96, 48)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("thumbnails", "k"), "thumbnails/../../etc/passwd.jpg"),
        (("thumbnails", "k"), "/etc/passwd.jpg"),
        (("per_query", "file"), "javascript:alert(1)"),
        (("per_query", "file"), "../x.csv"),
        (("fingerprint",), "` <b>"),
        (("schema",), "clay-eval/report/2"),
        (("results", 0, "value"), 86.1),
        (("settings", "formula"), "oxford"),
    ],
)
def test_a_broken_record_is_refused_and_nothing_is_written(
    made: tuple[dict[str, Any], Path], tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    report = {**made[0], **{key: made[0][key] for key in ("thumbnails", "per_query", "settings")}}
    report = {
        key: dict(v) if isinstance(v, dict) else list(v) if isinstance(v, list) else v
        for key, v in report.items()
    }
    place: Any = report
    for step in path[:-1]:
        place[step] = dict(place[step]) if isinstance(place[step], dict) else place[step]
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(InputError, match="report"):
        pages.write_pages(report, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_report_without_pictures_maps_or_coverage_still_makes_pages(
    made: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    entities = {name: {**entity, "coverage": None} for name, entity in made[0]["entities"].items()}
    empty = [{**r, "value": None, "ci_low": None, "ci_high": None} for r in made[0]["results"]]
    bare = {**made[0], "entities": entities, "retrievals": [], "maps": [], "thumbnails": {}, "results": empty}
    pages.write_pages(bare, tmp_path)
    reader = Reader(page_of(tmp_path))
    assert "Nothing was scored." in reader.text
    assert "What the data holds" in reader.text
    assert "What was planned" not in reader.text


def test_results_may_be_dataclasses_and_numbers_numpy() -> None:
    assert build.plain({"a": np.float32(0.5), "b": (np.nan, np.inf), "c": np.arange(2), 1: None}) == {
        "a": 0.5,
        "b": [None, None],
        "c": [0, 1],
        "1": None,
    }
    with pytest.raises(TypeError, match="dataclass"):
        build._result(3)
