"""clay-eval status"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.stages.folders import RunFolder

from .common import Json, emit

if TYPE_CHECKING:
    from clay_eval.stages.status import Watch

EPILOG = """
**Example**

    clay-eval status runs/first

    clay-eval status runs/first --watch

    clay-eval status runs/first --json

Only reads: while runs write, across the parts of a job array, before the first picture and after the last. Pictures of a
shard that is being drawn are counted, too; a kill would lose those ("unsaved"). The rate is that of the last ten minutes. A
value is named as rejected far more often than the others of its attribute if Fisher's exact test over samples says so
(p < .01 after Holm over all values) and it is at least twice as often.
"""

_THINNEST = 12
_GAP_SECONDS = 15.0
"""So long nobody may be seen at work between two shards."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="status", epilog=EPILOG)(status)


def status(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The run folder (--out of the other commands).")
    ],
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until all is done.")] = False,
    every: Annotated[
        float, typer.Option("--every", min=0.2, max=86400, help="Seconds between two looks.")
    ] = 5.0,
    values: Annotated[bool, typer.Option("--values", help="Show all values, not only the worst.")] = False,
    json: Json = False,
) -> None:
    """How far a run is: what is planned, drawn, rejected, set aside, failed, and how long the rest will take."""
    from clay_eval.schemas.errors import InputError
    from clay_eval.stages.status import Watch

    if watch and json:
        raise InputError("one look is one JSON", where="--watch", hint="leave out --watch, or --json")
    looking = Watch(RunFolder(folder))
    if watch:
        _watch(looking, every, values)
    else:
        record = looking.look()
        emit(json, record, *_lines(record, values))


def _watch(looking: Watch, every: float, values: bool) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    record = looking.look()
    with Live(
        Text("\n".join(_lines(record, values))),
        console=Console(),
        auto_refresh=False,
        vertical_overflow="crop",
    ) as live:
        while not _is_done(record):
            time.sleep(every)
            record = looking.look()
            live.update(Text("\n".join(_lines(record, values))), refresh=True)


def _is_done(record: Mapping[str, Any]) -> bool:
    return not record["waiting"] and not record["unsaved"] and not record["workers"]


def _lines(record: Mapping[str, Any], all_values: bool) -> Iterator[str]:
    ended = record["planned"] - record["waiting"]
    yield (
        f"{ended} of {record['planned']} samples ({_percent(ended, record['planned'])}): {_ends(record)}"
        + (f"; {record['waiting']} to come" if record["waiting"] else "")
    )
    if record["rejected_pictures"]:
        reasons = sorted(record["rejections"].items(), key=lambda item: (-item[1], item[0]))
        names = ", ".join(f"{name} {number}" for name, number in reasons)
        yield f"rejected pictures: {record['rejected_pictures']}" + (f" ({names})" if names else "")
    yield _pace(record)
    yield _disk(record["disk"])
    if len(record["entities"]) > 1:
        yield ""
        yield from _table("entity", record["entities"].items())
    folders = {one["folder"] + _doing(one): one for one in record["folders"]}
    if len(folders) > 1:
        yield ""
        yield from _table("folder", folders.items())
    rows = _values(record)
    if not all_values:
        rows = [row for row in rows if row[1]["rejected"] or row[1]["quarantined"] or row[1]["failed"]]
    if rows:
        yield ""
        yield from _value_table(rows if all_values else rows[:_THINNEST])
        if not all_values and len(rows) > _THINNEST:
            yield f"and {len(rows) - _THINNEST} more: --values shows all"
    warnings = [*map(_often, record["often_rejected"]), *record["warnings"]]
    if warnings:
        yield ""
        yield from (f"warning: {text}" for text in warnings)


def _ends(counts: Mapping[str, Any]) -> str:
    parts = [f"drawn {counts['drawn']}"]
    parts += [f"{name} {counts[name]}" for name in ("quarantined", "failed") if counts[name]]
    if counts["unsaved"]:
        parts.append(f"{counts['unsaved']} of them unsaved yet")
    return ", ".join(parts)


def _pace(record: Mapping[str, Any]) -> str:
    if not record["waiting"]:
        finished = any(one["finished"] for one in record["folders"])
        return "finished" if finished and not record["workers"] else "all drawn; being finished"
    if record["last_sign"] is None:
        return "nothing drawn yet: clay-eval render"
    workers = record["workers"]
    at_work = f"{workers} at work" if workers else "nobody at work that can be seen"
    if record["ray_workers"]:
        at_work = f"{record['ray_workers']} Ray workers at work"
    parts = [at_work, f"last picture {_duration(record['last_sign'])} ago"]
    if record["samples_a_minute"] and (workers or record["last_sign"] < _GAP_SECONDS):
        parts.append(f"{record['samples_a_minute']:.1f} samples a minute over the last ten minutes")
        parts.append(f"{_duration(record['remaining'])} to go at that rate")
    elif not workers:
        parts.append("clay-eval render goes on with it")
    return ", ".join(parts)


def _disk(disk: Mapping[str, Any]) -> str:
    parts = [f"{_size(disk['used'])} used"]
    if disk["needed"] is not None:
        parts.append(f"{_size(disk['needed'])} more needed")
    return "disk: " + ", ".join([*parts, f"{_size(disk['free'])} left"])


def _doing(folder: Mapping[str, Any]) -> str:
    if folder["finished"]:
        return " (finished)"
    return f" ({folder['drawing']} at work)" if folder["drawing"] else ""


def _table(title: str, rows: Any) -> Iterator[str]:
    columns = ("planned", "drawn", "quarantined", "failed", "waiting")
    yield f"{title:<28}" + "".join(f"{name:>13}" for name in columns)
    for name, counts in rows:
        yield f"{name:<28}" + "".join(f"{counts[column]:>13}" for column in columns)


def _values(record: Mapping[str, Any]) -> list[tuple[str, Mapping[str, int]]]:
    """Every value with its counts, those first of which the greatest share was rejected or lost."""
    rows = [
        (f"{entity} {attribute} {value}", counts)
        for entity, facts in record["entities"].items()
        for attribute, values in facts["values"].items()
        for value, counts in values.items()
    ]

    def worst(row: tuple[str, Mapping[str, int]]) -> tuple[float, float, str]:
        looked = max(1, row[1]["looked_at"])
        lost = row[1]["quarantined"] + row[1]["failed"]
        return -row[1]["rejected"] / looked, -lost / max(1, row[1]["planned"]), row[0]

    return sorted(rows, key=worst)


def _value_table(rows: list[tuple[str, Mapping[str, int]]]) -> Iterator[str]:
    width = max(len(name) for name, _ in rows)
    yield f"{'value':<{width}}{'planned':>9}{'drawn':>9}{'rejected for it':>22}{'quarantined':>13}{'failed':>8}"
    for name, n in rows:
        share = f"{n['rejected']} of {n['looked_at']} ({_percent(n['rejected'], n['looked_at'])})"
        yield f"{name:<{width}}{n['planned']:>9}{n['drawn']:>9}{share:>22}{n['quarantined']:>13}{n['failed']:>8}"


def _often(one: Mapping[str, Any]) -> str:
    return (
        f"{one['entity']} {one['attribute']} {one['value']} is rejected far more often than the other values: "
        f"{one['missed']} of {one['looked']} samples, {one['others_missed']} of {one['others_looked']} among the others "
        f"(p = {one['p']:.2g})"
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 2:
        return f"{seconds:.0f} s"
    if hours < 2:
        return f"{minutes:.0f} min"
    return f"{hours:.1f} h" if hours < 72 else f"{hours / 24:.1f} days"
