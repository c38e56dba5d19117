from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clay_eval.evaluator.pictures.labelled import ImageSource, pictures
from clay_eval.evaluator.pictures.names import unique_keys
from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.evaluator.pictures.sources import ClayShards, ForeignShards, ImageFolder
from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.schemas.manifest import Provenance, Tally, write_manifest
from clay_eval.schemas.shards import ShardSample, read_shard, write_shard


def picture(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def clay_shards(folder: Path, per_shard: int = 3) -> Path:
    """Two entities; the first in two shards."""
    folder.mkdir(parents=True)
    names = []
    for entity, count in (("cat", 2 * per_shard), ("dog", per_shard)):
        for start in range(0, count, per_shard):
            samples = []
            for i in range(start, start + per_shard):
                key = f"{entity}{i:03d}"
                labels = {"color": ["red", "blue"][i % 2], "breed": f"b{i % 3}"}
                record = {"key": key, "entity": entity, "labels": labels, "diversity": {"light": "noon"}}
                samples.append(ShardSample(key, "png", picture(i), record))
            names.append(f"{entity}-test-{start // per_shard:05d}.tar")
            write_shard(folder / names[-1], samples)
    facts = {"attributes": ["color", "breed"], "diversity": ["light"], "spec": "0" * 64}
    entities = {"cat": {**facts, "parents": {"breed": "color"}}, "dog": {**facts, "parents": {}}}
    planned = Tally()
    for name in names:
        for sample in read_shard(folder / name):
            planned.add(sample.record["entity"], sample.record["labels"], sample.record["diversity"])
    write_manifest(folder, names, entities, Provenance("0" * 64, {"type": "procedural"}, None, 3, planned))
    return folder


def image_folder(folder: Path, table: str | bytes | None = None) -> Path:
    (folder / "sub").mkdir(parents=True)
    for i, name in enumerate(("a.png", "b.PNG", "sub/a.png", "sub/c d.png")):
        (folder / name).write_bytes(picture(i))
    table = table or (
        'file,Color,Sub Category\na.png,red,x\nb.PNG,blue,y\nsub/a.png,red,y\n./sub/c d.png,"dark, green",x\n'
    )
    (folder / "labels.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    return folder


@pytest.fixture
def makers(foreign_shard: Callable[..., Path]) -> dict[str, Callable[[Path], Path]]:
    samples = [(f"d/{i}", {"labels": {"a": i % 2, "b": i % 3}}) for i in range(6)]
    return {
        "clay": clay_shards,
        "foreign": lambda folder: foreign_shard(folder / "x.tar", samples).parent,
        "folder": image_folder,
    }


@pytest.mark.parametrize("kind", ["clay", "foreign", "folder"])
def test_what_every_source_promises(
    kind: str, makers: dict[str, Callable[[Path], Path]], tmp_path: Path
) -> None:
    source = open_source(makers[kind](tmp_path / "in"))
    assert isinstance(source, ImageSource)
    for entity, labels in source.entities.items():
        units = [unit for unit in source.units() if unit.entity == entity]
        assert labels.keys == tuple(key for unit in units for key in unit.keys)
        assert len(set(labels.keys)) == len(labels.keys) > 1
        assert all(re.fullmatch(r"[a-z][A-Za-z0-9_-]*", key) for key in labels.keys)
        for column in labels.labels.values():
            assert len(column) == len(labels.keys)
        for unit in units:
            read = list(source.images(unit))
            assert tuple(key for key, _ in read) == unit.keys
            assert all(data.startswith(b"\x89PNG") for _, data in read)
        assert pictures(source, entity, [labels.keys[-1]]) == {labels.keys[-1]: dict(read)[labels.keys[-1]]}
    assert len({unit.name for unit in source.units()}) == len(source.units())
    again = open_source(makers[kind](tmp_path / "elsewhere" / "in"))
    assert again.fingerprint == source.fingerprint
    assert again.units() == source.units()


def test_pictures_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody"):
        pictures(open_source(image_folder(tmp_path / "in")), "in", ["nobody"])


def test_clay_shards(tmp_path: Path) -> None:
    source = ClayShards(clay_shards(tmp_path / "run" / "shards"))
    assert list(source.entities) == ["cat", "dog"]
    cats = source.entities["cat"]
    assert cats.keys == tuple(f"cat{i:03d}" for i in range(6))
    assert cats.labels == {"color": ("red", "blue") * 3, "breed": ("b0", "b1", "b2") * 2}
    assert cats.parents == {"breed": "color"}
    assert [unit.name for unit in source.units()] == ["cat-test-00000", "cat-test-00001", "dog-test-00000"]
    manifest = json.loads((tmp_path / "run" / "shards" / "manifest.json").read_text())
    assert source.fingerprint == manifest["fingerprint"]
    assert open_source(tmp_path / "run").units() == source.units()
    only = open_source(tmp_path / "run", entity="dog")
    assert [unit.entity for unit in only.units()] == ["dog"]
    assert only.fingerprint != source.fingerprint
    with pytest.raises(InputError, match="no such entity"):
        open_source(tmp_path / "run", entity="cow")
    with pytest.raises(InputError, match="fixed by the manifest"):
        open_source(tmp_path / "run", parents={"a": "b"})


def test_a_release_is_read_by_its_own_folder(tmp_path: Path) -> None:
    shards = clay_shards(tmp_path / "release" / "data")
    source = open_source(tmp_path / "release")
    assert isinstance(source, ClayShards)
    assert source.units() == open_source(shards).units()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "cat-test-00001.tar").unlink(), "missing"),
        (lambda folder: flip(folder / "cat-test-00001.tar", 700), "not the one in the manifest"),
        (lambda folder: cut(folder / "dog-test-00000.tar"), "not the one in the manifest"),
        (lambda folder: flip(folder / "manifest.json", 40), "changed|JSON"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "JSON"),
    ],
)
def test_damaged_clay_shards(tmp_path: Path, harm: Callable[[Path], None], message: str) -> None:
    folder = clay_shards(tmp_path / "shards")
    harm(folder)
    with pytest.raises(IntegrityError, match=message):
        open_source(folder)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-512])


