"""A driver without the models: what it is told by a worker gives the same folder as models of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ray_nodes import ray_cluster

from clay_eval.generator.alignment.base import Judge
from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.render.base import Renderer
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.shards.rendering import RenderOptions, render_plan
from clay_eval.ray.cluster import Resources
from clay_eval.ray.identity import JudgeElsewhere, RendererElsewhere, loaded_elsewhere
from clay_eval.ray.rendering import ray_engine
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import BusyError, ClayEvalError, InputError
from clay_eval.schemas.files import locked

pytestmark = pytest.mark.timeout(900)
OPTIONS = RenderOptions(shard_size=4, batch_size=2, attempts=2)
ONE = Resources(workers=1, gpus=0)


def recipe(driver: int) -> Any:
    """A renderer and a judge that accepts one picture in two; loading them in the process `driver` is an error."""

    def make() -> tuple[Any, Any]:
        import os

        from clay_eval.generator.alignment.base import Verdict
        from clay_eval.generator.render.procedural import ProceduralRenderer

        if os.getpid() == driver:
            raise MemoryError

        class EvenSeeds:
            def __init__(self) -> None:
                self.identity = {"judge": "even seeds"}

            def prepare(self, spec: Any) -> None: ...

            def judge(self, samples: Any, images: Any) -> Any:
                even = [sample.seed % 2 == 0 for sample in samples]
                return [
                    Verdict(ok, {"prompt": 0.0}, () if ok else ("odd",), () if ok else ("prompt",))
                    for ok in even
                ]

        return ProceduralRenderer(64), EvenSeeds()

    return make


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name != ".lock"
    }


def test_the_driver_needs_no_model(tmp_path: Path) -> None:
    import os

    plan, folder, far = tmp_path / "plan", tmp_path / "here", tmp_path / "far"
    write_plan(PlanRequest([load_entity("demo-object")], [None], 12, 0), plan)
    renderer, judge = recipe(-1)()
    render_plan(plan, folder, renderer, OPTIONS, judge=judge)

    made = recipe(os.getpid())
    with ray_cluster(nodes=1):
        told, judging = loaded_elsewhere(made, plan, far, ONE)
        assert files(far) == {}
        engine = ray_engine(made, plan, far, OPTIONS, ONE)
        render_plan(plan, far, told, OPTIONS, judge=judging, engine=engine)
        assert files(far) == files(folder)
        with locked(far), pytest.raises(BusyError):
            loaded_elsewhere(made, plan, far, ONE)

        def refuses() -> Any:
            from clay_eval.schemas.errors import InputError

            raise InputError("no such model", where="--model", found="x")

        with pytest.raises(InputError, match="no such model") as caught:
            loaded_elsewhere(refuses, plan, far, ONE)
        assert caught.value.found == "x"
    assert files(far) == files(folder)


def test_stand_ins_draw_and_judge_nothing() -> None:
    renderer, judge = RendererElsewhere({"type": "x"}), JudgeElsewhere({"judge": "x"})
    assert isinstance(renderer, Renderer)
    assert isinstance(judge, Judge)
    with pytest.raises(ClayEvalError, match="only the workers"):
        renderer.render([])
    with pytest.raises(ClayEvalError, match="only the workers"):
        judge.judge([], [])


def test_a_plan_that_is_not_there_is_reported_before_the_cluster_is_asked(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        loaded_elsewhere(lambda: (ProceduralRenderer(64), None), tmp_path / "plan", tmp_path / "far", ONE)
    assert not (tmp_path / "far").exists()
