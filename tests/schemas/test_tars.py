"""Tars: byte for byte those of webdataset's TarWriter, with the digest of what lies on the disk."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval.schemas import tars
from clay_eval.schemas.errors import StorageError
from clay_eval.schemas.fingerprint import canonical_json
from clay_eval.schemas.shards import KEY_PATTERN, ShardSample, write_shard
from clay_eval.schemas.tars import HashedFile, closing, member_header, parse_plain

NAMES = [KEY_PATTERN.pattern.strip("^$"), "[a-z]{90,120}"]


def by_webdataset(samples: list[ShardSample]) -> bytes:
    stream = io.BytesIO()
    with webdataset.TarWriter(stream, mtime=0, encoder=False, format="PAX_FORMAT") as writer:
        for sample in samples:
            text = canonical_json(sample.record).encode()
            writer.write({"__key__": sample.key, sample.extension: sample.image, "json": text})
    return stream.getvalue()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of([st.from_regex(name, fullmatch=True) for name in NAMES]),
            st.sampled_from(["jpg", "png", "webp"]),
            st.integers(0, 30_000),
            st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers(), max_size=3),
        ),
        unique_by=lambda row: row[0],
        max_size=5,
    )
)
def test_shards_are_those_of_webdataset(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    samples = [ShardSample(k, e, random.Random(n).randbytes(n), record) for k, e, n, record in rows]
    path = tmp_path_factory.mktemp("tar") / "s.tar"
    facts = write_shard(path, samples)
    assert path.read_bytes() == by_webdataset(samples)
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts.bytes == path.stat().st_size


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 8**11 - 1, 8**11, 1 << 40])
@pytest.mark.parametrize(
    "name", ["a.jpg", "b" * 100, "c" * 101, "d" * 124 + ".json", "é.jpg", "f/" * 60 + "g"]
)
def test_headers_are_those_of_tarfile(name: str, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.uname, member.gname = size, 0o444, "bigdata", "bigdata"
    assert member_header(name, size) == member.tobuf(tarfile.PAX_FORMAT)


@given(st.from_regex("[a-z./-]{1,100}", fullmatch=True), st.integers(0, 8**11 - 1), st.integers(0, 4095))
def test_plain_headers_are_read_as_tarfile_reads_them_and_no_others(name: str, size: int, bit: int) -> None:
    header = member_header(name, size)
    assert parse_plain(header) == (name, size)
    read = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
    assert (read.name, read.size, read.type) == (name, size, tarfile.REGTYPE)
    damaged = bytearray(header)
    damaged[bit // 8] ^= 1 << bit % 8
    assert parse_plain(damaged) is None
    assert parse_plain(header[: bit // 8]) is None


@pytest.mark.parametrize("name", ["é.jpg", "a" * 101, "b" * 140])
def test_other_headers_are_left_to_tarfile(name: str) -> None:
    assert parse_plain(member_header(name, 5)[:512]) is None
    assert parse_plain(member_header("a", 8**11)[:512]) is None
    assert parse_plain(bytes(512)) is None


class TakesLittle(io.FileIO):
    """A disk that takes a part of what it is given at a time."""

    def write(self, data: Any) -> int:
        return super().write(memoryview(data)[:777])


def test_a_disk_that_takes_little_at_a_time_gets_everything(tmp_path: Path) -> None:
    data = random.Random(0).randbytes(3_000_001)
    with (
        io.BufferedWriter(TakesLittle(tmp_path / "f", "w")) as stream,  # as open() would give it
        HashedFile(stream) as file,
    ):
        for start in range(0, len(data), 10_240):
            assert file.write(data[start : start + 10_240]) == len(data[start : start + 10_240])
        digest = file.sha256()
    assert (tmp_path / "f").read_bytes() == data
    assert digest == hashlib.sha256(data).hexdigest()


def test_writing_does_not_wait_for_torch(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from clay_eval.schemas.shards import ShardSample, write_shard
write_shard(Path(sys.argv[1]), [ShardSample("a", "jpg", b"x", {})])
heavy = {"torch", "webdataset"} & set(sys.modules)
import webdataset
assert issubclass(webdataset.WebDataset, sys.modules["torch"].utils.data.IterableDataset)
sys.exit(", ".join(heavy) or 0)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "s.tar")]
    process = subprocess.run(command, check=False, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "s.tar").read_bytes() == by_webdataset([ShardSample("a", "jpg", b"x", {})])


def test_a_header_with_a_negative_length_is_none_of_ours() -> None:
    header = bytearray(member_header("a.jpg", 1))
    header[124:135] = b"-0000000001"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert tarfile.TarInfo.frombuf(header, "utf-8", "strict").size == -1
    assert parse_plain(header) is None


@pytest.mark.parametrize("blocks", [0, 1, 17, 18, 19, 20, 21, 200])
def test_a_tar_ends_with_two_blocks_and_a_whole_record(blocks: int) -> None:
    end = closing(512 * blocks)
    assert set(end) == {0}
    assert 1024 <= len(end) < 1024 + 10_240
    assert (512 * blocks + len(end)) % 10_240 == 0


def test_large_files_are_gathered_hashed_and_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(tars, "_GATHER", 1000)
    monkeypatch.setattr(tars, "_SYNC_EVERY", 5000)
    monkeypatch.setattr(tars, "_SYNC", synced.append)
    data = [random.Random(n).randbytes(n) for n in range(0, 900, 7)]
    with (tmp_path / "f").open("wb") as stream, HashedFile(stream) as file:
        for piece in data:
            for part in (piece, b"", piece[:3]):
                file.write(part)
        digest = file.sha256()
        handle = stream.fileno()
    whole = b"".join(piece + piece[:3] for piece in data)
    assert (tmp_path / "f").read_bytes() == whole
    assert (file.bytes, digest) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert synced
    assert set(synced) == {handle}


def test_an_error_of_the_disk_in_the_background_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tars, "_SYNC_EVERY", 10)
    monkeypatch.setattr(tars, "_SYNC", full)
    with pytest.raises(StorageError, match="the disk is full"):
        write_shard(tmp_path / "s.tar", [ShardSample("a", "jpg", b"x" * 5000, {})])
    assert list(tmp_path.iterdir()) == []
