"""Features made elsewhere: what is read, how pictures and texts find their vectors, and what is refused."""

from __future__ import annotations

import io
import json
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from clay_eval.evaluator.embedding import given_files
from clay_eval.evaluator.embedding.encoders import Encoder
from clay_eval.evaluator.embedding.feature_files import FeatureFile, write_features
from clay_eval.evaluator.embedding.given import (
    GivenEncoder,
    GivenStore,
    needed_texts,
    read_given,
    write_needed_texts,
)
from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.schemas.errors import ClayEvalError, InputError

KEYS = [f"s{i:03d}" for i in range(9)]


def vectors(dtype: Any = np.float32, rows: int = 9, columns: int = 5, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(rows, columns)) * 3).astype(dtype)


def as_npy(path: Path, keys: list[str], matrix: np.ndarray) -> Path:
    np.save(path.with_suffix(".npy"), matrix)
    path.with_suffix(".keys.txt").write_text("".join(f"{key}\n" for key in keys), "utf-8")
    return path.with_suffix(".npy")


def as_safetensors(path: Path, keys: list[str], matrix: np.ndarray) -> Path:
    from safetensors.numpy import save_file

    save_file({"features": matrix}, path.with_suffix(".safetensors"), {"keys": json.dumps(keys)})
    return path.with_suffix(".safetensors")


