"""Verification of a release from a stranger's point of view: offline, trusting nothing in it, listing every fault.

Every byte of every file is covered by a sha256 in release.json, which is sealed; SHA256SUMS is the one text that follows
from it. Whoever changes a release and makes all of these anew must still tell one story: samples are held against the plan,
tables against the samples, records against each other. A forgery that agrees with itself in everything is found out by the
digest of release.json only: it is what the publisher prints beside the data, and what `clay-eval verify` shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .entity import load_entity
from .errors import ClayEvalError, IntegrityError
from .fingerprint import fingerprint
from .manifest import ACCEPTED_BY_HAND, MANIFEST, read_manifest
from .planned import PLAN_LINES, AgainstPlan, plan_fingerprint
from .release import (
    CROISSANT,
    DATA,
    LABELS_TABLE,
    MAX_RECORD,
    PER_QUERY,
    PLAN_FOLDER,
    RELEASE,
    RENDER_SETTINGS,
    REPORT_FILE,
    RUN_MANIFEST,
    read_release,
)
from .release_files import check_files, check_sums, check_tree, is_shard, note_hub_links
from .release_table import TableAgainstShards
from .shards import ShardSample
from .texts import load_texts
from .validate import parse_json, read_sealed, read_text
from .verify import Findings, read_settings, verify_shards


@dataclass(frozen=True)
class Release:
    """A release whose files were held against release.json.

    record: release.json; listed: path -> its entry there; whole: paths of the files whose bytes are right (of shards and
    labels.csv: whose size is, until the shards were read); shards_whole: whether no fault was found in any file of data/,
    and labels.parquet.
    """

    folder: Path
    record: Mapping[str, Any]
    manifest: Mapping[str, Any]
    listed: Mapping[str, Mapping[str, Any]]
    whole: frozenset[str]
    shards_whole: bool = False

    def inside(self, path: str) -> Path:
        """Where a file lies that release.json lists and that is right; a name that a record made up leads nowhere."""
        if path not in self.whole:
            raise IntegrityError(f"missing, damaged, or not in {RELEASE}", where=self.folder / path)
        return self.folder / path


Check = Callable[[Release, Findings], None]
"""Adds faults and notes to the findings, or raises ClayEvalError for one fault."""


def verify_release(
    folder: Path,
    check_image: Callable[[bytes, str], Any] | None = None,
    progress: Callable[[int], None] = lambda _: None,
    more: Sequence[Check] = (),
) -> Findings:
    """Check a release; never raises for damage, lists it instead.

    check_image, progress: as `verify_shards` takes them. more: further checks of what the schemas say nothing of. Links are
    not followed but to the blobs of the Hub's cache that a release lies in, nothing else outside `folder` is read, and
    sizes are checked before anything is read or decoded.
    """
    findings = Findings()
    try:
        record = read_release(folder)
    except ClayEvalError as error:
        findings.add(error)
        return findings
    listed = {entry["path"]: entry for entry in record["files"]}
    whole = check_files(folder, listed, findings, progress)
    check_sums(folder, listed, findings)
    check_tree(folder, set(listed), findings)
    note_hub_links(folder, listed, findings)
    if f"{DATA}/{MANIFEST}" not in whole:
        findings.faults.append(
            f"{folder / DATA / MANIFEST}: missing or damaged, so the shards were not looked at"
        )
        return findings
    with _noted(findings):
        release = Release(folder, record, read_manifest(folder / DATA), listed, frozenset(whole))
        before = len(findings.faults)
        with _noted(findings):
            _check_data(release, findings, check_image, progress)
        release = replace(release, shards_whole=len(findings.faults) == before)
        for check in (_check_croissant, _check_plan, _check_log, _check_report, *more):
            with _noted(findings):
                check(release, findings)
    return findings


@contextmanager
def _noted(findings: Findings) -> Iterator[None]:
    try:
        yield
    except ClayEvalError as error:
        findings.add(error)
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        findings.faults.append(
            f"a record of the release is not what it should be: {type(error).__name__}: {error}"
        )


def _check_data(
    release: Release,
    findings: Findings,
    check_image: Callable[[bytes, str], Any] | None,
    progress: Callable[[int], None],
) -> None:
    """The shards are whole, are those of the release, and say what the plan and labels.parquet say."""
    folder, manifest = release.folder, release.manifest
    _check_told(release, findings)
    table = TableAgainstShards(folder / LABELS_TABLE, manifest) if LABELS_TABLE in release.whole else None
    plan = _plan_to_compare(release, findings)
    by_hand = 0

    def look(shard: str, sample: ShardSample) -> None:
        nonlocal by_hand
        by_hand += _is_accepted_by_hand(sample.record)
        if plan is not None:
            plan.compare(folder / DATA / shard, sample)
        if table is not None:
            table.compare(shard, sample)

    within = verify_shards(folder / DATA, check_image, progress, quarantine=False, on_sample=look)
    findings.files += within.files
    findings.bytes += within.bytes
    findings.samples = within.samples
    findings.faults += within.faults
    if plan is not None:
        findings.faults += plan.finish()
    if table is None:
        findings.faults.append(
            f"{folder / LABELS_TABLE}: missing or damaged, so not compared with the shards"
        )
    elif fault := table.fault():
        findings.faults.append(fault)
    review, removed = release.record["review"], manifest["filter"]["by_hand"]
    if (review["accepted"], sum(review["removed"].values())) != (by_hand, removed):
        findings.faults.append(f"{folder / RELEASE}: its review is not that of the shards")


def _check_told(release: Release, findings: Findings) -> None:
    """The files, counts and fingerprints of release.json are those of the shards' manifest."""
    folder, manifest, listed = release.folder, release.manifest, release.listed
    said = {f"{DATA}/{entry['name']}": entry for entry in manifest["files"]}
    for path in sorted(said.keys() | {path for path in listed if is_shard(path)}):
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
        if release.record[name] != value
    ]


