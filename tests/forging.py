"""What a forger does who knows the software: every sum, seal, count, table and text of a release is made anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clay_eval.generator.publishing.labels import LabelsTable
from clay_eval.generator.publishing.texts import Records, texts
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.files import write_sealed
from clay_eval.schemas.fingerprint import file_sha256, fingerprint
from clay_eval.schemas.manifest import provenance_of, read_manifest, write_manifest
from clay_eval.schemas.planned import plan_fingerprint
from clay_eval.schemas.release import RELEASE, SUMS, sums_text
from clay_eval.schemas.shards import ShardSample, read_shard, write_shard
from clay_eval.schemas.validate import read_sealed

PLAN = "provenance/plan"
REPORT = "baselines/report.json"
SCORES = "baselines/per_query.csv"


def seal_again(folder: Path, **changes: Any) -> None:
    """release.json, with these changes, and SHA256SUMS say what lies there."""
    record = json.loads((folder / RELEASE).read_text()) | changes
    known = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in (RELEASE, SUMS))
    record["files"] = [
        {"path": p.relative_to(folder).as_posix(), "bytes": p.stat().st_size, "sha256": file_sha256(p)}
        for p in known
    ]
    write_sealed(folder / RELEASE, record)
    sums = {e["path"]: e["sha256"] for e in record["files"]} | {RELEASE: file_sha256(folder / RELEASE)}
    (folder / SUMS).write_text(sums_text(sums))


def renew(folder: Path, *, remake: bool = True, **changes: Any) -> None:
    """Everything that follows from shards, plan and report, made anew; `changes` are of release.json.

    remake: whether labels.csv and the manifest are written from the shards. The release must have no quarantine.
    """
    data = folder / "data"
    manifest = read_manifest(data)
    if remake:
        provenance = provenance_of(manifest)
        entities = {
            n: {k: v for k, v in f.items() if k != "samples"} for n, f in manifest["entities"].items()
        }
        write_manifest(data, [e["name"] for e in manifest["files"][:-1]], entities, provenance)
        manifest = read_manifest(data)
    with LabelsTable(folder / "labels.parquet", manifest["entities"]) as table:
        for entry in manifest["files"][:-1]:
            for sample in read_shard(data / entry["name"]):
                table.add(entry["name"], sample)
    release = json.loads((folder / RELEASE).read_text()) | changes
    release |= {"manifest": manifest["fingerprint"], "run_manifest": manifest["fingerprint"]}
    release |= {"plan": manifest["plan"], "samples": manifest["samples"]}
    report = None
    if (folder / REPORT).exists():
        report = json.loads((folder / REPORT).read_text())
        report["inputs"]["plan"] = manifest["plan"]
        report["inputs"]["data"]["fingerprint"] = manifest["fingerprint"]
        report["fingerprint"] = fingerprint({k: report[k] for k in ("inputs", "settings")})
        report["per_query"]["sha256"] = file_sha256(folder / SCORES)
        write_sealed(folder / REPORT, report)
        release["report"] = report["fingerprint"]
    planned = read_sealed(folder / PLAN / "plan.json", "plan")
    specs = [load_entity(folder / PLAN / "specs" / f"{name}.json") for name in planned["entities"]]
    size = {
        "bytes": (folder / "labels.parquet").stat().st_size,
        "sha256": file_sha256(folder / "labels.parquet"),
    }
    first = next(read_shard(data / manifest["files"][0]["name"]))
    for path, text in texts(
        Records(release, manifest, planned, specs, report, size, first.extension)
    ).items():
        (folder / path).write_text(text)
    seal_again(folder, **release)


def change_samples(folder: Path, change: Callable[[list[ShardSample]], object], number: int = 0) -> str:
    """Rewrite the shard of this number in a release; its name."""
    name: str = read_manifest(folder / "data")["files"][number]["name"]
    samples = list(read_shard(folder / "data" / name))
    change(samples)
    write_shard(folder / "data" / name, samples)
    return name


def change_plan(folder: Path, lines: Callable[[list[str]], list[str]]) -> None:
    """Rewrite plan.jsonl and what plan.json and the manifest say of it."""
    path = folder / PLAN / "plan.jsonl"
    path.write_text("".join(lines(path.read_text().splitlines(keepends=True))))
    record = json.loads((folder / PLAN / "plan.json").read_text())
    record["files"]["plan.jsonl"] = file_sha256(path)
    record["fingerprint"] = plan_fingerprint(record)
    write_sealed(folder / PLAN / "plan.json", record)
    name_plan(folder, record)


def name_plan(folder: Path, record: Mapping[str, Any]) -> None:
    """The manifest and the settings of the renderer name this plan."""
    for path in (folder / "data" / "manifest.json", folder / "provenance" / "render.json"):
        told = json.loads(path.read_text()) | {"plan": record["fingerprint"]}
        if "files" in told:
            told["fingerprint"] = fingerprint({k: told[k] for k in ("plan", "renderer", "files")})
        write_sealed(path, told)


def change_report(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change report.json and seal it."""
    report = json.loads((folder / REPORT).read_text())
    change(report)
    write_sealed(folder / REPORT, report)
