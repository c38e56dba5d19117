"""MATLAB files: as scipy reads them; damaged ones never more than an error."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from clay_eval.evaluator.pictures.benchmarks import mat_files
from clay_eval.evaluator.pictures.benchmarks.mat_files import read_mat
from clay_eval.schemas.errors import InputError


def saved(content: dict[str, Any], compressed: bool = False) -> bytes:
    stream = io.BytesIO()
    savemat(stream, content, do_compression=compressed)
    return stream.getvalue()


def annotations(count: int = 3) -> np.ndarray[Any, Any]:
    found = np.empty((1, count), dtype=[("class", object), ("fname", object)])
    for place in range(count):
        found[0, place] = (place + 1, f"{place:05d}.jpg")
    return found


NAMES = np.array([["Audi TT", "Ram C/V Van", "Müller", ""]], dtype=object)
CONTENT = {
    "other": np.eye(2),
    "labels": np.array([[1, 77, 102]], np.uint8),
    "wide": np.arange(6, dtype=np.int32).reshape(2, 3),
    "floats": np.array([[0.5, -1e300]]),
    "names": NAMES,
    "annotations": annotations(),
}
WHOLE = saved(CONTENT)


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_texts_cells_and_structs_are_those_of_scipy(compressed: bool) -> None:
    data = saved(CONTENT, compressed)
    theirs = loadmat(io.BytesIO(data))
    for name in ("other", "labels", "wide", "floats"):
        assert read_mat(data, name, "x") == theirs[name].ravel(order="F").tolist()
    assert read_mat(data, "names", "x") == [
        str(cell[0]) if cell.size else "" for cell in theirs["names"].ravel()
    ]
    assert read_mat(data, "annotations", "x") == [
        {"class": one["class"].ravel().tolist(), "fname": str(one["fname"][0])}
        for one in theirs["annotations"].ravel()
    ]


def test_big_endian_files() -> None:
    text = "hé".encode("utf-16-be")

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    flags = element(6, struct.pack(">II", 4, 0))
    body = flags + element(5, struct.pack(">ii", 1, 2)) + element(1, b"word") + element(4, text)
    data = b"MATLAB".ljust(124) + b"\x01\x00MI" + element(14, body)
    assert read_mat(data, "word", "x") == "hé"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MATLAB",
        bytes(128),
        bytes(126) + b"IM",
        bytes(126) + b"IM" + b"\xff" * 16,
        WHOLE[:200],
        WHOLE[:-40],
    ],
)
def test_what_is_no_such_file(data: bytes) -> None:
    with pytest.raises(InputError):
        read_mat(data, "annotations", "file.mat")


def test_a_name_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(InputError, match="without its variable") as caught:
        read_mat(WHOLE, "label", "file.mat")
    assert "'labels'" in str(caught.value)


@pytest.mark.parametrize(
    "content", [{"x": np.array(["ab", "cd"])}, {"x": __import__("scipy.sparse").sparse.eye(3)}]
)
def test_kinds_that_are_not_read(content: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="not a readable MATLAB file"):
        read_mat(saved(content), "x", "file.mat")


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mat_files, "MAX_BYTES", 1000)
    packed = zlib.compress(bytes(100_000))
    data = bytes(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(packed)) + packed
    with pytest.raises(InputError, match="more than 1000 bytes"):
        read_mat(data, "x", "bomb.mat")


@given(place=st.integers(0, len(WHOLE) - 1), value=st.integers(0, 255), cut=st.integers(0, len(WHOLE)))
def test_no_damage_is_worse_than_an_error(place: int, value: int, cut: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[place] = value
    for data in (bytes(damaged), WHOLE[:cut], bytes(damaged[: max(cut, place)])):
        for name in CONTENT:
            try:
                found = read_mat(data, name, "x")
            except InputError:
                continue
            assert isinstance(found, list)
