"""Verification of a release from a stranger's point of view: offline, trusting nothing in it, listing every fault.

Every byte of every file is covered by a sha256 in release.json, which is sealed; SHA256SUMS is the one text that follows
from it. Somebody who changes a release and makes all of these anew is found out by the digest of release.json only: it is
what the publisher prints beside the data, and what `clay-eval verify` shows.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .entity import load_entity
from .errors import ClayEvalError, InputError, IntegrityError
from .fingerprint import file_sha256, fingerprint
from .manifest import LABELS, MANIFEST, label_row, read_manifest
from .reading import read_bytes
from .release import (
    CROISSANT,
    DATA,
    DIGESTS,
    LABELS_TABLE,
    MAX_RECORD,
    PER_QUERY,
    PLAN_FOLDER,
    RELEASE,
    REPORT_FILE,
    RUN_MANIFEST,
    SUMS,
    read_release,
    sums_text,
    table_columns,
    table_digests,
)
from .release_table import table_rows
from .samples import read_plan
from .shards import ShardSample
from .texts import load_texts
from .validate import parse_json, read_sealed, read_text
from .verify import Findings, verify_shards

_HUB = {".gitattributes", ".git", ".cache"}
"""What the Hub, git and the Hub's client put beside the files of a data set; none of it is read."""


