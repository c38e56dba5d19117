"""Decisions by hand, brought into the shards: pictures move between shards and quarantine, the manifest is made again.

Killed anywhere and run again with the same decisions, it ends in the same bytes: a note (see journal) holds the manifest
as it was, and every shard can be brought to its end from wherever it was left (see moves).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import ConfigChangedError, InputError, IntegrityError
from clay_eval.schemas.failures import read_failures
from clay_eval.schemas.files import locked, remove_file, remove_leftovers
from clay_eval.schemas.manifest import (
    MANIFEST,
    QUARANTINE,
    SETTINGS,
    provenance_of,
    read_manifest,
    write_manifest,
)
from clay_eval.schemas.validate import read_sealed

from ..plan.planning import SAMPLES, read_plan_record
from ..shards.rendering import shard_tasks
from ..shards.work import ShardTask, shard_files
from .decisions import ACCEPTED, Decisions, last_by_hand, read_decisions
from .gather import require_unchanged
from .journal import end_journal, read_journal, write_journal
from .moves import Held, read_held, write_held


@dataclass(frozen=True)
class Move:
    """One picture that changes its place, with its labels (core and diversity) and the line its record gains."""

    key: str
    entity: str
    labels: Mapping[str, str]
    mark: str


@dataclass(frozen=True)
class Change:
    """What the balance lost or won: pictures of a value that were planned, kept before, kept after."""

    entity: str
    attribute: str
    value: str
    planned: int
    before: int
    after: int


@dataclass(frozen=True)
class Applied:
    """What applying did, or would do: moves in the order of the plan, sample counts, changes of the balance.

    already: these decisions had been applied before, and nothing was changed.
    """

    samples: tuple[int, int]
    moves: list[Move] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    already: bool = False

    @property
    def removed(self) -> int:
        """Pictures taken out."""
        return sum(move.mark != ACCEPTED for move in self.moves)

    @property
    def accepted(self) -> int:
        """Pictures brought back."""
        return sum(move.mark == ACCEPTED for move in self.moves)


def apply_decisions(
    plan_folder: Path,
    folder: Path,
    path: Path,
    *,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Applied:
    """Apply the decisions file `path` to the shards in `folder`, made from the plan in `plan_folder`.

    progress: called with 1 for every shard that was brought to its end. Raises InputError for a file that is not one of
    decisions, an unknown key, a decision that does not fit; ConfigChangedError for decisions made for other shards, or
    while others are half applied; IntegrityError for damaged shards; BusyError while something else works on them.
    """
    decisions = read_decisions(path)
    with locked(folder):
        journal = read_journal(folder)
        if journal and journal[0] != decisions.fingerprint:
            raise ConfigChangedError(
                "other decisions are half applied to these shards",
                where=folder,
                hint="apply those again first: they are finished then",
            )
        before = journal[1] if journal else read_manifest(folder)
        tasks = _tasks(plan_folder, folder, before["plan"])
        affected = _affected(tasks, decisions, path)
        if decisions.manifest != before["fingerprint"]:
            if decisions.marks and _holds(folder, affected, decisions):
                return Applied((before["samples"], before["samples"]), already=True)
            raise ConfigChangedError(
                "these decisions were made for other shards",
                where=path,
                expected=f"manifest {before['fingerprint']}",
                found=f"manifest {decisions.manifest}",
                hint="review these shards: clay-eval review",
            )
        if not journal:
            _require_listed(folder, before, affected)
        result = _result(before, _moves(folder, affected, decisions, path, journal is not None))
        if dry_run or not (result.moves or journal):
            return result
        for part in (folder, folder / QUARANTINE):
            remove_leftovers(part)
        if not journal:
            write_journal(folder, decisions.fingerprint, before)
        remove_file(folder / MANIFEST)
        for task in affected:
            keys = [sample.key for sample in task.samples]
            write_held(folder, task.name, keys, decisions.marks)
            progress(1)
        shards = [task.name for task in tasks if (folder / task.name).exists()]
        # A rendering in between may have drawn what had failed.
        failed = sum(len(read_failures(shard_files(folder, task.name)[2])) for task in tasks)
        write_manifest(folder, shards, _entities(before), replace(provenance_of(before), failed=failed))
        end_journal(folder)
    return result


def _entities(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a manifest says of its entities, without the counts."""
    return {
        name: {field: value for field, value in facts.items() if field != "samples"}
        for name, facts in manifest["entities"].items()
    }


