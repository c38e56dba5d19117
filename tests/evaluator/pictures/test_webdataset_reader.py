"""Shards as a webdataset: every sample once, whatever the workers; nothing of a stranger's tar is run or trusted."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import webdataset
from PIL import Image
from small_runs import keys_of, render_run
from torch.utils.data import DataLoader

from clay_eval import open_shards
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.manifest import read_manifest


def png(width: int = 4, height: int = 4) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(stream, "PNG")
    return stream.getvalue()


def write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


LABELS = {"color": "red"}
JSON = json.dumps({"labels": LABELS}).encode()


class Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def keys(folder: Path, **options: Any) -> list[str]:
    return [sample["__key__"] for sample in open_shards(folder, **options)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_run(tmp_path_factory.mktemp("made"), 30)


@pytest.mark.parametrize("below", ["", "shards"])
def test_workers_read_every_sample_once(made: Path, below: str) -> None:
    data = open_shards(made / below, shardshuffle=10, seed=0).shuffle(7)
    assert isinstance(data, webdataset.WebDataset)
    tars = [f for f in read_manifest(made / "shards")["files"] if f["samples"] is not None]
    assert len(tars) > 1
    pairs = data.to_tuple("__key__", "__url__", "labels")
    read = list(DataLoader(pairs, batch_size=None, num_workers=2))
    assert sorted(key for key, _, _ in read) == sorted(keys_of(made)[0])
    assert {Path(url).name for _, url, _ in read} == {file["name"] for file in tars}
    assert all(labels and all(map(str, labels.values())) for _, _, labels in read)


def test_it_goes_to_workers_that_are_spawned(made: Path) -> None:
    data = pickle.loads(pickle.dumps(open_shards(made).to_tuple("__key__")))  # noqa: S301 - as a DataLoader does
    assert [key for (key,) in data] == keys_of(made)[0]


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_more_workers_than_tars(made: Path) -> None:
    assert len(list(DataLoader(open_shards(made), batch_size=None, num_workers=5))) == len(keys_of(made)[0])


def test_without_workers_in_the_order_of_the_manifest_again_and_again(made: Path) -> None:
    data = open_shards(str(made), sha256=True)
    for _ in range(2):
        samples = list(data)
        assert [sample["__key__"] for sample in samples] == keys_of(made)[0]
    assert set(samples[0]) == {"__key__", "__url__", "image", "labels"}
    assert samples[0]["image"].mode == "RGB"


def test_an_entity(made: Path) -> None:
    (entity,) = {file["entity"] for file in read_manifest(made / "shards")["files"] if file["entity"]}
    assert keys(made, entity=entity) == keys_of(made)[0]
    with pytest.raises(InputError, match="no such entity"):
        open_shards(made, "nobody")


def test_a_cut_or_changed_shard_is_refused_at_once(made: Path, tmp_path: Path) -> None:
    run = render_run(tmp_path, 10)
    path = next((run / "shards").glob("*.tar"))
    whole = path.read_bytes()
    place = whole.index(b"\0" * 30, 600) - 40
    path.write_bytes(whole[:place] + b"?" + whole[place + 1 :])
    open_shards(run)
    with pytest.raises(IntegrityError, match="another sha256"):
        open_shards(run, sha256=True)
    path.write_bytes(whole[:-10_240])
    with pytest.raises(IntegrityError, match="not the one in the manifest"):
        open_shards(run)
    path.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        open_shards(run)
    (run / "shards" / "manifest.json").unlink()
    for folder in (run, run / "shards"):
        with pytest.raises(InputError, match="not finished"):
            open_shards(folder)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_cut_tar_made_elsewhere_is_an_error_while_reading(tmp_path: Path, workers: int) -> None:
    members = [(f"{n}.{kind}", data) for n in range(4) for kind, data in (("png", png()), ("json", JSON))]
    path = write_tar(tmp_path / "a.tar", members)
    assert keys(tmp_path) == ["0", "1", "2", "3"]
    path.write_bytes(path.read_bytes()[: 512 * 14])
    # webdataset itself reads the rest without a word
    assert list(webdataset.WebDataset([str(path)], shardshuffle=False))
    with pytest.raises(IntegrityError, match="the tar"):
        list(DataLoader(open_shards(tmp_path), batch_size=None, num_workers=workers))


def test_pickles_and_what_else_lies_in_a_tar_are_not_read(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    data = pickle.dumps(Trap(trap))
    members = [("a.json", JSON), ("a.png", png()), ("a.pyd", data), ("b.txt", b"no sample")]
    write_tar(tmp_path / "a.tar", members)
    (sample,) = open_shards(tmp_path)
    assert set(sample) == {"__key__", "__url__", "image", "labels"}
    assert not trap.exists()
    list(webdataset.WebDataset([str(tmp_path / "a.tar")], shardshuffle=False).decode())
    assert trap.exists()  # it would have


def test_no_pipes_urls_or_patterns(tmp_path: Path) -> None:
    for name in ("pipe:touch x.tar", "http:host.tar", "{a,b}.tar", "${HOME}.tar", "a::b.tar", "a?b#c.tar"):
        write_tar(tmp_path / name, [("a.json", JSON), ("a.png", png())])
    assert keys(tmp_path) == ["a"] * 6
    assert not (tmp_path / "x.tar").exists()
    os.mkfifo(tmp_path / "z.tar")
    with pytest.raises(InputError, match="named pipe"):
        keys(tmp_path)


@pytest.mark.parametrize(
    ("picture", "caps", "error"),
    [
        (png(300, 300), {"max_pixels": 80_000}, InputError),
        (png(), {"max_bytes": 20}, IntegrityError),
        (png(1, 4000), {}, InputError),
        (b"GIF89a", {}, IntegrityError),
        (png(60, 60)[:90], {}, IntegrityError),
    ],
)
def test_pictures_over_a_cap_or_damaged(
    tmp_path: Path, picture: bytes, caps: dict[str, int], error: type[Exception]
) -> None:
    write_tar(tmp_path / "a.tar", [("a.json", JSON), ("a.png", picture)])
    with pytest.raises(error, match=r"a\.tar"):
        list(open_shards(tmp_path, **caps))


def test_keys_with_dots_and_folders(tmp_path: Path) -> None:
    members = [
        (f"{key}.{kind}", data)
        for key in ("x/take 2.0", "x/v1.5")
        for kind, data in (("json", JSON), ("png", png()))
    ]
    write_tar(tmp_path / "a.tar", members)
    assert keys(tmp_path) == ["x/take 2.0", "x/v1.5"]
    assert keys(tmp_path / "a.tar") == ["x/take 2.0", "x/v1.5"]


def test_labels_of_tars_made_elsewhere(tmp_path: Path) -> None:
    write_tar(
        tmp_path / "a.tar", [("a.json", JSON), ("a.png", png()), ("b.json", b'{"n": 3}'), ("b.png", png())]
    )
    assert [sample["labels"] for sample in open_shards(tmp_path)] == [LABELS, {"n": 3}]
    with pytest.raises(InputError, match="made elsewhere"):
        open_shards(tmp_path, "demo-object")


def test_no_shards(tmp_path: Path, foreign_shard: Callable[..., Path]) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="no shards here"):
            open_shards(folder)
    (tmp_path / "a.tar.gz").write_bytes(b"")
    with pytest.raises(InputError, match="unpack the tars first"):
        open_shards(tmp_path)
