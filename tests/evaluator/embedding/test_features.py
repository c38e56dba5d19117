from __future__ import annotations

import errno
import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from clay_eval.evaluator.embedding.encoders import normalise_rows, slug
from clay_eval.evaluator.embedding.store import EmbedCounts, FeatureStore, embed
from clay_eval.evaluator.pictures.labelled import Labelled, Unit
from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError, StorageError

SIDE = 6
PER_UNIT = 4


def picture(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


class PixelEncoder:
    """The pixels themselves are the features; counts what it is asked for."""

    def __init__(self, name: str = "pixels") -> None:
        self.identity: Mapping[str, Any] = {"name": name, "dimension": SIDE * SIDE * 3, "mean": [0.5, 0.25]}
        self.images = 0
        self.texts = 0
        self.die_after: int | None = None

    @property
    def dimension(self) -> int:
        return SIDE * SIDE * 3

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray[Any, np.dtype[np.float32]]:
        if self.die_after is not None and self.images >= self.die_after:
            raise KeyboardInterrupt
        self.images += len(images)
        return normalise_rows(np.stack([np.asarray(image, dtype=np.float64).reshape(-1) for image in images]))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        self.texts += len(texts)
        seeds = [sum(text.encode()) for text in texts]
        return normalise_rows(np.stack([np.random.default_rng(s).normal(size=self.dimension) for s in seeds]))


class Pictures:
    """Two entities in three units, held in memory."""

    def __init__(self) -> None:
        self.seeds = {"cat-0": 0, "cat-1": 10, "dog-0": 20}
        self.fingerprint = "0"

    def units(self) -> tuple[Unit, ...]:
        return tuple(
            Unit(name, f"sha of {seed}", name[:3], tuple(f"{name}-{i}" for i in range(PER_UNIT)))
            for name, seed in self.seeds.items()
        )

    @property
    def entities(self) -> dict[str, Labelled]:
        keys: dict[str, list[str]] = {}
        for unit in self.units():
            keys.setdefault(unit.entity, []).extend(unit.keys)
        return {name: Labelled(tuple(own), {"a": ("x",) * len(own)}, {}, name) for name, own in keys.items()}

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        for i, key in enumerate(unit.keys):
            yield key, picture(self.seeds[unit.name] + i)


@pytest.fixture
def source() -> Pictures:
    return Pictures()


def expected(seeds: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    rows = np.stack(
        [
            np.random.default_rng(s)
            .integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            .reshape(-1)
            .astype(np.float64)
            for s in seeds
        ]
    )
    return rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))


def rewrite(path: Path, change: Mapping[str, Any] = {}, **metadata: str) -> None:
    """Alter a features file as another program could, its checksum left as it was."""
    with safe_open(path, framework="numpy") as file:
        header = {**file.metadata(), **metadata}
    save_file({**load_file(path), **change}, path, metadata=header)


def test_features_are_those_of_the_encoder(store: FeatureStore, source: Pictures) -> None:
    encoder = PixelEncoder()
    assert embed(source, encoder, store, batch_size=3) == EmbedCounts(computed=12, reused=0)
    loaded = store.load(source, encoder.identity)
    assert list(loaded) == ["cat", "dog"]
    assert loaded["cat"].keys == source.entities["cat"].keys
    assert loaded["cat"].matrix.dtype == np.float32
    np.testing.assert_allclose(loaded["cat"].matrix, expected([0, 1, 2, 3, 10, 11, 12, 13]), atol=1e-6)
    np.testing.assert_allclose(loaded["dog"].matrix, expected([20, 21, 22, 23]), atol=1e-6)


def test_file_format(store: FeatureStore, source: Pictures) -> None:
    encoder = PixelEncoder()
    embed(source, encoder, store)
    path = store.folder / slug(encoder.identity) / "cat-1.safetensors"
    tensors = load_file(path)
    assert tensors["keys"].tobytes().decode().split("\n") == [f"cat-1-{i}" for i in range(4)]
    assert tensors["features"].shape == (4, 108)
    with safe_open(path, framework="numpy") as file:
        header = file.metadata()
    assert header["schema"] == "clay-eval/features/1"
    assert json.loads(header["encoder"]) == encoder.identity
    assert (header["unit_sha256"], header["entity"]) == ("sha of 10", "cat")


