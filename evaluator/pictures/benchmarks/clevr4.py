"""Clevr-4: drawn scenes of equal objects; shape, texture, colour and count of each.

images/<name>.png
clevr_4_annots.json       {name: {"shape": ..., "texture": ..., "color": ..., "count": ...}}, perhaps with "split"
"""

from __future__ import annotations

from pathlib import Path

from .benchmark import Benchmark, Listing, Picture
from .files import check_pictures, load_json, safe_name, whole_number

ANNOTATIONS = "clevr_4_annots.json"
CONDITIONS = ("shape", "color", "texture", "count")


def read(benchmark: Benchmark, folder: Path) -> Listing:
    """All pictures of the annotations; raises InputError for names that are no plain file names, labels that are missing,
    counts outside 1 to 10, and as `check_pictures`."""
    root = benchmark.root(folder, "images", ANNOTATIONS)
    path = root / ANNOTATIONS
    annotations = load_json(path, benchmark)
    if not isinstance(annotations, dict):
        benchmark.wrong("annotations that are no object", path, "{name: {...}}", type(annotations).__name__)
    pictures = []
    for name, found in annotations.items():
        where = f"{path} at {name[:100]!r}"
        plain = safe_name(name, where)
        if "/" in plain or not isinstance(found, dict):
            benchmark.wrong("an entry that is no picture's", where, "a name and its labels", str(found)[:100])
        labels = {}
        for condition in CONDITIONS:
            value = found.get(condition)
            if condition == "count":
                value = str(whole_number(value, f"{where}: count", 1, 10))
            if not isinstance(value, str) or not value.strip():
                benchmark.wrong("a label is missing", where, condition, repr(value)[:100])
            labels[condition] = value.strip()
        split = found.get("split")
        tags = frozenset((split,)) if isinstance(split, str) else frozenset()
        pictures.append(Picture(f"images/{plain.removesuffix('.png')}.png", labels, tags))
    unlisted = check_pictures(benchmark, root, pictures, ["images"])
    return Listing(root, {"clevr4": pictures}, unlisted)