def _plan_to_compare(release: Release, findings: Findings) -> AgainstPlan | None:
    """The plan's samples, if they and its record are whole; `_check_plan` tells where they are not."""
    lines = f"{PLAN_FOLDER}/{PLAN_LINES}"
    if not {lines, f"{PLAN_FOLDER}/plan.json"} <= release.whole:
        return None
    try:
        plan = read_sealed(release.folder / PLAN_FOLDER / "plan.json", "plan")
    except ClayEvalError:
        return None
    settings = None
    if RENDER_SETTINGS in release.whole:
        settings = read_settings(release.folder / RENDER_SETTINGS, release.manifest, findings)
    elif RENDER_SETTINGS not in release.listed:
        findings.notes.append(
            f"{release.folder / RENDER_SETTINGS}: not in the release, so which tar a sample belongs in was not checked"
        )
    size = None if settings is None else settings["shard_size"]
    return AgainstPlan(release.folder / lines, plan, release.manifest, size)


def _is_accepted_by_hand(record: Mapping[str, Any]) -> bool:
    """Whether the last mark of a record, published with lists or with texts for them, is a reviewer's."""
    rejected = record.get("rejected")
    if isinstance(rejected, str):
        return rejected == ACCEPTED_BY_HAND or rejected.endswith(f"; {ACCEPTED_BY_HAND}")
    return isinstance(rejected, list) and rejected[-1:] == [ACCEPTED_BY_HAND]


def _check_croissant(release: Release, findings: Findings) -> None:
    """croissant.json names the files of the release by relative paths with their digests, and each tar."""
    place, listed = release.inside(CROISSANT), release.listed
    record = parse_json(read_text(place, limit=MAX_RECORD), place)
    files = {one["contentUrl"]: one["sha256"] for one in record["distribution"] if "contentUrl" in one}
    wrong = sorted(p for p, sha in files.items() if p not in listed or listed[p]["sha256"] != sha)
    missing = sorted({f"{DATA}/{entry['name']}" for entry in release.manifest["files"]} - files.keys())
    if wrong or missing or record["version"] != release.record["version"]:
        raise IntegrityError(
            "does not describe this release",
            where=place,
            found=", ".join([*wrong, *(f"{p} not named" for p in missing)][:3])
            or f"version {record['version']}",
        )