def test_what_is_there_is_reused(store: FeatureStore, source: Pictures) -> None:
    encoder = PixelEncoder()
    embed(source, encoder, store)
    before = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*.safetensors")}
    assert embed(source, encoder, store) == EmbedCounts(computed=0, reused=12)
    assert encoder.images == 12
    assert {path: path.stat().st_mtime_ns for path in store.folder.rglob("*.safetensors")} == before


def test_stale_features_are_computed_again(store: FeatureStore, source: Pictures) -> None:
    encoder = PixelEncoder()
    embed(source, encoder, store)
    source.seeds["cat-1"] = 50
    with pytest.raises(InputError, match=r"no up-to-date features of cat-1"):
        store.load(source, encoder.identity)
    assert embed(source, encoder, store) == EmbedCounts(computed=4, reused=8)
    np.testing.assert_allclose(
        store.load(source, encoder.identity)["cat"].matrix[4:], expected(range(50, 54)), atol=1e-6
    )


@pytest.mark.parametrize("die_after", [0, 3, 4, 6, 8, 11])
def test_a_killed_run_loses_one_unit_at_most(store: FeatureStore, source: Pictures, die_after: int) -> None:
    encoder = PixelEncoder()
    encoder.die_after = die_after
    with pytest.raises(KeyboardInterrupt):
        embed(source, encoder, store, batch_size=1)
    assert not list(store.folder.rglob("*.part"))
    saved = die_after // PER_UNIT * PER_UNIT
    resumed = PixelEncoder()
    assert embed(source, resumed, store) == EmbedCounts(computed=12 - saved, reused=saved)
    assert resumed.images == 12 - saved
    np.testing.assert_allclose(
        store.load(source, encoder.identity)["cat"].matrix, expected([0, 1, 2, 3, 10, 11, 12, 13]), atol=1e-6
    )


def test_every_truncation_is_found(
    store: FeatureStore, source: Pictures, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = PixelEncoder()
    embed(source, encoder, store)
    path = store.unit_path(encoder.identity, source.units()[0])
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(IntegrityError):
            store.load(source, encoder.identity)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert embed(source, encoder, store) == EmbedCounts(computed=4, reused=8)
    assert "cat-0" in caplog.text
    reloaded = store.load(source, encoder.identity)["cat"].matrix
    np.testing.assert_allclose(reloaded[:4], expected(range(4)), atol=1e-6)


def test_flipped_bits_are_found(store: FeatureStore, source: Pictures) -> None:
    encoder = PixelEncoder()
    embed(source, encoder, store)
    path = store.unit_path(encoder.identity, source.units()[0])
    whole = path.read_bytes()
    for place in range(0, len(whole), 13):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ClayEvalError):
            store.load(source, encoder.identity)


@pytest.mark.parametrize(
    "change",
    [
        {"keys": np.frombuffer(b"a\nb\nc\nd", dtype=np.uint8)},
        {"keys": np.frombuffer(b"cat-0-0", dtype=np.uint8)},
        {"keys": np.frombuffer(b"\xff", dtype=np.uint8)},
        {"features": np.ones((4, 107), dtype=np.float32)},
        {"features": np.ones((4, 108), dtype=np.float64)},
        {"features": np.ones(432, dtype=np.float32)},
        {"features": np.ones((3, 108), dtype=np.float32)},
    ],
)
def test_altered_files_are_computed_again(
    store: FeatureStore, source: Pictures, change: dict[str, Any]
) -> None:
    encoder = PixelEncoder()
    embed(source, encoder, store)
    rewrite(store.unit_path(encoder.identity, source.units()[0]), change)
    with pytest.raises(IntegrityError):
        store.load(source, encoder.identity)
    assert embed(source, encoder, store).computed == 4
    np.testing.assert_allclose(
        store.load(source, encoder.identity)["cat"].matrix[:4], expected(range(4)), atol=1e-6
    )


def test_files_of_another_format_are_computed_again(store: FeatureStore, source: Pictures) -> None:
    encoder = PixelEncoder()
    embed(source, encoder, store)
    rewrite(store.unit_path(encoder.identity, source.units()[0]), schema="clay-eval/features/0")
    assert embed(source, encoder, store).computed == 4


