"""The rendering stage: interrupted anywhere and run again, the bytes are those of an uninterrupted run."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.shards import rendering
from clay_eval.generator.shards.pictures import IMAGE_FORMATS
from clay_eval.generator.shards.rendering import render_plan, shard_tasks
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import EntitySpec, load_entity
from clay_eval.schemas.errors import (
    BusyError,
    ClayEvalError,
    ConfigChangedError,
    InputError,
    IntegrityError,
    StorageError,
)
from clay_eval.schemas.files import locked
from clay_eval.schemas.samples import SampleSpec, read_plan
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.verify import verify_shards

OPTIONS = RenderOptions(shard_size=4, batch_size=3)


def make_plan(
    folder: Path, count: int = 10, seed: int = 0, names: Sequence[str] = ("demo-object", "demo-human")
) -> Path:
    specs = [load_entity(name) for name in names]
    write_plan(PlanRequest(specs, [None] * len(specs), count, seed), folder)
    return folder


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plan(tmp_path_factory.mktemp("planned") / "plan")


@pytest.fixture(scope="module")
def whole(plan: Path) -> dict[str, str]:
    """sha256 of every file of an uninterrupted run."""
    folder = plan.parent / "whole"
    render_plan(plan, folder, ProceduralRenderer(64), OPTIONS)
    return hashes(folder)


def hashes(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


class Fake:
    """The least that is a renderer."""

    identity: dict[str, Any] = {"type": "fake", "steps": (1, 2)}  # noqa: RUF012

    def check(self, spec: EntitySpec) -> None: ...
    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        images = [Image.new("RGB", (64, 64), (s.seed % 256, 0, 0)) for s in samples]
        for image in images:
            image.putpixel((63, 63), (0, 99, 0))
        return images


class Failing(Fake):
    """Draws as ProceduralRenderer(64) does, for some calls."""

    def __init__(self, calls: int, error: BaseException) -> None:
        self.inner = ProceduralRenderer(64)
        self.identity = self.inner.identity
        self.calls, self.error = calls, error

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        if self.calls == 0:
            raise self.error
        self.calls -= 1
        return self.inner.render(samples)


def test_what_is_planned_is_there(plan: Path, whole: dict[str, str]) -> None:
    folder = plan.parent / "whole"
    assert sorted(whole) == [
        *(f"demo-human-test-0000{i}.tar" for i in range(3)),
        *(f"demo-object-test-0000{i}.tar" for i in range(3)),
        "labels.csv",
        "manifest.json",
        "render.json",
    ]
    assert verify_shards(folder).ok
    planned = {s.key: s for s in read_plan(plan / "plan.jsonl")}
    tars = [t.name for t in shard_tasks(plan / "plan.jsonl", 4)]
    stored = [s for name in tars for s in read_shard(folder / name)]
    assert [s.key for s in stored] == list(planned)
    for s in stored:
        record = json.loads(planned[s.key].to_json())
        judged = {"attempt": 1, "scores": {}, "rejected": [], "failed": []}
        assert s.record == {**record, **judged, "renderer": ProceduralRenderer(64).identity}
    last = Image.open(io.BytesIO(stored[-1].image))
    assert (last.format, last.size, last.mode) == ("JPEG", (64, 64), "RGB")


def test_the_same_run_gives_the_same_bytes_whatever_the_batch(
    plan: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    done: list[int] = []
    manifest = render_plan(
        plan, tmp_path, ProceduralRenderer(64), RenderOptions(4, batch_size=1), done.append
    )
    assert hashes(tmp_path) == whole
    assert done == [4, 4, 2, 4, 4, 2]
    assert manifest["samples"] == 20


def test_a_finished_run_is_left_alone(plan: Path, whole: dict[str, str], tmp_path: Path) -> None:
    render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    times = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    render_plan(plan, tmp_path, Failing(0, AssertionError("nothing is left to draw")), OPTIONS)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == times


@pytest.mark.parametrize("calls", range(10))
def test_resumed_after_an_exception_anywhere(
    plan: Path, whole: dict[str, str], tmp_path: Path, calls: int
) -> None:
    error = KeyboardInterrupt() if calls % 2 else RuntimeError("out of memory")
    with pytest.raises(type(error)):
        render_plan(plan, tmp_path, Failing(calls, error), OPTIONS)
    left = hashes(tmp_path)
    assert set(left) <= set(whole) - {"manifest.json", "labels.csv"}, "only whole shards and the settings"
    assert all(whole[name] == sha for name, sha in left.items())
    assert len(left) == 1 + [0, 0, 1, 1, 2, 3, 3, 4, 4, 5][calls]
    with pytest.raises(InputError, match="not finished"):
        rendering.read_manifest(tmp_path)
    render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    assert hashes(tmp_path) == whole


CODE = """
import sys, time
from pathlib import Path
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions

class Slow(ProceduralRenderer):
    def render(self, samples):
        time.sleep(0.03)
        return super().render(samples)

render_plan(Path(sys.argv[1]), Path(sys.argv[2]), Slow(64), RenderOptions(shard_size=4, batch_size=3))
"""


@pytest.mark.parametrize("shards", [0, 1, 3, 5])
def test_resumed_after_kill_9(plan: Path, whole: dict[str, str], tmp_path: Path, shards: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(CODE), str(plan), str(tmp_path)])
    try:
        while not (tmp_path / "render.json").exists() or len(list(tmp_path.glob("*.tar"))) < shards:
            assert process.poll() in (None, 0)
            time.sleep(0.003)
    finally:
        process.kill()
        process.wait(timeout=60)
    for name, sha in hashes(tmp_path).items():
        assert name.endswith(".part") or whole[name] == sha
    render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    assert hashes(tmp_path) == whole


def test_two_runs_at_once(plan: Path, whole: dict[str, str], tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(BusyError):
        render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    assert hashes(tmp_path) == whole


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("planned", "renderer", "options", "named"),
    [
        ({"seed": 1}, ProceduralRenderer(64), OPTIONS, "plan: "),
        ({"count": 9}, ProceduralRenderer(64), OPTIONS, "plan: "),
        ({"names": ["demo-object"]}, ProceduralRenderer(64), OPTIONS, "plan: "),
        ({}, ProceduralRenderer(65), OPTIONS, "renderer.size: 64 -> 65"),
        ({}, ProceduralRenderer(64), RenderOptions(4, "png"), "image.format: 'JPEG' -> 'PNG'"),
        ({}, ProceduralRenderer(64), RenderOptions(5), "shard_size: 4 -> 5"),
        ({}, Fake(), OPTIONS, "renderer.type: 'procedural' -> 'fake'"),
    ],
)
def test_a_changed_configuration_is_refused_and_named(
    tmp_path: Path, finished: bool, planned: dict[str, Any], renderer: Any, options: RenderOptions, named: str
) -> None:
    plan, folder = make_plan(tmp_path / "plan"), tmp_path / "shards"
    if finished:
        render_plan(plan, folder, ProceduralRenderer(64), OPTIONS)
    else:
        with pytest.raises(RuntimeError):
            render_plan(plan, folder, Failing(3, RuntimeError()), OPTIONS)
    before = hashes(folder)
    other = make_plan(tmp_path / "other", **planned) if planned else plan
    with pytest.raises(ConfigChangedError) as caught:
        render_plan(other, folder, renderer, options)
    assert caught.value.exit_code == 3
    assert named in caught.value.what
    assert len(caught.value.what.splitlines()) <= 6, "nothing that did not change is named"
    assert hashes(folder) == before


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def damage_header(path: Path) -> None:
    flip(path, 0)


def damage_picture(path: Path) -> None:
    flip(path, 1000)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def delete(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("damage", [damage_header, cut, delete])
def test_a_damaged_shard_is_made_again(
    plan: Path,
    whole: dict[str, str],
    tmp_path: Path,
    finished: bool,
    damage: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if finished:
        render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    else:
        with pytest.raises(RuntimeError):
            render_plan(plan, tmp_path, Failing(7, RuntimeError()), OPTIONS)
    damage(tmp_path / "demo-object-test-00001.tar")
    with caplog.at_level(logging.WARNING):
        render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    assert hashes(tmp_path) == whole
    assert ("demo-object-test-00001.tar" in caplog.text) == (damage is not delete)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("demo-human-test-00002.tar", damage_picture),
        ("labels.csv", damage_header),
        ("labels.csv", delete),
        ("manifest.json", damage_header),
        ("manifest.json", delete),
    ],
)
def test_any_damaged_file_of_a_finished_run_is_made_again(
    plan: Path, whole: dict[str, str], tmp_path: Path, name: str, damage: Any
) -> None:
    render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    damage(tmp_path / name)
    assert not verify_shards(tmp_path).ok
    render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    assert hashes(tmp_path) == whole


def test_damaged_settings_stop_the_run(plan: Path, tmp_path: Path) -> None:
    render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    flip(tmp_path / "render.json", 30)
    before = hashes(tmp_path)
    with pytest.raises(IntegrityError):
        render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    assert hashes(tmp_path) == before


@pytest.mark.parametrize("name", ["mine.tar", "labels.csv", "manifest.json"])
def test_a_folder_with_somebodys_data_is_not_touched(plan: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError) as caught:
        render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    assert caught.value.found == name
    assert [p.name for p in tmp_path.iterdir() if p.name != ".lock"] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_an_entity_that_cannot_be_drawn_leaves_nothing(tmp_path: Path) -> None:
    plan = make_plan(tmp_path / "plan", count=3, names=["clay-object"])
    with pytest.raises(InputError):
        render_plan(plan, tmp_path / "shards", ProceduralRenderer(64), OPTIONS)
    assert not (tmp_path / "shards").exists()


def test_a_changed_plan_is_not_drawn(tmp_path: Path) -> None:
    plan = make_plan(tmp_path / "plan", count=3)
    with (plan / "plan.jsonl").open("a") as stream:
        stream.write("\n")
    with pytest.raises(IntegrityError):
        render_plan(plan, tmp_path / "shards", ProceduralRenderer(64), OPTIONS)
    assert not (tmp_path / "shards").exists()
    with pytest.raises(InputError):
        render_plan(tmp_path / "no-plan", tmp_path / "shards", ProceduralRenderer(64), OPTIONS)


def test_any_renderer_will_do_and_its_identity_may_hold_tuples(plan: Path, tmp_path: Path) -> None:
    manifest = render_plan(plan, tmp_path, Fake(), RenderOptions(64, "png"))
    assert manifest["renderer"] == {"type": "fake", "steps": [1, 2]}
    times = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    render_plan(plan, tmp_path, Fake(), RenderOptions(64, "png"))
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == times
    assert verify_shards(tmp_path).ok
    for s in read_shard(tmp_path / "demo-object-test-00000.tar"):
        assert Image.open(io.BytesIO(s.image)).getpixel((0, 0)) == (s.record["seed"] % 256, 0, 0)


class TooFew(Fake):
    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        return super().render(samples)[1:]


class TooMany(Fake):
    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        return super().render([*samples, samples[0]])


class Transparent(Fake):
    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        return [image.convert("RGBA") for image in super().render(samples)]


@pytest.mark.parametrize(
    ("renderer", "expected", "found", "where"),
    [
        (TooFew(), "3", "2", "the renderer"),
        (TooMany(), "3", "4", "the renderer"),
        (Transparent(), "RGB", "RGBA", "demo-human-"),
    ],
)
def test_a_renderer_that_breaks_its_word(
    plan: Path, tmp_path: Path, renderer: Fake, expected: str, found: str, where: str
) -> None:
    with pytest.raises(ClayEvalError) as caught:
        render_plan(plan, tmp_path, renderer, OPTIONS)
    assert (caught.value.expected, caught.value.found) == (expected, found)
    assert str(caught.value.where).startswith(where)
    assert list(tmp_path.rglob("*.tar")) == []
    assert not (tmp_path / "manifest.json").exists()


def test_a_full_disk_in_the_middle_of_a_shard(plan: Path, whole: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        render_plan(plan, tmp_path, Failing(3, OSError(28, "No space left on device")), OPTIONS)
    assert caught.value.where == str(tmp_path / "demo-object-test-00001.tar")
    assert sorted(hashes(tmp_path)) == ["demo-object-test-00000.tar", "render.json"]
    render_plan(plan, tmp_path, ProceduralRenderer(64), OPTIONS)
    assert hashes(tmp_path) == whole


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
def test_formats(plan: Path, tmp_path: Path, image_format: str) -> None:
    render_plan(plan, tmp_path, ProceduralRenderer(64), RenderOptions(100, image_format))
    stored = next(read_shard(tmp_path / "demo-human-test-00000.tar"))
    assert stored.extension == image_format
    assert Image.open(io.BytesIO(stored.image)).format == IMAGE_FORMATS[image_format]["format"]


def test_tasks_cut_the_plan_into_shards(plan: Path, tmp_path: Path) -> None:
    file = plan / "plan.jsonl"
    samples = list(read_plan(file))
    for size in (1, 3, 10, 1000):
        tasks = list(shard_tasks(file, size))
        assert [s for t in tasks for s in t.samples] == samples
        assert len({t.name for t in tasks}) == len(tasks) == 2 * -(-10 // size)
        assert all(1 <= len(t.samples) <= size and len({s.entity for s in t.samples}) == 1 for t in tasks)
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text("".join(samples[i].to_json() + "\n" for i in (0, 10, 1, 11)))
    assert len({t.name for t in shard_tasks(mixed, 5)}) == 4, "no shard is named twice"