def _check_plan(release: Release, findings: Findings) -> None:
    """The plan is the one of the shards, is what its fingerprint says, and its specs and texts can be read."""
    place = release.folder / PLAN_FOLDER
    plan = read_sealed(release.inside(f"{PLAN_FOLDER}/plan.json"), "plan")
    if plan["fingerprint"] != release.manifest["plan"]:
        raise IntegrityError("the shards were not made from this plan", where=place)
    if plan["fingerprint"] != plan_fingerprint(plan):
        raise IntegrityError(
            "the plan's fingerprint is not that of its content",
            where=place / "plan.json",
            expected=plan_fingerprint(plan),
            found=plan["fingerprint"],
        )
    for name, sha256 in plan["files"].items():
        if release.listed[f"{PLAN_FOLDER}/{name}"]["sha256"] != sha256:
            raise IntegrityError("a file of the plan is not the plan's", where=place / name)
        release.inside(f"{PLAN_FOLDER}/{name}")
    for name, facts in release.manifest["entities"].items():
        spec = release.inside(f"{PLAN_FOLDER}/specs/{name}.json")
        if load_entity(spec).fingerprint != facts["spec"] or plan["entities"][name]["spec"] != facts["spec"]:
            raise IntegrityError("this is not the spec of the shards", where=spec)
    for name, facts in plan["entities"].items():
        if facts["texts"] is not None:
            texts = release.inside(f"{PLAN_FOLDER}/conditions/{name}.json")
            if load_texts(texts).fingerprint != facts["texts"]:
                raise IntegrityError("these are not the texts of the plan", where=texts)


def _check_log(release: Release, findings: Findings) -> None:
    """The last line of the log is about this version."""
    record = release.record
    last = record["log"][-1] if record["log"] else {"version": None, "date": None}
    if any(last[name] != record[name] for name in ("version", "date")):
        raise IntegrityError(
            "the log does not end with this version",
            where=release.folder / RELEASE,
            expected=f"{record['version']}, {record['date']}",
            found=f"{last['version']}, {last['date']}",
        )


def _check_report(release: Release, findings: Findings) -> None:
    """The baselines are those that release.json names, of the pictures that were published."""
    folder, manifest = release.folder, release.manifest
    run = release.record["run_manifest"]
    if run != manifest["fingerprint"]:
        before = read_sealed(release.inside(RUN_MANIFEST), "manifest")
        same = all(
            before[name] == manifest[name] for name in ("plan", "renderer", "entities", "filter", "balance")
        )
        body = {name: before[name] for name in ("plan", "renderer", "files")}
        if before["fingerprint"] != run or fingerprint(body) != run or not same:
            raise IntegrityError("the manifest of the run is of other pictures", where=folder / RUN_MANIFEST)
    if release.record["report"] is None:
        if REPORT_FILE in release.listed:
            raise IntegrityError("a report that the release does not name", where=folder / REPORT_FILE)
        return
    report = read_sealed(release.inside(REPORT_FILE), "report")
    release.inside(PER_QUERY)
    of = {run, *(fingerprint({"shards": run, "entity": entity}) for entity in manifest["entities"])}
    if report["fingerprint"] != release.record["report"] or report["inputs"]["data"]["fingerprint"] not in of:
        raise IntegrityError("the baselines are of other pictures", where=folder / REPORT_FILE)
    told = {"inputs": report["inputs"], "settings": report["settings"]}
    specs = {name: facts["spec"] for name, facts in manifest["entities"].items()}
    strange = [name for name, spec in report["inputs"]["specs"].items() if specs.get(name) != spec]
    if fingerprint(told) != report["fingerprint"] or strange or report["inputs"]["plan"] != manifest["plan"]:
        raise IntegrityError(
            "the report's fingerprint, plan or specs are not those of its content and of the shards",
            where=folder / REPORT_FILE,
        )
    if report["per_query"]["sha256"] != release.listed[PER_QUERY]["sha256"]:
        raise IntegrityError("these are not the scores that the report names", where=folder / PER_QUERY)