def test_features_of_another_encoder(store: FeatureStore, source: Pictures) -> None:
    encoder, other = PixelEncoder(), PixelEncoder("other")
    embed(source, encoder, store)
    assert embed(source, other, store).computed == 12
    unit = source.units()[1]
    store.unit_path(other.identity, unit).replace(store.unit_path(encoder.identity, unit))
    for use in (lambda: store.load(source, encoder.identity), lambda: embed(source, encoder, store)):
        with pytest.raises(
            InputError, match=r"features of another encoder[\s\S]*cat-1[\s\S]*name: 'pixels' -> 'other'"
        ):
            use()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(store: FeatureStore, source: Pictures, value: float) -> None:
    encoder = PixelEncoder()
    embed(source, encoder, store)
    path = store.unit_path(encoder.identity, source.units()[1])
    features = load_file(path)["features"]
    features[2, 7] = value
    rewrite(path, {"features": features})
    for use in (lambda: store.load(source, encoder.identity), lambda: embed(source, encoder, store)):
        with pytest.raises(IntegrityError, match=r"NaN or infinite[\s\S]*cat-1[\s\S]*'cat-1-2'"):
            use()


def test_encoders_that_break_their_contract(store: FeatureStore, source: Pictures) -> None:
    class Bad(PixelEncoder):
        def __init__(self, change: Any) -> None:
            super().__init__()
            self.change = change

        def encode_images(self, images: Sequence[Image.Image]) -> Any:
            return self.change(super().encode_images(images))

    for change, message in (
        (lambda rows: rows * np.float32(np.nan), r"NaN[\s\S]*cat-0[\s\S]*'cat-0-0'"),
        (lambda rows: rows[:, :-1], r"contract[\s\S]*\(4, 108\) float32[\s\S]*\(4, 107\)"),
        (lambda rows: rows[1:], "contract"),
        (lambda rows: rows.astype(np.float64), "float64"),
        (lambda rows: rows * np.float32(2), "length 1"),
    ):
        with pytest.raises(ClayEvalError, match=message):
            embed(source, Bad(change), store)
    assert not list(store.folder.rglob("*.safetensors"))


def test_broken_pictures_are_named(
    store: FeatureStore, source: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "images", lambda unit: ((key, picture(0)[:50]) for key in unit.keys))
    with pytest.raises(IntegrityError, match="cat-0: cat-0-0"):
        embed(source, PixelEncoder(), store)


def test_sources_that_do_not_keep_their_word(
    store: FeatureStore, source: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "images", lambda unit: ((key, picture(0)) for key in unit.keys[:-1]))
    with pytest.raises(IntegrityError, match="not those of the unit"):
        embed(source, PixelEncoder(), store)


def test_progress_counts_pictures(store: FeatureStore, source: Pictures) -> None:
    seen: list[tuple[int, int]] = []
    embed(
        source, PixelEncoder(), store, batch_size=3, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(n, 12) for n in (3, 4, 7, 8, 11, 12)]
    with pytest.raises(InputError, match="at least one"):
        embed(source, PixelEncoder("new"), store, batch_size=0)


def test_full_disk(store: FeatureStore, source: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        embed(source, PixelEncoder(), store)
    assert not [path for path in store.folder.rglob("*") if path.is_file()]


def test_text_features(store: FeatureStore, caplog: pytest.LogCaptureFixture) -> None:
    encoder = PixelEncoder()
    texts = ["a red shoe", "two\nlines", 'say "hi" \\ é', "a red shoe"]
    rows = store.text_features(texts, encoder)
    np.testing.assert_array_equal(store.text_features(texts, encoder), rows)
    assert encoder.texts == 4
    np.testing.assert_array_equal(store.text_features(texts[::-1], encoder), rows[::-1])
    assert encoder.texts == 8
    store.text_features(texts, PixelEncoder("other"))
    (path,) = [p for p in store.folder.glob(f"{slug(encoder.identity)}/texts-*") if p.stat().st_size][:1]
    with caplog.at_level(logging.WARNING):
        for cached in store.folder.glob(f"{slug(encoder.identity)}/texts-*"):
            cached.write_bytes(cached.read_bytes()[:-1])
        np.testing.assert_array_equal(store.text_features(texts, encoder), rows)
    assert encoder.texts == 12
    assert "computing text features again" in caplog.text
    with pytest.raises(InputError, match="no text"):
        store.text_features([], encoder)
    assert path.name.startswith("texts-")


def test_clean_removes_what_a_kill_left(store: FeatureStore, source: Pictures) -> None:
    encoder = PixelEncoder()
    embed(source, encoder, store)
    leftover = store.encoder_folder(encoder.identity) / ".cat-0.safetensors.ab3_x9yz.part"
    leftover.write_bytes(b"half")
    store.clean()
    assert not leftover.exists()
    assert embed(source, encoder, store).reused == 12
