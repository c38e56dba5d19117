"""Files of strangers are opened without a wait and read without an allowance in advance."""

from __future__ import annotations

import os
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from clay_eval.schemas import validate
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.failures import read_failures
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.reading import (
    check_regular,
    check_regular_below,
    open_regular,
    read_bytes,
    refuse_missing,
)
from clay_eval.schemas.samples import read_plan
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.texts import load_texts
from clay_eval.schemas.validate import parse_json, read_json, read_sealed, read_text


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        for name, kind in [
            ("fifo", "named pipe"),
            ("link", "named pipe"),
            ("socket", "cannot read"),
            ("", "folder"),
            ("/dev/null", "character device"),
        ]:
            with pytest.raises(InputError, match=kind) as caught:
                open_regular(tmp_path / name)
            assert caught.value.where == str(tmp_path / name)


def test_links_to_regular_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_bytes(tmp_path / "link", 5) == b"12345"
    assert read_bytes(Path("/proc/self/stat"), 1 << 16), "its size is said to be 0"


def test_a_limit_costs_no_memory(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"{}")
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(1 << 30)
    tracemalloc.start()
    try:
        read_bytes(tmp_path / "small", 1 << 28)
        with pytest.raises(InputError, match="too large"):
            read_bytes(tmp_path / "large", 1 << 28)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "marked").write_text('\ufeff{"a": 1}', "utf-8")
    assert read_text(tmp_path / "marked") == '{"a": 1}'
    assert parse_json((tmp_path / "marked").read_bytes(), "marked") == {"a": 1}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_wide_text_is_named(tmp_path: Path, encoding: str) -> None:
    data = '{"a": 1}'.encode(encoding)
    (tmp_path / "wide").write_bytes(data)
    for read in (lambda: read_text(tmp_path / "wide"), lambda: parse_json(data, tmp_path / "wide")):
        with pytest.raises(InputError, match="not UTF-8 text") as caught:
            read()
        assert "UTF-16" in str(caught.value)
        assert "iconv" in str(caught.value)


def test_a_repeated_key_is_named_in_one_pass() -> None:
    many = ", ".join(f'"k{i}": 0' for i in range(100_000))
    with pytest.raises(InputError, match="'k99999' stands twice"):
        parse_json("{" + many + ', "k99999": 1}', "record")


def test_files_that_libraries_open_are_looked_at_first(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_bytes(b"1")
    (tmp_path / "dangling").symlink_to("nowhere")
    check_regular(tmp_path / "sub" / "file")
    check_regular_below(tmp_path)
    os.mkfifo(tmp_path / "sub" / "fifo")
    with pytest.raises(InputError, match="model file not found"):
        check_regular(tmp_path / "none", "model file")
    with pytest.raises(InputError, match="named pipe") as caught:
        check_regular_below(tmp_path)
    assert caught.value.where == str(tmp_path / "sub" / "fifo")
    (tmp_path / "sub" / "fifo").unlink()
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="character device"):
        check_regular_below(tmp_path)


@pytest.mark.parametrize("target", ["fifo", "/dev/zero"])
@pytest.mark.parametrize(
    "read",
    [
        file_sha256,
        lambda path: list(read_plan(path)),
        read_failures,
        lambda path: list(read_shard(path)),
        read_text,
        lambda path: read_json(path, "entity-spec"),
        lambda path: read_sealed(path, "manifest"),
        load_texts,
        load_entity,
    ],
    ids=["sha256", "plan", "failures", "shard", "text", "json", "sealed", "texts", "entity"],
)
def test_no_reader_waits_for_a_pipe_or_reads_a_device(
    read: Callable[[Path], object], target: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link.json").symlink_to(target)
    with pytest.raises(InputError, match=r"found a (named pipe|character device)"):
        read(tmp_path / "link.json")


def test_json_with_too_many_values_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "MAX_VALUES", 1000)
    assert len(parse_json("[" + "[]," * 498 + "[]]", "a")) == 499
    for text in ("[" + "[]," * 1000 + "[]]", "[" + "1," * 1000 + "1]", "[" + "{}," * 500 + "{}]"):
        with pytest.raises(InputError, match=r"not valid JSON[\s\S]*more than 1000 values"):
            parse_json(text, "a")
    assert parse_json(f'"{"word " * 300}"', "a")


@pytest.mark.parametrize(
    "name",
    ["./none.safetensors", "../none", "/none/at/all", "~/none-at-all", "x.safetensors", "C:\\model", "./a:b"],
)
def test_a_name_that_can_only_be_a_path_says_that_nothing_is_there(name: str) -> None:
    with pytest.raises(InputError, match="no such file or folder") as caught:
        refuse_missing(name, f"--encoder {name}", "a folder")
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "name", ["ViT-B-32", "org/name", "ViT-B-32:laion2b", "ViT-B-32:w.safetensors", "hf-hub:a/b", "/"]
)
def test_other_names_pass(name: str) -> None:
    refuse_missing(name, "--encoder", "a folder")