def as_safetensors_with_bytes(path: Path, keys: list[str], matrix: np.ndarray) -> Path:
    from safetensors.numpy import save_file

    raw = np.frombuffer("\n".join(keys).encode(), dtype=np.uint8)
    save_file({"features": matrix, "keys": raw}, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def as_parquet(path: Path, keys: list[str], matrix: np.ndarray, fixed: bool = False) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    number = pa.from_numpy_dtype(matrix.dtype)
    kind = pa.list_(number, matrix.shape[1]) if fixed else pa.list_(number)
    column = pa.array(list(matrix), type=kind)
    name = "embedding" if fixed else "feature"
    table = pa.table({"key": pa.array(keys, pa.string()), name: column, "width": pa.array(range(len(keys)))})
    parquet.write_table(table, path.with_suffix(".parquet"), row_group_size=4)
    return path.with_suffix(".parquet")


def as_fixed_parquet(path: Path, keys: list[str], matrix: np.ndarray) -> Path:
    return as_parquet(path, keys, matrix, fixed=True)


WRITERS = [as_npy, as_safetensors, as_safetensors_with_bytes, as_parquet, as_fixed_parquet]


def source(**entities: list[str]) -> Any:
    return SimpleNamespace(
        entities={name: Labelled(tuple(keys), {}, {}, name) for name, keys in entities.items()}
    )


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_format_gives_back_keys_and_numbers(
    tmp_path: Path, write: Callable[..., Path], dtype: Any
) -> None:
    keys = ["a b", "é", "日本", *KEYS[3:]]
    matrix = vectors(dtype)
    found = read_given(write(tmp_path / "mine", keys, matrix))
    assert found.keys == tuple(keys)
    assert found.matrix.dtype == dtype
    np.testing.assert_array_equal(found.matrix, matrix)
    order = [5, 0, 8]
    np.testing.assert_array_equal(found.select(order), matrix[order])
    assert json.loads(json.dumps(found.identity)) == found.identity
    assert str(tmp_path) not in json.dumps(found.identity)


def test_files_of_our_own_store_are_read(tmp_path: Path) -> None:
    path = tmp_path / "unit.safetensors"
    texts = ("two\nlines", 'a "b"', "c")
    write_features(path, {"dimension": 5}, FeatureFile(texts, vectors(rows=3), "stamp", "texts"))
    found = read_given(path)
    assert found.keys == texts
    np.testing.assert_array_equal(found.matrix, vectors(rows=3))


@pytest.mark.parametrize("write", WRITERS)
def test_pictures_find_their_rows_whatever_the_order(
    tmp_path: Path, write: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    matrix = vectors()
    images = read_given(write(tmp_path / "mine", KEYS, matrix))
    store = GivenStore(images)
    with caplog.at_level(logging.WARNING):
        loaded = store.load(source(cat=[KEYS[4], KEYS[0]], dog=[KEYS[8]]), {})
    np.testing.assert_array_equal(loaded["cat"].matrix, matrix[[4, 0]])
    np.testing.assert_array_equal(loaded["dog"].matrix, matrix[[8]])
    assert loaded["cat"].keys == (KEYS[4], KEYS[0])
    assert "6 rows of" in caplog.text
    caplog.clear()
    store.load(source(all=KEYS[::-1]), {})
    assert not caplog.records


def test_an_array_in_order_stays_in_its_file(tmp_path: Path) -> None:
    path = as_npy(tmp_path / "mine", KEYS, vectors())
    loaded = GivenStore(read_given(path)).load(source(cat=KEYS[:4], dog=KEYS[4:]), {})
    for features in loaded.values():
        assert isinstance(features.matrix, np.memmap)
        assert not features.matrix.flags.owndata
        assert not features.matrix.flags.writeable
    shuffled = GivenStore(read_given(path)).load(source(cat=KEYS[::-1]), {})
    np.testing.assert_array_equal(shuffled["cat"].matrix, vectors()[::-1])


def test_keys_that_two_entities_share(tmp_path: Path) -> None:
    matrix = vectors(rows=3)
    found = GivenStore(read_given(as_npy(tmp_path / "a", ["cat/1", "dog/1", "2"], matrix)))
    loaded = found.load(source(cat=["1", "2"], dog=["1"]), {})
    np.testing.assert_array_equal(loaded["cat"].matrix, matrix[[0, 2]])
    np.testing.assert_array_equal(loaded["dog"].matrix, matrix[[1]])
    plain = GivenStore(read_given(as_npy(tmp_path / "b", ["1", "2", "3"], matrix)))
    with pytest.raises(InputError, match=r"2 of 3 pictures have no features[\s\S]*'cat/1', 'dog/1'"):
        plain.load(source(cat=["1", "2"], dog=["1"]), {})


def test_missing_pictures_are_named(tmp_path: Path) -> None:
    store = GivenStore(read_given(as_npy(tmp_path / "mine", KEYS, vectors())))
    with pytest.raises(
        InputError, match=r"7 of 8 pictures[\s\S]*'x0'.*'x4' and 2 more; the file has: 's000'"
    ):
        store.load(source(cat=[KEYS[0], *(f"x{i}" for i in range(7))]), {})


@pytest.mark.parametrize(
    ("value", "said"), [(np.nan, "NaN or infinity"), (np.inf, "NaN or infinity"), (None, "no direction")]
)
def test_vectors_that_are_none_name_their_key(tmp_path: Path, value: float | None, said: str) -> None:
    matrix = vectors()
    matrix[6, 2 if value is not None else slice(None)] = 0 if value is None else value
    store = GivenStore(read_given(as_npy(tmp_path / "mine", KEYS, matrix)))
    for keys in (KEYS, KEYS[::-1]):
        with pytest.raises(InputError, match=rf"{said}[\s\S]*'s006'"):
            store.load(source(cat=keys), {})
    assert len(store.load(source(cat=KEYS[:6]), {})["cat"].matrix) == 6


def test_an_encoder_of_given_texts(tmp_path: Path) -> None:
    images = read_given(as_npy(tmp_path / "images", KEYS, vectors(np.float64)))
    words = ["a red shoe", "blue", "a cat"]
    texts = read_given(as_parquet(tmp_path / "texts", words, vectors(np.float64, 3, seed=1)))
    encoder, store = GivenEncoder(images, texts, 50.0), GivenStore(images, texts)
    assert isinstance(encoder, Encoder)
    assert (encoder.dimension, encoder.logit_scale) == (5, 50.0)
    assert encoder.identity["library"] == "given"
    assert encoder.identity["name"] == "images.npy"
    assert json.loads(json.dumps(encoder.identity)) == encoder.identity
    expected = texts.matrix[[1, 0]] / np.linalg.norm(texts.matrix[[1, 0]], axis=1, keepdims=True)
    found = store.text_features(["blue", "a red shoe"], encoder)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-15)
    np.testing.assert_allclose(encoder.encode_texts(["blue", "a red shoe"]), expected, atol=1e-6)
    with pytest.raises(InputError, match=r"no features of 2 texts[\s\S]*texts\.parquet[\s\S]*'green', 'no'"):
        store.text_features(["green", "blue", "green", "no"], encoder)
    with pytest.raises(InputError, match=r"no features of 1 texts[\s\S]*--text-features"):
        GivenStore(images).text_features(["blue"], encoder)
    with pytest.raises(InputError, match="no text"):
        store.text_features([], encoder)
    with pytest.raises(InputError, match="cannot be embedded"):
        encoder.encode_images([])
    other = read_given(as_npy(tmp_path / "other", words, vectors(rows=3, columns=4)))
    with pytest.raises(InputError, match=r"different lengths[\s\S]*5 numbers"):
        GivenEncoder(images, other)


def test_the_identity_follows_numbers_and_keys(tmp_path: Path) -> None:
    path = as_npy(tmp_path / "mine", KEYS, vectors())
    first = GivenEncoder(read_given(path)).identity
    as_npy(tmp_path / "mine", KEYS[::-1], vectors())
    assert GivenEncoder(read_given(path)).identity != first
    as_npy(tmp_path / "mine", KEYS, vectors(seed=2))
    assert GivenEncoder(read_given(path)).identity != first
    as_npy(tmp_path / "mine", KEYS, vectors())
    assert GivenEncoder(read_given(path)).identity == first


@settings(deadline=None)
@drawn(
    st.lists(st.text(st.characters(exclude_characters="\n\r\0\ufeff", exclude_categories=["Cs"]), min_size=1))
)
def test_needed_texts_come_back_from_their_file(texts: list[str]) -> None:
    import tempfile

    needed = needed_texts(texts, texts[::-1])
    assert sorted(needed) == sorted(set(texts))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.keys.txt"
        write_needed_texts(path, needed)
        if needed:
            assert given_files.read_keys(path) == tuple(needed)


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "\0", "ab\0", "\ufeffab"])
def test_a_text_that_would_not_come_back_is_not_listed(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line break"):
        write_needed_texts(tmp_path / "texts.txt", [text])
    assert not (tmp_path / "texts.txt").exists()


class Bomb:
    def __reduce__(self) -> Any:
        return pytest.fail, ("unpickled",)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "mine.npy"
    stream = io.BytesIO()
    np.save(stream, np.array([Bomb()], dtype=object), allow_pickle=True)
    for content in (stream.getvalue(), pickle.dumps(Bomb())):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"can be read|not floating-point"):
            read_given(path)


