"""Own pictures as people really keep them: class folders, Hugging Face's tables, stray files, other Unicode forms."""

from __future__ import annotations

import io
import json
import shutil
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clay_eval.evaluator.pictures.notes import identical_pictures, notes_of
from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.evaluator.pictures.sources import ForeignShards, ImageFolder
from clay_eval.schemas.errors import InputError

CAFE = "caf\u00e9"
DECOMPOSED = unicodedata.normalize("NFD", CAFE)


def picture(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def folder_of(folder: Path, names: Iterable[str]) -> Path:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(i))
    return folder


def labels_of(path: Path, **options: object) -> dict[str, tuple[str, ...]]:
    (labels,) = open_source(path, **options).entities.values()  # type: ignore[arg-type]
    return dict(labels.labels)


def notes(path: Path, **options: object) -> str:
    return "\n".join(notes_of(open_source(path, **options)))  # type: ignore[arg-type]


CLASSES = [f"{color}/{i}.png" for color in ("blue", "red") for i in range(2)]


def test_class_folders(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", CLASSES)
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x.png").write_bytes(picture(9))
    source = open_source(folder)
    assert isinstance(source, ImageFolder)
    assert labels_of(folder) == {"class": ("blue", "blue", "red", "red")}
    assert source.units()[0].keys == ("blue-0", "blue-1", "red-0", "red-1")
    assert labels_of(folder, conditions=["Colour"]) == {"colour": ("blue", "blue", "red", "red")}
    with pytest.raises(InputError, match="one condition"):
        open_source(folder, conditions=["a", "b"])


def test_class_folders_of_splits_are_read_together(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [f"{split}/{name}" for split in ("train", "test") for name in CLASSES])
    assert labels_of(folder) == {"class": ("blue", "blue", "red", "red") * 2}
    assert "splits read together: 'test', 'train'" in notes(folder)


def test_what_class_folders_leave_out_is_said(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [*CLASSES, "loose.png", "red/deeper/3.png", "red/4.bmp", "blue/5.tiff"])
    assert labels_of(folder)["class"].count("red") == 3
    assert "1 picture in no folder of a class, left out: 'loose.png'" in notes(folder)
    assert "2 pictures of formats that are not read, left out: 'blue/5.tiff', 'red/4.bmp'" in notes(folder)
    with pytest.raises(InputError, match="same value for 'class'"):
        open_source(folder_of(tmp_path / "one", ["images/a.png", "images/b.png"]))


ROWS = [("a.png", "red"), ("b.png", "blue"), ("c.png", "red")]


def test_hugging_face_metadata(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [name for name, _ in ROWS])
    table = "".join(f"{name},{color}\n" for name, color in ROWS)
    (folder / "metadata.csv").write_bytes(f"\ufefffile_name,color\n{table}".encode())
    assert labels_of(folder) == {"color": ("red", "blue", "red")}
    (folder / "metadata.csv").unlink()
    lines = [
        json.dumps(
            {"file_name": name, "color": color, "box": [1, 2], "score": float("nan"), "wide": i % 2 == 0}
        )
        for i, (name, color) in enumerate(ROWS)
    ]
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    assert labels_of(folder) == {"color": ("red", "blue", "red"), "wide": ("true", "false", "true")}
    assert "'box', 'score' (not a text" in notes(folder)
    (folder / "metadata.jsonl").write_text("\n".join(lines) + '\n{"file_name": "d.png"\n')
    with pytest.raises(InputError, match="line 4"):
        open_source(folder)


def test_hugging_face_metadata_in_folders_of_splits(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [f"{split}/{name}" for split in ("test", "train") for name, _ in ROWS])
    table = "file_name,color\n" + "".join(f"{name},{color}\n" for name, color in ROWS)
    for split in ("test", "train"):
        (folder / split / "metadata.csv").write_text(table)
    assert labels_of(folder) == {"color": ("red", "blue", "red") * 2}
    assert open_source(folder).units()[0].keys[:1] == ("test-a",)
    (folder / "test" / "metadata.csv").write_text(table.replace("color", "hue"))
    with pytest.raises(InputError, match="other columns"):
        open_source(folder)


def test_a_table_wins_over_stray_tars(foreign_shard: Callable[..., Path], tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [*(name for name, _ in ROWS), "d.png", ".e.png"])
    (folder / "labels.csv").write_text("file,c\na.png,x\nb.png,y\nc.png,x\n")
    foreign_shard(folder / "backup.tar", [("0", {"a": 1})])
    assert isinstance(open_source(folder), ImageFolder)
    assert "tars left out, since pictures lie in the folder: 'backup.tar'" in notes(folder)
    assert "1 picture of the folder in no table, left out: 'd.png'" in notes(folder)


def test_hidden_tars_are_no_shards(foreign_shard: Callable[..., Path], tmp_path: Path) -> None:
    foreign_shard(tmp_path / "x.tar", [(str(i), {"a": i % 2}) for i in range(4)], extra=False)
    (tmp_path / "._x.tar").write_bytes(b"\0\5\x16\7" * 30)
    (tmp_path / "y.tar.gz").write_bytes(b"")
    assert isinstance(open_source(tmp_path), ForeignShards)
    assert "'._x.tar'" in notes(tmp_path)
    assert "packed tars left out; unpack them to .tar first: 'y.tar.gz'" in notes(tmp_path)


def test_tars_with_our_own_labels_table_are_tars(foreign_shard: Callable[..., Path], tmp_path: Path) -> None:
    foreign_shard(tmp_path / "x.tar", [(str(i), {"a": i % 2}) for i in range(4)])
    (tmp_path / "labels.csv").write_text("key,entity,shard,a\ns0,x,x.tar,0\n")
    assert isinstance(open_source(tmp_path), ForeignShards)


def test_names_in_either_unicode_form(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [f"{DECOMPOSED}/{DECOMPOSED}{i}.png" for i in range(3)])
    table = "file,c\n" + "".join(f"{CAFE}/{CAFE}{i}.png,v{i % 2}\n" for i in range(3))
    (folder / "labels.csv").write_text(table)
    source = open_source(folder)
    assert [len(data) > 0 for _, data in source.images(source.units()[0])] == [True] * 3
    shutil.move(folder / DECOMPOSED, folder / CAFE)
    for path in list((folder / CAFE).iterdir()):
        path.rename(path.with_name(unicodedata.normalize("NFC", path.name)))
    assert open_source(folder).fingerprint == source.fingerprint
    (folder / "labels.csv").write_text(table + f"{CAFE}/{DECOMPOSED}0.png,v0\n")
    with pytest.raises(InputError, match="a file stands twice"):
        open_source(folder)
    (folder / "labels.csv").write_text(table.replace(f"{CAFE}0.png", f"{CAFE.upper()}0.png"))
    with pytest.raises(InputError, match="names differ in case"):
        open_source(folder)


def test_absolute_paths_into_the_folder(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", [name for name, _ in ROWS])
    (folder / "labels.csv").write_text("file,c\n" + "".join(f"{folder / name},{c}\n" for name, c in ROWS))
    assert open_source(folder).units()[0].keys == ("a", "b", "c")
    folder_of(tmp_path / "in2", ["a.png"])
    for wrong in (tmp_path / "in2" / "a.png", folder / ".." / "in2" / "a.png", Path("/etc/passwd")):
        (folder / "labels.csv").write_text(f"file,c\n{wrong},x\nb.png,y\n")
        with pytest.raises(InputError, match="leads out of the folder"):
            open_source(folder)


def test_formats_that_are_not_read_say_convert(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ["a.bmp", "b.png"])
    (folder / "labels.csv").write_text("file,c\na.bmp,x\nb.png,y\n")
    with pytest.raises(InputError, match=r"line 2 column 'file'[\s\S]*convert"):
        open_source(folder)


def test_identical_pictures(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ["red/a.png", "red/b.png", "blue/c.png", "blue/d.png"])
    shutil.copy(folder / "red/a.png", folder / "red/b.png")
    assert "1 picture the same, byte for byte, as another: 'red/a.png and red/b.png'" in notes(folder)
    assert "UNLIKE" not in notes(folder)
    shutil.copy(folder / "red/a.png", folder / "blue/c.png")
    first = notes_of(open_source(folder))[0]
    assert first.startswith("IDENTICAL PICTURES WITH UNLIKE LABELS, in 1 group")
    assert "blue/c.png (class=blue) and red/a.png (class=red)" in first
    assert identical_pictures(["a", "b"], [1, 2], {"c": ["x", "y"]}) == []


def test_nothing_but_a_hint(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-0.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"no labelled pictures[\s\S]*hugging-face:"):
        open_source(tmp_path)


def test_notes_are_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = folder_of(tmp_path, [*CLASSES, "loose.png"])
    open_source(folder)
    assert caplog.text.count("loose.png") == 1
