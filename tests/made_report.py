"""A whole report of made-up pictures, made through the package's own functions: two entities, all kinds of methods."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from clay_eval.evaluator.evaluation import gallery, inputs, settings
from clay_eval.evaluator.pictures.labelled import Labelled, Unit
from clay_eval.evaluator.report import build
from clay_eval.evaluator.retrieval import engine, splits, study
from clay_eval.evaluator.retrieval.results import Failure
from clay_eval.evaluator.retrieval.study import TextFeatures
from clay_eval.evaluator.statistics import scoreboard

COLORS = {"red": "#d33", "orange": "#f80", "green": "#2a4", "blue": "#26d", "black": "#222"}
SUBCATEGORIES = {
    "shoes": ("boot", "sandal", "sneaker"),
    "bag": ("backpack", "handbag"),
    "hat": ("cap", "top hat"),
}
AGES = ("child", "adult", "elderly")
ACTIONS = ("running", "reading", "waving", "lifting weights")
PLACES = {"beach": "#f3dca0", "forest": "#2b6b3c", "city street": "#9aa0a8", "snowy mountain": "#e8f1fa"}
METHODS = ("raw", "clay", "ip-composer", "clay-values", "random-subspace", "supervised-lda")
PARENTS = {"subcategory": "category"}
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


class Pictures:
    """A source of drawn pictures in memory, one unit an entity."""

    def __init__(self, entities: dict[str, Labelled]) -> None:
        self.entities = entities
        self.fingerprint = SHA

    def units(self) -> tuple[Unit, ...]:
        return tuple(Unit(name, SHA, name, labels.keys) for name, labels in self.entities.items())

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        labels = self.entities[unit.entity]
        for i, key in enumerate(labels.keys):
            stream = io.BytesIO()
            named = {name: values[i] for name, values in labels.labels.items()}
            drawn(unit.entity, named, i).save(stream, "PNG")
            yield key, stream.getvalue()


def vectors(labels: dict[str, list[str]], seed: int) -> tuple[np.ndarray, dict[str, TextFeatures]]:
    """Features of images, noise beside their labels, and of texts, which name one value each."""
    rng = np.random.default_rng(seed)
    blocks = {name: one_hot(values) for name, values in labels.items()}
    count, width = len(next(iter(labels.values()))), sum(block.shape[1] for block in blocks.values())
    images = np.hstack([rng.normal(size=(count, 24)) * 0.42, *blocks.values()])
    texts, start = {}, 24
    for name, block in blocks.items():
        names = [value for value in sorted(set(labels[name])) for _ in range(6)]
        rows = rng.normal(size=(len(names), 24 + width)) * 0.05
        rows[:, start : start + block.shape[1]] += one_hot(names)
        texts[name] = TextFeatures(rows, [None] * len(names), names)
        start += block.shape[1]
    return images, texts


def fake_report(folder: Path, chosen: settings.EvaluationSettings | None = None) -> dict[str, Any]:
    """The record of a report with its thumbnails, neighbours and sheets in `folder`."""
    chosen = chosen or settings.EvaluationSettings(
        methods=METHODS, measures=("AP", "P@10"), query_share=0.125, bootstrap_draws=200, randomisations=500
    )
    labelled = {"demo-object": object_labels(), "demo-human": human_labels()}
    methods, inference = chosen.prepared(), chosen.inference()
    parents = {name: {k: v for k, v in PARENTS.items() if k in labels} for name, labels in labelled.items()}
    source = Pictures(
        {
            name: Labelled(
                tuple(f"{name[5]}{i:05d}" for i in range(len(next(iter(labels.values()))))), labels, {}, name
            )
            for name, labels in labelled.items()
        }
    )
    galleries, entities = {}, {}
    outcomes, results, comparisons = [], [], []
    for number, (name, labels) in enumerate(labelled.items()):
        all_labels = Labelled(source.entities[name].keys, labels, parents[name], name)
        images, texts = vectors(labels, number)
        found, _ = engine.evaluate_features(
            images, all_labels, texts, methods, entity=name, encoder="embedded", settings=chosen.engine()
        )
        clusters = splits.combination_codes(all_labels)
        results += scoreboard.results_of(found, chosen.measures, inference, clusters)
        reference = chosen.compared_with(methods)
        if reference:
            comparisons += scoreboard.comparisons_of(
                found, reference, chosen.measures[0], inference, clusters
            )
        drawn_splits = engine.seeded_splits(all_labels, chosen.engine())
        seed, split = next(iter(drawn_splits.items()))
        galleries[name] = gallery.show_entity(
            study.Study(images, texts, labelled=all_labels, split=split),
            seed,
            methods,
            found,
            chosen.measures[0],
            reference=reference,
        )
        entities[name] = build.entity_record(
            {"demo-object": "Demonstration objects", "demo-human": "Demonstration people"}[name],
            labels,
            {s: one.is_query for s, one in drawn_splits.items()},
            split.is_database,
            all_labels.keys,
            parents=parents[name],
            coverage=coverage(labels),
        )
        outcomes += found
    failures = [
        Failure("demo-human", "my.methods:Broken", ("age",), "fit raised ValueError\n  where: my.methods")
    ]
    contents = build.Contents(
        title="Embedded demonstration",
        software={"clay-eval": "0.1.0", "python": "3.11.9", "numpy": "2.1.0"},
        inputs=fake_inputs(labelled),
        settings=chosen.record(methods),
        entities=entities,
        results=results,
        comparisons=[one.row() for one in comparisons],
        failures=[vars(failure) for failure in failures],
        methods=inputs.methods_record(methods, outcomes),
        per_query={"file": "per_query.csv", "sha256": SHA, "rows": 1234, "measures": list(chosen.measures)},
        retrievals=[item for one in galleries.values() for item in one.retrievals],
        maps=gallery.drawn_maps(galleries.values(), folder),
        warnings=["the texts of 'action' spend 41 % of their variance between values"],
        thumbnails=gallery.write_pictures(source, galleries, folder),
        neighbours=gallery.write_queries(source, galleries, folder, chosen.measures[0]),
        recorded={"device": "cpu", "batch_size": 64},
    )
    return build.build_report(contents)


def fake_inputs(labelled: dict[str, dict[str, list[str]]]) -> dict[str, Any]:
    """The inputs of a report of the embedded demonstration."""
    origin = {"author": "clay-eval contributors", "method": "written by hand", "model": None}
    return {
        "data": {"kind": "shards", "fingerprint": SHA, "renderer": "procedural"},
        "plan": SHA,
        "specs": dict.fromkeys(labelled, SHA),
        "texts": {
            name: {
                "fingerprint": SHA,
                "origin": origin,
                "conditions": {c: {"texts": 60, "values": len(set(v))} for c, v in labels.items()},
            }
            for name, labels in labelled.items()
        },
        "encoder": {"name": "embedded", "demonstration": True, "weights_sha256": SHA, "precision": "float32"},
    }
