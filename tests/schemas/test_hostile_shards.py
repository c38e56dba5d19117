"""Tars that others made, by mistake or to mislead: none hangs, crashes, fills the memory or is read as if it were whole."""

from __future__ import annotations

import builtins
import io
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clay_eval.schemas.errors import IntegrityError
from clay_eval.schemas.shards import Limits, ShardSample, read_shard

BLOCK = 512
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
Member = tuple[str, bytes] | tarfile.TarInfo


def foreign(path: Path, *members: Member, form: int = tarfile.PAX_FORMAT, end: bool = True) -> Path:
    """A tar by Python's own tarfile: (name, bytes) with the header that clay-eval writes, or a bare TarInfo."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size, info.mode = len(member[1]), 0o444
                info.uname = info.gname = "bigdata"
                tar.addfile(info, io.BytesIO(member[1]))
        length = stream.tell()
    path.write_bytes(stream.getvalue() if end else stream.getvalue()[:length])
    return path


def keys(path: Path, **options: Any) -> list[str]:
    return [s.key for s in read_shard(path, **options)]


class _Bomb:
    def __reduce__(self) -> Any:
        return builtins.exec, ("raise SystemExit('unpickled')",)


@pytest.mark.parametrize("extension", ["pyd", "pkl", "pickle", "pth", "npy"])
def test_nothing_is_ever_unpickled(tmp_path: Path, extension: str) -> None:
    bomb = pickle.dumps(_Bomb())
    path = foreign(tmp_path / "f.tar", (f"a.{extension}", bomb), ("a.jpg", b"picture"), ("a.json", b"{}"))
    assert list(read_shard(path, strict=False)) == [ShardSample("a", "jpg", b"picture", {})]
    with pytest.raises(IntegrityError):
        keys(path)
    code = "import sys, clay_eval.schemas.shards; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def special(kind: bytes, name: str = "a.jpg", **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    for field, value in fields.items():
        setattr(info, field, value)
    return info


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE,
     tarfile.GNUTYPE_SPARSE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGLINK, b"Q"],
)  # fmt: skip
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes, strict: bool) -> None:
    for place in range(2):
        members: list[Member] = [("b.jpg", b"1"), ("b.json", b"{}")]
        members.insert(2 * place, special(kind))
        with pytest.raises(IntegrityError):
            keys(foreign(tmp_path / "f.tar", *members), strict=strict)


def test_folders_are_for_others_tars_only(tmp_path: Path) -> None:
    path = foreign(
        tmp_path / "f.tar",
        special(tarfile.DIRTYPE, "x", size=0),
        ("x/a.b.seg.png", b"not the picture"),
        ("x/a.JPG", b"picture"),
        ("x/a.json", b"{}"),
        ("x/a.txt", b"words"),
        ("./c.png", b"2"),
        ("./c.json", b'{"d": 1}'),
    )
    assert [(s.key, s.extension, s.image) for s in read_shard(path, strict=False)] == [
        ("x/a", "jpg", b"picture"),
        ("c", "png", b"2"),
    ]
    for members in ([special(tarfile.DIRTYPE, "x")], [("x/a.jpg", b""), ("x/a.json", b"{}")]):
        with pytest.raises(IntegrityError):
            keys(foreign(tmp_path / "g.tar", *members))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.jpg", b"1"), ("a.json", b"{}"), ("a.jpg", b"2")], "same member twice"),
        ([("a.jpg", b"1"), ("a.png", b"1"), ("a.json", b"{}")], "same member twice"),
        ([("a.json", b"{}"), ("a.json", b"{}"), ("a.jpg", b"1")], "same member twice"),
        ([("a.jpg", b""), ("a.json", b"{}"), ("b.jpg", b""), ("b.json", b"{}")] * 2, "key stands twice"),
        ([("a.jpg", b"1"), ("b.jpg", b"1"), ("a.json", b"{}"), ("b.json", b"{}")], "incomplete"),
        ([("a.jpg", b"1")], "incomplete"),
        ([("a.json", b"{}")], "incomplete"),
        ([("a.jpg", b"1"), ("a.json", b"[1]")], "not an object"),
        ([("a.jpg", b"1"), ("a.json", b"null")], "not an object"),
        ([("a.jpg", b"1"), ("a.json", b'{"x": 1, "x": 1}')], "stands twice"),
        ([("a.jpg", b"1"), ("a.json", b"{")], "not valid JSON"),
        ([("a.jpg", b"1"), ("a.json", b"\xff{}")], "not UTF-8"),
        ([("a.jpg", b"1"), ("a.json", b"[" * 100_000)], "nested too deeply"),
        ([("a.jpg", b"1" * 2000), ("a.json", b"{}")], "too large"),
        ([("a.jpg", b"1"), ("a.json", b'{"x": "' + b"1" * 1000 + b'"}')], "too large"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_malformed_samples(tmp_path: Path, members: list[Member], message: str, strict: bool) -> None:
    path = foreign(tmp_path / "f.tar", *members)
    limits = Limits(image_bytes=1999, json_bytes=1000) if message == "too large" else None
    with pytest.raises(IntegrityError, match=message):
        keys(path, strict=strict, limits=limits)


@pytest.mark.parametrize("name", ["A", "1a", "_a", "a b", "a\n", "é", "../a", "/a", "a.b", "x/a", "."])
def test_strict_keys(tmp_path: Path, name: str) -> None:
    with pytest.raises(IntegrityError):
        keys(foreign(tmp_path / "f.tar", (f"{name}.jpg", b"1"), (f"{name}.json", b"{}")))


def test_compressed_tars_are_not_opened(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "f.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"))
    with pytest.raises(IntegrityError, match="uncompressed"):
        keys(tmp_path / "f.tar", strict=False)


def checksummed(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def with_size(name: str, size: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    header = bytearray(special(kind, name).tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = size
    return checksummed(header)


EMPTY = b"%011o\0" % 0
NEGATIVE = b"\xff" * 10 + b"\xfe\x00"  # base-256: -512, so that the next header would be this one again
HUGE = b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7


def pax(*records: bytes) -> bytes:
    """A POSIX extended header with these records."""
    return with_size("x", b"%011o\0" % BLOCK, tarfile.XHDTYPE) + b"".join(records).ljust(BLOCK, b"\0")


@pytest.mark.parametrize(
    "data",
    [
        with_size("a.jpg", NEGATIVE),
        with_size("skipped.txt", NEGATIVE),
        with_size("folder/", NEGATIVE, tarfile.DIRTYPE),
        with_size("x", NEGATIVE, tarfile.XHDTYPE),
        with_size("x", NEGATIVE, tarfile.GNUTYPE_LONGNAME),
        with_size("a.jpg", HUGE),
        with_size("skipped.txt", HUGE),
        with_size("x", HUGE, tarfile.XHDTYPE),
        with_size("x", b"77777777777\0", tarfile.GNUTYPE_LONGNAME),
        with_size("a.jpg", b"not a number"),
        pax(b"15 size=-00512\n") + with_size("y.txt", EMPTY),
        pax(b"16 size=1000000\n") + with_size("y.txt", EMPTY),
        with_size("x", b"00000000000\0", tarfile.XHDTYPE) * 5000,
        with_size("x", b"00000000000\0", tarfile.GNUTYPE_LONGNAME) * 5000,
        pax(b"22 GNU.sparse.major=1\n", b"22 GNU.sparse.minor=0\n") + with_size("y.jpg", EMPTY),
        pax(b"9" * 500),
        pax(b"0 a=b\n"),
        pax(b"22 hdrcharset=\xff\xfe\xfd\n"),
    ],
    ids=range(18),
)  # fmt: skip
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.timeout(30, func_only=True)
def test_headers_made_to_mislead(tmp_path: Path, data: bytes, strict: bool) -> None:
    """None of these may hang, crash, fill the memory or pass."""
    path = tmp_path / "f.tar"
    good = foreign(tmp_path / "good.tar", ("g.jpg", b"1"), ("g.json", b"{}"), end=False).read_bytes()
    for before in (b"", good):
        path.write_bytes(before + data + bytes(3 * BLOCK))
        with pytest.raises(IntegrityError):
            keys(path, strict=strict)


def test_a_long_header_is_not_read_at_once(
    peak: Callable[[Callable[[], object]], int], tmp_path: Path
) -> None:
    path = tmp_path / "f.tar"
    size = 64 << 20
    with path.open("wb") as stream:
        stream.write(with_size("x", b"%011o\0" % size, tarfile.XHDTYPE))
        stream.truncate(size + 4 * BLOCK)  # sparse on disk

    def read() -> None:
        with pytest.raises(IntegrityError):
            keys(path, strict=False)

    assert peak(read) < 4 << 20


def test_a_folder_has_no_content_whatever_length_it_claims(tmp_path: Path) -> None:
    good = foreign(tmp_path / "g.tar", ("a.jpg", b"1"), ("a.json", b"{}"), end=False).read_bytes()
    folder = with_size("x/", b"%011o\0" % 4096, tarfile.DIRTYPE)
    path = tmp_path / "f.tar"
    path.write_bytes(good + folder + bytes(2 * BLOCK))
    assert keys(path, strict=False) == ["a"]
    path.write_bytes(good + folder + b"hidden".ljust(4096, b"x") + bytes(2 * BLOCK))
    with pytest.raises(IntegrityError):
        keys(path, strict=False)
