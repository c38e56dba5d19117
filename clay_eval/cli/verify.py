"""clay-eval verify"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.stages.folders import RunFolder

from .common import Json, emit, progress_bar

if TYPE_CHECKING:
    from clay_eval.schemas.planned import AgainstPlan
    from clay_eval.schemas.shards import ShardSample
    from clay_eval.schemas.verify import Findings

EPILOG = """
**Example**

    clay-eval verify runs/first

    clay-eval verify runs/first/shards --no-decode --json

    clay-eval verify downloads/data-set --digest 3c53c21219...

Rehashes every file, recounts every sample, reads every picture, holds samples against their plan. Exit code 0 if all is
well, 4 if anything is damaged, missing or extra; every fault is listed, and a note names what was not looked at. A run on
your own data has no shards: its features and report are checked. A release (see clay-eval publish) is checked offline as a
stranger's: every byte is covered by a digest, texts and numbers are made again from its records, nothing outside the folder
is read but the blobs of a Hub cache that it lies in. A release that contradicts itself is refused even if all digests were
made anew; --digest compares it with the one that its publisher prints, which shows a forgery that does not.
"""
NOT_CHECKED = "permissions, owners and times of files say nothing of a release: not looked at"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="verify", epilog=EPILOG)(verify)


def verify(
    folder: Annotated[Path, typer.Argument(help="A run folder, a shards folder, or a release.")],
    decode: Annotated[bool, typer.Option("--decode/--no-decode", help="Decode every picture, too.")] = True,
    digest: Annotated[
        str | None, typer.Option("--digest", help="Of a release: the digest that its publisher names.")
    ] = None,
    json: Json = False,
) -> None:
    """Check that a release, or shards (with the plan, features and report of a run), is whole and fits together."""
    from clay_eval.schemas.manifest import MANIFEST, SETTINGS
    from clay_eval.schemas.release import DATA, RELEASE, SUMS
    from clay_eval.schemas.verify import Findings, verify_shards

    # A release that lost its record is still one, and damaged.
    if os.path.lexists(folder / RELEASE) or ((folder / SUMS).exists() and (folder / DATA).exists()):
        _verify_release(folder, digest, decode, json)
        return
    if digest is not None:
        raise InputError("only a release has a digest", where="--digest", found=f"{folder} is none")
    run = RunFolder(folder)
    is_run = not any((folder / name).exists() for name in (MANIFEST, SETTINGS))
    there = [p.name for p in (run.plan, run.shards, run.features, run.report) if p.exists()]
    if is_run and not there:
        raise InputError(
            "nothing to verify here",
            where=folder,
            expected="a run folder (plan/, shards/, features/, report/) or a shards folder (manifest.json)",
            found="no such folder" if not folder.exists() else "none of these",
        )
    place = run.shards if is_run else folder
    # A plan with results must have shards; results alone are of pictures that lie elsewhere.
    has_shards = place.exists() or (run.plan.exists() and len(there) > 1)
    check_image = _image_check() if decode else None
    with progress_bar("verify", _bytes(place)) as advance:
        findings = Findings()
        if has_shards:
            beside = _plan_beside(run) if is_run else None
            findings = verify_shards(place, check_image, advance, on_sample=_comparing(beside, place))
            findings.faults += [] if beside is None else beside.finish()
        if is_run:
            _verify_run(run, findings)
    record = {
        "folder": str(folder),
        "ok": findings.ok,
        "files": findings.files,
        "samples": findings.samples,
        "bytes": findings.bytes,
        "faults": findings.faults,
        "notes": findings.notes,
    }
    verdict = "all is well" if findings.ok else f"{len(findings.faults)} faults"
    counted = f"{place}: {findings.samples} samples, {findings.files} files"
    if not has_shards:
        counted = f"{folder}: no shards here, checked {', '.join(there)}"
    emit(json, record, *findings.faults, *_notes(findings), f"{counted}, {verdict}")
    if not findings.ok:
        raise typer.Exit(IntegrityError.exit_code)


def _verify_release(folder: Path, digest: str | None, decode: bool, json: bool) -> None:
    from clay_eval.generator.publishing.verification import verify_published
    from clay_eval.schemas.fingerprint import file_sha256
    from clay_eval.schemas.release import RELEASE

    with progress_bar("verify", _bytes(folder, "**/*")) as advance:
        findings = verify_published(folder, _image_check() if decode else None, advance)
    findings.notes.append(NOT_CHECKED)
    place = folder / RELEASE
    found = file_sha256(place) if place.is_file() else None
    if digest is not None and digest.lower() != found:
        findings.faults.append(f"{folder}: digest {digest} expected, {found} found: not what was published")
    record = {
        "folder": str(folder),
        "ok": findings.ok,
        "digest": found,
        "files": findings.files,
        "samples": findings.samples,
        "bytes": findings.bytes,
        "faults": findings.faults,
        "notes": findings.notes,
    }
    verdict = "all is well" if findings.ok else f"{len(findings.faults)} faults"
    counted = f"{folder}: a release of {findings.samples} samples, {findings.files} files, {verdict}"
    emit(json, record, *findings.faults, *_notes(findings), counted, f"digest of this release: {found}")
    if not findings.ok:
        raise typer.Exit(IntegrityError.exit_code)


def _notes(findings: Findings) -> list[str]:
    return [f"note: {line}" for line in findings.notes]


def _image_check() -> Callable[[bytes, str], Any]:
    from clay_eval.schemas.decoding import decode_image

    return decode_image


def _bytes(folder: Path, pattern: str = "*") -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def _comparing(beside: AgainstPlan | None, place: Path) -> Callable[[str, ShardSample], None]:
    """What takes each sample of the shards in `place`."""
    if beside is None:
        return lambda _, __: None
    return lambda shard, sample: beside.compare(place / shard, sample)


def _plan_beside(run: RunFolder) -> AgainstPlan | None:
    """The plan of a run's shards; None where there is none or it is not theirs, which its own check tells."""
    from clay_eval.generator.plan.planning import SAMPLES, read_plan_record
    from clay_eval.schemas.manifest import SETTINGS, read_manifest
    from clay_eval.schemas.planned import AgainstPlan
    from clay_eval.schemas.validate import read_sealed

    try:
        plan, manifest = read_plan_record(run.plan), read_manifest(run.shards)
        settings = read_sealed(run.shards / SETTINGS, "render-settings")
    except ClayEvalError:
        return None
    if plan["fingerprint"] != manifest["plan"]:
        return None
    return AgainstPlan(run.plan / SAMPLES, plan, manifest, settings["shard_size"])


