"""GeneCIS: crops by a literal rendering of the authors' rule, galleries with copies, names of conditions."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import benchmark_trees as trees
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clay_eval.evaluator.pictures.benchmarks.catalogue import BENCHMARKS
from clay_eval.evaluator.pictures.benchmarks.genecis import ENTITY, galleries_record, grown, read
from clay_eval.evaluator.pictures.benchmarks.source import BenchmarkSource, cropped
from clay_eval.evaluator.pictures.gallery_queries import read_galleries
from clay_eval.evaluator.pictures.notes import notes_of
from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.schemas.errors import InputError

GENECIS = BENCHMARKS["genecis"]


def pixels(size: tuple[int, int], seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8))


def encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def decoded(data: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def by_pixels(image: np.ndarray[Any, Any], box: tuple[float, float, float, float]) -> np.ndarray[Any, Any]:
    """A box (x, y, w, h) grown by .7 to the left and up, 1.7 wide and high from there, cut at the edge, on black."""
    x, y, w, h = box
    height, width, _ = image.shape
    left, top = max(0.0, x - 0.7 * w), max(0.0, y - 0.7 * h)
    right, bottom = min(float(width), left + 1.7 * w), min(float(height), top + 1.7 * h)
    columns, rows = range(round(left), round(right)), range(round(top), round(bottom))
    side = max(len(columns), len(rows))
    square = np.zeros((side, side, 3), np.uint8)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            square[i + (side - len(rows)) // 2, j + (side - len(columns)) // 2] = image[row, column]
    return square


@given(
    box=st.tuples(
        st.integers(0, 30), st.integers(0, 20), st.floats(2, 40, width=32), st.floats(2, 40, width=32)
    )
)
def test_a_crop_is_the_literal_rule(box: tuple[float, float, float, float]) -> None:
    image = pixels((37, 23))
    assert np.array_equal(
        decoded(cropped(encoded(image), grown(box), "x")), by_pixels(np.asarray(image), box)
    )


@pytest.mark.parametrize("box", [(40.0, 0.0, 50.0, 10.0), (0.0, 30.0, 5.0, 40.0), (3.0, 3.0, 3.2, 9.0)])
def test_a_box_without_a_pixel(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError, match="holds no pixel"):
        cropped(encoded(pixels((37, 23))), box, "x.jpg")


def test_a_thin_box_makes_no_giant_square() -> None:
    with pytest.raises(InputError, match="too long and thin"):
        cropped(encoded(Image.new("L", (20_000, 300))), (0.0, 0.0, 20_000.0, 2.0), "x.jpg")


def test_queries_have_their_target_first_and_copies_of_their_own(tmp_path: Path) -> None:
    listing = read(GENECIS, trees.genecis(tmp_path))
    entries = json.loads((tmp_path / "focus_attribute.json").read_text())
    assert len(listing.queries) == len(entries) == 7
    keys = {picture.key for picture in listing.entities[ENTITY]}
    for query, entry in zip(listing.queries, entries, strict=True):
        assert query.targets == {query.gallery[0]}
        assert query.query not in query.gallery
        assert len(set(query.gallery)) == len(query.gallery) == len(entry["gallery"]) + 1
        assert {query.query, *query.gallery} <= keys
        assert query.condition == entry["condition"]
        assert query.gallery[0].startswith(f"v{entry['target']['image_id']}-")
    copy = next(key for key in listing.queries[1].gallery if "copy" in key)
    assert copy == f"{listing.queries[1].gallery[0]}-copy2"


def test_copies_have_the_same_pixels(tmp_path: Path) -> None:
    source = open_source(Path(f"genecis:{trees.genecis(tmp_path)}"))
    assert isinstance(source, BenchmarkSource)
    found = {key: data for unit in source.units() for key, data in source.images(unit)}
    copy = next(key for key in found if key.endswith("-copy2"))
    assert found[copy] == found[copy.removesuffix("-copy2")]
    assert source.entities[ENTITY].labels == {}
    assert len(source.queries) == 7


def test_galleries_of_another_length_are_ranked_too_and_named(tmp_path: Path) -> None:
    folder = trees.genecis(tmp_path)
    listing = read(GENECIS, folder)
    assert Counter(len(query.gallery) for query in listing.queries) == {5: 6, 4: 1}
    source = open_source(Path(f"genecis:{folder}"))
    (note,) = [note for note in notes_of(source) if "another length" in note]
    assert note.startswith("1 of 7 queries have galleries of another length (4) than the usual 5 pictures")
    path = folder / "focus_attribute.json"
    path.write_text(json.dumps(json.loads(path.read_text())[:6]))
    assert read(GENECIS, folder).notes == ()


def test_the_galleries_file_is_read_back(tmp_path: Path) -> None:
    listing = read(GENECIS, trees.genecis(tmp_path / "d"))
    path = tmp_path / "galleries.json"
    path.write_text(json.dumps(galleries_record(listing.queries, "focus")))
    name, queries = read_galleries(path)
    assert (name, tuple(queries)) == ("focus", listing.queries)


def test_conditions_get_names_and_pictures_may_lie_in_one_folder(tmp_path: Path) -> None:
    folder = trees.genecis(tmp_path)
    before = open_source(Path(f"genecis:{folder}")).fingerprint
    path = folder / "focus_attribute.json"
    path.write_text(
        path.read_text().replace('"material"', '"Hair color"').replace('"image_id": "3"', '"image_id": 3')
    )
    (folder / "VG_All").mkdir()
    for name in ("VG_100K", "VG_100K_2"):
        for picture in (folder / name).iterdir():
            picture.rename(folder / "VG_All" / picture.name)
    listing = read(GENECIS, folder)
    assert {query.condition for query in listing.queries} == {"color", "hair_color"}
    assert open_source(Path(f"genecis:{folder}")).fingerprint != before
