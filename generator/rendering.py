"""The rendering stage: a plan folder in, a folder of shards with labels.csv and manifest.json out.

A shard is the unit of work: it is drawn from its own slice of the plan and appears whole or not at all. An interrupted
run is continued by running it again; shards that are already there and hold what the plan says are kept.
"""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from PIL import Image

from clay_eval.schemas.entity import EntitySpec, load_entity
from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.schemas.files import locked, refuse_changes, remove_leftovers, write_sealed
from clay_eval.schemas.fingerprint import canonical_json, file_sha256
from clay_eval.schemas.manifest import (
    LABELS,
    MANIFEST,
    SETTINGS,
    read_manifest,
    shard_name,
    write_manifest,
)
from clay_eval.schemas.samples import SampleSpec, read_plan
from clay_eval.schemas.shards import ShardSample, read_shard, write_shard
from clay_eval.schemas.validate import read_sealed

from .planning import SAMPLES, read_plan_record
from .render.base import Renderer
from .render.metadata import METADATA_VERSION, save_options, xmp_packet

log = logging.getLogger(__name__)

IMAGE_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "png": {"format": "PNG"},
    "webp": {"format": "WEBP", "quality": 95, "method": 4},
}


@dataclass(frozen=True)
class RenderOptions:
    """How pictures are stored: samples a shard, encoding ("jpg", "png", "webp"), pictures a renderer call."""

    shard_size: int = 256
    image_format: str = "jpg"
    batch_size: int = 8

    def __post_init__(self) -> None:
        if self.image_format not in IMAGE_FORMATS:
            raise InputError(
                "unknown image format",
                where="--format",
                expected=f"one of {list(IMAGE_FORMATS)}",
                found=self.image_format,
            )
        if self.shard_size < 1 or self.batch_size < 1:
            raise InputError(
                "shards and batches hold at least one sample", where="--shard-size, --batch-size"
            )


@dataclass(frozen=True)
class ShardTask:
    """One shard's worth of work; picklable."""

    name: str
    samples: tuple[SampleSpec, ...]


def shard_tasks(plan: Path, shard_size: int) -> Iterator[ShardTask]:
    """Slice a plan.jsonl into shards, entity by entity, in the order of the plan."""
    numbers: Counter[str] = Counter()
    for entity, samples in groupby(read_plan(plan), key=lambda sample: sample.entity):
        while chunk := tuple(islice(samples, shard_size)):
            yield ShardTask(shard_name(entity, numbers[entity]), chunk)
            numbers[entity] += 1


def encode_image(image: Image.Image, image_format: str, packet: bytes) -> bytes:
    """The picture as it is stored, with the XMP `packet` inside and no other metadata.

    The same pixels and packet give the same bytes under one version of Pillow.
    """
    options = IMAGE_FORMATS[image_format]
    bare = Image.frombytes(image.mode, image.size, image.tobytes())
    stream = io.BytesIO()
    bare.save(stream, **options, **save_options(options["format"], packet))
    return stream.getvalue()


def render_shard(task: ShardTask, renderer: Renderer, folder: Path, options: RenderOptions) -> None:
    """Draw a task's samples and write its shard."""
    write_shard(folder / task.name, _drawn(task, renderer, options))


def _drawn(task: ShardTask, renderer: Renderer, options: RenderOptions) -> Iterator[ShardSample]:
    packet = xmp_packet(renderer.identity)
    for start in range(0, len(task.samples), options.batch_size):
        batch = task.samples[start : start + options.batch_size]
        images = renderer.render(batch)
        if len(images) != len(batch):
            raise ClayEvalError(
                "the renderer returned another number of pictures than it was asked for",
                where=task.name,
                expected=len(batch),
                found=len(images),
            )
        for sample, image in zip(batch, images, strict=True):
            if image.mode != "RGB":
                raise ClayEvalError(
                    "the renderer returned a picture of another kind than it should",
                    where=f"{task.name}: {sample.key}",
                    expected="RGB",
                    found=image.mode,
                )
            data = encode_image(image, options.image_format, packet)
            yield ShardSample(sample.key, options.image_format, data, _record(sample, renderer))


