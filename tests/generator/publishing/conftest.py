"""A finished run and its release; a run whose judge rejected pictures; ways to change copies of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from small_runs import Publish, render_run

from clay_eval.generator.publishing.build import publish
from clay_eval.generator.publishing.request import Request
from clay_eval.generator.publishing.sources import read_sources


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 pictures in three shards, no judge, no report. Not to be altered."""
    return render_run(tmp_path_factory.mktemp("publishing") / "plain", 20)


@pytest.fixture(scope="session")
def judged_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pictures of which a judge rejected half at each attempt. Not to be altered."""
    return render_run(tmp_path_factory.mktemp("publishing") / "judged", 40, rejects=0.5, shard_size=16)


@pytest.fixture(scope="session")
def publish_run() -> Publish:
    """Publish the run in a folder: publish_run(run, target, version=..., ...)."""

    def call(run: Path, target: Path, **options: Any) -> dict[str, Any]:
        asked: dict[str, Any] = {"version": "1.0.0", "date": "2026-11-25", **options}
        request = Request(**asked)
        sources = read_sources(run / "plan", run / "shards", run / "report", baselines=request.baselines)
        return publish(sources, target, request)

    return call


@pytest.fixture(scope="session")
def plain_release(plain_run: Path, publish_run: Publish, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release of `plain_run`, its shards copied. Not to be altered."""
    target = tmp_path_factory.mktemp("releases") / "plain"
    publish_run(
        plain_run,
        target,
        authors=["A. Author"],
        contact="x@example.org",
        url="https://example.org/d",
        copy=True,
    )
    return target


@pytest.fixture(scope="session")
def judged_release(judged_run: Path, publish_run: Publish, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release of `judged_run`. Not to be altered."""
    target = tmp_path_factory.mktemp("releases") / "judged"
    publish_run(judged_run, target, title="Judged things", authors=["A. Author", "B. Author"])
    return target


@pytest.fixture
def a_plain_run(plain_run: Path, tmp_path: Path) -> Path:
    """A copy of `plain_run`, to be altered."""
    return Path(shutil.copytree(plain_run, tmp_path / "run"))
