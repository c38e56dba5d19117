"""The stage that makes a release of what was drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .folders import Progress, RunFolder, silent, steps

if TYPE_CHECKING:
    from clay_eval.generator.publishing.request import Request


def publish(run: RunFolder, to: Path, request: Request, progress: Progress = silent) -> dict[str, Any]:
    """Make a release of the run's finished shards in the folder `to`; return its record. Nothing is uploaded."""
    from clay_eval.generator.publishing.build import publish as build
    from clay_eval.generator.publishing.sources import read_sources

    run.refuse_within(to, "--to")
    sources = read_sources(run.plan, run.shards, run.report, baselines=request.baselines)
    total = sum(entry["bytes"] for entry in sources.manifest["files"])
    return build(sources, to, request, steps(progress, "publish", total))
