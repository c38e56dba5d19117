"""clay-eval verify"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clay_eval.schemas.errors import ClayEvalError, IntegrityError

from .common import Json, RunFolder, emit, progress_bar

EPILOG = """
**Example**

    clay-eval verify runs/first

    clay-eval verify runs/first/shards --no-decode --json

Rehashes every file, recounts every sample, reads every picture. Exit code 0 if all is well, 4 if anything is damaged,
missing or extra; every fault is listed.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="verify", epilog=EPILOG)(verify)


def verify(
    folder: Annotated[Path, typer.Argument(help="A run folder or a shards folder.")],
    decode: Annotated[bool, typer.Option("--decode/--no-decode", help="Decode every picture, too.")] = True,
    json: Json = False,
) -> None:
    """Check that shards (and the plan, features and report of a run) are whole and fit together."""
    from clay_eval.schemas.manifest import MANIFEST, SETTINGS
    from clay_eval.schemas.verify import verify_shards

    run = RunFolder(folder)
    is_run = not any((folder / name).exists() for name in (MANIFEST, SETTINGS))
    place = run.shards if is_run else folder
    if decode:
        from clay_eval.evaluator.images import decode_image
    with progress_bar("verify", None) as advance:
        findings = verify_shards(place, decode_image if decode else None, advance)
        if is_run and findings.ok:
            for check in (_check_plan, _check_features, _check_report):
                try:
                    check(run)
                except ClayEvalError as error:
                    findings.add(error)
    record = {
        "folder": str(folder),
        "ok": findings.ok,
        "files": findings.files,
        "samples": findings.samples,
        "bytes": findings.bytes,
        "faults": findings.faults,
    }
    verdict = "all is well" if findings.ok else f"{len(findings.faults)} faults"
    summary = f"{place}: {findings.samples} samples, {findings.files} files, {verdict}"
    emit(json, record, *findings.faults, summary)
    if not findings.ok:
        raise typer.Exit(IntegrityError.exit_code)


def _check_plan(run: RunFolder) -> None:
    """The plan is whole, and the one that the shards were made from."""
    from clay_eval.generator.planning import read_plan_record
    from clay_eval.schemas.manifest import read_manifest

    if not run.plan.exists():
        return
    plan, manifest = read_plan_record(run.plan), read_manifest(run.shards)
    if plan["fingerprint"] != manifest["plan"] or plan["samples"] != manifest["samples"]:
        raise IntegrityError(
            "the shards were not made from this plan",
            where=run.shards,
            expected=f"{plan['samples']} samples of plan {plan['fingerprint']}",
            found=f"{manifest['samples']} samples of plan {manifest['plan']}",
        )


def _check_features(run: RunFolder) -> None:
    """Every encoder's features are whole and up to date."""
    from clay_eval.evaluator.features import FeatureStore
    from clay_eval.evaluator.sources import open_source

    store = FeatureStore(run.features)
    identities = store.identities()
    source = open_source(run.shards) if identities else None
    for identity in identities:
        store.load(source, identity)


def _check_report(run: RunFolder) -> None:
    """The report is whole and speaks of these shards."""
    from clay_eval.evaluator.evaluation import read_report
    from clay_eval.schemas.manifest import read_manifest

    if not run.report.exists():
        return
    report, manifest = read_report(run.report), read_manifest(run.shards)
    found = report["inputs"]["data"]["fingerprint"]
    if found != manifest["fingerprint"]:
        raise IntegrityError(
            "the report was made from other shards",
            where=run.report,
            expected=manifest["fingerprint"],
            found=found,
        )
