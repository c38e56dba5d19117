"""Packs what a method makes of the data as a submission: fits it on every database, and writes embeddings or runs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.files import (
    locked,
    remove_file,
    remove_leftovers,
    storage_errors,
    sync_folder,
    write_sealed,
)
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.software import versions
from clay_eval.schemas.validate import check

from ..evaluation.prepared import Evaluation, study_of
from ..methods.support.protocol import NotApplicableError
from ..methods.support.specs import Method
from ..pictures.labelled import Labelled
from ..retrieval.engine import plan_tasks, rows_to_fit, seeded_splits
from ..retrieval.spaces import Space, make_space
from ..retrieval.tasks import RetrievalGroup, RetrievalTask
from ..retrieval.vectors import FeatureSource
from ..trec.writing import safe_name, score_blocks, write_run
from ..vectors.arrays import unit_rows
from .comparable import protocol_record
from .embeddings import write_embeddings
from .layout import EMBEDDINGS, ENDINGS, METHOD, PARTS, RUNS, SCHEMA, SCORE
from .scoring import score_parts

_WORK = ".new"
"""Where a submission is made, in its folder: one that is there stays until the new one is whole."""
_ENDINGS = (*ENDINGS[EMBEDDINGS], *ENDINGS[RUNS], ".part")
_PACKAGES = ("numpy", "torch", "open_clip_torch", "transformers")


@dataclass(frozen=True)
class About:
    """What a submission says of its method, beside what is measured; None: not said."""

    name: str
    version: str = ""
    code: str | None = None
    training_data: str | None = None
    conditions_seen: Sequence[str] | None = None
    hardware: str | None = None


@dataclass(frozen=True)
class Form:
    """How results are packed: embeddings of `number`, or runs of `depth` documents a query, 0 for all."""

    format: str = EMBEDDINGS
    number: str = "float32"
    depth: int = 0
    compress: bool = True


@dataclass
class _Packed:
    parts: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def pack_submission(
    evaluation: Evaluation,
    feature_source: FeatureSource,
    folder: Path,
    about: About,
    form: Form | None = None,
    *,
    split: Path | None = None,
    replace: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Write the submission of the one method of `evaluation` to `folder`, and return method.json.

    Then it is scored as its receiver will: what comes out is what it claims, and a submission that would be refused is not
    finished. Files but for method.json's `seconds` are the same whenever inputs are. `progress` is called with 1 for
    every part written, and scored.

    Raises InputError where the method fails, where embeddings cannot say how it joins several conditions, for rows that
    float16 cannot hold, and for a folder that holds a submission unless `replace`.
    """
    form = form or Form()
    require_writable(evaluation, about, form)
    work = folder / _WORK
    with locked(folder):
        _require_room(folder, replace)
        shutil.rmtree(work, ignore_errors=True)
        try:
            found = _Packed()
            for name in evaluation.sets:
                _write_entity(evaluation, feature_source, name, work, form, found, progress)
            record = _record(evaluation, feature_source.identity, about, form, found)
            check(record, "submission", folder / METHOD)
            scored = score_parts(record, work, evaluation.source, split=split, progress=progress)
            record["claimed"] = [
                {name: row[name] for name in ("entity", "conditions", "metric", "value")}
                for row in scored.results
            ]
            check(record, "submission", folder / METHOD)
            write_sealed(work / METHOD, record)
            _make_room(folder)
            for name in (PARTS, METHOD):  # method.json last: what has one is whole
                with storage_errors(folder):
                    (work / name).rename(folder / name)
            sync_folder(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return record


def require_writable(evaluation: Evaluation, about: About, form: Form) -> None:
    """Raise InputError for what method.json could not hold, before anything is computed for it."""
    if len(evaluation.methods) != 1:
        raise InputError("a submission is of one method", where="--method", found=len(evaluation.methods))
    part = _part("entity", ["condition"], None, None, "parts/file", "0" * 64)
    record = _record(evaluation, {"name": "unknown"}, about, form, _Packed([part]))
    check(record, "submission", METHOD)


def _require_room(folder: Path, replace: bool) -> None:
    """Raise InputError for a folder with anything in it but a submission, or with one that is not to be replaced."""
    strange = [path for path in folder.iterdir() if path.name not in (".lock", _WORK, PARTS, METHOD, SCORE)]
    if not (folder / METHOD).exists():
        parts = sorted((folder / PARTS).rglob("*"))
        strange += [path for path in parts if not path.is_dir() and not path.name.endswith(_ENDINGS)]
    if strange or ((folder / METHOD).exists() and not replace):
        raise InputError(
            "this folder holds other files" if strange else "this folder holds a submission",
            where=strange[0] if strange else folder / METHOD,
            hint="choose another --to" if strange else "choose another --to, or --replace it",
        )


def _make_room(folder: Path) -> None:
    """Take away an unfinished submission, or one that is to be replaced: method.json first, so that none seems whole."""
    for name in (METHOD, SCORE):
        remove_file(folder / name)
    for path in sorted([*folder.glob(PARTS), *(folder / PARTS).rglob("*")], reverse=True):
        if path.is_dir() and not path.is_symlink():
            remove_leftovers(path)
            path.rmdir()
        else:
            remove_file(path)


def _write_entity(
    evaluation: Evaluation,
    feature_source: FeatureSource,
    entity: str,
    folder: Path,
    form: Form,
    found: _Packed,
    progress: Callable[[int], None],
) -> None:
    labelled, settings = evaluation.source.entities[entity], evaluation.settings
    features = feature_source.images(evaluation.source)[entity].matrix
    study = study_of(evaluation, labelled, features, feature_source)
    method = evaluation.methods[0].of_entity(entity)
    splits = seeded_splits(labelled, settings.engine(), study.split)
    tasks = {seed: plan_tasks(labelled, one, evaluation.sets[entity]) for seed, one in splits.items()}
    study = study.checked([method], set(labelled.labels))
    for number, first in enumerate(next(iter(tasks.values()))):
        if method.features is not None and form.format == EMBEDDINGS:
            _write_anew(entity, labelled, method, first.conditions, folder, form, found)
            progress(1)
            continue
        parts = [
            (seed, planned[number], group)
            for seed, planned in tasks.items()
            for group in planned[number].groups
        ]
        try:
            for seed, task, group in parts:
                rows = rows_to_fit(group, seed, settings.fit_images)
                start = time.perf_counter()
                space = make_space(method, study, task, group, rows)
                found.seconds += time.perf_counter() - start
                place = _place(entity, task.conditions, group.name, str(seed))
                file, sha256 = _write(folder, place, labelled.keys, task, group, space, form, method)
                found.parts.append(_part(entity, task.conditions, group.name, seed, file, sha256))
                progress(1)
        except NotApplicableError as reason:
            conditions = list(first.conditions)
            found.left_out.append({"entity": entity, "conditions": conditions, "reason": reason.what[:2000]})


def _write_anew(
    entity: str,
    labelled: Labelled,
    method: Method,
    conditions: tuple[str, ...],
    folder: Path,
    form: Form,
    found: _Packed,
) -> None:
    """One part for all databases and seeds: such a method knows neither."""
    assert method.features is not None
    start = time.perf_counter()
    made = method.features(conditions)
    found.seconds += time.perf_counter() - start
    queries, database = made if isinstance(made, tuple) else (None, made)
    file = f"{_place(entity, conditions, None, 'all')}.safetensors"
    sides = [None if rows is None else (labelled.keys, unit_rows(rows)) for rows in (database, queries)]
    assert sides[0] is not None
    sha256 = write_embeddings(folder / file, sides[0], sides[1], form.number)
    found.parts.append(_part(entity, conditions, None, None, file, sha256))


def _write(
    folder: Path,
    place: str,
    keys: Sequence[str],
    task: RetrievalTask,
    group: RetrievalGroup,
    space: Space,
    form: Form,
    method: Method,
) -> tuple[str, str]:
    """Write one part, and return its path in the submission and its sha256."""
    queries, database = [keys[row] for row in group.queries], [keys[row] for row in group.database]
    if form.format == RUNS:
        file = f"{place}.run{'.gz' if form.compress else ''}"
        own = group.own if (group.own >= 0).any() else None
        blocks = score_blocks(space.pairs, space.combine)
        write_run(folder / file, queries, database, blocks, tag=method.name, depth=form.depth, own=own)
        return file, file_sha256(folder / file)
    if len(space.pairs) > 1 or space.combine is not None:
        raise InputError(
            f"fusion={method.fusion} joins scores, which no embedding can say",
            where=method.name,
            expected="fusion=stack, qr or sum",
            hint="submit runs: --runs",
        )
    rows, columns = space.pairs[0]
    file = f"{place}.safetensors"
    shared = rows is columns or (queries == database and np.array_equal(rows, columns))
    sha256 = write_embeddings(
        folder / file, (database, columns), None if shared else (queries, rows), form.number
    )
    return file, sha256


def _place(entity: str, conditions: Sequence[str], group: str | None, seed: str) -> str:
    names = [entity, "+".join(conditions), *([group] if group else []), f"seed-{seed}"]
    return "/".join([PARTS, *(safe_name(name) for name in names)])


def _part(
    entity: str, conditions: Sequence[str], group: str | None, seed: int | None, file: str, sha256: str
) -> dict[str, Any]:
    made: dict[str, Any] = {"entity": entity, "conditions": list(conditions), "group": group, "seed": seed}
    return made | {"file": file, "sha256": sha256}


def _record(
    evaluation: Evaluation, identity: Mapping[str, Any], about: About, form: Form, found: _Packed
) -> dict[str, Any]:
    """method.json without its claims and seal; identity: the encoder's."""
    settings, method = evaluation.settings, evaluation.methods[0]
    inputs = evaluation.identity(identity)["inputs"]
    seen = about.conditions_seen
    form_says: Mapping[str, Any] = {"depth": form.depth} if form.format == RUNS else {"similarity": "inner"}
    encoder = dict(method.identity) if method.features is not None or method.embedder else None
    return {
        "schema": SCHEMA,
        "name": about.name,
        "version": about.version,
        "code": about.code,
        "spec": method.name,
        "training_data": about.training_data,
        "conditions_seen": None if seen is None else list(seen),
        "privileged": method.privileged,
        "seconds": round(found.seconds, 3),
        "hardware": about.hardware,
        "software": versions(*_PACKAGES),
        "encoder": dict(identity) if encoder is None else {"name": method.name, **encoder},
        "data": {"fingerprint": evaluation.source.fingerprint, "kind": inputs["data"]["kind"]},
        "settings": {name: value for name, value in protocol_record(settings).items() if value is not None},
        "recorded": {
            "fit_images": settings.fit_images,
            "weights": dict(settings.weights),
            "texts": {name: item["fingerprint"] for name, item in inputs["texts"].items()},
            "number": form.number if form.format == EMBEDDINGS else None,
        },
        "format": form.format,
        **form_says,
        "parts": found.parts,
        "left_out": found.left_out,
    }
