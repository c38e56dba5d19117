"""The stage that tells how far a run is: it reads, and changes nothing."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .folders import RunFolder

if TYPE_CHECKING:
    from clay_eval.generator.progress.counting import (
        Counts,
        FolderState,
        PlannedShard,
        ShardState,
        Tally,
    )

DEFAULT_SHARD_SIZE = 256


class Watch:
    """Looks at a run again and again; what did not change is not read twice."""

    def __init__(self, run: RunFolder) -> None:
        """Read the run's plan. Raises InputError if there is none, IntegrityError if it is damaged."""
        from clay_eval.generator.plan.planning import read_plan_record
        from clay_eval.generator.progress.counting import Reader

        self._run = run
        self._plan = read_plan_record(run.plan)
        self._reader = Reader()
        self._planned: dict[int, list[PlannedShard]] = {}

    def look(self) -> dict[str, Any]:
        """What is planned, drawn, rejected, quarantined and failed now, by entity and value, JSON-able.

        It may be taken while runs write, of a whole run or of the parts of a job array, before the first picture and after
        the last. Times are in seconds, sizes in bytes.
        """
        from clay_eval.generator.progress.counting import count
        from clay_eval.generator.progress.outliers import outliers
        from clay_eval.generator.progress.rates import samples_a_second

        now = time.time()
        folders, warnings = self._folders()
        size = next((one.settings["shard_size"] for one in folders if one.settings), DEFAULT_SHARD_SIZE)
        if size not in self._planned:
            from clay_eval.generator.plan.planning import SAMPLES
            from clay_eval.generator.progress.counting import planned_shards

            self._planned[size] = planned_shards(self._run.plan / SAMPLES, size)
        planned = self._planned[size]
        states = _states(planned, folders)
        counts = count(planned, states)
        sizes = {shard.name: len(shard.samples) for shard in planned}
        rate = samples_a_second(folders, sizes, now) if counts.total.waiting else None
        disk = self._disk(counts, states)
        found = outliers(counts.values)
        warnings += _warnings(folders, states, disk)
        signs = [one.sign for one in folders if one.sign is not None]
        return {
            "plan": self._plan["fingerprint"],
            **_counted(counts.total),
            "rejections": dict(sorted(counts.rejections.items())),
            "entities": {
                name: {**_counted(tally), "values": _values(counts, name)}
                for name, tally in counts.entities.items()
            },
            "folders": [self._folder(one, planned) for one in folders],
            "workers": sum(state.drawing for one in folders for state in one.shards.values()),
            "ray_workers": sum(
                state.begun > 0 and state.drawing > 0 for one in folders for state in one.shards.values()
            ),
            "last_sign": max(0.0, now - max(signs)) if signs else None,
            "samples_a_minute": None if rate is None else 60 * rate,
            "remaining": counts.total.waiting / rate if rate else None,
            "disk": disk,
            "often_rejected": [asdict(one) for one in found],
            "warnings": warnings,
        }

    def _folders(self) -> tuple[list[FolderState], list[str]]:
        """The folders that belong to this plan and to each other, and what is said of the others."""
        warnings: list[str] = []
        known: list[FolderState] = []
        for one in self._reader.folders(self._run.shards, self._run.parts):
            first = next((other for other in known if other.settings), None)
            if not one.settings and any(state.bytes for state in one.shards.values()):
                warnings.append(
                    f"{one.folder} has no render.json, which says what its shards are: not counted"
                )
            elif one.settings and one.settings["plan"] != self._plan["fingerprint"]:
                warnings.append(f"{one.folder} was drawn from another plan and is not counted")
            elif (
                one.settings
                and first
                and first.settings
                and one.settings["shard_size"] != first.settings["shard_size"]
            ):
                warnings.append(
                    f"{one.folder} has another --shard-size than {first.folder} and is not counted"
                )
            else:
                known.append(one)
        divisions = sorted({one.part[1] for one in known if one.part})
        if len(divisions) > 1:
            warnings.append(f"parts of different divisions lie here: of {', of '.join(map(str, divisions))}")
        elif divisions and not any(one.finished and one.part is None for one in known):
            there = {one.part[0] for one in known if one.part}
            if missing := [i for i in range(1, divisions[0] + 1) if i not in there]:
                listed = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
                warnings.append(f"of {divisions[0]} parts, these have not begun: {listed}")
        return known, warnings

    def _folder(self, one: FolderState, planned: Sequence[PlannedShard]) -> dict[str, Any]:
        from clay_eval.generator.progress.counting import count

        own = [shard for number, shard in enumerate(planned) if one.takes(number)]
        tally = count(own, one.shards).total
        return {
            "folder": one.folder.relative_to(self._run.root).as_posix(),
            **_counted(tally),
            "drawing": sum(state.drawing for state in one.shards.values()),
            "finished": one.finished,
        }

    def _disk(self, counts: Counts, states: Mapping[str, ShardState]) -> dict[str, int | None]:
        total = counts.total
        there = sum(state.bytes for state in states.values())
        saved = total.drawn + total.quarantined - total.unsaved
        place = self._run.root.resolve()
        needed = round(there / saved * (total.waiting + total.unsaved)) if saved else None
        return {"free": shutil.disk_usage(place).free, "used": there, "needed": needed}


