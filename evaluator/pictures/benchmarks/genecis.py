"""GeneCIS, focus on an attribute: crops of Visual Genome 1.2, each query with a gallery of its own.

    focus_attribute.json            [{"reference": ..., "target": ..., "condition": "color", "gallery": [...]}, ...]
    VG_100K/, VG_100K_2/            <image_id>.jpg; or all of them in images/ or in VG_All/

Each picture is {"image_id": ..., "instance_bbox": [x, y, width, height]}. As in the authors' loader, a box grows by 0.7 of
its size to the left and up, reaches 1.7 of its size right and down from there, and is padded with black to a square; and
all queries are taken. (An early form of that loader left out queries whose gallery is not of the most frequent length.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..gallery_queries import GalleryQuery
from ..names import condition_name
from .benchmark import Benchmark, Box, Listing, Picture
from .files import load_json, whole_number

ENTITY = "genecis-focus-attribute"
FILE = "focus_attribute.json"
FOLDERS = ("VG_100K", "VG_100K_2", "VG_All", "images")
DILATION = 0.7
_LARGEST = 10_000_000
_ROLES = ("reference", "target")


def read(benchmark: Benchmark, folder: Path) -> Listing:
    """Pictures and queries; the target is the first of a gallery, as in the authors' loader.

    Conditions get names as columns of labels do ("hair color" is hair_color). A crop that a query holds twice (the file has
    such galleries) becomes a picture of its own each time: the copies tie.

    Raises InputError for entries of another form and pictures that are missing.
    """
    root = benchmark.root(folder, FILE)
    path = root / FILE
    entries = load_json(path, benchmark)
    if not isinstance(entries, list) or not entries:
        benchmark.wrong("not a list of queries", path, "[{reference, target, condition, gallery}, ...]")
    for number, entry in enumerate(entries):
        _check_entry(benchmark, entry, f"{path} at [{number}]")
    files = _files(benchmark, root)
    pictures: dict[str, Picture] = {}
    queries = []
    for number, entry in enumerate(entries):
        seen: Counter[str] = Counter()
        keys = []
        for place, item in enumerate([entry["reference"], entry["target"], *entry["gallery"]]):
            where = f"{path} at [{number}], picture {place}"
            picture = _picture(benchmark, item, files, where)
            seen[picture.key] += 1
            key = picture.key if seen[picture.key] == 1 else f"{picture.key}-copy{seen[picture.key]}"
            pictures.setdefault(key, Picture(picture.file, {}, frozenset(), key, picture.crop))
            keys.append(key)
        query, target, *others = keys
        condition = condition_name(entry["condition"], f"{path} at [{number}]")
        queries.append(GalleryQuery(query, condition, (target, *others), frozenset((target,))))
    listed = {ENTITY: list(pictures.values())}
    return Listing(root, listed, queries=tuple(queries), notes=_length_notes(queries))


def galleries_record(queries: Sequence[GalleryQuery], name: str) -> dict[str, Any]:
    """The queries as a file of galleries (schema: galleries)."""
    return {
        "schema": "clay-eval/galleries/1",
        "name": name,
        "queries": [
            {
                "query": one.query,
                "condition": one.condition,
                "gallery": list(one.gallery),
                "targets": sorted(one.targets),
            }
            for one in queries
        ],
    }


def _length_notes(queries: Sequence[GalleryQuery]) -> tuple[str, ...]:
    """A note where galleries differ in length, so that chance differs, too."""
    lengths = Counter(len(one.gallery) for one in queries)
    (usual, most), *others = lengths.most_common()
    if not others:
        return ()
    found = ", ".join(str(length) for length, _ in sorted(others))
    return (
        f"{len(queries) - most} of {len(queries)} queries have galleries of another length ({found}) than the usual {usual} "
        "pictures: all are ranked, as by the authors' code of today",
    )


def grown(box: Sequence[float]) -> Box:
    """Left, top, right, bottom of a box (x, y, width, height) after growing; the picture's right and bottom still cut it.

    >>> grown([10, 20, 100, 10])
    (0.0, 13.0, 170.0, 30.0)
    """
    x, y, width, height = box
    left, top = max(0.0, x - DILATION * width), max(0.0, y - DILATION * height)
    return left, top, left + (1 + DILATION) * width, top + (1 + DILATION) * height


def _check_entry(benchmark: Benchmark, entry: Any, where: str) -> None:
    ok = (
        isinstance(entry, dict)
        and isinstance(entry.get("condition"), str)
        and 0 < len(entry["condition"].strip()) <= 200
        and isinstance(entry.get("gallery"), list)
        and entry["gallery"]
        and all(isinstance(entry.get(role), dict) for role in _ROLES)
    )
    if not ok:
        expected = "reference, target, condition (a text) and gallery (a list of pictures)"
        benchmark.wrong("a query of another form", where, expected, str(entry)[:100])


def _files(benchmark: Benchmark, root: Path) -> Mapping[str, str]:
    """Image id -> its file below `root`."""
    found: dict[str, str] = {}
    for name in FOLDERS:
        if (root / name).is_dir():
            for path in (root / name).glob("*.jpg"):
                found.setdefault(path.stem, f"{name}/{path.name}")
    if not found:
        benchmark.missing("a folder of Visual Genome's pictures", root, None)
    return found


def _picture(benchmark: Benchmark, item: Any, files: Mapping[str, str], where: str) -> Picture:
    box = item.get("instance_bbox") if isinstance(item, dict) else None
    if (
        not isinstance(box, list)
        or len(box) != 4
        or not all(isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < _LARGEST for v in box)
        or box[2] <= 0
        or box[3] <= 0
    ):
        expected = "image_id and instance_bbox [x, y, width, height], width and height positive"
        benchmark.wrong("a picture of another form", where, expected, str(item)[:100])
    name = item.get("image_id")
    name = str(whole_number(name, where, 0, _LARGEST))
    if name not in files:
        benchmark.missing(f"the picture {name}.jpg", Path(where), f"{len(files)} others")
    numbers = "-".join(f"{value:g}".replace("-", "m").replace(".", "p") for value in box)
    return Picture(files[name], {}, frozenset(), f"v{name}-{numbers}", grown(box))
