"""Rendering on a Ray cluster: whatever dies on the way, the folder is the one that a single machine makes."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray_nodes import SMALL, ray_cluster

from clay_eval.cli.engine import EngineName, ray_resources
from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.shards.rendering import RenderOptions, render_plan, shard_tasks
from clay_eval.ray import cluster as ray_cluster_module
from clay_eval.ray import identity as ray_identity_module
from clay_eval.ray import rendering as ray_engine_module
from clay_eval.ray.cluster import Resources, require_ray, wait_until_seen
from clay_eval.ray.rendering import pack_task, ray_engine, unpack_task
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import ConfigChangedError, InputError, StorageError
from clay_eval.stages.drawing import Drawing
from clay_eval.stages.folders import RunFolder
from clay_eval.stages.rendering import render as render_stage
from clay_eval.stages.rendering import render_engine

pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")]
"""Ray starts many processes, slowly where others work too."""
OPTIONS = RenderOptions(shard_size=4, batch_size=2)
ONE, TWO = Resources(workers=1, gpus=0), Resources(workers=2, gpus=0)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planned") / "plan"
    write_plan(PlanRequest([load_entity("demo-object")], [None], 24, 0), folder)
    return folder


@pytest.fixture(scope="module")
def whole(plan: Path) -> dict[str, str]:
    """sha256 of every file of a run without Ray."""
    folder = plan.parent / "whole"
    render_plan(plan, folder, ProceduralRenderer(64), OPTIONS)
    return hashes(folder)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_cluster(nodes=2) as nodes:
        yield nodes


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def recipe(before: Callable[[list[str]], None] | None = None) -> Callable[[], tuple[Any, None]]:
    """Makes a procedural renderer that calls `before` with the keys of each batch. Closures travel by value."""

    def make() -> tuple[Any, None]:
        from clay_eval.generator.render.procedural import ProceduralRenderer

        renderer = ProceduralRenderer(64)
        draw = renderer.render

        def render(samples: Any) -> Any:
            if before is not None:
                before([sample.key for sample in samples])
            return draw(samples)

        renderer.render = render  # type: ignore[method-assign]
        return renderer, None

    return make


def render(plan: Path, folder: Path, made: Any, resources: Resources = TWO, **options: Any) -> dict[str, Any]:
    engine = ray_engine(made, plan, folder, OPTIONS, resources)
    return render_plan(plan, folder, ProceduralRenderer(64), OPTIONS, engine=engine, **options)


def keys(plan: Path) -> list[list[str]]:
    """Keys of each shard."""
    return [[s.key for s in task.samples] for task in shard_tasks(plan / "plan.jsonl", OPTIONS.shard_size)]


def wait_for(path: Path, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.05)


def test_a_node_that_goes_takes_no_shard_with_it(
    cluster: Any, plan: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    node = cluster.add_node(num_cpus=1, **SMALL | {"include_dashboard": None})
    name, folder, begun, gone = node.node_id, tmp_path / "shards", tmp_path / "begun", tmp_path / "gone"

    def wait_there(batch: list[str]) -> None:
        import time

        import ray

        if ray.get_runtime_context().get_node_id() == name:
            begun.touch()
            while True:
                time.sleep(1)
        while not gone.exists():
            time.sleep(0.05)

    def remove() -> None:
        wait_for(begun)
        cluster.remove_node(node, allow_graceful=False)
        gone.touch()

    done: list[int] = []
    side = threading.Thread(target=remove)
    side.start()
    try:
        engine = ray_engine(recipe(wait_there), plan, folder, OPTIONS, Resources(workers=3, gpus=0))
        render_plan(plan, folder, ProceduralRenderer(64), OPTIONS, done.append, engine=engine)
    finally:
        side.join()
    assert gone.exists()
    assert hashes(folder) == whole
    assert done == [4] * 6


def test_an_interrupted_run_goes_on_and_outlives_a_killed_worker(
    cluster: Any, plan: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    folder, reached = tmp_path / "shards", tmp_path / "reached"
    last = keys(plan)[-1]

    def never_end(batch: list[str]) -> None:
        import time

        if last[0] in batch:
            reached.touch()
            while True:
                time.sleep(1)

    def interrupt() -> None:
        wait_for(reached)
        while len(list(folder.glob("*.tar"))) < 5:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    # A process of pytest-xdist ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    side = threading.Thread(target=interrupt)
    side.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            render(plan, folder, recipe(never_end))
    finally:
        signal.signal(signal.SIGINT, before)
    side.join()
    names = sorted(p.name for p in folder.iterdir() if p.suffix == ".tar")
    assert len(names) == 5
    assert {name: hashes(folder)[name] for name in names} == {name: whole[name] for name in names}
    assert not list(folder.rglob("*.part"))
    drawn = tmp_path / "drawn"
    drawn.mkdir()

    def die_once(batch: list[str]) -> None:
        import os
        import signal

        if last[2] in batch and not (drawn / batch[0]).exists():
            (drawn / batch[0]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        (drawn / batch[0]).touch()

    done: list[int] = []
    render(plan, folder, recipe(die_once), progress=done.append)
    assert {p.name for p in drawn.iterdir()} == {last[0], last[2]}
    assert hashes(folder) == whole
    assert done == [4] * 6


def test_errors_come_back_as_they_are_without_ray(cluster: Any, plan: Path, tmp_path: Path) -> None:
    def refuse(batch: list[str]) -> None:
        from clay_eval.schemas.errors import StorageError

        raise StorageError("the disk is full", where="/far/away", found="no space", hint="free some")

    with pytest.raises(StorageError) as caught:
        render(plan, tmp_path / "shards", recipe(refuse), ONE)
    expected = StorageError("the disk is full", where="/far/away", found="no space", hint="free some")
    assert str(caught.value) == str(expected)
    assert sorted(p.name for p in (tmp_path / "shards").iterdir()) == [".lock", "render.json"]


def test_workers_that_load_another_renderer_are_refused(cluster: Any, plan: Path, tmp_path: Path) -> None:
    def larger() -> tuple[Any, None]:
        from clay_eval.generator.render.procedural import ProceduralRenderer

        return ProceduralRenderer(96), None

    with pytest.raises(ConfigChangedError, match=r"renderer\.size: 64 -> 96"):
        render(plan, tmp_path / "shards", larger, ONE)
    assert not list((tmp_path / "shards").glob("*.tar"))


def test_the_command_lines_options_reach_the_workers(
    plan: Path, whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray: Any = pytest.importorskip("ray")
    drawing = Drawing("procedural", 64, "jpg", OPTIONS.shard_size, judge="none")
    asked = []

    def here(pieces: Any, recipe: Any, folder: Path, resources: Resources, can_use_gpus: bool) -> Any:
        asked.append((resources, can_use_gpus))
        work = ray.cloudpickle.loads(ray.cloudpickle.dumps(recipe))()
        return (work(content) for _, content in pieces)

    monkeypatch.setattr(ray_engine_module, "over_cluster", here)
    resources = ray_resources(EngineName.ray, 3, None, 2)
    engine = render_engine(drawing, plan, tmp_path / "shards", resources, drawing.options())
    render_plan(plan, tmp_path / "shards", drawing.make_renderer(), drawing.options(), engine=engine)
    assert hashes(tmp_path / "shards") == whole
    assert asked == [(Resources(3, None, 2), False)]
    assert (
        render_engine(
            drawing,
            plan,
            tmp_path / "shards",
            ray_resources(EngineName.local, None, None, None),
            drawing.options(),
        )
        is None
    )


def test_the_stage_draws_on_workers_what_it_draws_here(
    plan: Path, whole: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver loads neither renderer nor judge; it asks a worker what they are."""
    ray: Any = pytest.importorskip("ray")
    asked = []

    def here(pieces: Any, recipe: Any, folder: Path, resources: Resources, can_use_gpus: bool) -> Any:
        asked.append((folder, resources.workers, can_use_gpus))
        work = ray.cloudpickle.loads(ray.cloudpickle.dumps(recipe))()
        return (work(content) for _, content in pieces)

    for module in (ray_engine_module, ray_identity_module):
        monkeypatch.setattr(module, "over_cluster", here)
    run = RunFolder(tmp_path / "run")
    shutil.copytree(plan, run.plan)
    told: list[tuple[str, int, int | None]] = []
    drawing = Drawing("procedural", 64, shard_size=OPTIONS.shard_size)
    render_stage(run, drawing, lambda *news: told.append(news), resources=Resources(workers=2))
    assert hashes(run.shards) == whole
    assert asked == [(run.shards, 1, False), (run.shards, 2, False)]
    assert (told[0], told[-1]) == (("render", 0, 24), ("render", 24, 24))