@pytest.mark.parametrize("write", WRITERS)
def test_files_that_are_cut_or_altered(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path / "mine", KEYS, vectors())
    whole = path.read_bytes()
    for content in (b"", whole[:-20], whole[:40], b"x" * 200):
        path.write_bytes(content)
        with pytest.raises(InputError, match="can be read"):
            read_given(path)


def test_a_header_that_claims_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.npy"
    header = io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 512)}
    np.lib.format.write_array_header_1_0(header, claim)
    path.write_bytes(header.getvalue() + b"\0" * 64)
    with pytest.raises(InputError, match="can be read"):
        read_given(path)


@pytest.mark.parametrize("write", [as_safetensors, as_parquet, as_fixed_parquet])
def test_what_does_not_fit_into_memory_is_refused_before(
    tmp_path: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "mine", KEYS, vectors())
    monkeypatch.setattr(given_files, "MAX_BYTES", 9 * 5 * 4 - 1)
    with pytest.raises(InputError, match=r"into memory[\s\S]*180[\s\S]*\.npy"):
        read_given(path)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("keys", "matrix", "said"),
    [
        ([*KEYS[:-1], "s000"], vectors(), r"occur twice[\s\S]*'s000'"),
        (KEYS, np.arange(45).reshape(9, 5), "not floating-point"),
        ([*KEYS[:4], "", *KEYS[5:]], vectors(), "without a key"),
    ],
)
def test_wrong_keys_and_numbers(
    tmp_path: Path, write: Callable[..., Path], keys: list[str], matrix: np.ndarray, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read_given(write(tmp_path / "mine", keys, matrix))


@pytest.mark.parametrize("write", [as_npy, as_safetensors, as_safetensors_with_bytes])
def test_another_number_of_keys_or_axes(tmp_path: Path, write: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"one key a row[\s\S]*9 keys[\s\S]*8 keys"):
        read_given(write(tmp_path / "mine", KEYS[:-1], vectors()))
    with pytest.raises(InputError, match="two axes"):
        read_given(write(tmp_path / "mine", KEYS, vectors()[:, 0].copy()))


def test_parquet_that_is_not_vectors(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path = tmp_path / "mine.parquet"
    for columns, said in (
        ({"key": ["a"], "vector": [[1.0]]}, "column is missing"),
        ({"key": ["a"], "feature": ["text"]}, "not floating-point"),
        ({"key": ["a", "b"], "feature": [[1.0], [1.0, 2.0]]}, "different lengths"),
        ({"key": ["a", "b"], "feature": [[1.0], None]}, "missing"),
        ({"key": ["a"], "feature": [[None, 1.0]]}, "missing"),
        ({"key": [1], "feature": [[1.0]]}, "key is not a text"),
        ({"key": ["a", None], "feature": [[1.0], [2.0]]}, "key is not a text"),
        ({"key": ["a"], "feature": [[]]}, "two axes|not floating-point"),
    ):
        parquet.write_table(pa.table(columns), path)
        with pytest.raises(InputError, match=said):
            read_given(path)
    parquet.write_table(pa.table({"key": ["a", "b"], "feature": [[1.0], [1.0, 2.0]]}), path, row_group_size=1)
    with pytest.raises(InputError, match="different lengths"):
        read_given(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name in ("mine.pt", "mine.npz", "mine"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(InputError, match=r"can be read[\s\S]*parquet"):
            read_given(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        read_given(tmp_path / "none.npy")
    np.save(tmp_path / "alone.npy", vectors())
    with pytest.raises(InputError, match=r"keys of these features are missing[\s\S]*alone\.keys\.txt"):
        read_given(tmp_path / "alone.npy")
    (tmp_path / "alone.keys.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ClayEvalError):
        read_given(tmp_path / "alone.npy")


def test_bfloat16_is_read(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    matrix = torch.from_numpy(vectors()).to(torch.bfloat16)
    save_file({"features": matrix}, tmp_path / "x.safetensors", {"keys": json.dumps(KEYS)})
    features = read_given(tmp_path / "x.safetensors")
    assert features.matrix.dtype == np.float32
    assert np.array_equal(features.matrix, matrix.float().numpy())


def test_a_byte_order_mark_is_no_part_of_a_key(tmp_path: Path) -> None:
    path = as_npy(tmp_path / "x", KEYS, vectors())
    beside = tmp_path / "x.keys.txt"
    beside.write_bytes(b"\xef\xbb\xbf" + beside.read_bytes())
    assert read_given(path).keys == tuple(KEYS)
    other = as_safetensors_with_bytes(tmp_path / "y", ["\ufeffs000", *KEYS[1:]], vectors())
    assert read_given(other).keys == tuple(KEYS)


def test_keys_and_texts_in_either_unicode_form(tmp_path: Path) -> None:
    texts = read_given(as_npy(tmp_path / "t", ["cafe\u0301", "b"], vectors(rows=2)))
    images = read_given(as_npy(tmp_path / "i", KEYS, vectors()))
    encoder = GivenEncoder(images, texts)
    assert np.array_equal(encoder.rows_of_texts(["caf\u00e9"]), texts.matrix[:1])
    both = read_given(as_npy(tmp_path / "u", ["cafe\u0301", "caf\u00e9"], vectors(rows=2)))
    assert np.array_equal(GivenEncoder(images, both).rows_of_texts(["caf\u00e9"]), both.matrix[1:])
