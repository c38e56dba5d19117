"""Tars of samples in a folder, and what lies beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .files import hidden, visible_folders
from .names import count, some

_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def tars_in(folder: Path) -> list[Path]:
    """The tars in a folder, sorted; hidden files, such as macOS leaves beside them, are none."""
    return sorted(path for path in folder.glob("*.tar") if not hidden(path.name))


def beside_tars(folder: Path) -> list[str]:
    """Notes on what else lies beside tars and looks like shards."""
    notes = []
    packed = [p.name for ending in _PACKED for p in folder.glob(f"*{ending}") if not hidden(p.name)]
    if veiled := sorted(path.name for path in folder.glob(".*.tar")):
        notes.append(f"hidden files are no shards, and were left out: {some(veiled)}")
    if packed:
        notes.append(f"packed tars left out; unpack them to .tar first: {some(sorted(packed))}")
    if deeper := [place.name for place in visible_folders(folder) if any(place.glob("*.tar"))]:
        notes.append(f"folders that hold tars, too, left out: {some(deeper)}")
    return notes


def members_note(left_out: Mapping[str, int]) -> list[str]:
    """A note on members that were left out: what they are -> how many."""
    if not left_out:
        return []
    most = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{number} {what}" for what, number in most[:8])
    more = f", and {len(most) - 8} other kinds" if len(most) > 8 else ""
    total = count(sum(left_out.values()), "member")
    return [f"{total} of the tars left out, the picture or the .json of no sample: {shown}{more}"]


def other_data(folder: Path) -> str | None:
    """The way out for a folder whose data must be named or unpacked to be read; None where there is no such."""
    for pattern in ("*.parquet", "data/*.parquet", "data-*.arrow", "*/data-*.arrow"):
        if any(folder.glob(pattern)):
            return f"a data set of Hugging Face is read as hugging-face:{folder}"
    if any(path for ending in _PACKED for path in folder.glob(f"*{ending}")):
        return "unpack the tars first"
    return None
