"""`clay-eval explore`: what it opens, how it begins and ends, and what it says where it cannot."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from clay_eval.schemas.manifest import read_manifest
from clay_eval.stages.exploring import ExploreOptions, open_explorer, place_of
from clay_eval.stages.folders import RunFolder
from clay_eval.stages.inputs import Inputs

Cli = Callable[..., Any]
Start = Callable[..., subprocess.Popen[str]]


@contextmanager
def running(
    start: Start, *arguments: object, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server as a process of its own, with what it said when it answered."""
    process = start("explore", *arguments, "--no-browser", "--json", **environment)
    try:
        assert process.stdout is not None
        said = ""
        while not said.endswith("}\n"):
            line = process.stdout.readline()
            assert line, process.communicate()
            said += line
        yield process, json.loads(said)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def get(address: str, path: str = "", body: Any = None) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(address + path, data), timeout=60) as answer:  # noqa: S310
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


def test_a_run_is_served_and_ends_with_ctrl_c(start: Start, a_run: Path) -> None:
    with running(start, "--out", a_run) as (process, said):
        status, page = get(said["address"])
        assert (status, b"<!DOCTYPE html>" in page) == (200, True)
        about = json.loads(get(said["address"], "api/about")[1])
        assert set(about["entities"]) == {"demo-object", "demo-human"}
        entity = about["entities"]["demo-object"]
        assert {one["name"] for one in entity["conditions"]} == {"category", "subcategory", "color"}
        assert entity["decisions"] is True
        assert get(said["address"], "api/demo-object/picture/0/small")[0] == 200
        assert str(a_run).encode() not in get(said["address"], "api/about")[1]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "ended" in err
        assert "Traceback" not in err


def test_shards_that_change_while_they_are_explored_are_said(start: Start, a_run: Path) -> None:
    with running(start, "--out", a_run, "--entity", "demo-object") as (_, said):
        tar = next((a_run / "shards").glob("demo-object*.tar"))
        data = bytearray(tar.read_bytes())
        data[2000] ^= 1
        tar.write_bytes(data)
        status, body = get(said["address"], "api/demo-object/picture/0/small")
    assert status == 409
    assert "changed" in json.loads(body)["error"]["what"]
    assert str(a_run) not in body.decode()


