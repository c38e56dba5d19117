"""Data sets of Hugging Face, written with pyarrow as `datasets` writes them; and by `datasets` where it is installed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clay_eval.evaluator.pictures.benchmarks import hugging_face
from clay_eval.evaluator.pictures.benchmarks.hugging_face import HuggingFaceSource
from clay_eval.evaluator.pictures.labelled import ImageSource
from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.schemas.decoding import decode_image
from clay_eval.schemas.errors import InputError, IntegrityError

CLASSES = ["cat", "dog", "eel"]


def encoded(number: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (12, 10, 3), np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def table(count: int = 30, *, start: int = 0, named: bool = True) -> pa.Table:
    """Pictures with a class label, a text and an id that says nothing."""
    rows = range(start, start + count)
    columns = {
        "image": pa.array(
            [{"bytes": encoded(i), "path": f"{i}.png"} for i in rows],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        ),
        "label": pa.array([i % 3 for i in rows], pa.int64()),
        "place": pa.array([("in", "out")[i % 2] for i in rows]),
        "id": pa.array([f"row {i}" for i in rows]),
        "score": pa.array([i / 7 for i in rows]),
    }
    features = {
        "image": {"_type": "Image"},
        "label": {"names": CLASSES, "_type": "ClassLabel"},
        "place": {"dtype": "string", "_type": "Value"},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if named else None
    return pa.table(columns).replace_schema_metadata(metadata)


def as_parquet(folder: Path, **options: Any) -> Path:
    (folder / "data").mkdir(parents=True)
    pq.write_table(table(30, **options), folder / "data" / "train-00000-of-00002.parquet", row_group_size=7)
    pq.write_table(
        table(10, start=30, **options), folder / "data" / "train-00001-of-00002.parquet", row_group_size=4
    )
    pq.write_table(table(6, start=40, **options), folder / "data" / "test-00000-of-00001.parquet")
    return folder


def stream(path: Path, data: pa.Table, batch: int = 6) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write_table(data, max_chunksize=batch)


def as_saved(folder: Path, **options: Any) -> Path:
    stream(folder / "train" / "data-00000-of-00002.arrow", table(30, **options))
    stream(folder / "train" / "data-00001-of-00002.arrow", table(10, start=30, **options))
    stream(folder / "test" / "data-00000-of-00001.arrow", table(6, start=40, **options))
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    return folder


LAYOUTS: list[Callable[..., Path]] = [as_parquet, as_saved]


def opened(folder: Path, name: str = "hugging-face", **options: Any) -> ImageSource:
    return open_source(Path(f"{name}:{folder}"), **options)


def read_all(source: ImageSource) -> dict[str, bytes]:
    return {key: data for unit in source.units() for key, data in source.images(unit)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pictures_and_class_names(layout: Callable[..., Path], tmp_path: Path) -> None:
    folder = layout(tmp_path / "pets")
    with patch.object(hugging_face, "UNIT_IMAGES", 8):
        source = opened(folder)
    assert isinstance(source, ImageSource)
    (labels,) = source.entities.values()
    assert labels.entity == "pets"
    assert list(labels.labels) == ["label"]
    found = read_all(source)
    assert list(found) == list(labels.keys)
    order = [*range(40, 46), *range(40)]  # test stands before train
    assert list(found.values()) == [encoded(i) for i in order]
    assert list(labels.labels["label"]) == [CLASSES[i % 3] for i in order]
    assert max(len(unit.keys) for unit in source.units()) == 8
    assert all(decode_image(data, key).size == (10, 12) for key, data in found.items())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_splits_columns_and_identity(layout: Callable[..., Path], tmp_path: Path) -> None:
    folder = layout(tmp_path / "a")
    test = opened(folder, "hugging-face@test", entity="mine", conditions=["place", "label"])
    assert list(read_all(test).values()) == [encoded(i) for i in range(40, 46)]
    assert list(test.entities["mine"].labels) == ["place", "label"]
    assert opened(folder).fingerprint == opened(folder).fingerprint != test.fingerprint
    unnamed = opened(layout(tmp_path / "b", named=False))
    assert set(next(iter(unnamed.entities.values())).labels) == {"label", "place"}
    with pytest.raises(InputError, match="no such split"):
        opened(folder, "hugging-face@val")
    with pytest.raises(InputError, match="no such column"):
        opened(folder, conditions=["score"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_picture_that_changes_is_noticed(layout: Callable[..., Path], tmp_path: Path) -> None:
    folder = layout(tmp_path / "a")
    source = opened(folder)
    path = max(folder.rglob("*-00000-of-00001.*"), key=lambda p: p.name)
    changed = table(6, start=1)
    (pq.write_table if path.suffix == ".parquet" else lambda t, p: stream(p, t))(changed, path)
    with pytest.raises(IntegrityError, match="changed while it was in use"):
        read_all(source)
    assert opened(folder).fingerprint != source.fingerprint


def without_bytes(data: pa.Table) -> pa.Table:
    image = pa.array([{"bytes": None, "path": f"/etc/{i}"} for i in range(len(data))], data["image"].type)
    return data.set_column(0, "image", image)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_bytes, "not in the file"),
        (lambda data: data.drop_columns(["image"]), "not one column of pictures"),
        (lambda data: data.append_column("other", data["image"]), "not one column of pictures"),
        (lambda data: data.set_column(1, "label", pa.array([9] * len(data))), "without a class"),
        (
            lambda data: data.set_column(1, "label", pa.array([None] * len(data), pa.int64())),
            "without a class",
        ),
        (lambda data: data.select(["image", "id"]).replace_schema_metadata(None), "no column of labels"),
    ],
)
def test_what_cannot_be_used(change: Callable[[pa.Table], pa.Table], said: str, tmp_path: Path) -> None:
    pq.write_table(change(table()), tmp_path / "train.parquet")
    with pytest.raises(InputError, match=said):
        opened(tmp_path)


def test_folders_that_hold_no_data_set(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="Hugging Face"):
            opened(folder)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_damaged_files_are_errors(layout: Callable[..., Path], tmp_path: Path) -> None:
    folder = layout(tmp_path / "a")
    path = min(p for p in folder.rglob("*") if p.suffix in (".parquet", ".arrow"))
    data = path.read_bytes()
    for damaged in (b"", data[: len(data) // 2], b"junk" * 50, bytes(len(data))):
        path.write_bytes(damaged)
        with pytest.raises((InputError, IntegrityError)):
            read_all(opened(folder))


def test_a_block_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hugging_face, "MAX_BATCH_BYTES", 1000)
    with pytest.raises(InputError, match="too large"):
        HuggingFaceSource(as_saved(tmp_path))


def test_what_datasets_itself_saves(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the library is optional")
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=CLASSES),
            "place": datasets.Value("string"),
        }
    )
    rows = table(20).to_pydict()
    data = datasets.Dataset.from_dict({name: rows[name] for name in features}, features=features)
    data.save_to_disk(str(tmp_path / "saved"))
    data.to_parquet(str(tmp_path / "hub.parquet"))
    for place in (tmp_path / "saved", tmp_path / "hub.parquet"):
        source = opened(place)
        (labels,) = source.entities.values()
        assert list(labels.labels["label"]) == [CLASSES[i % 3] for i in range(20)]
        assert list(read_all(source).values()) == [encoded(i) for i in range(20)]
