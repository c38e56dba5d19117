"""Verification of a release in full: what the schemas say of it, and what was made from its records, made again.

Nothing here trusts a release more than `verify_release` does: records are read only where their bytes are those of
release.json, and a forger may have sealed them anew.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.manifest import LABELS
from clay_eval.schemas.release import (
    DATA,
    LABELS_TABLE,
    MAX_RECORD,
    PER_QUERY,
    PLAN_FOLDER,
    RELEASE,
    RENDER_SETTINGS,
    REPORT_FILE,
    RUN_MANIFEST,
)
from clay_eval.schemas.release_verify import Release, verify_release
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.validate import parse_json, read_sealed, read_text
from clay_eval.schemas.verify import Findings

from .licences import data_licence, refuse_other_licence
from .models import models_from
from .texts import LAYOUT, OLDEST, Records, texts

if TYPE_CHECKING:
    from clay_eval.evaluator.pictures.labelled import Labelled

_SHOWN = 160
_COMPARED_BYTES = 8 << 20


def verify_published(
    folder: Path,
    check_image: Callable[[bytes, str], Any] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Findings:
    """`verify_release`, and: its texts and the numbers of its report follow from its records, its models are those used."""
    return verify_release(folder, check_image, progress, (_check_models, _check_texts, _check_numbers))


def _check_models(release: Release, findings: Findings) -> None:
    """The models of release.json are those of manifest and plan; their licences' texts are those that it pins."""
    record, place = release.record, release.folder / RELEASE
    calls = sorted(path for path in release.listed if path.startswith(f"{PLAN_FOLDER}/llm/calls/"))
    used = models_from(
        release.manifest,
        [release.inside(path) for path in calls if _is_call(path) and path.endswith(".json")],
    )
    said = [(m["role"], m["name"], m["revision"], m["digest"]) for m in record["models"]]
    if said != [(m.role, m.name, m.revision, m.digest) for m in used]:
        raise IntegrityError(
            "its models are not those that manifest and plan name",
            where=place,
            expected=", ".join(f"{m.role} {m.name}" for m in used) or "none",
            found=", ".join(f"{m['role']} {m['name']}" for m in record["models"]) or "none",
        )
    if data_licence(record["licence"]["id"]) != record["licence"]:
        raise IntegrityError(
            "a licence with another title or address than it has", where=place, found=record["licence"]
        )
    for model, one in zip(used, record["models"], strict=True):
        try:
            unknown = refuse_other_licence(model, one, record["licence"]["id"])
        except InputError as error:
            raise IntegrityError(
                error.what, where=f"{place}: {error.where}", expected=error.expected, found=error.found
            ) from error
        if unknown:
            findings.notes.append(f"{place}: {unknown}")
    for pinned in _pinned(record):
        if release.listed.get(pinned["path"], {}).get("sha256") != pinned["sha256"]:
            raise IntegrityError("not the text of a licence that the release pins", where=place, found=pinned)


def _is_call(path: str) -> bool:
    return path.count("/") == f"{PLAN_FOLDER}/llm/calls/".count("/")


