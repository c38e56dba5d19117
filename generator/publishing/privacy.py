"""What a publisher may not want to give away: folders of the own machine in files that are published as they came in."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path


def private_folders() -> list[str]:
    """Folders whose names say something of this machine: the home, and where this Python lies."""
    folders = {str(Path.home()), sys.prefix, str(Path.cwd())}
    return sorted(folder for folder in folders if folder.count("/") > 1)


def naming_folders(folder: Path, names: Iterable[str]) -> list[str]:
    """Files under `folder`/provenance, by their path in the release, in which one of `names` stands."""
    wanted = [name.encode() for name in names]
    return [
        path.relative_to(folder).as_posix()
        for path in sorted((folder / "provenance").rglob("*"))
        if path.is_file() and any(_holds(path, name) for name in wanted)
    ]


def _holds(path: Path, wanted: bytes) -> bool:
    with path.open("rb") as stream:
        tail = b""
        while block := stream.read(1 << 20):
            if wanted in tail + block:
                return True
            tail = block[-len(wanted) :]
    return False
