"""Makes a release in a folder beside its place and moves it there when it is whole.

Everything in it follows from the run's sealed records and the publisher's request: no clock, no host name, no path. The
same run and request give the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import ConfigChangedError, InputError
from clay_eval.schemas.files import locked, remove_file, storage_errors, sync_folder, write_sealed, write_text
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.manifest import MANIFEST
from clay_eval.schemas.release import (
    DATA,
    LABELS_TABLE,
    RELEASE,
    RUN_MANIFEST,
    SUMS,
    read_release,
    sums_text,
)
from clay_eval.schemas.secrets import known_secrets
from clay_eval.schemas.software import versions

from . import facts, licences
from .models import models_of
from .privacy import require_no_secrets
from .request import Request, slug
from .sources import Sources, provenance, review_counts
from .staging import Seen, bring_file, stage
from .texts import LAYOUT, Records, texts
from .versions import FIRST, Changes, changes_since, parse_version, require_version

DEFAULT_LICENCE = "CC-BY-4.0"


def publish(
    sources: Sources, target: Path, request: Request, progress: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Make the release of a run in `target` and return release.json.

    A release of the same content that is there already is left as it is. progress: called with the bytes of each shard
    done. Raises InputError for a version that does not say what changed, a licence that forbids it, a missing date, a key
    in a file; IntegrityError for shards that are not whole; ConfigChangedError for a folder that holds something else;
    BusyError while another run works on it.
    """
    parse_version(request.version)
    before = None if request.previous is None else read_release(request.previous)
    licence = licences.data_licence(
        request.licence or (before["licence"]["id"] if before else DEFAULT_LICENCE)
    )
    licensed = licences.licensed_models(
        models_of(sources.manifest, sources.plan), request.stated, licence["id"]
    )
    target = target.absolute()
    there = _there(target)
    dated = _date(request, before, there)
    work = target.with_name(f".{target.name}.part")
    with locked(work):
        try:
            _clear(work)
            seen = stage(sources, work, copy=request.copy, progress=progress)
            changes = Changes(FIRST, ("first release",))
            if request.previous is not None:
                changes = changes_since(request.previous, seen.manifest, licence["id"], seen.records)
            require_version(request.version, before["version"] if before else None, changes)
            record = _record(sources, seen, request, before, dated, changes)
            record |= {"licence": licence, "models": [one.record for one in licensed]}
            _write(sources, seen, work, record, licensed)
            require_no_secrets(work, known_secrets(*request.secrets))
            made = read_release(work)
            if there is not None:
                _require_same(target, there, made)
            else:
                _move(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return made


def _move(work: Path, target: Path) -> None:
    remove_file(work / ".lock")
    with storage_errors(target):
        if target.exists():
            target.rmdir()
        work.rename(target)
        sync_folder(target.parent)


def _there(target: Path) -> dict[str, Any] | None:
    """The release in `target`, None if there is nothing; InputError for anything else."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return None
    if target.is_dir() and (target / RELEASE).is_file():
        return read_release(target)
    raise InputError(
        "the folder for the release holds something else",
        where=target,
        expected="an empty folder, or none",
        hint="choose another --to",
    )


def _require_same(target: Path, there: Mapping[str, Any], made: Mapping[str, Any]) -> None:
    """Raise ConfigChangedError unless the release that is there is the one that was just made again."""
    if there == made:
        return
    differing = sorted(
        name for name in made if there.get(name) != made[name] and name not in ("files", "seal")
    )
    raise ConfigChangedError(
        "this folder holds another release",
        where=target,
        expected=f"nothing, or version {made['version']} with the same content",
        found=f"version {there['version']}; it differs in {', '.join(differing) or 'its files'}",
        hint="choose another --to; compare with it by --previous",
    )


def _clear(work: Path) -> None:
    """Remove what a killed run left; the lock stays."""
    with storage_errors(work):
        for path in work.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != ".lock":
                path.unlink()


def _date(request: Request, before: Mapping[str, Any] | None, there: Mapping[str, Any] | None) -> str:
    """The date of the release: as asked for, or the one under which this version stands in a log already."""
    if request.date is not None:
        return request.date
    for release in (there, before):
        for entry in release["log"] if release else ():
            if entry["version"] == request.version:
                return str(entry["date"])
    raise InputError(
        "a release needs a date, and does not take it from the clock: it could not be made again",
        where="--date",
        expected="YYYY-MM-DD",
        hint="--date with the day on which you publish",
    )


def _record(
    sources: Sources,
    seen: Seen,
    request: Request,
    before: Mapping[str, Any] | None,
    dated: str,
    changes: Changes,
) -> dict[str, Any]:
    """What release.json says, but for licence, models and files."""
    told = before or {"title": None, "authors": [], "contact": None, "url": None, "log": [], "name": None}
    title = request.title or told["title"] or facts.default_title(sources.specs)
    manifest = seen.manifest
    entry = {
        "version": request.version,
        "date": dated,
        "kind": changes.kind,
        "changes": [*request.notes, *changes.lines],
        "digest": None if request.previous is None else file_sha256(request.previous / RELEASE),
    }
    return {
        "schema": "clay-eval/release/1",
        "software": versions("pyarrow", "jinja2"),
        **({} if LAYOUT == 1 else {"layout": LAYOUT}),
        "name": told["name"] or slug(title),
        "title": title,
        "version": request.version,
        "date": dated,
        "licence": None,
        "authors": list(request.authors) or told["authors"],
        "contact": request.contact or told["contact"],
        "url": request.address or told["url"],
        "manifest": manifest["fingerprint"],
        "run_manifest": sources.manifest["fingerprint"],
        "plan": manifest["plan"],
        "report": None if sources.report is None else sources.report["fingerprint"],
        "samples": manifest["samples"],
        "entities": {name: facts["samples"] for name, facts in manifest["entities"].items()},
        "models": [],
        "review": review_counts(sources.shards, sources.manifest, seen.accepted_by_hand),
        "log": [*told["log"], entry],
    }


def _write(
    sources: Sources,
    seen: Seen,
    work: Path,
    record: dict[str, Any],
    licensed: list[licences.Licensed],
) -> None:
    """Write everything besides the shards, release.json last."""
    for path, source in provenance(sources).items():
        bring_file(source, work / path, copy=True)
    if seen.manifest["fingerprint"] != sources.manifest["fingerprint"]:
        bring_file(sources.shards / MANIFEST, work / RUN_MANIFEST, copy=True)
    table = {"bytes": (work / LABELS_TABLE).stat().st_size, "sha256": file_sha256(work / LABELS_TABLE)}
    extension = next(iter(seen.extensions))
    made = texts(
        Records(record, seen.manifest, sources.planned, sources.specs, sources.report, table, extension)
    )
    made |= {one.record["text"]["path"]: one.text for one in licensed if one.text is not None}
    for path, text in made.items():
        write_text(work / path, text)
    known = {f"{DATA}/{entry['name']}": entry["sha256"] for entry in seen.manifest["files"]}
    files: list[dict[str, Any]] = [
        {
            "path": path,
            "bytes": (work / path).stat().st_size,
            "sha256": known.get(path) or file_sha256(work / path),
        }
        for path in sorted(p.relative_to(work).as_posix() for p in work.rglob("*") if p.is_file())
        if path != ".lock"
    ]
    write_sealed(work / RELEASE, {**record, "files": files})
    sums = {entry["path"]: entry["sha256"] for entry in files} | {RELEASE: file_sha256(work / RELEASE)}
    write_text(work / SUMS, sums_text(sums))