def verify_release(
    folder: Path,
    check_image: Callable[[bytes, str], Any] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Findings:
    """Check a release; never raises for damage, lists it instead.

    check_image, progress: as `verify_shards` takes them. Links are not followed, nothing outside `folder` is read, and sizes
    are checked before anything is read or decoded.
    """
    findings = Findings()
    try:
        release = read_release(folder)
    except ClayEvalError as error:
        findings.add(error)
        return findings
    listed = {entry["path"]: entry for entry in release["files"]}
    whole = _check_files(folder, listed, findings, progress)
    _check_sums(folder, listed, findings)
    _check_tree(folder, set(listed), findings)
    if f"{DATA}/{MANIFEST}" not in whole:
        findings.faults.append(
            f"{folder / DATA / MANIFEST}: missing or damaged, so the shards were not looked at"
        )
        return findings
    with _noted(findings):
        manifest = read_manifest(folder / DATA)
        _check_data(folder, release, manifest, listed, whole, findings, check_image, progress)
        for check in (_check_croissant, _check_plan, _check_report):
            with _noted(findings):
                check(folder, release, manifest, listed, whole)
    return findings


@contextmanager
def _noted(findings: Findings) -> Iterator[None]:
    try:
        yield
    except ClayEvalError as error:
        findings.add(error)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        findings.faults.append(
            f"a record of the release is not what it should be: {type(error).__name__}: {error}"
        )


def _check_files(
    folder: Path, listed: Mapping[str, Mapping[str, Any]], findings: Findings, progress: Callable[[int], None]
) -> set[str]:
    """Sizes of all files, and digests of all but those that the shards' own manifest covers; the paths that are right."""
    whole = set()
    for path, entry in listed.items():
        place = folder / path
        if _is_link(folder, path) or not place.is_file():
            findings.faults.append(f"{place}: missing, or not a plain file")
            continue
        size = place.stat().st_size
        if size != entry["bytes"]:
            findings.faults.append(f"{place}: {entry['bytes']} bytes expected, {size} found")
            continue
        if path.endswith(".json") and size > MAX_RECORD:
            findings.faults.append(f"{place}: too large for a record: {size} bytes")
            continue
        if _is_shard(path):
            whole.add(path)
            continue
        findings.files += 1
        findings.bytes += size
        with _noted_reading(place, findings):
            if file_sha256(place) == entry["sha256"]:
                whole.add(path)
            else:
                findings.faults.append(f"{place}: its sha256 is not that of {RELEASE}")
        progress(size)
    return whole


@contextmanager
def _noted_reading(place: Path, findings: Findings) -> Iterator[None]:
    try:
        yield
    except (InputError, OSError) as error:
        said = error.strerror if isinstance(error, OSError) else error.found or error.what
        findings.faults.append(f"{place}: cannot be read: {said}")


def _is_shard(path: str) -> bool:
    return path.startswith(f"{DATA}/") and (path.endswith(".tar") or path == f"{DATA}/{LABELS}")


def _is_link(folder: Path, path: str) -> bool:
    """Whether any step of the way to a file is a link."""
    place = folder
    for part in path.split("/"):
        place = place / part
        if place.is_symlink():
            return True
    return False


def _check_sums(folder: Path, listed: Mapping[str, Mapping[str, Any]], findings: Findings) -> None:
    sums = {path: entry["sha256"] for path, entry in listed.items()}
    wanted = sums_text(sums | {RELEASE: file_sha256(folder / RELEASE)}).encode()
    place = folder / SUMS
    if place.is_symlink() or not place.is_file():
        findings.faults.append(f"{place}: missing, or not a plain file")
        return
    with _noted_reading(place, findings):
        if place.stat().st_size != len(wanted) or read_bytes(place, len(wanted)) != wanted:
            findings.faults.append(f"{place}: does not say what {RELEASE} says")
    findings.files += 2


def _check_tree(folder: Path, listed: set[str], findings: Findings) -> None:
    """Nothing is there that is not listed: no file, link, device, or empty folder. The Hub's own files may be."""
    known = listed | {RELEASE, SUMS}
    folders = {"/".join(path.split("/")[:depth]) for path in known for depth in range(1, path.count("/") + 1)}
    pending = [(folder, "")]
    while pending:
        place, prefix = pending.pop()
        for entry in sorted(os.scandir(place), key=lambda entry: entry.name):
            path = f"{prefix}{entry.name}"
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                findings.faults.append(f"{folder / path}: a link has no place in a release")
            elif prefix == "" and entry.name in _HUB:
                continue
            elif stat.S_ISDIR(mode) and path in folders:
                pending.append((place / entry.name, f"{path}/"))
            elif not (stat.S_ISREG(mode) and path in known):
                findings.faults.append(f"{folder / path}: not in {RELEASE}")


def _check_data(
    folder: Path,
    release: Mapping[str, Any],
    manifest: Mapping[str, Any],
    listed: Mapping[str, Mapping[str, Any]],
    whole: set[str],
    findings: Findings,
    check_image: Callable[[bytes, str], Any] | None,
    progress: Callable[[int], None],
) -> None:
    """The shards are whole, are those of the release, and say what labels.parquet says."""
    said = {f"{DATA}/{entry['name']}": entry for entry in manifest["files"]}
    for path in sorted(said.keys() | {path for path in listed if _is_shard(path)}):
        facts = [(one[path]["bytes"], one[path]["sha256"]) if path in one else None for one in (said, listed)]
        if facts[0] != facts[1]:
            findings.faults.append(f"{folder / path}: {RELEASE} and {DATA}/{MANIFEST} do not agree on it")
    told = {
        "manifest": manifest["fingerprint"],
        "plan": manifest["plan"],
        "samples": manifest["samples"],
        "entities": {name: facts["samples"] for name, facts in manifest["entities"].items()},
    }
    findings.faults += [
        f"{folder / RELEASE}: its {name} is not the manifest's"
        for name, value in told.items()
        if release[name] != value
    ]
    table = _Table(folder / LABELS_TABLE, manifest) if LABELS_TABLE in whole else None
    within = verify_shards(
        folder / DATA,
        check_image,
        progress,
        quarantine=False,
        on_sample=(lambda _, __: None) if table is None else table.compare,
    )
    findings.files += within.files
    findings.bytes += within.bytes
    findings.samples = within.samples
    findings.faults += within.faults
    if table is None:
        findings.faults.append(
            f"{folder / LABELS_TABLE}: missing or damaged, so not compared with the shards"
        )
    elif fault := table.fault():
        findings.faults.append(fault)


class _Table:
    """labels.parquet, compared with the shards a row at a time."""

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        self._path = path
        self._columns = table_columns(manifest["entities"])
        self._rows = table_rows(path, self._columns, manifest["samples"])
        self._fault: str | None = None

    def compare(self, shard: str, sample: ShardSample) -> None:
        """Take the next row; it must be that of `sample` in `shard`."""
        if self._fault is not None:
            return
        digests = dict(zip(DIGESTS, table_digests(sample), strict=True))
        try:
            row = label_row(sample.key, shard, {"labels": {}, "diversity": {}, **sample.record}) | digests
            found = next(self._rows, None)
        except ClayEvalError as error:
            self._fault = " ".join(str(error).split())
            return
        except (KeyError, TypeError, ValueError):
            self._fault = f"{self._path}: {sample.key} is no sample that a table can hold"
            return
        if found != {name: row.get(name) for name in self._columns}:
            self._fault = f"{self._path}: does not say of {sample.key} what its shard says"

    def fault(self) -> str | None:
        """What was wrong, if anything; call it after the last sample."""
        if self._fault is None:
            try:
                if next(self._rows, None) is not None:
                    self._fault = f"{self._path}: has more rows than there are samples"
            except ClayEvalError as error:
                self._fault = " ".join(str(error).split())
        return self._fault


def _check_croissant(
    folder: Path,
    release: Mapping[str, Any],
    manifest: Mapping[str, Any],
    listed: Mapping[str, Mapping[str, Any]],
    whole: set[str],
) -> None:
    """croissant.json names the files of the release by relative paths with their digests, and each tar."""
    if CROISSANT not in whole:
        raise IntegrityError("missing or damaged", where=folder / CROISSANT)
    record = parse_json(read_text(folder / CROISSANT, limit=MAX_RECORD), folder / CROISSANT)
    files = {one["contentUrl"]: one["sha256"] for one in record["distribution"] if "contentUrl" in one}
    wrong = sorted(p for p, sha in files.items() if p not in listed or listed[p]["sha256"] != sha)
    missing = sorted({f"{DATA}/{entry['name']}" for entry in manifest["files"]} - files.keys())
    if wrong or missing or record["version"] != release["version"]:
        raise IntegrityError(
            "does not describe this release",
            where=folder / CROISSANT,
            found=", ".join([*wrong, *(f"{p} not named" for p in missing)][:3])
            or f"version {record['version']}",
        )


def _check_plan(
    folder: Path,
    release: Mapping[str, Any],
    manifest: Mapping[str, Any],
    listed: Mapping[str, Mapping[str, Any]],
    whole: set[str],
) -> None:
    """The plan is the one of the shards, and its specs, texts and samples can be read."""
    place = folder / PLAN_FOLDER
    if f"{PLAN_FOLDER}/plan.json" not in whole:
        raise IntegrityError("the plan is missing or damaged", where=place / "plan.json")
    plan = read_sealed(place / "plan.json", "plan")
    if plan["fingerprint"] != manifest["plan"]:
        raise IntegrityError("the shards were not made from this plan", where=place)
    for name, sha256 in plan["files"].items():
        path = f"{PLAN_FOLDER}/{name}"
        if path not in whole or listed[path]["sha256"] != sha256:
            raise IntegrityError("a file of the plan is missing or is not the plan's", where=folder / path)
    for name, facts in manifest["entities"].items():
        spec = _inside(folder, f"{PLAN_FOLDER}/specs/{name}.json", whole)
        if load_entity(spec).fingerprint != facts["spec"]:
            raise IntegrityError("this is not the spec of the shards", where=spec)
    for name, facts in plan["entities"].items():
        if facts["texts"] is not None:
            texts = _inside(folder, f"{PLAN_FOLDER}/conditions/{name}.json", whole)
            if load_texts(texts).fingerprint != facts["texts"]:
                raise IntegrityError("these are not the texts of the plan", where=texts)
    lines = _inside(folder, f"{PLAN_FOLDER}/plan.jsonl", whole)
    samples = sum(1 for _ in read_plan(lines))
    if samples != plan["samples"]:
        raise IntegrityError("the plan has another number of samples", where=lines, found=samples)


def _inside(folder: Path, path: str, whole: set[str]) -> Path:
    """Where a file lies that release.json lists and that is right; a name that a record made up leads nowhere."""
    if path not in whole:
        raise IntegrityError(f"missing, damaged, or not in {RELEASE}", where=folder / path)
    return folder / path


def _check_report(
    folder: Path,
    release: Mapping[str, Any],
    manifest: Mapping[str, Any],
    listed: Mapping[str, Mapping[str, Any]],
    whole: set[str],
) -> None:
    """The baselines are those that release.json names, of the pictures that were published."""
    run = release["run_manifest"]
    if run != manifest["fingerprint"]:
        if RUN_MANIFEST not in whole:
            raise IntegrityError("the manifest of the run is missing or damaged", where=folder / RUN_MANIFEST)
        before = read_sealed(folder / RUN_MANIFEST, "manifest")
        same = all(
            before[name] == manifest[name] for name in ("plan", "renderer", "entities", "filter", "balance")
        )
        if before["fingerprint"] != run or not same:
            raise IntegrityError("the manifest of the run is of other pictures", where=folder / RUN_MANIFEST)
    if release["report"] is None:
        if REPORT_FILE in listed:
            raise IntegrityError("a report that the release does not name", where=folder / REPORT_FILE)
        return
    if REPORT_FILE not in whole or PER_QUERY not in whole:
        raise IntegrityError("the baselines are missing or damaged", where=folder / REPORT_FILE)
    report = read_sealed(folder / REPORT_FILE, "report")
    of = {run, *(fingerprint({"shards": run, "entity": entity}) for entity in manifest["entities"])}
    if report["fingerprint"] != release["report"] or report["inputs"]["data"]["fingerprint"] not in of:
        raise IntegrityError("the baselines are of other pictures", where=folder / REPORT_FILE)
    if report["per_query"]["sha256"] != listed[PER_QUERY]["sha256"]:
        raise IntegrityError("the results of the queries are not the report's", where=folder / PER_QUERY)
