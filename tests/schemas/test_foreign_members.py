"""Which members of a stranger's tar make samples: no picture and no JSON goes without a word."""

from __future__ import annotations

import io
import math
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clay_eval.schemas.errors import IntegrityError
from clay_eval.schemas.foreign_members import choose_members
from clay_eval.schemas.shards import foreign_members, read_shard


def tar_of(path: Path, *names: str, record: bytes = b"{}") -> Path:
    with tarfile.open(path, "w") as tar:
        for name in names:
            data = record if name.endswith(".json") else b"picture"
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    ("names", "keys", "left_out"),
    [
        (["a.jpg", "a.json"], ["a"], {}),
        (["take 2.0.png", "take 2.0.json", "b.png", "b.json"], ["take 2.0", "b"], {}),
        (["v1.000.png", "v1.000.json", "v1.001.json", "v1.001.PNG"], ["v1.000", "v1.001"], {}),
        (["d.x/a.b.jpg", "d.x/a.b.json"], ["d.x/a.b"], {}),
        (["a.png", "a.json", "a.2.png", "a.2.json"], ["a", "a.2"], {}),
        (["a.png", "a.json", "a.mask.png", "a.meta.json"], ["a"], {".mask.png": 1, ".meta.json": 1}),
        (["a.rgb.png", "a.json"], ["a"], {}),
        (["a.json", "a.txt", "a.png", "README"], ["a"], {".txt": 1, "without an extension": 1}),
        (["._a.png", "a.png", "._a.json", "a.json", "__MACOSX/a.png"], ["a"], {"hidden": 3}),
        (["caf\u00e9.png", "cafe\u0301.json"], ["caf\u00e9"], {}),
        (["a.png", "a.json", "a.tif"], ["a"], {".tif": 1}),
    ],
)
def test_samples(tmp_path: Path, names: list[str], keys: list[str], left_out: dict[str, int]) -> None:
    path = tar_of(tmp_path / "x.tar", *names)
    assert [sample.key for sample in read_shard(path, strict=False)] == keys
    assert dict(foreign_members(path).left_out) == left_out


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0.left.png", "0.right.png", "0.json"], r"between 2 pictures[\s\S]*0\.left\.png, 0\.right\.png"),
        (["0.png", "0.a.json", "0.b.json"], r"between 2 JSON files[\s\S]*0\.a\.json, 0\.b\.json"),
        (["v1.0.png", "v1.0.json", "v1.1.png"], r"v1\.1[\s\S]*no json"),
        (["v1.0.png", "v1.0.json", "v1.1.json"], r"v1\.1[\s\S]*no image"),
        (["v1.0.png", "v1.1.json"], "incomplete"),
        (["0.bmp", "0.json"], r"not read[\s\S]*\.bmp[\s\S]*convert"),
        (["0.json", "0.TIFF"], r"not read[\s\S]*\.tiff"),
    ],
)
def test_what_cannot_be_told(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        list(read_shard(tar_of(tmp_path / "x.tar", *names), strict=False))


_PARTS = st.sampled_from(["a", "b", "1", "png", "json", "txt", "left"])


@given(st.lists(st.lists(_PARTS, min_size=1, max_size=4).map(".".join), unique=True, max_size=12))
def test_every_member_is_taken_counted_or_named(names: list[str]) -> None:
    try:
        members = choose_members(names, Path("x.tar"))
    except IntegrityError:
        return
    assert sum(taken is not None for taken in members.taken) + members.left_out.total() == len(names)


def test_numbers_that_are_none_bar_no_sample(tmp_path: Path) -> None:
    record = b'{"a": NaN, "b": Infinity, "c": 1e999, "d": 0.5}'
    path = tar_of(tmp_path / "x.tar", "a.png", "a.json", record=record)
    (sample,) = read_shard(path, strict=False)
    assert math.isnan(sample.record["a"])
    assert sample.record["b"] == sample.record["c"] == math.inf
    assert sample.record["d"] == 0.5
    with pytest.raises(IntegrityError, match="not one that clay-eval writes"):
        list(read_shard(path))