def _record(sample: SampleSpec, renderer: Renderer) -> dict[str, Any]:
    """The JSON beside a picture: uniform keys and types within an entity."""
    return {
        "key": sample.key,
        "entity": sample.entity,
        "combination": sample.combination,
        "index": sample.index,
        "labels": dict(sample.labels),
        "diversity": dict(sample.diversity),
        "prompt": sample.prompt,
        "negative_prompt": sample.negative_prompt,
        "seed": sample.seed,
        "renderer": renderer.identity,
    }


def is_complete(task: ShardTask, renderer: Renderer, folder: Path, sha256: str | None = None) -> bool:
    """Whether the task's shard is there and holds just what the task says; a damaged one is reported and redone.

    sha256: what it had when it was finished, if that is known.
    """
    path = folder / task.name
    if not path.exists():
        return False
    if sha256 is not None and file_sha256(path) != sha256:
        log.warning("%s was changed and is made again", path)
        return False
    try:
        found = [canonical_json(sample.record) for sample in read_shard(path)]
    except IntegrityError as error:
        log.warning("%s is damaged and is made again: %s", path, error.what)
        return False
    return found == [canonical_json(_record(sample, renderer)) for sample in task.samples]


def _finished(folder: Path) -> dict[str, str]:
    """sha256 of each file of a finished run by name; empty if there is no manifest, or none that can be trusted."""
    if not (folder / MANIFEST).exists():
        return {}
    try:
        return {entry["name"]: entry["sha256"] for entry in read_manifest(folder)["files"]}
    except IntegrityError as error:
        log.warning("%s is damaged and is made again: %s", folder / MANIFEST, error.what)
        return {}


def render_plan(
    plan_folder: Path,
    folder: Path,
    renderer: Renderer,
    options: RenderOptions | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Render a whole plan into `folder`, continuing what is there; return the manifest.

    `progress` is called with the number of samples that a finished shard added. Files of a finished run that were lost or
    changed since are made again. Raises ConfigChangedError if the folder was begun with another plan, renderer or
    encoding.
    """
    options = options or RenderOptions()
    plan = read_plan_record(plan_folder)
    specs = [load_entity(plan_folder / "specs" / f"{name}.json") for name in plan["entities"]]
    for spec in specs:
        renderer.check(spec)
    settings = _as_json(
        {
            "schema": "clay-eval/render-settings/1",
            "plan": plan["fingerprint"],
            "renderer": renderer.identity,
            "shard_size": options.shard_size,
            "image": {**IMAGE_FORMATS[options.image_format], "xmp": METADATA_VERSION},
        }
    )
    with locked(folder):
        remove_leftovers(folder)
        if (folder / SETTINGS).exists():
            before = read_sealed(folder / SETTINGS, "render-settings")
            refuse_changes(folder, {k: v for k, v in before.items() if k != "seal"}, settings)
        elif foreign := [
            p.name for p in folder.iterdir() if p.suffix == ".tar" or p.name in {MANIFEST, LABELS}
        ]:
            raise InputError(
                "this folder holds data that was not made here",
                where=folder,
                expected="an empty folder",
                found=", ".join(sorted(foreign)[:3]),
                hint="choose another folder",
            )
        else:
            write_sealed(folder / SETTINGS, settings)
        names = []
        finished = _finished(folder)
        labels = folder / LABELS
        if not labels.exists() or file_sha256(labels) != finished.get(LABELS):
            (folder / MANIFEST).unlink(missing_ok=True)
        for task in shard_tasks(plan_folder / SAMPLES, options.shard_size):
            if not is_complete(task, renderer, folder, finished.get(task.name)):
                (folder / MANIFEST).unlink(missing_ok=True)
                render_shard(task, renderer, folder, options)
            names.append(task.name)
            progress(len(task.samples))
        if not (folder / MANIFEST).exists():
            write_manifest(folder, names, entity_facts(specs), settings["plan"], renderer.identity)
    return read_manifest(folder)


def _as_json(record: dict[str, Any]) -> dict[str, Any]:
    """The record as it will be read back (tuples become lists), so that it can be compared with what was."""
    result: dict[str, Any] = json.loads(canonical_json(record))
    return result


def entity_facts(specs: Sequence[EntitySpec]) -> dict[str, dict[str, Any]]:
    """What a manifest says of its entities, so that shards can be evaluated without their plan."""
    return {
        spec.entity: {
            "attributes": [a.name for a in spec.attributes],
            "parents": spec.parents,
            "diversity": [a.name for a in spec.diversity],
            "spec": spec.fingerprint,
        }
        for spec in specs
    }