def _pinned(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Path and sha256 of the licences' texts that lie in the release."""
    for model in record["models"]:
        if model["text"] is not None and model["text"]["path"] is not None:
            yield model["text"]


def _check_texts(release: Release, findings: Findings) -> None:
    """Every text that is made from the records is what they make of it now; nothing else is published."""
    layout = release.record.get("layout", 1)
    if layout > LAYOUT:
        raise IntegrityError(
            "the texts have a layout that this version of clay-eval does not know",
            where=release.folder / RELEASE,
            expected=f"at most {LAYOUT}",
            found=layout,
            hint="verify it with the version that made it, or a later one",
        )
    if layout < OLDEST:
        findings.notes.append(
            f"{release.folder}: texts of layout {layout}, which this version does not make: not made again"
        )
        return
    made = _made(release)
    for path, text in made.items():
        place = release.inside(path)
        content = text.encode()
        if hashlib.sha256(content).hexdigest() != release.listed[path]["sha256"]:
            raise IntegrityError(
                "this text is not what the records of the release make of it",
                where=place,
                **_first(place, text),
            )
    ours = {f"{DATA}/{entry['name']}" for entry in release.manifest["files"]} | made.keys()
    ours |= {
        f"{DATA}/manifest.json",
        LABELS_TABLE,
        RENDER_SETTINGS,
        *(p["path"] for p in _pinned(release.record)),
    }
    if release.record["report"] is not None:
        ours |= {REPORT_FILE, PER_QUERY}
    if release.record["run_manifest"] != release.record["manifest"]:
        ours.add(RUN_MANIFEST)
    for path in sorted(release.listed.keys() - ours):
        if not path.startswith(f"{PLAN_FOLDER}/"):
            findings.faults.append(f"{release.folder / path}: not a file that clay-eval publish makes")


def _made(release: Release) -> dict[str, str]:
    """The texts as the records of the release make them now."""
    from jinja2 import TemplateError

    planned = read_sealed(release.inside(f"{PLAN_FOLDER}/plan.json"), "plan")
    specs = [load_entity(release.inside(f"{PLAN_FOLDER}/specs/{name}.json")) for name in planned["entities"]]
    report = None
    if release.record["report"] is not None:
        report = read_sealed(release.inside(REPORT_FILE), "report")
    table, manifest = release.listed[LABELS_TABLE], release.manifest
    record = {name: value for name, value in release.record.items() if name not in ("files", "seal")}
    try:
        records = Records(record, manifest, planned, specs, report, table, _extension(release))
        return texts(records, record.get("layout", 1))
    except TemplateError as error:
        raise IntegrityError(
            "the records of the release lack what its texts say", where=release.folder, found=error
        ) from error


def _extension(release: Release) -> str:
    """Of the first picture, as `publish` takes it."""
    for entry in release.manifest["files"]:
        if entry["samples"]:
            first = next(read_shard(release.inside(f"{DATA}/{entry['name']}"), images=False), None)
            if first is not None:
                return first.extension
    raise IntegrityError("there is no picture", where=release.folder / DATA)


def _first(place: Path, text: str) -> dict[str, str]:
    """The first line that differs, as expected and found."""
    with place.open("rb") as stream:
        found = stream.read(_COMPARED_BYTES).decode("utf-8", "replace").splitlines()
    wanted = text.splitlines()
    pairs = zip_longest(wanted, found, fillvalue="(nothing)")
    for number, (right, wrong) in enumerate(pairs, start=1):
        if right != wrong:
            return {"expected": f"line {number}: {right[:_SHOWN]}", "found": wrong[:_SHOWN]}
    return {"expected": "the same line ends and no byte more", "found": "other ones"}


def _check_numbers(release: Release, findings: Findings) -> None:
    """The report's numbers follow from the scores of its queries and the labels of the pictures."""
    if release.record["report"] is None:
        return
    from clay_eval.evaluator.evaluation.recount import recount

    report = read_sealed(release.inside(REPORT_FILE), "report")
    covered = f"{PLAN_FOLDER}/coverage.json"
    planned = parse_json(read_text(release.inside(covered), limit=MAX_RECORD), covered)
    for name, facts in report["entities"].items():
        if facts["coverage"] not in (None, planned.get(name)):
            raise IntegrityError(
                "the coverage in the report is not the plan's", where=release.folder / REPORT_FILE, found=name
            )
    if not release.shards_whole:
        findings.notes.append(
            f"{release.folder / REPORT_FILE}: its numbers were not made again, since the shards or labels are damaged"
        )
        return
    with _where(release.folder / REPORT_FILE):
        notes = recount(report, release.inside(PER_QUERY), _labelled(release))
    findings.notes += [f"{release.folder / REPORT_FILE}: {note}" for note in notes]
    findings.notes.append(
        f"{release.folder / REPORT_FILE}: scores of queries, retrievals, maps and warnings need features: not made again"
    )


@contextmanager
def _where(path: Path) -> Iterator[None]:
    """Say of an error which report it is about."""
    try:
        yield
    except IntegrityError as error:
        where = str(error.where).replace("report.json", str(path), 1)
        raise IntegrityError(error.what, where=where, expected=error.expected, found=error.found) from error


def _labelled(release: Release) -> dict[str, Labelled]:
    """Entity -> keys and labels, from a labels.csv that says what the shards say."""
    from clay_eval.evaluator.pictures.labelled import Labelled

    entities = release.manifest["entities"]
    keys: dict[str, list[str]] = {name: [] for name in entities}
    columns = {name: {a: list[str]() for a in facts["attributes"]} for name, facts in entities.items()}
    with (release.folder / DATA / LABELS).open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            keys[row["entity"]].append(row["key"])
            for attribute, column in columns[row["entity"]].items():
                column.append(sys.intern(row[attribute]))
    return {
        name: Labelled(keys[name], columns[name], facts["parents"])
        for name, facts in entities.items()
        if keys[name]
    }
