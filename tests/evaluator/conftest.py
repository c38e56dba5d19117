"""Shared by the evaluator's tests: a feature store, a report of made-up results, shards that others wrote."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from clay_eval.evaluator.features import FeatureStore
from clay_eval.evaluator.report import build, maps, pages, retrievals, thumbnails

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


@pytest.fixture(scope="session")
def made_report(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A whole report of two entities and the folder of its pages and thumbnails. Not to be altered."""
    folder = tmp_path_factory.mktemp("report")
    report = fake_report(folder)
    pages.write_pages(report, folder)
    return report, folder


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """An empty feature store."""
    return FeatureStore(tmp_path / "features")


def picture(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="session")
def foreign_shard() -> Callable[..., Path]:
    """Write a WebDataset shard as another program would: (path, [(key, JSON record)], extra=True adds captions)."""

    def write(path: Path, samples: list[tuple[str, dict[str, object]]], extra: bool = True) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for i, (key, record) in enumerate(samples):
                members = [("png", picture(i)), ("json", json.dumps(record).encode())]
                for extension, data in [*members, ("txt", b"caption")] if extra else members:
                    info = tarfile.TarInfo(f"{key}.{extension}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        return path

    return write
