"""Shards: the same bytes twice, readable by webdataset, and nothing cut, damaged or hostile is read as if it were whole."""

from __future__ import annotations

import builtins
import io
import json
import pickle
import random
import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import canonical_json, file_sha256
from clay_eval.schemas.shards import KEY_PATTERN, Limits, ShardSample, read_shard, write_shard

BLOCK = 512
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")


def sample(number: int, size: int = 700, key: str | None = None) -> ShardSample:
    key = key or f"toy-{number:03d}"
    image = random.Random(number).randbytes(size)
    return ShardSample(key, "jpg", image, {"key": key, "labels": {"color": "é red"}, "seed": 2**53 - 1})


SAMPLES = [sample(i, size) for i, size in enumerate((700, 0, 512, 1, 1025))]
Member = tuple[str, bytes] | tarfile.TarInfo


def foreign(path: Path, *members: Member, form: int = tarfile.PAX_FORMAT, end: bool = True) -> Path:
    """A tar by Python's own tarfile: (name, bytes), or a bare TarInfo."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
        length = stream.tell()
    path.write_bytes(stream.getvalue() if end else stream.getvalue()[:length])
    return path


def keys(path: Path, **options: Any) -> list[str]:
    return [s.key for s in read_shard(path, **options)]


def test_what_is_written_is_read_and_the_facts_are_true(tmp_path: Path) -> None:
    path = tmp_path / "s.tar"
    facts = write_shard(path, iter(SAMPLES))
    assert list(read_shard(path)) == SAMPLES
    assert (facts.name, facts.samples) == ("s.tar", len(SAMPLES))
    assert facts.bytes == path.stat().st_size
    assert facts.sha256 == file_sha256(path)


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", SAMPLES)
    write_shard(tmp_path / "b.tar", SAMPLES)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = [m.name for m in tar]
        assert {(m.mtime, m.uid, m.gid, m.mode) for m in tar} == {(0, 0, 0, 0o444)}
    assert names == [f"{s.key}.{kind}" for s in SAMPLES for kind in ("jpg", "json")]


def test_webdataset_reads_them(tmp_path: Path) -> None:
    write_shard(tmp_path / "s.tar", SAMPLES)
    found = list(webdataset.WebDataset(str(tmp_path / "s.tar"), shardshuffle=False))
    assert [f["__key__"] for f in found] == [s.key for s in SAMPLES]
    assert [f["jpg"] for f in found] == [s.image for s in SAMPLES]
    assert [json.loads(f["json"]) for f in found] == [s.record for s in SAMPLES]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.from_regex(KEY_PATTERN, fullmatch=True),
            st.sampled_from(["jpg", "jpeg", "png", "webp"]),
            st.binary(max_size=1200),
            st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers() | st.none(), max_size=3),
        ),
        unique_by=lambda row: row[0],
        max_size=4,
    )
)
def test_any_samples_go_round(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    path = tmp_path_factory.mktemp("round") / "s.tar"
    samples = [ShardSample(*row) for row in rows]
    assert write_shard(path, samples).samples == len(samples)
    assert list(read_shard(path)) == samples


@pytest.mark.parametrize(
    "bad",
    [
        [sample(1, key="A")],
        [sample(1, key="a.b")],
        [sample(1, key="a/b")],
        [sample(1, key="a\n")],
        [sample(1, key="a" * 121)],
        [ShardSample("a", "pyd", b"", {})],
        [ShardSample("a", "json", b"", {})],
        [sample(1), sample(2), sample(1)],
    ],
)
def test_what_could_not_be_read_is_not_written(tmp_path: Path, bad: list[ShardSample]) -> None:
    with pytest.raises(InputError):
        write_shard(tmp_path / "s.tar", bad)
    assert list(tmp_path.iterdir()) == []


def test_an_exception_of_the_samples_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Any:
        yield SAMPLES[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_shard(tmp_path / "s.tar", failing())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("strict", [True, False])
def test_every_cut_is_noticed_unless_only_padding_went(tmp_path: Path, strict: bool) -> None:
    path = tmp_path / "s.tar"
    write_shard(path, SAMPLES)
    whole = path.read_bytes()
    mark = len(whole.rstrip(b"\0"))
    mark = -(-mark // BLOCK) * BLOCK  # where the last member ends, and the end-of-archive mark begins
    assert mark < len(whole) - 2 * BLOCK, "there is padding that may go"
    places = {*range(0, len(whole), BLOCK), *range(mark - 3 * BLOCK, mark + 3 * BLOCK, 7)}
    places |= {p + d for p in range(BLOCK, mark + 3 * BLOCK, BLOCK) for d in (-1, 1)}
    places |= {*random.Random(0).sample(range(len(whole)), 200)}
    for place in sorted(places):
        path.write_bytes(whole[:place])
        if place >= mark + 2 * BLOCK:
            assert keys(path, strict=strict) == [s.key for s in SAMPLES]
        else:
            with pytest.raises(IntegrityError) as caught:
                keys(path, strict=strict)
            assert str(path) in str(caught.value)


@pytest.mark.parametrize("strict", [True, False])
def test_damage_to_what_is_read_never_ends_in_another_error(tmp_path: Path, strict: bool) -> None:
    """A flipped byte is noticed, or lies in a picture, in unread header fields, or gives other JSON: never a crash."""
    path = tmp_path / "s.tar"
    write_shard(path, SAMPLES)
    whole = path.read_bytes()
    mark = len(whole.rstrip(b"\0"))
    draw = random.Random(1)
    noticed = 0
    for _ in range(400):
        place = draw.randrange(mark)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ draw.randrange(1, 256)]) + whole[place + 1 :])
        try:
            list(read_shard(path, strict=strict))
        except IntegrityError:
            noticed += 1
    assert noticed > 200


def test_bytes_after_the_end_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "s.tar"
    write_shard(path, SAMPLES)
    whole = path.read_bytes()
    mark = -(-len(whole.rstrip(b"\0")) // BLOCK) * BLOCK
    for place in (mark, mark + BLOCK + 5, len(whole) - 1):
        path.write_bytes(whole[:place] + b"x" + whole[place + 1 :])
        with pytest.raises(IntegrityError):
            keys(path)
    path.write_bytes(whole + whole)
    with pytest.raises(IntegrityError):
        keys(path)
    path.write_bytes(whole[:mark] + bytes(BLOCK) + whole)  # a hidden archive behind one block of zeros
    with pytest.raises(IntegrityError):
        keys(path)


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
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


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


def test_too_many_samples(tmp_path: Path) -> None:
    write_shard(tmp_path / "s.tar", SAMPLES)
    assert len(keys(tmp_path / "s.tar", limits=Limits(samples=len(SAMPLES)))) == len(SAMPLES)
    for most in (1, len(SAMPLES) - 2, len(SAMPLES) - 1):
        with pytest.raises(IntegrityError, match="too many"):
            keys(tmp_path / "s.tar", limits=Limits(samples=most))


def test_an_empty_shard_is_a_shard_and_an_empty_file_is_none(tmp_path: Path) -> None:
    assert write_shard(tmp_path / "s.tar", []).samples == 0
    assert keys(tmp_path / "s.tar") == []
    for data in (b"", b"\0", bytes(BLOCK), b"hello", b"x" * 2000):
        (tmp_path / "f.tar").write_bytes(data)
        with pytest.raises(IntegrityError):
            keys(tmp_path / "f.tar")


def test_compressed_tars_are_not_opened(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "f.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"))
    with pytest.raises(IntegrityError, match="uncompressed"):
        keys(tmp_path / "f.tar", strict=False)


def test_no_file_or_no_plain_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "none.tar", tmp_path, tmp_path / "file" / "s.tar"):
        with pytest.raises(InputError) as caught:
            keys(path)
        assert str(path) in str(caught.value)


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
@pytest.mark.timeout(30)
def test_headers_made_to_mislead(tmp_path: Path, data: bytes, strict: bool) -> None:
    """None of these may hang, crash, fill the memory or pass."""
    path = tmp_path / "f.tar"
    good = foreign(tmp_path / "good.tar", ("g.jpg", b"1"), ("g.json", b"{}"), end=False).read_bytes()
    for before in (b"", good):
        path.write_bytes(before + data + bytes(3 * BLOCK))
        with pytest.raises(IntegrityError):
            keys(path, strict=strict)


def test_a_long_header_is_not_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "f.tar"
    size = 64 << 20
    with path.open("wb") as stream:
        stream.write(with_size("x", b"%011o\0" % size, tarfile.XHDTYPE))
        stream.truncate(size + 4 * BLOCK)  # sparse on disk

    def read() -> None:
        with pytest.raises(IntegrityError):
            keys(path, strict=False)

    assert peak(read) < 4 << 20


def test_reading_holds_one_sample_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "s.tar"
    write_shard(path, (sample(i, 200_000) for i in range(50)))

    def read() -> None:
        for found in read_shard(path):
            assert len(found.image) == 200_000

    assert peak(read) < 4 << 20


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_json_is_canonical(tmp_path: Path) -> None:
    write_shard(tmp_path / "s.tar", [ShardSample("a", "jpg", b"", {"b": 1, "a": 2})])
    with tarfile.open(tmp_path / "s.tar") as tar:
        member = tar.extractfile("a.json")
        assert member is not None
        assert member.read().decode() == canonical_json({"a": 2, "b": 1})


def test_a_folder_has_no_content_whatever_length_it_claims(tmp_path: Path) -> None:
    good = foreign(tmp_path / "g.tar", ("a.jpg", b"1"), ("a.json", b"{}"), end=False).read_bytes()
    folder = with_size("x/", b"%011o\0" % 4096, tarfile.DIRTYPE)
    path = tmp_path / "f.tar"
    path.write_bytes(good + folder + bytes(2 * BLOCK))
    assert keys(path, strict=False) == ["a"]
    path.write_bytes(good + folder + b"hidden".ljust(4096, b"x") + bytes(2 * BLOCK))
    with pytest.raises(IntegrityError):
        keys(path, strict=False)