def status(run: RunFolder) -> dict[str, Any]:
    """How far a run is; see `Watch.look`."""
    return Watch(run).look()


def _states(planned: Sequence[PlannedShard], folders: Sequence[FolderState]) -> dict[str, ShardState]:
    """The state of each shard in the first folder that has anything of it."""
    found: dict[str, ShardState] = {}
    for shard in planned:
        for one in folders:
            if shard.name in one.shards and one.shards[shard.name].fates:
                found[shard.name] = one.shards[shard.name]
                break
    return found


def _counted(tally: Tally) -> dict[str, int]:
    return {
        "planned": tally.planned,
        "drawn": tally.drawn,
        "quarantined": tally.quarantined,
        "failed": tally.failed,
        "waiting": tally.waiting,
        "rejected_pictures": tally.rejected,
        "unsaved": tally.unsaved,
    }


def _values(counts: Counts, entity: str) -> dict[str, dict[str, dict[str, int]]]:
    return {
        name: {
            value: {**_counted(tally), "looked_at": tally.looked, "rejected": tally.missed}
            for value, tally in values.items()
        }
        for name, values in counts.values[entity].items()
    }


def _warnings(
    folders: Sequence[FolderState], states: Mapping[str, ShardState], disk: Mapping[str, Any]
) -> list[str]:
    from clay_eval.schemas.failures import brief, way_out

    said: list[str] = []
    if disk["needed"] is not None and disk["needed"] > disk["free"]:
        said.append(
            f"the disk will be full: {disk['needed'] / 1e9:.1f} GB needed, {disk['free'] / 1e9:.1f} GB left"
        )
    for one in folders:
        for name, state in one.shards.items():
            said += state.damaged
            if state.begun > 1:
                said.append(f"{name} was begun {state.begun} times: workers of the cluster died over it")
    texts = [text for one in folders for name in one.shards for text in _failures(one.folder, name)]
    if texts:
        reason, number = Counter(brief(text) for text in texts).most_common(1)[0]
        hint = next((way_out(text) for text in texts if brief(text) == reason), "")
        said.append(f"{number} of {len(texts)} failed samples: {reason}" + (f"; try: {hint}" if hint else ""))
    return said


def _failures(folder: Path, shard: str) -> list[str]:
    from clay_eval.schemas.errors import ClayEvalError
    from clay_eval.schemas.failures import failures_name, read_failures
    from clay_eval.schemas.manifest import FAILURES

    try:
        return list(read_failures(folder / FAILURES / failures_name(shard)).values())
    except (ClayEvalError, OSError):
        return []
