"""A preview: a few samples of a plan, drawn and judged as a rendering would, in a folder that a rendering takes them from.

preview/<model>-<id>/        render.json, shards, quarantine/, failures/ as in any shards folder; timing.json
preview/index.html           all settings of the plan that were previewed, a row each
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from PIL import Image

from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.files import locked, write_text
from clay_eval.schemas.fingerprint import canonical_json
from clay_eval.schemas.manifest import QUARANTINE, shard_name
from clay_eval.schemas.reading import read_bytes
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.validate import parse_json

from ..alignment.base import Judge
from ..render.base import Renderer
from ..shards.rendering import open_folder, render_settings
from ..shards.work import RenderOptions, ShardMaker, ShardTask
from .estimates import Timing

TIMING = "timing.json"
_MOST_BYTES = 1 << 20


class _TimedRenderer:
    """Draws as `inner` does, and notes how long each call took."""

    def __init__(self, inner: Renderer, calls: list[tuple[int, float]]) -> None:
        self.inner = inner
        self.calls = calls
        self.identity = inner.identity

    def check(self, spec: EntitySpec) -> None:
        self.inner.check(spec)

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        begin = time.perf_counter()
        images = self.inner.render(samples)
        self.calls.append((len(samples), time.perf_counter() - begin))
        return images


def preview(
    choose: Callable[[set[str]], Sequence[SampleSpec]],
    specs: Sequence[EntitySpec],
    plan: str,
    root: Path,
    renderer: Renderer,
    judge: Judge | None,
    options: RenderOptions,
    progress: Callable[[int], None] = lambda _: None,
) -> Path:
    """Draw samples into their setting's folder in `root`; return it.

    choose: takes the keys of the samples that are there already, and gives those samples and what else is to be drawn, in
    the order of the plan. What is there is kept and not drawn again. Raises as `render_plan` does.
    """
    for spec in specs:
        renderer.check(spec)
        if judge is not None:
            judge.prepare(spec)
    settings = render_settings(plan, renderer, judge, options)
    folder = root / _name(settings)
    with locked(folder):
        open_folder(folder, settings)
        calls: list[tuple[int, float]] = []
        maker = ShardMaker(_TimedRenderer(renderer, calls), judge, folder, options)
        begin = time.perf_counter()
        for entity, group in groupby(choose(held(folder)), key=lambda sample: sample.entity):
            chosen = tuple(group)
            maker.make(ShardTask(shard_name(entity, 0), chosen))
            progress(len(chosen))
        other = time.perf_counter() - begin - sum(seconds for _, seconds in calls)
        if calls:
            write_text(folder / TIMING, json.dumps({"calls": calls, "other_seconds": other}) + "\n")
    return folder


def _name(settings: dict[str, Any]) -> str:
    """A folder's name for settings: the model's, and what tells it from others of that model."""
    renderer = settings["renderer"]
    model = str(renderer.get("model") or renderer.get("type") or "renderer")
    said = re.sub(r"[^A-Za-z0-9]+", "-", model).strip("-")[-40:] or "model"
    without_size = {**settings, "shard_size": None}
    return f"{said}-{hashlib.sha256(canonical_json(without_size).encode()).hexdigest()[:8]}"


def held(folder: Path) -> set[str]:
    """Keys of the pictures in a folder of shards and its quarantine; those of damaged tars left out."""
    found: set[str] = set()
    for place in (folder, folder / QUARANTINE):
        for path in sorted(place.glob("[!.]*.tar")):
            with suppress(ClayEvalError):
                found.update(sample.key for sample in read_shard(path, images=False))
    return found


def read_timing(folder: Path) -> Timing:
    """How long the pictures in a folder took; nothing where that is not known."""
    try:
        said = parse_json(read_bytes(folder / TIMING, _MOST_BYTES), folder / TIMING)
        calls = tuple((int(number), float(seconds)) for number, seconds in said["calls"])
        return Timing(tuple(call for call in calls if call[0] > 0), max(0.0, float(said["other_seconds"])))
    except (ClayEvalError, OSError, KeyError, TypeError, ValueError):
        return Timing(())
