"""Errors for people: what kinds they are, and that handlers of ValueErrors leave them as they are."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from clay_eval.evaluator.embedding.given_files import read_parquet, read_safetensors
from clay_eval.evaluator.methods.support.importing import import_target
from clay_eval.schemas.decoding import decode_image
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.validate import parse_json
from clay_eval.schemas.verify import _labels_agree


def test_an_input_error_is_a_value_error_too_and_stays_whole_when_it_is_copied() -> None:
    error = InputError("wrong", where="here", expected=1, found=2, hint="right")
    assert isinstance(error, ValueError)
    assert not isinstance(IntegrityError("damaged"), ValueError)
    again = copy.copy(error)
    assert (type(again), str(again)) == (InputError, str(error))
    assert str(error) == "wrong\n  where:    here\n  expected: 1\n  found:    2\n  try:      right"


def of_wide_text(folder: Path) -> object:
    return parse_json('{"a": 1}'.encode("utf-16"), folder)


def of_a_large_picture(folder: Path) -> object:
    ppm = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (9).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0\0\0\0\0"
    return decode_image(ppm, folder, max_pixels=80)


def of_tensors_without_features(folder: Path) -> object:
    save_file({}, folder / "f.safetensors", {"a": "b"})
    return read_safetensors(folder / "f.safetensors")


def of_a_table_of_texts(folder: Path) -> object:
    pq.write_table(pa.table({"key": ["a"], "feature": ["b"]}), folder / "f.parquet")
    return read_parquet(folder / "f.parquet")


def of_a_module_that_refuses(folder: Path) -> object:
    (folder / "refusing.py").write_text(
        "from clay_eval.schemas.errors import InputError\nraise InputError('this machine has no such card')"
    )
    sys.path.insert(0, str(folder))
    try:
        return import_target("refusing:Method")
    finally:
        sys.path.remove(str(folder))


def of_rows_that_cannot_be_read(folder: Path) -> object:
    def rows() -> Iterator[dict[str, str]]:
        yield {"a": "b"}
        raise InputError("shard not found")

    (folder / "labels.csv").write_bytes(b"a\r\nb\r\n")
    return _labels_agree(folder / "labels.csv", ["a"], rows())


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (of_wide_text, "not UTF-8 text"),
        (of_a_large_picture, "a picture is too large to decode safely"),
        (of_tensors_without_features, "no features in this file"),
        (of_a_table_of_texts, "features are not floating-point numbers"),
        (of_a_module_that_refuses, "this machine has no such card"),
        (of_rows_that_cannot_be_read, "shard not found"),
    ],
)
def test_handlers_of_value_errors_leave_input_errors_alone(
    read: Callable[[Path], object], what: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert caught.value.what == what
