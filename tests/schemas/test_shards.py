"""Shards: the same bytes twice, readable by webdataset, and nothing cut or damaged is read as if it were whole."""

from __future__ import annotations

import json
import random
import tarfile
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
        if place >= mark + 2 * BLOCK and not strict:
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


def test_no_file_or_no_plain_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "none.tar", tmp_path, tmp_path / "file" / "s.tar"):
        with pytest.raises(InputError) as caught:
            keys(path)
        assert str(path) in str(caught.value)


def test_reading_holds_one_sample_at_a_time(
    peak: Callable[[Callable[[], object]], int], tmp_path: Path
) -> None:
    path = tmp_path / "s.tar"
    write_shard(path, (sample(i, 200_000) for i in range(50)))

    def read() -> None:
        for found in read_shard(path):
            assert len(found.image) == 200_000

    assert peak(read) < 4 << 20


def test_the_json_is_canonical(tmp_path: Path) -> None:
    write_shard(tmp_path / "s.tar", [ShardSample("a", "jpg", b"", {"b": 1, "a": 2})])
    with tarfile.open(tmp_path / "s.tar") as tar:
        member = tar.extractfile("a.json")
        assert member is not None
        assert member.read().decode() == canonical_json({"a": 2, "b": 1})