def test_shards_that_change_in_use(tmp_path: Path) -> None:
    source = open_source(clay_shards(tmp_path / "shards"))
    flip(tmp_path / "shards" / "cat-test-00000.tar", 700)
    with pytest.raises(IntegrityError, match="changed while it was in use"):
        next(source.images(source.units()[0]))


def test_image_folder(tmp_path: Path) -> None:
    source = ImageFolder(image_folder(tmp_path / "My pets"))
    (labels,) = source.entities.values()
    assert labels.entity == "my-pets"
    assert labels.keys == ("a", "b", "sub-a", "sub-c-d")
    assert labels.labels == {
        "color": ("red", "blue", "red", "dark, green"),
        "sub_category": ("x", "y", "y", "x"),
    }
    assert open_source(tmp_path / "My pets", parents={"Sub Category": "color"}).entities[
        "my-pets"
    ].parents == {"sub_category": "color"}
    assert list(open_source(tmp_path / "My pets", conditions=["Color"]).entities["my-pets"].labels) == [
        "color"
    ]


def test_changes_show_in_the_hashes(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in")
    before = open_source(folder)
    table = (folder / "labels.csv").read_text()
    (folder / "labels.csv").write_text(table.replace("blue", "green"))
    relabelled = open_source(folder)
    assert relabelled.units() == before.units()
    assert relabelled.fingerprint != before.fingerprint
    (folder / "a.png").write_bytes(picture(99))
    repainted = open_source(folder)
    assert repainted.units()[0].sha256 != before.units()[0].sha256
    with pytest.raises(IntegrityError, match="changed while it was in use"):
        list(before.images(before.units()[0]))


def test_folder_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clay_eval.evaluator.pictures.sources.UNIT_IMAGES", 3)
    folder = image_folder(tmp_path / "in")
    units = open_source(folder).units()
    assert [(unit.name, len(unit.keys)) for unit in units] == [("in-00000", 3), ("in-00001", 1)]
    (folder / "sub/c d.png").write_bytes(picture(9))
    after = open_source(folder).units()
    assert [a.sha256 == b.sha256 for a, b in zip(units, after, strict=True)] == [True, False]


@pytest.mark.parametrize(
    "table",
    [
        "\ufefffile,c\r\na.png,x\r\nb.PNG,y\r\n",
        "c,Filename\nx,a.png\ny,b.PNG",
        "image,c\na.png,x\n\n  \nb.PNG, y \n,\n",
        'path,c\n"a.png",x\nb.PNG,y\n',
        "file_name,c\na.png,x\nb.PNG,y\n",
    ],
)
def test_tables_that_are_fine(tmp_path: Path, table: str) -> None:
    (labels,) = open_source(image_folder(tmp_path / "in", table)).entities.values()
    assert labels.keys == ("a", "b")
    assert labels.labels == {"c": ("x", "y")}


def test_key_columns(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in", "key,file,c\nk1,a.png,x\nk2,sub/a.png,y\n")
    assert open_source(folder).units()[0].keys == ("k1", "k2")
    (folder / "labels.csv").write_text("key,c\na,x\nsub/a,y\n")
    assert open_source(folder).units()[0].keys == ("a", "sub-a")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,c\na.png,x\nnone.png,y\n", r"missing[\s\S]*line 3 column 'file'[\s\S]*none\.png"),
        ("file,c\na.png,x\nsub\\a.png,y\n", r"missing[\s\S]*write paths with /"),
        ("file,c\na.png,x\na.png,y\n", r"a file stands twice[\s\S]*line 3 column 'file'[\s\S]*line 2"),
        ("file,c\na.png,x\n./a.png,y\n", r"a file stands twice"),
        ("key,file,c\nk,a.png,x\nk,b.PNG,y\n", r"a key stands twice[\s\S]*line 3 column 'key'"),
        ("key,c\na,x\na,y\n", r"stands twice[\s\S]*line 3"),
        ("key,c\na,x\nzz,y\n", r"missing[\s\S]*line 3 column 'key'"),
        ("file,c\na.png,x\nb.PNG,\n", r"empty cell[\s\S]*line 3 column 'c'"),
        ("file,c\n,x\nb.PNG,y\n", r"empty cell[\s\S]*line 2 column 'file'"),
        ("file,c,d\na.png,x,1\nb.PNG,x,2\n", r"same value for 'c'"),
        ("file\na.png\nb.PNG\n", "no condition"),
        ("name,c\na.png,x\nb.PNG,y\n", r"cannot tell which column[\s\S]*'name'"),
        ("file,path,c\na.png,a.png,x\n", "cannot tell which column"),
        ("file;c\na.png;x\nb.PNG;y\n", r"cannot tell[\s\S]*by commas"),
        ("file,c,c\na.png,x,y\n", "two columns have the same name"),
        ("file,c,C\na.png,x,1\nb.PNG,y,2\n", "two conditions have the same name"),
        ("file,c,\na.png,x,y\n", r"a column has no name[\s\S]*column 3"),
        ("file,c\na.png,x,z\n", r"more or fewer cells[\s\S]*line 2"),
        ('file,c\na.png,"x\nb.PNG,y\n', "not a readable CSV"),
        ('file,c\na.png,"x"y\nb.PNG,y\n', r"not a readable CSV[\s\S]*line 2"),
        ("file,c\n", "no labelled picture"),
        ("\n", "no labelled picture"),
        (b"file,c\na.png,\xff\n", "not UTF-8"),
        ("file,c\n../in/a.png,x\nb.PNG,y\n", r"leads out[\s\S]*line 2 column 'file'"),
        ("file,c\n/etc/passwd,x\nb.PNG,y\n", "leads out"),
        ("file,c\nsub,x\nb.PNG,y\n", "missing"),
        ("file,c\nlabels.csv,x\nb.PNG,y\n", "not a picture's name"),
        ("file,c\n" + "x" * 500 + ".png,x\nb.PNG,y\n", "missing"),
        ("file,2\na.png,x\nb.PNG,y\n", "name of a condition"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, table: str | bytes, message: str) -> None:
    folder = image_folder(tmp_path / "in", table)
    with pytest.raises(InputError, match=message) as caught:
        open_source(folder)
    assert "labels.csv" in str(caught.value)


def test_links(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture(1))
    folder = image_folder(tmp_path / "in", "file,c\nlink.png,x\nb.PNG,y\n")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match="a link leads out"):
        open_source(folder)
    (folder / "link.png").unlink()
    (folder / "link.png").symlink_to(folder / "a.png")
    assert open_source(folder).units()[0].keys == ("link", "b")
    (folder / "link.png").unlink()
    os.mkfifo(folder / "link.png")
    with pytest.raises(InputError, match="missing"):
        open_source(folder)


@pytest.mark.parametrize(
    ("parents", "message"),
    [
        ({"color": "nope"}, "no such condition"),
        ({"nope": "color"}, "no such condition"),
        ({"color": "color"}, "circle"),
        ({"color": "sub_category", "sub_category": "color"}, "circle"),
    ],
)
def test_parents_that_make_no_sense(tmp_path: Path, parents: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_source(image_folder(tmp_path / "in"), parents=parents)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no labelled pictures[\s\S]*labels\.csv"):
        open_source(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        open_source(tmp_path / "none")
    with pytest.raises(InputError, match="entity's name"):
        open_source(image_folder(tmp_path / "in"), entity="../x")
    with pytest.raises(InputError, match="no such column"):
        open_source(tmp_path / "in", conditions=["nope"])


def test_a_foreign_manifest_is_not_ours(foreign_shard: Callable[..., Path], tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in")
    (folder / "manifest.json").write_text('{"name": "an app"}')
    assert isinstance(open_source(folder), ImageFolder)
    (folder / "labels.csv").unlink()
    foreign_shard(folder / "a.tar", [(str(i), {"a": i % 2}) for i in range(6)])
    assert isinstance(open_source(folder), ForeignShards)


@given(st.lists(st.text(min_size=1, max_size=130), unique=True))
def test_unique_keys(names: list[str]) -> None:
    keys = unique_keys(names, names)
    assert len(set(keys)) == len(names)
    assert all(re.fullmatch(r"[a-z][A-Za-z0-9_-]{0,119}", key) for key in keys)
    assert unique_keys(names[::-1], names[::-1])[::-1] == keys


@given(st.lists(st.lists(st.text(max_size=8), max_size=4), max_size=4))
def test_any_table_reads_or_is_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("t")
    stream = io.StringIO()
    csv.writer(stream).writerows([["file", "c"], *rows])
    (folder / "labels.csv").write_bytes(stream.getvalue().encode("utf-8", "replace"))
    with pytest.raises(ClayEvalError):
        open_source(folder)
