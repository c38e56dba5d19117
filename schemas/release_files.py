"""The files of a release, held against release.json: all of them are there, whole, and nothing else is."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import InputError
from .fingerprint import file_sha256
from .manifest import LABELS
from .reading import read_bytes
from .release import DATA, MAX_RECORD, RELEASE, SUMS, sums_text
from .surroundings import FETCH, is_litter, is_plain_file, is_tool_file, litter_note, looks_like_hub_link
from .verify import Findings

_TOOLS = {
    ".gitattributes": "it is git's",
    ".git": "it is git's",
    ".cache": "it is the Hub's client's",
}


def check_files(
    folder: Path, listed: Mapping[str, Mapping[str, Any]], findings: Findings, progress: Callable[[int], None]
) -> set[str]:
    """Sizes of all files, and digests of all but those that the shards' own manifest covers; the paths that are right."""
    whole = set()
    for path, entry in listed.items():
        place = folder / path
        if _in_linked_folder(folder, path) or not is_plain_file(place):
            findings.faults.append(_not_there(place))
            continue
        size = place.stat().st_size
        if size != entry["bytes"]:
            findings.faults.append(f"{place}: {entry['bytes']} bytes expected, {size} found")
            continue
        if path.endswith(".json") and size > MAX_RECORD:
            findings.faults.append(f"{place}: too large for a record: {size} bytes")
            continue
        if is_shard(path):
            whole.add(path)
            continue
        findings.files += 1
        findings.bytes += size
        with _noted_reading(place, findings):
            if file_sha256(place) == entry["sha256"]:
                whole.add(path)
            else:
                findings.faults.append(f"{place}: its sha256 is not that of {RELEASE}")
        progress(size)
    return whole


@contextmanager
def _noted_reading(place: Path, findings: Findings) -> Iterator[None]:
    try:
        yield
    except (InputError, OSError) as error:
        said = error.strerror if isinstance(error, OSError) else error.found or error.what
        findings.faults.append(f"{place}: cannot be read: {said}")


def is_shard(path: str) -> bool:
    return path.startswith(f"{DATA}/") and (path.endswith(".tar") or path == f"{DATA}/{LABELS}")


def _in_linked_folder(folder: Path, path: str) -> bool:
    """Whether a folder on the way to a file is a link."""
    place = folder
    for part in path.split("/")[:-1]:
        place = place / part
        if place.is_symlink():
            return True
    return False


def _not_there(place: Path) -> str:
    if looks_like_hub_link(place):
        return f"{place}: leads into a cache of the Hub that does not hold it; fetch the files themselves: {FETCH}"
    return f"{place}: missing, or not a plain file"


def check_sums(folder: Path, listed: Mapping[str, Mapping[str, Any]], findings: Findings) -> None:
    sums = {path: entry["sha256"] for path, entry in listed.items()}
    wanted = sums_text(sums | {RELEASE: file_sha256(folder / RELEASE)}).encode()
    place = folder / SUMS
    if not is_plain_file(place):
        findings.faults.append(_not_there(place))
        return
    with _noted_reading(place, findings):
        if place.stat().st_size != len(wanted) or read_bytes(place, len(wanted)) != wanted:
            findings.faults.append(f"{place}: does not say what {RELEASE} says")
    findings.files += 2


def check_tree(folder: Path, listed: set[str], findings: Findings) -> None:
    """Nothing is there that is not listed: no file, link, device, or empty folder.

    What git, the Hub's client and operating systems put there may be; it is not read, and a note names it.
    """
    known = listed | {RELEASE, SUMS}
    folders = {"/".join(path.split("/")[:depth]) for path in known for depth in range(1, path.count("/") + 1)}
    pending = [(folder, "")]
    while pending:
        place, prefix = pending.pop()
        for entry in sorted(os.scandir(place), key=lambda entry: entry.name):
            path = f"{prefix}{entry.name}"
            mode = entry.stat(follow_symlinks=False).st_mode
            if prefix == "" and entry.name in _TOOLS and is_tool_file(place / entry.name):
                findings.notes.append(f"{folder / path}: not looked at, {_TOOLS[entry.name]}")
            elif stat.S_ISLNK(mode):
                if not (path in known and looks_like_hub_link(place / entry.name)):
                    findings.faults.append(f"{folder / path}: a link has no place in a release")
            elif is_litter(place / entry.name):
                findings.notes.append(litter_note(folder / path))
            elif stat.S_ISDIR(mode) and path in folders:
                pending.append((place / entry.name, f"{path}/"))
            elif not (stat.S_ISREG(mode) and path in known):
                findings.faults.append(f"{folder / path}: not in {RELEASE}")


def note_hub_links(folder: Path, listed: Mapping[str, Mapping[str, Any]], findings: Findings) -> None:
    """Say where files are links into the Hub's cache: what was checked is what they lead to."""
    links = sum((folder / path).is_symlink() for path in listed)
    if links:
        findings.notes.append(
            f"{folder}: {links} files are links of the Hub's cache to its blobs, which were checked in their place"
        )
