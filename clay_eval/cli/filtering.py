"""What a manifest says of the alignment filter, in lines for a person."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SHOWN = 10


def filter_lines(manifest: Mapping[str, Any]) -> list[str]:
    """How many pictures were accepted, drawn again, set aside, why, and which values lost most."""
    found = manifest["filter"]
    drawn_exactly = manifest["renderer"]["type"] == "procedural"
    if found["judge"] is None and not (found["quarantined"] or found["failed"]):
        return [] if drawn_exactly else ["no judge looked at these pictures; --judge names one"]
    planned = max(1, found["planned"])
    again = found["accepted"] - found["first_try"]
    lines = [
        f"accepted {found['accepted']} of {found['planned']}: {found['first_try']} at the first attempt "
        f"({100 * found['first_try'] / planned:.1f} %), {again} later; quarantined {found['quarantined']}"
        + (f" ({found['by_hand']} by hand)" if found["by_hand"] else "")
        + (f"; failed {found['failed']}" if found["failed"] else "")
    ]
    if found["rejections"]:
        counts = sorted(found["rejections"].items(), key=lambda item: (-item[1], item[0]))
        lines.append("rejected for: " + ", ".join(f"{name} {count}" for name, count in counts))
    losses = most_lost(manifest)
    if losses:
        lines.append("lost most: " + ", ".join(losses))
    return lines


def most_lost(manifest: Mapping[str, Any], number: int = 5) -> list[str]:
    """The values of which the smallest share of what was planned is left, worst first: "color pink: 41 of 50"."""
    rows = [
        (kept / planned, f"{name} {value}: {kept} of {planned}")
        for attributes in manifest["balance"].values()
        for name, values in attributes.items()
        for value, (planned, kept) in values.items()
        if kept < planned
    ]
    return [text for _, text in sorted(rows)[:number]]


def failures_table(folder: Path) -> list[str]:
    """The failed samples that are listed in a shards folder, the first ten, with their error and what was found."""
    from clay_eval.schemas.failures import brief, read_failures
    from clay_eval.schemas.manifest import FAILURES

    listed = sorted((folder / FAILURES).glob("*.jsonl"))
    failures = [failure for path in listed for failure in read_failures(path).items()]
    lines = [f"  {key}: {brief(error)}" for key, error in failures[:_SHOWN]]
    if len(failures) > _SHOWN:
        lines.append(f"  and {len(failures) - _SHOWN} more, in {folder / FAILURES}")
    return lines
