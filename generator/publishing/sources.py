"""The artefacts of a run that go into a release, read once and checked to belong together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import IntegrityError
from clay_eval.schemas.fingerprint import file_sha256, fingerprint
from clay_eval.schemas.manifest import BY_HAND, QUARANTINE, SETTINGS, read_manifest
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.validate import read_sealed

from ..plan.planning import read_plan_record
from ..review.decisions import ACCEPTED
from ..review.journal import refuse_unfinished
from ..shards.rendering import plan_specs

REPORT = "report.json"
_DRAFTED = (".json", ".texts.json", ".exclusions.csv", ".exclusions.md", ".notes.md")
"""Endings of what a language model drafted of an entity."""
_CALL = re.compile(r"llm/calls/[A-Za-z0-9_][A-Za-z0-9._-]*\.json")


@dataclass(frozen=True)
class Sources:
    """A finished run: its folders, and what its sealed records say. `report` is None where none is to go along."""

    plan: Path
    shards: Path
    reports: Path
    manifest: Mapping[str, Any]
    planned: Mapping[str, Any]
    specs: tuple[EntitySpec, ...]
    report: Mapping[str, Any] | None


def read_sources(plan: Path, shards: Path, reports: Path, *, baselines: bool = True) -> Sources:
    """Read the records of a run, and refuse one that is not finished.

    Raises InputError where something was never made, IntegrityError for what is incomplete, damaged or does not belong
    together; each says the way out.
    """
    refuse_unfinished(shards)
    manifest = read_manifest(shards)
    counts = manifest["filter"]
    if manifest["part"] is not None:
        raise IntegrityError(
            "these shards are a part of a plan only",
            where=shards,
            found="part {} of {}".format(*manifest["part"]),
            hint="draw all parts, then: clay-eval merge",
        )
    if counts["failed"]:
        raise IntegrityError(
            "the data set is not complete: samples failed",
            where=shards / "failures",
            expected=f"{counts['planned']} samples, accepted or rejected",
            found=f"{counts['failed']} that could not be drawn",
            hint="clay-eval render with the same options draws these alone",
        )
    empty = [name for name, facts in manifest["entities"].items() if not facts["samples"]]
    if empty:
        raise IntegrityError(
            "an entity has no picture at all", where=shards, found=", ".join(empty), hint="plan without it"
        )
    planned = read_plan_record(plan)
    if planned["fingerprint"] != manifest["plan"]:
        raise IntegrityError(
            "the shards were not made from this plan",
            where=plan,
            expected=manifest["plan"],
            found=planned["fingerprint"],
            hint="put the plan there that they were made from",
        )
    specs = tuple(plan_specs(plan, dict(planned)))
    report = _report(reports, manifest) if baselines else None
    return Sources(plan, shards, reports, manifest, planned, specs, report)


def _report(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """The report of these shards, if there is one; one of others, or a damaged one, raises IntegrityError."""
    if not (folder / REPORT).exists():
        return None
    report = read_sealed(folder / REPORT, "report")
    one_of_many = [
        fingerprint({"shards": manifest["fingerprint"], "entity": e}) for e in manifest["entities"]
    ]
    data = report["inputs"]["data"]
    if data["kind"] != "shards" or data["fingerprint"] not in (manifest["fingerprint"], *one_of_many):
        raise IntegrityError(
            "the report was made from other pictures",
            where=folder,
            hint="clay-eval evaluate --replace makes one of these; --no-baselines publishes without it",
        )
    table = folder / report["per_query"]["file"]
    if table.parent != folder or not table.is_file() or file_sha256(table) != report["per_query"]["sha256"]:
        raise IntegrityError(
            "the per-query results are missing or were changed",
            where=table,
            hint="clay-eval evaluate --replace makes them again",
        )
    return report


def review_counts(shards: Path, manifest: Mapping[str, Any], accepted: int) -> dict[str, Any]:
    """How many pictures were accepted by hand, and how many removed for which reason.

    accepted: the number counted in the shards. Raises IntegrityError for a tar of quarantine that is not the manifest's.
    """
    removed: Counter[str] = Counter()
    for entry in manifest["quarantine"]:
        path = shards / QUARANTINE / entry["name"]
        if not path.is_file() or file_sha256(path) != entry["sha256"]:
            raise IntegrityError(
                "a tar of rejected pictures is missing or was changed",
                where=path,
                hint="clay-eval verify says what is wrong; clay-eval render makes it again",
            )
        for sample in read_shard(path, images=False):
            last = last_mark(sample.record)
            if last is not None:
                removed[last.removeprefix(BY_HAND)] += 1
    return {"accepted": accepted, "removed": dict(sorted(removed.items()))}


def last_mark(record: Mapping[str, Any]) -> str | None:
    """The decision by hand that a sample's record ends with, if any."""
    rejected = record.get("rejected")
    last = rejected[-1] if isinstance(rejected, list) and rejected else None
    return last if isinstance(last, str) and last.startswith(BY_HAND) else None


def is_accepted_by_hand(record: Mapping[str, Any]) -> bool:
    """Whether a reviewer brought this sample back."""
    return last_mark(record) == ACCEPTED


def provenance(sources: Sources) -> dict[str, Path]:
    """Path in the release -> file of the run, of what is taken over as it is, besides the shards."""
    from clay_eval.schemas.release import PER_QUERY, PLAN_FOLDER, RENDER_SETTINGS, REPORT_FILE

    files = {}
    for path in sorted(sources.plan.rglob("*")):
        inside = path.relative_to(sources.plan).as_posix()
        if path.is_file() and not path.is_symlink() and _is_of_plan(inside, sources.planned):
            files[f"{PLAN_FOLDER}/{inside}"] = path
    if (sources.shards / SETTINGS).is_file():
        files[RENDER_SETTINGS] = sources.shards / SETTINGS
    if sources.report is not None:
        files[REPORT_FILE] = sources.reports / REPORT
        files[PER_QUERY] = sources.reports / sources.report["per_query"]["file"]
    return files


def _is_of_plan(path: str, planned: Mapping[str, Any]) -> bool:
    """Whether clay-eval wrote a file in the folder of a plan: what else lies there is not meant to be published."""
    drafted = {f"llm/{entity}{ending}" for entity in planned["entities"] for ending in _DRAFTED}
    return path == "plan.json" or path in planned["files"] or path in drafted or bool(_CALL.fullmatch(path))