def _tasks(plan_folder: Path, folder: Path, plan: str) -> list[ShardTask]:
    """Every shard's work, from the plan that the shards were made from."""
    found = read_plan_record(plan_folder)["fingerprint"]
    if found != plan:
        raise ConfigChangedError(
            "the shards were not made from this plan", where=plan_folder, expected=plan, found=found
        )
    settings = read_sealed(folder / SETTINGS, "render-settings")
    return list(shard_tasks(plan_folder / SAMPLES, settings["shard_size"]))


def _affected(tasks: list[ShardTask], decisions: Decisions, path: Path) -> list[ShardTask]:
    """The work that decisions touch; a key that is not in the plan raises InputError."""
    wanted = set(decisions.marks)
    affected = [task for task in tasks if any(sample.key in wanted for sample in task.samples)]
    unknown = wanted - {sample.key for task in affected for sample in task.samples}
    if unknown:
        raise InputError(
            "decisions on pictures that are not planned", where=path, found=", ".join(sorted(unknown)[:3])
        )
    return affected


def _require_listed(folder: Path, manifest: Mapping[str, Any], affected: list[ShardTask]) -> None:
    """The files to be changed are those that the manifest lists."""
    names = {task.name for task in affected}
    for place, entries in ((folder, manifest["files"]), (folder / QUARANTINE, manifest[QUARANTINE])):
        listed = {entry["name"]: entry["sha256"] for entry in entries if entry["name"] in names}
        for name in sorted(names):
            if name in listed:
                require_unchanged(place / name, listed[name])
            elif (place / name).exists():
                raise IntegrityError("a file is not in the manifest", where=place / name)


def _holds(folder: Path, affected: list[ShardTask], decisions: Decisions) -> bool:
    """Whether every decision is what its picture's record already ends with, in the place it asks for."""
    held = {key: one for task in affected for key, one in read_held(folder, task.name).items()}
    return all(key in held and _done(held[key], mark) for key, mark in decisions.marks.items())


def _done(held: Held, mark: str) -> bool:
    return held.quarantined == (mark != ACCEPTED) and last_by_hand(held.sample.record) == mark


def _moves(
    folder: Path, affected: list[ShardTask], decisions: Decisions, path: Path, resumed: bool
) -> list[Move]:
    """What the decisions move; one that does not fit where its picture lies raises InputError."""
    moves = []
    for task in affected:
        held = read_held(folder, task.name)
        for key in (sample.key for sample in task.samples if sample.key in decisions.marks):
            mark = decisions.marks[key]
            if key not in held:
                raise InputError("there is no picture to decide on", where=f"{path}: {key}")
            if held[key].quarantined == (mark != ACCEPTED) and not (resumed and _done(held[key], mark)):
                raise InputError(
                    "a decision does not fit the picture",
                    where=f"{path}: {key}",
                    expected="accept: a quarantined picture; remove: one that is not",
                    found="a quarantined one" if held[key].quarantined else "one that is not quarantined",
                )
            record = held[key].sample.record
            moves.append(Move(key, record["entity"], {**record["labels"], **record["diversity"]}, mark))
    return moves


def _result(before: Mapping[str, Any], moves: list[Move]) -> Applied:
    """Counts and balance after the moves; InputError if an entity would have no picture left."""
    entities: Counter[str] = Counter()
    values: Counter[tuple[str, str, str]] = Counter()
    for move in moves:
        by = 1 if move.mark == ACCEPTED else -1
        entities[move.entity] += by
        for attribute, value in move.labels.items():
            values[move.entity, attribute, value] += by
    for name, by in entities.items():
        if before["entities"][name]["samples"] + by < 1:
            raise InputError("no picture would be left", where=name, hint="plan more of it, or leave it out")
    changes = []
    for (entity, attribute, value), by in values.items():
        planned, kept = before["balance"][entity][attribute][value]
        if by:
            changes.append(Change(entity, attribute, value, planned, kept, kept + by))
    changes.sort(key=lambda c: (c.after / max(c.planned, 1), c.entity, c.attribute, c.value))
    total = before["samples"]
    return Applied((total, total + entities.total()), moves, changes)
