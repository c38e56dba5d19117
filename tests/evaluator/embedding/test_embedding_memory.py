"""A batch is never in memory at its full size, and how it was prepared does not show in the features."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from plain_encoders import SIZES, InSteps, Pictures, Plain, rows_of
from tiny_towers import save_tower

from clay_eval.evaluator.embedding import store as features
from clay_eval.evaluator.embedding.encoders import Encoder, Preparing, load_encoder, normalise_rows
from clay_eval.evaluator.embedding.encoders.transformers_encoder import FAMILIES
from clay_eval.evaluator.embedding.lazy import LazyEncoder
from clay_eval.evaluator.embedding.store import FeatureStore, embed
from clay_eval.evaluator.methods.images.conditioned import ConditionedEncoder
from clay_eval.evaluator.methods.images.models import shrunk
from clay_eval.schemas import decoding as images


@pytest.fixture
def few_pixels(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(images, "GROUP_PIXELS", 400_000)
    monkeypatch.setattr(images, "_ENLARGED", 0)
    return 400_000


def embedded(encoder: Encoder, folder: Path, batch_size: int = 64) -> np.ndarray[Any, Any]:
    source, store = Pictures(), FeatureStore(folder)
    embed(source, encoder, store, batch_size)
    return store.load(source, encoder.identity)["e"].matrix


@pytest.mark.parametrize("kind", [Plain, InSteps])
def test_encoders_get_few_pixels_at_once(kind: type[Plain], few_pixels: int, tmp_path: Path) -> None:
    encoder = kind()
    rows = embedded(encoder, tmp_path)
    assert len(encoder.given) > 1
    assert max(encoder.given) <= few_pixels
    whole = [rows_of(images.decode_image(data, key)) for key, data in Pictures().data.items()]
    np.testing.assert_array_equal(rows, normalise_rows(np.stack(whole)))


def test_prepared_pictures_are_encoded_in_whole_batches(few_pixels: int, tmp_path: Path) -> None:
    encoder = InSteps()
    embedded(encoder, tmp_path, batch_size=5)
    assert encoder.batches == [5, 2]


def test_pictures_are_gone_once_they_are_prepared(
    few_pixels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[Image.Image]] = []
    most = 0

    def decode(data: bytes, where: object) -> Image.Image:
        nonlocal most
        picture = images.decode_image(data, str(where))
        made.append(weakref.ref(picture))
        alive = [one for one in (ref() for ref in made) if one is not None]
        most = max(most, sum(one.width * one.height for one in alive))
        return picture

    monkeypatch.setattr(features, "decode_image", decode)
    embedded(InSteps(), tmp_path)
    assert most <= few_pixels


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Encoder]:
    found = {"open_clip": load_encoder("embedded", "cpu")}
    for family in FAMILIES:
        folder = tmp_path_factory.mktemp("towers") / family
        save_tower(family, folder)
        found[family] = load_encoder(f"transformers:{folder}", "cpu")
    return found


@pytest.mark.parametrize("name", ["open_clip", *FAMILIES])
def test_features_are_the_same_to_the_bit(
    name: str, encoders: dict[str, Encoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = encoders[name]
    assert isinstance(encoder, Preparing)
    decoded = [images.decode_image(data, key) for key, data in Pictures().data.items()]
    whole = encoder.encode_images(decoded)
    np.testing.assert_array_equal(embedded(encoder, tmp_path / "one"), whole)
    for pixels in (1, 30_000, 400_000):
        monkeypatch.setattr(images, "GROUP_PIXELS", pixels)
        np.testing.assert_array_equal(embedded(encoder, tmp_path / str(pixels)), whole)
    assert encoder.encode_images([]).shape == (0, encoder.dimension)


@pytest.mark.parametrize("kind", [Plain, InSteps])
def test_lazy_encoders_prepare_as_their_own_do(kind: type[Plain], few_pixels: int, tmp_path: Path) -> None:
    lazy = LazyEncoder(kind.identity, kind)
    np.testing.assert_array_equal(embedded(lazy, tmp_path / "lazy"), embedded(kind(), tmp_path / "own"))


class Method:
    """An image method that can shrink pictures, and notes what it is given."""

    identity: Mapping[str, Any] = {"name": "method"}
    dimension = 48

    def __init__(self) -> None:
        self.given: list[list[tuple[int, int]]] = []

    def encode(self, images: Sequence[Image.Image], conditions: Sequence[str]) -> Any:
        assert isinstance(images, list)
        self.given.append([image.size for image in images])
        return np.stack([rows_of(image) for image in images])


class Shrinking(Method):
    def shrink(self, image: Image.Image) -> Image.Image:
        return shrunk(image, 100)


def test_image_methods_get_large_pictures_in_pieces_or_shrunk(few_pixels: int, tmp_path: Path) -> None:
    plain, shrinking = Method(), Shrinking()
    for method, whole in ((plain, False), (shrinking, True)):
        encoder = ConditionedEncoder(method, ["color"])
        assert isinstance(encoder, Preparing) is whole
        embedded(encoder, tmp_path / str(whole))
    assert len(plain.given) > 1
    assert max(sum(w * h for w, h in sizes) for sizes in plain.given) <= few_pixels
    assert [len(sizes) for sizes in shrinking.given] == [len(SIZES)]
    assert max(max(size) for size in shrinking.given[0]) == 100


_SCRIPT = """
import io, resource, sys
from pathlib import Path
from PIL import Image
from test_embedding_memory import InSteps, Pictures
from clay_eval.evaluator.embedding.store import FeatureStore, embed

stream = io.BytesIO()
Image.new("RGB", (4000, 4000), "red").save(stream, "PNG", compress_level=1)
source = Pictures([])
source.data = {f"p{i}": stream.getvalue() for i in range(16)}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
embed(source, InSteps(), FeatureStore(Path(sys.argv[1])))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_sixteen_large_pictures_take_the_memory_of_four(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:3]))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    # Decoded they are 16 x 64 MB; four at a time, each once more while it is made upright.
    assert int(ran.stdout) < 700
