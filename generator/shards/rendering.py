"""The rendering stage: a plan folder in, a folder of shards with labels.csv and manifest.json out.

A shard is the unit of work (see shard_work): it is drawn from its own slice of the plan and appears whole or not at all.
An interrupted run is continued by running it again; shards that are already there and hold what the plan says are kept.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from clay_eval.schemas.entity import EntitySpec, load_entity
from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.schemas.failures import brief, read_failures, way_out
from clay_eval.schemas.files import locked, refuse_changes, remove_leftovers, write_sealed
from clay_eval.schemas.fingerprint import canonical_json, file_sha256
from clay_eval.schemas.manifest import (
    FAILURES,
    LABELS,
    MANIFEST,
    QUARANTINE,
    SETTINGS,
    Provenance,
    Tally,
    read_manifest,
    shard_name,
    write_manifest,
)
from clay_eval.schemas.samples import read_plan
from clay_eval.schemas.shards import FileFacts
from clay_eval.schemas.validate import read_sealed

from ..alignment.base import Judge
from ..plan.planning import SAMPLES, read_plan_record
from ..render.base import Renderer
from ..render.metadata import METADATA_VERSION
from .journal import mark_beginning
from .pictures import IMAGE_FORMATS
from .work import RenderOptions, ShardMaker, ShardOutcome, ShardTask

log = logging.getLogger(__name__)

PART_NAME = re.compile(r"([1-9][0-9]{0,5})-of-([1-9][0-9]{0,5})")
"""The name of a part's folder."""
_PART = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")

Engine = Callable[[Iterable[ShardTask]], Iterable[ShardOutcome]]
"""Gets tasks done, in whatever order and place; outcomes come as tasks end. Tasks are to be taken as they are needed."""


def shard_tasks(plan: Path, shard_size: int) -> Iterator[ShardTask]:
    """Slice a plan.jsonl into shards, entity by entity, in the order of the plan."""
    numbers: Counter[str] = Counter()
    for entity, samples in groupby(read_plan(plan), key=lambda sample: sample.entity):
        while chunk := tuple(islice(samples, shard_size)):
            yield ShardTask(shard_name(entity, numbers[entity]), chunk)
            numbers[entity] += 1


def part_samples(plan: Mapping[str, Any], shard_size: int, part: tuple[int, int]) -> int:
    """How many samples part i of n has: those of every n-th shard of a plan, by its record (plan.json)."""
    sizes = (
        min(shard_size, facts["samples"] - start)
        for facts in plan["entities"].values()
        for start in range(0, facts["samples"], shard_size)
    )
    return sum(islice(sizes, part[0] - 1, None, part[1]))


def parse_part(text: str) -> tuple[int, int]:
    """(i, n) of "i/n", 1 <= i <= n; raise InputError for anything else."""
    match = _PART.fullmatch(text)
    if match and 1 <= int(match[1]) <= int(match[2]):
        return int(match[1]), int(match[2])
    raise InputError(
        "this is not a part", where="--part", expected="i/n with i from 1 to n, such as 3/16", found=text
    )