def _verify_run(run: RunFolder, findings: Findings) -> None:
    """Check plan, features and report; whether they belong to the shards only where those are whole."""
    from clay_eval.schemas.manifest import MANIFEST, read_manifest

    manifest = read_manifest(run.shards) if findings.ok and (run.shards / MANIFEST).exists() else None
    for check in (_check_plan, _check_features, _check_report):
        with _listed(findings):
            check(run, manifest, findings)


@contextmanager
def _listed(findings: Findings) -> Iterator[None]:
    try:
        yield
    except ClayEvalError as error:
        findings.add(error)


def _check_plan(run: RunFolder, manifest: dict[str, Any] | None, findings: Findings) -> None:
    """The plan is whole, and the one that the shards were made from."""
    from clay_eval.generator.plan.planning import read_plan_record

    if not run.plan.exists():
        return
    plan = read_plan_record(run.plan)
    planned = manifest["filter"]["planned"] if manifest else None
    if manifest and (plan["fingerprint"], plan["samples"]) != (manifest["plan"], planned):
        raise IntegrityError(
            "the shards were not made from this plan",
            where=run.shards,
            expected=f"{plan['samples']} samples of plan {plan['fingerprint']}",
            found=f"{planned} samples of plan {manifest['plan']}",
        )


def _check_features(run: RunFolder, manifest: dict[str, Any] | None, findings: Findings) -> None:
    """Every file of features is whole and holds numbers."""
    from clay_eval.evaluator.embedding.feature_files import read_features
    from clay_eval.evaluator.embedding.store import ENCODER_FILE, FeatureStore

    store = FeatureStore(run.features)
    known = {store.encoder_folder(identity): identity for identity in store.identities()}
    for path in sorted(run.features.glob(f"*/{ENCODER_FILE}")):
        if path.parent not in known:
            findings.faults.append(f"{path}: not what clay-eval wrote")
    for folder, identity in known.items():
        for path in sorted(folder.glob("*.safetensors")):
            with _listed(findings):
                _require_finite(path, read_features(path, identity).features)


def _require_finite(path: Path, features: Any) -> None:
    import numpy as np

    if not np.isfinite(features).all():
        raise IntegrityError("NaN or infinite values in the features", where=path)


def _check_report(run: RunFolder, manifest: dict[str, Any] | None, findings: Findings) -> None:
    """The report is whole; if it is of shards and there are some here, it is of these, and of the features here."""
    from clay_eval.evaluator.embedding.store import FeatureStore
    from clay_eval.evaluator.evaluation.prepared import REPORT, read_report
    from clay_eval.evaluator.pictures.opening import open_source

    if not (run.report / REPORT).exists():
        return
    report = read_report(run.report)
    for path in report["thumbnails"].values():
        if not (run.report / path).is_file():
            findings.faults.append(f"{run.report / path}: missing")
    data = report["inputs"]["data"]
    if manifest is None or data["kind"] != "shards":
        return
    entities = list(report["entities"])
    source = open_source(run.shards, entities[0] if len(entities) == 1 < len(manifest["entities"]) else None)
    if data["fingerprint"] != source.fingerprint:
        raise IntegrityError(
            "the report was made from other shards",
            where=run.report,
            expected=source.fingerprint,
            found=data["fingerprint"],
        )
    store = FeatureStore(run.features)
    for unit in source.units():
        path = store.unit_path(report["inputs"]["encoder"], unit)
        if not path.is_file():
            findings.faults.append(f"{path}: missing")
        elif not any(str(path) in fault for fault in findings.faults):
            with _listed(findings):
                if store.read_unit(report["inputs"]["encoder"], unit) is None:
                    findings.faults.append(f"{path}: not the features of the shard {unit.name}")
