"""Zero-shot accuracy of an encoder on procedural pictures, by attribute: combinations seen in training, and held out.

    python data/training/evaluate_encoder.py --encoder checkpoints/encoder/encoder --count 1000

A picture counts as read if, among the values of an attribute, the one whose texts (the shipped condition texts, averaged
a value) are nearest is its label. "among siblings": sub-categories of the picture's own category only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import numpy as np
from pictures import ENTITIES, make
from PIL import Image

from clay_eval.evaluator.embedding.encoders import Encoder, load_encoder
from clay_eval.schemas.entity import EntitySpec, load_entity
from clay_eval.schemas.texts import shipped_texts

FRESH = 10_000_000


def value_vectors(encoder: Encoder, entity: str, condition: str) -> tuple[list[str], np.ndarray]:
    """(values, (V, d) unit rows): the normalised mean of each value's texts."""
    texts = shipped_texts(entity)
    if texts is None:
        raise SystemExit(f"no condition texts for {entity}")
    items = texts.condition(condition)
    features = encoder.encode_texts([item.text for item in items])
    values = list(dict.fromkeys(item.value for item in items))
    means = np.stack(
        [np.mean([f for f, i in zip(features, items, strict=True) if i.value == v], axis=0) for v in values]
    )
    return values, means / np.linalg.norm(means, axis=1, keepdims=True)


def accuracies(encoder: Encoder, spec: EntitySpec, part: str, count: int, size: int) -> dict[str, float]:
    """Attribute -> share of `count` fresh pictures that are read right."""
    pixels, records = make(spec.entity, FRESH, count, part, size)
    features = encoder.encode_images([Image.fromarray(p) for p in pixels])
    found = {}
    for attribute in spec.attributes:
        values, vectors = value_vectors(encoder, spec.entity, attribute.name)
        scores = features @ vectors.T
        truth = [r["labels"][attribute.name] for r in records]
        found[attribute.name] = _share(values, scores, truth)
        if attribute.parent is not None:
            for row, record in zip(scores, records, strict=True):
                siblings = {v.name for v in attribute.choices[record["labels"][attribute.parent]]}
                row[[v not in siblings for v in values]] = -np.inf
            found[f"{attribute.name} among siblings"] = _share(values, scores, truth)
    return found


def _share(values: Sequence[str], scores: np.ndarray, truth: Sequence[str]) -> float:
    return round(float(np.mean([values[i] == t for i, t in zip(scores.argmax(1), truth, strict=True)])), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="embedded")
    parser.add_argument("--count", type=int, default=1000, help="pictures an entity and part")
    parser.add_argument(
        "--size", type=int, default=64, help="size the pictures are kept at, before preprocessing"
    )
    options = parser.parse_args()
    encoder = load_encoder(options.encoder, device="cpu")
    report = {
        part: {e: accuracies(encoder, load_entity(e), part, options.count, options.size) for e in ENTITIES}
        for part in ("held-out", "seen")
    }
    json.dump(report, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
