"""Files of strangers that are no files, and headers that promise more than a file can hold."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import save_file

from clay_eval.evaluator.embedding import parquet_bounds
from clay_eval.evaluator.embedding.encoders import load_encoder
from clay_eval.evaluator.embedding.feature_files import DamagedFeaturesError, read_features
from clay_eval.evaluator.embedding.given import read_given
from clay_eval.evaluator.pictures.benchmarks import mat_files
from clay_eval.evaluator.pictures.benchmarks.hugging_face import HuggingFaceSource
from clay_eval.evaluator.pictures.benchmarks.mat_files import read_mat
from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.evaluator.trec.files import read_qrels, read_run
from clay_eval.schemas.errors import ClayEvalError, InputError

DEEP = "[" * 100_000 + "]" * 100_000


def _labels(folder: Path) -> Any:
    (folder / "labels.csv").write_text("file,color\na.png,red\nb.png,blue\n")
    Image.new("RGB", (4, 4)).save(folder / "b.png")
    return open_source(folder)


@pytest.mark.parametrize("target", ["fifo", "/dev/zero"])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.tar", open_source),
        ("a.tar", lambda path: open_source(path.parent)),
        ("labels.csv", lambda path: open_source(path.parent)),
        ("manifest.json", lambda path: open_source(path.parent)),
        ("a.png", lambda path: _labels(path.parent)),
        ("a.npy", read_given),
        ("a.safetensors", read_given),
        ("a.parquet", read_given),
        ("a.run", lambda path: read_run(path, {})),
        ("a.run.gz", lambda path: read_run(path, {})),
        ("a.qrels", lambda path: read_qrels(path, {})),
        ("open_clip_config.json", lambda path: load_encoder(str(path.parent), "cpu")),
        ("open_clip_model.safetensors", lambda path: load_encoder(str(path.parent), "cpu")),
        ("config.json", lambda path: load_encoder(f"transformers:{path.parent}", "cpu")),
        ("tokenizer.json", lambda path: load_encoder(f"transformers:{path.parent}", "cpu")),
    ],
)
def test_pipes_and_devices_are_refused_in_every_place(
    name: str, read: Callable[[Path], object], target: str, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    os.mkfifo(tmp_path / "fifo")
    (folder / name).symlink_to(tmp_path / "fifo" if target == "fifo" else target)
    with pytest.raises(ClayEvalError):
        read(folder / name)


def npy(folder: Path, header: str) -> Path:
    text = header.encode("latin-1")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    (folder / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64))
    (folder / "a.keys.txt").write_text("a\n")
    return folder / "a.npy"


def _header(shape: str, kind: str = "'<f4'") -> str:
    return f"{{'descr': {kind}, 'fortran_order': False, 'shape': ({shape}), }}"


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(
    "header",
    [
        _header("1" + "0" * 30 + ","),
        _header("-1, 5"),
        _header("9223372036854775807, 9223372036854775807"),
        _header("4294967296, 4294967296, 16"),
        _header("1, 4", "'|O'"),
        _header("1, 1", "'<V2000000000'"),
        _header("1, 4", "[('a'," * 900 + "'<f4'" + ")]" * 900),
        "(" * 5000,
        "-" * 9000 + "1",
        "{'descr': [(" * 60,
        _header("1, 4") + "#" * 60_000,
    ],
)
def test_npy_headers_that_no_file_can_hold(header: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_given(npy(tmp_path, header))


def test_fortran_order_is_read(tmp_path: Path) -> None:
    matrix = np.asfortranarray(np.arange(1, 13, dtype=np.float32).reshape(4, 3))
    np.save(tmp_path / "a.npy", matrix)
    (tmp_path / "a.keys.txt").write_text("a\nb\nc\nd\n")
    np.testing.assert_array_equal(read_given(tmp_path / "a.npy").matrix, matrix)


def test_deep_json_in_safetensors_is_no_recursion(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tensors = {"features": np.ones((1, 2), np.float32)}
    save_file(tensors, path, metadata={"keys": DEEP})
    with pytest.raises(InputError, match="keys of these features are missing"):
        read_given(path)
    save_file(tensors, path, metadata={"schema": "clay-eval/features/1", "encoder": DEEP})
    with pytest.raises((InputError, DamagedFeaturesError)):
        read_features(path, {"name": "a"})
    text = ('{"__metadata__":' + DEEP + "}").encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(InputError):
        read_given(path)
    path.write_bytes((1 << 63).to_bytes(8, "little") + text)
    with pytest.raises(InputError):
        read_given(path)


def test_deep_json_in_the_schema_of_a_table(tmp_path: Path) -> None:
    image = pa.array([{"bytes": b"x", "path": None}], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    table = pa.table({"image": image, "label": ["a"]}).replace_schema_metadata({"huggingface": DEEP})
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(InputError, match="metadata that cannot be read"):
        HuggingFaceSource(tmp_path)


def vectors(rows: int, width: int = 2) -> Any:
    return pa.array([[1.0] * width] * rows, pa.list_(pa.float32()))


def once(rows: int, text: str) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))


def test_keys_that_are_stored_once_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"key": once(50, "x" * 20_000_000), "feature": vectors(50)}), path, compression="zstd"
    )
    assert path.stat().st_size < 10_000
    before = pa.total_allocated_bytes()
    with pytest.raises(InputError, match="keys of this file are too large"):
        read_given(path)
    assert pa.total_allocated_bytes() - before < 1 << 20, "the footer says it"
    pq.write_table(pa.table({"key": once(2000, "x" * 70_000), "feature": vectors(2000)}), path)
    with pytest.raises(InputError, match="65536 bytes each"):
        read_given(path)
    monkeypatch.setattr(parquet_bounds, "MAX_KEYS_BYTES", 1_000_000)
    pq.write_table(pa.table({"key": once(2000, "x" * 600), "feature": vectors(2000)}), path)
    with pytest.raises(InputError, match="1000000 bytes"):
        read_given(path)


def test_vectors_that_are_stored_once_are_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_bounds, "PLAIN_BYTES", 1 << 20)
    path = tmp_path / "a.parquet"
    same = pa.ListArray.from_arrays(
        pa.array([0, 1_000_000, 2_000_000], pa.int32()), pa.array(np.ones(2_000_000, np.float32))
    )
    pq.write_table(pa.table({"key": ["a", "b"], "feature": same}), path, compression="zstd")
    with pytest.raises(InputError, match="vectors of this file are too large"):
        read_given(path)


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"row_group_size": 7}])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_keys_of_every_kind_are_read_in_their_order(
    options: dict[str, Any], kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_bounds, "_NUMBERS", 10)
    keys = [f"k{i * 7 % 30}" for i in range(30)]
    matrix = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    table = pa.table({"key": pa.array(keys).cast(kind), "feature": pa.array(list(matrix))})
    pq.write_table(table, tmp_path / "a.parquet", **options)
    found = read_given(tmp_path / "a.parquet")
    assert list(found.keys) == keys
    np.testing.assert_array_equal(found.matrix, matrix)


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    table = pa.Table.from_arrays(
        [pa.array(["a"]), pa.array(["b"]), vectors(1)], names=["key", "key", "feature"]
    )
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="not a file of features"):
        read_given(tmp_path / "a.parquet")


def test_compressed_variables_share_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mat_files, "MAX_BYTES", 1 << 20)
    # Type 1 is no matrix, so each is unpacked and passed over.
    element = zlib.compress(struct.pack("<II", 1, 300_000) + bytes(300_000))
    data = b" " * 124 + b"\x00\x01IM" + (struct.pack("<II", 15, len(element)) + element) * 4
    with pytest.raises(InputError, match="when unpacked"):
        read_mat(data, "a", "x.mat")
    with pytest.raises(InputError, match="without its variable"):
        read_mat(data[: 128 + 3 * (8 + len(element))], "a", "x.mat")