def render_plan(
    plan_folder: Path,
    folder: Path,
    renderer: Renderer,
    options: RenderOptions | None = None,
    progress: Callable[[int], None] = lambda _: None,
    *,
    judge: Judge | None = None,
    part: tuple[int, int] | None = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Render a whole plan, or part i of n of its shards, into `folder`, continuing what is there; return the manifest.

    `progress` is called with the number of samples that a finished shard added. Files of a finished run that were lost or
    changed since are made again; samples that failed are drawn again, alone. Raises ConfigChangedError if the folder was
    begun with another plan, renderer, judge or encoding, and ClayEvalError if every picture was rejected or failed.
    """
    options = options or RenderOptions()
    plan = read_plan_record(plan_folder)
    specs = plan_specs(plan_folder, plan)
    for spec in specs:
        renderer.check(spec)
        if judge is not None:
            judge.prepare(spec)
    settings = render_settings(plan["fingerprint"], renderer, judge, options)
    with locked(folder):
        open_folder(folder, settings)
        finished = _finished(folder)
        labels = folder / LABELS
        if not labels.exists() or file_sha256(labels) != finished.get(LABELS):
            (folder / MANIFEST).unlink(missing_ok=True)
        maker = ShardMaker(renderer, judge, folder, options, drawn_before(options.previews, settings))
        engine = engine or (lambda tasks: map(maker.make, tasks))
        names: list[str] = []
        planned = Tally()
        sizes: dict[str, int] = {}
        first = iter([True])

        def unfinished() -> Iterator[ShardTask]:
            for number, task in enumerate(shard_tasks(plan_folder / SAMPLES, options.shard_size)):
                if part is not None and number % part[1] != part[0] - 1:
                    continue
                names.append(task.name)
                for sample in task.samples:
                    planned.add(sample.entity, sample.labels, sample.diversity)
                if maker.is_complete(task, finished):
                    progress(len(task.samples))
                else:
                    if next(first, False):
                        mark_beginning(folder)
                    sizes[task.name] = len(task.samples)
                    (folder / MANIFEST).unlink(missing_ok=True)
                    yield task

        failed = 0
        written: dict[str, FileFacts] = {}
        tasks = unfinished()
        for outcome in engine(tasks):
            failed += len(outcome.failed)
            written |= outcome.written
            progress(sizes.pop(outcome.name))
        next(tasks, None)
        if sizes:
            raise ClayEvalError("some shards were not made", where=folder, found=", ".join(sorted(sizes)[:3]))
        if not (folder / MANIFEST).exists():
            provenance = Provenance(
                settings["plan"],
                settings["renderer"],
                settings["judge"],
                options.attempts,
                planned,
                failed,
                part,
            )
            finish(folder, names, specs, provenance, written)
    return read_manifest(folder)


def finish(
    folder: Path,
    names: Sequence[str],
    specs: Sequence[EntitySpec],
    provenance: Provenance,
    written: Mapping[str, FileFacts] | None = None,
) -> None:
    """Write labels.csv and the manifest of the shards among `names` that hold anything; see `write_manifest`."""
    shards = [name for name in names if (folder / name).exists()]
    if names and not shards and provenance.part is None:
        raise _nothing_left(folder)
    write_manifest(folder, shards, entity_facts(specs), provenance, written)


def _nothing_left(folder: Path) -> ClayEvalError:
    """The error for a folder without one picture, with the way out of what most samples failed of, if any failed."""
    failures = [
        text for path in sorted((folder / FAILURES).glob("*.jsonl")) for text in read_failures(path).values()
    ]
    rejected = any((folder / QUARANTINE).glob("*.tar"))
    if not failures:
        return ClayEvalError(
            "not one picture is left: all were rejected by the judge",
            where=folder,
            hint=f"look at {QUARANTINE}/ there; another --out with a lower --margin or more --attempts, or a better "
            "model, may help",
        )
    reasons = Counter(text.partition("\n")[0] for text in failures)
    reason, number = reasons.most_common(1)[0]
    example = next(text for text in failures if text.partition("\n")[0] == reason)
    return ClayEvalError(
        "not one picture is left: "
        + ("all were rejected by the judge, or failed" if rejected else "all failed"),
        where=folder,
        found=f"{number} of {len(failures)} failed samples: {brief(example)}",
        hint=way_out(example) or f"look at {FAILURES}/ there",
    )


def plan_specs(plan_folder: Path, plan: dict[str, Any]) -> list[EntitySpec]:
    """The entity specs of a plan."""
    return [load_entity(plan_folder / "specs" / f"{name}.json") for name in plan["entities"]]


def render_settings(
    plan: str, renderer: Renderer, judge: Judge | None, options: RenderOptions
) -> dict[str, Any]:
    """What decides the content of a shards folder, as it will be read back (tuples become lists)."""
    settings: dict[str, Any] = json.loads(
        canonical_json(
            {
                "schema": "clay-eval/render-settings/1",
                "plan": plan,
                "renderer": renderer.identity,
                "judge": None if judge is None else judge.identity,
                "attempts": options.attempts,
                "shard_size": options.shard_size,
                "image": {**IMAGE_FORMATS[options.image_format], "xmp": METADATA_VERSION},
            }
        )
    )
    return settings


def drawn_before(previews: Path | None, settings: Mapping[str, Any]) -> list[Path]:
    """The folders in `previews` whose pictures are those of a run with these settings; the shard size may differ."""
    found: list[Path] = []
    for folder in sorted(previews.iterdir()) if previews is not None and previews.is_dir() else ():
        if not (folder / SETTINGS).is_file():
            continue
        try:
            before = read_sealed(folder / SETTINGS, "render-settings")
        except IntegrityError as error:
            log.warning("%s is damaged and not used: %s", folder / SETTINGS, error.what)
            continue
        if {**before, "shard_size": None, "seal": None} == {**settings, "shard_size": None, "seal": None}:
            found.append(folder)
    return found


def open_folder(folder: Path, settings: dict[str, Any]) -> None:
    """Begin a folder with these settings, or go on with one that has them; call it while holding the folder's lock.

    Raises ConfigChangedError for a folder with other settings, InputError for one that holds somebody's data.
    """
    for place in (folder, folder / QUARANTINE, folder / FAILURES):
        remove_leftovers(place)
    if (folder / SETTINGS).exists():
        before = read_sealed(folder / SETTINGS, "render-settings")
        refuse_changes(folder, {k: v for k, v in before.items() if k != "seal"}, settings)
        return
    held = {MANIFEST, LABELS}
    if foreign := [p.name for p in folder.iterdir() if p.suffix == ".tar" or p.name in held]:
        raise InputError(
            "this folder holds data that was not made here",
            where=folder,
            expected="an empty folder",
            found=", ".join(sorted(foreign)[:3]),
            hint="choose another folder",
        )
    write_sealed(folder / SETTINGS, settings)


def _finished(folder: Path) -> dict[str, str]:
    """sha256 of each file of a finished run by its path there; empty without a manifest that can be trusted."""
    if not (folder / MANIFEST).exists():
        return {}
    try:
        manifest = read_manifest(folder)
    except IntegrityError as error:
        log.warning("%s is damaged and is made again: %s", folder / MANIFEST, error.what)
        return {}
    return {entry["name"]: entry["sha256"] for entry in manifest["files"]} | {
        f"{QUARANTINE}/{entry['name']}": entry["sha256"] for entry in manifest["quarantine"]
    }


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