def test_a_worker_has_no_gpu_of_a_fixed_number(tmp_path: Path) -> None:
    drawing = Drawing(given={"device": "cuda:1"})
    with pytest.raises(InputError, match="no fixed numbers"):
        render_stage(RunFolder(tmp_path), drawing, resources=Resources())
    assert list(tmp_path.iterdir()) == []


def test_a_task_is_packed_whole(plan: Path) -> None:
    for task in shard_tasks(plan / "plan.jsonl", 5):
        packed = pack_task(task)
        assert unpack_task(packed) == task
        assert len(packed) < len("".join(s.to_json() for s in task.samples)) / 2


def test_what_a_worker_wrote_must_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "late"
    side = threading.Timer(0.2, path.touch)
    side.start()
    wait_until_seen(path)
    side.join()
    with pytest.raises(StorageError, match="does not see"):
        wait_until_seen(tmp_path / "never", 0)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "127.0.0.1:99999999"])
def test_no_cluster_is_an_error_at_once(
    address: str, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(InputError, match="no Ray cluster"):
        render(plan, tmp_path / "shards", recipe())
    assert not list((tmp_path / "shards").glob("*.tar"))


@pytest.mark.parametrize("address", ["local", "ray://head:10001"])
def test_addresses_that_cannot_work_are_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(InputError, match="on one of its machines"):
        require_ray()


def test_without_ray_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster_module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install .clay-eval\[ray\]"):
        require_ray()


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0},
        {"gpus": -1},
        {"gpus": 1.5},
        {"cpus": 0},
        {"cpus": 2.5},
        {"gpus": float("nan")},
        {"cpus": float("inf")},
    ],
)
def test_resources_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Resources(**wrong)
