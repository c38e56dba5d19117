"""Single pictures by row, and folders that nobody has labelled."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clay_eval.evaluator.pictures import unlabelled
from clay_eval.evaluator.pictures.access import PictureReader
from clay_eval.evaluator.pictures.labelled import Unit
from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.evaluator.pictures.unlabelled import UnlabelledFolder
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.shards import picture_places


def png(shade: int, side: int = 8) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (shade, shade, 10)).save(stream, "PNG")
    return stream.getvalue()


def foreign_tar(path: Path, count: int = 6) -> Path:
    """A tar as others write it: folders, and members beside picture and JSON."""
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            record = json.dumps({"labels": {"color": ("red", "blue")[number % 2]}}).encode()
            for name, data in (
                (f"d/p{number}.txt", b"x"),
                (f"d/p{number}.png", png(number)),
                (f"d/p{number}.json", record),
            ):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def check_all(source: Any) -> None:
    """Every picture by its row is the one that the source streams."""
    reader = PictureReader(source)
    for entity, labels in source.entities.items():
        streamed = [
            data for unit in source.units() if unit.entity == entity for _, data in source.images(unit)
        ]
        assert [reader.read(entity, row) for row in range(len(labels.keys))] == streamed
        for row in (-1, len(labels.keys), 10**9):
            with pytest.raises(InputError, match="no such picture"):
                reader.read(entity, row)
    with pytest.raises(InputError, match="no such picture"):
        reader.read("nothing", 0)


def test_pictures_of_shards_tars_and_folders_by_row(finished: Path, own_folder: Path, tmp_path: Path) -> None:
    check_all(open_source(finished))
    check_all(open_source(own_folder))
    check_all(open_source(foreign_tar(tmp_path / "x.tar")))


def test_places_are_read_from_headers_alone(tmp_path: Path) -> None:
    path = foreign_tar(tmp_path / "x.tar")
    data = path.read_bytes()
    for number, (offset, size) in enumerate(picture_places(path, strict=False)):
        assert data[offset : offset + size] == png(number)


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1024], lambda data: data + bytes(1024), lambda data: data[::-1]]
)
def test_a_tar_that_changes_is_told(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    path = foreign_tar(tmp_path / "x.tar")
    for touched_before in (True, False):
        reader = PictureReader(open_source(path))
        if touched_before:
            reader.read("x", 0)
        before = path.read_bytes()
        path.write_bytes(change(before))
        os.utime(path, ns=(1, 1))
        with pytest.raises(IntegrityError, match="changed"):
            reader.read("x", 1)
        path.write_bytes(before)


def test_a_file_that_changes_is_told(own_folder: Path) -> None:
    reader = PictureReader(open_source(own_folder))
    (own_folder / "img" / "00.png").write_bytes(png(1))
    with pytest.raises(IntegrityError, match="changed"):
        reader.read("things", 0)
    (own_folder / "img" / "00.png").unlink()
    with pytest.raises(InputError, match="not found"):
        reader.read("things", 0)


def test_a_source_that_streams_whole_units_is_read_too() -> None:
    class Streams:
        def __init__(self) -> None:
            self.entities: dict[str, Any] = {}

        def units(self) -> tuple[Unit, ...]:
            return (Unit("u", "0", "e", ("a", "b")),)

        def images(self, unit: Unit) -> Any:
            return iter([("a", b"1"), ("b", b"2")])

    reader = PictureReader(Streams())  # type: ignore[arg-type]
    assert [reader.read("e", 0), reader.read("e", 1)] == [b"1", b"2"]


def photographs(folder: Path) -> Path:
    (folder / "more").mkdir(parents=True)
    for name, shade in (("b.png", 1), ("a.png", 2), ("more/a.png", 3), ("<b>.png", 4), ("więcej.png", 5)):
        (folder / name).write_bytes(png(shade))
    return folder


def test_every_picture_below_is_there_with_its_name(tmp_path: Path) -> None:
    source = UnlabelledFolder(photographs(tmp_path / "My photos"))
    (labels,) = source.entities.values()
    assert dict(labels.labels) == {}
    assert sorted(source.names.values()) == ["<b>.png", "a.png", "b.png", "more/a.png", "więcej.png"]
    assert len(set(labels.keys)) == 5
    check_all(source)


def test_what_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "photos")
    (folder / "cut.png").write_bytes(png(9)[:45])
    (folder / "text.jpg").write_text("no picture")
    (folder / "empty.webp").write_bytes(b"")
    (folder / "old.tiff").write_bytes(b"II*\0")
    (folder / "out.png").symlink_to("/etc/hostname")
    (folder / ".hidden.png").write_bytes(png(1))
    os.mkfifo(folder / "pipe.png")
    source = UnlabelledFolder(folder)
    assert len(source.names) == 5
    said = " ".join(source.notes)
    assert "cut.png" in said
    assert "old.tiff" in said
    assert "5 pictures that cannot be read" in said


def test_a_folder_without_a_readable_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture that can be read"):
        UnlabelledFolder(tmp_path)
    (tmp_path / "a.heic").write_bytes(b"x")
    (tmp_path / "b.png").write_bytes(b"x")
    with pytest.raises(InputError, match="convert such pictures"):
        UnlabelledFolder(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        UnlabelledFolder(tmp_path / "none")


def test_contents_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, kept = photographs(tmp_path / "photos"), tmp_path / "kept" / "decoded.json"
    (folder / "cut.png").write_bytes(png(9)[:45])
    decoded: list[str] = []
    whole = unlabelled.decode_image
    monkeypatch.setattr(
        unlabelled, "decode_image", lambda data, name: decoded.append(name) or whole(data, name)
    )
    first = UnlabelledFolder(folder, kept=kept)
    assert len(decoded) == 6
    (folder / "new.png").write_bytes(png(77))
    (folder / "renamed.png").write_bytes((folder / "a.png").read_bytes())
    second = UnlabelledFolder(folder, kept=kept)
    assert decoded[6:] == ["new.png"]
    assert len(second.names) == len(first.names) + 2
    for broken in ("", "{", "[]", '{"schema": "clay-eval/decoded/1", "faults": {"x": 3}}'):
        kept.write_text(broken)
        assert len(UnlabelledFolder(folder, kept=kept).names) == len(second.names)