def test_a_port_in_use_is_said_before_anything_is_embedded(cli: Cli, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = cli(
            "explore", "--data", tmp_path, "--out", tmp_path / "kept", "--port", port, "--no-browser"
        )
    outcome.refused(2, "port is in use", f"--port {port}", "leave out --port")
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to explore"),
        (["--out", "none"], "no shards here"),
        (["--data", "none", "--out", "kept"], "no such folder"),
        (["--labels", "none.csv", "--out", "kept"], "no such table of labels"),
        (["--features", "none.npy"], "no such file"),
    ],
)
def test_what_is_not_there_is_said(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    outcome = cli("explore", *arguments, "--no-browser")
    assert outcome.code == 2
    assert said in outcome.err


def test_vectors_are_kept_in_the_cache_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, second = tmp_path / "one" / "photos", tmp_path / "two" / "photos"
    assert place_of(first, None, None) != place_of(second, None, None)
    assert place_of(first, None, None) == place_of(first, None, None)
    assert place_of(first, None, None).is_relative_to(tmp_path)
    assert place_of(first, None, tmp_path / "out") == tmp_path / "out"


def unlabelled(folder: Path, drawn: list[tuple[str, str, Any]]) -> Path:
    """Pictures in folders, a damaged one and a file of another format among them."""
    for number, (_, _, image) in enumerate(drawn[:20]):
        place = folder / ("trip" if number % 2 else "home")
        place.mkdir(parents=True, exist_ok=True)
        image.save(place / f"photo {number:02d}.png")
    (folder / "home" / "damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    (folder / "home" / "old.bmp").write_bytes(b"BM")
    return folder


def inputs(folder: Path, encoder: Path, **changes: Any) -> Inputs:
    return Inputs(RunFolder(folder), encoder=str(encoder), **changes)


def test_a_folder_without_labels_is_explored_and_its_vectors_kept(
    drawn: list[tuple[str, str, Any]], tiny_encoder: Path, tmp_path: Path
) -> None:
    folder, kept = unlabelled(tmp_path / "photos", drawn), tmp_path / "kept"
    seen: list[tuple[str, int]] = []

    def progress(name: str, done: int, _: int | None) -> None:
        seen.append((name, done))

    bench = open_explorer(inputs(kept, tiny_encoder, data=folder), progress=progress).workbenches["photos"]
    assert len(bench.collection.keys) == 20
    assert dict(bench.collection.labels) == {}
    assert "home/photo 00.png" in bench.collection.names
    assert any("damaged.jpg" in note for note in bench.collection.notes)
    assert any("old.bmp" in note for note in bench.collection.notes)
    assert bench.collection.read is not None
    assert bench.collection.read(0) == (folder / bench.collection.names[0]).read_bytes()
    before = len(seen)
    files = {path: path.stat().st_mtime_ns for path in kept.rglob("*.safetensors")}
    again = open_explorer(inputs(kept, tiny_encoder, data=folder), progress=progress)
    assert again.workbenches["photos"].collection.keys == bench.collection.keys
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*.safetensors")} == files
    assert ("embed", 0) in seen[before:]


def test_labels_that_lie_there_are_read_or_left(own_folder: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    labelled = open_explorer(inputs(tmp_path / "a", tiny_encoder, data=own_folder)).workbenches["things"]
    assert set(labelled.conditions) == {"color", "shape"}
    assert labelled.collection.names[0] == "img/00.png"
    options = ExploreOptions(no_labels=True)
    bare = open_explorer(inputs(tmp_path / "a", tiny_encoder, data=own_folder), options).workbenches["things"]
    assert (dict(bare.collection.labels), dict(bare.conditions)) == ({}, {})


def test_conditions_that_were_kept_are_there_again(
    own_folder: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    options = ExploreOptions(no_labels=True)
    first = open_explorer(inputs(tmp_path / "a", tiny_encoder, data=own_folder), options)
    first.word("things", "Time of day", ["dawn", "noon"], [])
    first.word("things", "color", [], [])
    first.save("things")
    second = open_explorer(inputs(tmp_path / "a", tiny_encoder, data=own_folder), options)
    assert second.workbenches["things"].conditions["time_of_day"].values == ["dawn", "noon"]
    assert len(second.workbenches["things"].conditions["color"].values) > 2


def test_a_condition_that_cannot_be_used_is_a_note(
    tiny_encoder: Path, own_folder: Path, tmp_path: Path
) -> None:
    rows = (own_folder / "labels.csv").read_text().splitlines()
    many = [f"{rows[0]},number", *(f"{row},n{i // 2}" for i, row in enumerate(rows[1:]))]
    (own_folder / "labels.csv").write_text("\n".join(many) + "\n")
    from clay_eval.evaluator.explore import conditions

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(conditions, "MOST_TEXTS", 20)
        bench = open_explorer(inputs(tmp_path / "a", tiny_encoder, data=own_folder)).workbenches["things"]
    assert set(bench.conditions) == {"color", "shape"}
    assert any("number is no condition here" in note for note in bench.about()["notes"])


def vectors(folder: Path) -> Path:
    """Ten vectors with keys."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", np.random.default_rng(0).standard_normal((10, 6)).astype(np.float32))
    (folder / "images.keys.txt").write_text("".join(f"k{i}\n" for i in range(10)))
    return folder / "images.npy"


def test_vectors_alone_are_explored(start: Start, tmp_path: Path) -> None:
    with running(start, "--features", vectors(tmp_path / "given"), XDG_CACHE_HOME=str(tmp_path / "c")) as (
        _,
        said,
    ):
        body = {"values": ["red", "blue"]}
        status, told = get(said["address"], "api/images/conditions/color", body)
        assert status == 400
        assert json.loads(told)["error"]["texts"] == ["a photo of red", "a photo of blue"]
        question = {"query": 0, "weights": {}, "methods": ["raw"], "top": 5}
        found = json.loads(get(said["address"], "api/images/neighbours", question)[1])
        assert len(found["methods"][0]["rows"]) == 5
        assert get(said["address"], "api/images/picture/0/small")[0] == 400


def test_vectors_with_labels_and_texts_are_explored(tmp_path: Path) -> None:
    given = vectors(tmp_path / "given")
    texts = [f"a photo of {value}" for value in ("red", "blue")]
    np.save(tmp_path / "texts.npy", np.eye(6, dtype=np.float32)[:2])
    (tmp_path / "texts.keys.txt").write_text("".join(f"{text}\n" for text in texts))
    table = tmp_path / "labels.csv"
    table.write_text("key,color\n" + "".join(f"k{i},{('red', 'blue')[i % 2]}\n" for i in range(10)))
    own = Inputs(
        RunFolder(tmp_path / "kept"),
        table,
        features=given,
        text_features=tmp_path / "texts.npy",
        pictured=False,
    )
    (bench,) = open_explorer(own).workbenches.values()
    assert bench.conditions["color"].values == ["blue", "red"]
    assert bench.collection.labels["color"][:2] == ("red", "blue")
    assert bench.collection.read is None
    assert not bench.embeds


def test_decisions_of_the_page_are_applied_by_a_review(
    cli: Cli, tiny_encoder: Path, a_run: Path, tmp_path: Path
) -> None:
    explorer = open_explorer(inputs(a_run, tiny_encoder))
    record = explorer.selection_decisions("demo-object", [0, 3], "odd")
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps(record))
    before = read_manifest(a_run / "shards")["samples"]
    outcome = cli("review", "--out", a_run, "--apply", path, "--json")
    assert outcome.code == 0, outcome.err
    assert read_manifest(a_run / "shards")["samples"] == before - 2


def test_the_store_is_free_while_pictures_are_explored(
    start: Start, cli: Cli, a_run: Path, tiny_encoder: Path
) -> None:
    with running(start, "--out", a_run, "--encoder", tiny_encoder):
        assert cli("embed", "--out", a_run, "--encoder", tiny_encoder).code == 0


def test_the_view_of_another_is_opened(
    start: Start, own_folder: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(own_folder, tmp_path / "copy"))
    options = ("--data", copied, "--out", tmp_path / "kept", "--encoder", tiny_encoder)
    with running(start, *options, "--view", "http://127.0.0.1:1/other/#q=x&n=12") as (_, said):
        assert said["address"].endswith("/#q=x&n=12")
