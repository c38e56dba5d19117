"""The planning stage: from entity specs to a plan folder that holds all that the next stages need.

plan/plan.json          what it was made from, with a seal (schema: plan)
plan/plan.jsonl         one sample spec a line
plan/coverage.json      counts and associations, before and after exclusions
plan/coverage.md        the same for reading
plan/specs/<entity>.json, plan/conditions/<entity>.json
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.files import (
    atomic_file,
    locked,
    refuse_changes,
    remove_leftovers,
    write_sealed,
    write_text,
)
from clay_eval.schemas.fingerprint import canonical_json, file_sha256
from clay_eval.schemas.planned import PLAN_LINES, plan_fingerprint, plan_settings
from clay_eval.schemas.software import versions
from clay_eval.schemas.texts import ConditionTexts, load_texts
from clay_eval.schemas.validate import read_sealed

from .combinations import Plan
from .coverage import coverage, coverage_markdown

PLAN = "plan.json"
SAMPLES = PLAN_LINES
COVERAGE = "coverage.json"


@dataclass(frozen=True)
class PlanRequest:
    """What to plan: specs with their condition texts (None: the evaluator makes some from the values)."""

    specs: Sequence[EntitySpec]
    texts: Sequence[ConditionTexts | None]
    count: int | None = None
    seed: int = 0

    def settings(self) -> dict[str, Any]:
        """What decides the plan, JSON-able."""
        return {
            "seed": self.seed,
            "count": self.count,
            "specs": {s.entity: s.fingerprint for s in self.specs},
            "texts": {
                s.entity: t.fingerprint if t else None for s, t in zip(self.specs, self.texts, strict=True)
            },
        }


def write_plan(
    request: PlanRequest, folder: Path, progress: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Plan into `folder` and return the content of plan.json.

    A finished plan of the same settings is left as it is; one of other settings raises ConfigChangedError.
    `progress` is called with the number of samples written since the last call.
    """
    if not request.specs:
        raise InputError("no entity to plan", where="clay-eval plan", hint="name one, e.g. demo-object")
    names = [s.entity for s in request.specs]
    if len(set(names)) < len(names):
        raise InputError("an entity is named twice", where="clay-eval plan", found=names)
    plans = [Plan(s, count=request.count, seed=request.seed) for s in request.specs]
    files = [SAMPLES, COVERAGE, "coverage.md"]
    with locked(folder):
        for part in (folder, folder / "specs", folder / "conditions"):
            remove_leftovers(part)
        if (folder / PLAN).exists():
            done = read_plan_record(folder)
            refuse_changes(folder, plan_settings(done), request.settings())
            return done
        for spec, texts in zip(request.specs, request.texts, strict=True):
            files.append(f"specs/{spec.entity}.json")
            write_text(folder / files[-1], _pretty(spec.record))
            if texts is not None:
                files.append(f"conditions/{spec.entity}.json")
                write_text(folder / files[-1], _pretty(texts.record))
        with atomic_file(folder / SAMPLES) as stream:
            for plan in plans:
                for number, sample in enumerate(plan, start=1):
                    stream.write(sample.to_json().encode() + b"\n")
                    if number % 1000 == 0:
                        progress(1000)
                progress(len(plan) % 1000)
        covered = {plan.spec.entity: coverage(plan) for plan in plans}
        write_text(folder / COVERAGE, canonical_json(covered) + "\n")
        pages = "\n".join(coverage_markdown(name, record) for name, record in covered.items())
        write_text(folder / "coverage.md", "# Coverage of the plan\n\n" + pages)
        write_sealed(folder / PLAN, _record(request, plans, folder, files))
    return read_plan_record(folder)


def _record(request: PlanRequest, plans: Sequence[Plan], folder: Path, files: list[str]) -> dict[str, Any]:
    settings = request.settings()
    record = {
        "schema": "clay-eval/plan/1",
        "software": versions("numpy"),
        "settings": {"seed": request.seed, "count": request.count},
        "entities": {
            p.spec.entity: {
                "spec": settings["specs"][p.spec.entity],
                "texts": settings["texts"][p.spec.entity],
                "combinations": len(p.numbers),
                "excluded": int((~p.combinations.kept).sum()),
                "samples": len(p),
            }
            for p in plans
        },
        "samples": sum(map(len, plans)),
        "files": {name: file_sha256(folder / name) for name in sorted(files)},
    }
    return {**record, "fingerprint": plan_fingerprint(record)}


def read_plan_record(folder: Path) -> dict[str, Any]:
    """plan.json of a finished plan, its files checked against their hashes.

    Raises InputError if there is no finished plan, IntegrityError if a file was changed.
    """
    path = folder / PLAN
    if not path.is_file():
        raise InputError(
            "no finished plan here", where=path, hint="make one: clay-eval plan ENTITY --out DIR"
        )
    record = read_sealed(path, "plan")
    if SAMPLES not in record["files"] or record["fingerprint"] != plan_fingerprint(record):
        raise IntegrityError(
            "the plan's fingerprint is not that of its content",
            where=path,
            hint="plan again into another folder, or restore the file",
        )
    for name, sha in record["files"].items():
        file = folder / name
        if not file.is_file() or file_sha256(file) != sha:
            raise IntegrityError(
                "a file of the plan is missing or was changed",
                where=file,
                hint="plan again into another folder, or restore the file",
            )
    return record


def plan_texts(folder: Path) -> dict[str, ConditionTexts]:
    """The condition texts of a plan, by entity, of those that have any."""
    return {
        name: load_texts(folder / "conditions" / f"{name}.json")
        for name, facts in read_plan_record(folder)["entities"].items()
        if facts["texts"] is not None
    }


def _pretty(record: Any) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"
