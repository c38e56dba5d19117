"""What lies beside the files of a data set without being part of it: what the Hub and operating systems put there.

The Hub's cache keeps every file under `blobs/`, and in `snapshots/REVISION/` a link to it. Such a link is a file like any
other; every other link leads somewhere that its owner may not know of, and is none.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

_BLOBS = "blobs"
_SNAPSHOTS = "snapshots"
_HUB_TARGET = re.compile(r"(?:\.\./)+blobs/[^/]+")
_LITTER = {".ds_store", ".localized", ".directory", "thumbs.db", "ehthumbs.db", "desktop.ini"}
_GITDIR = b"gitdir: "

FETCH = "hf download ORG/NAME --repo-type dataset --local-dir FOLDER"


def is_plain_file(path: Path) -> bool:
    """Whether `path` is a regular file, or a link of the Hub's cache to one of its blobs."""
    return is_hub_link(path) if path.is_symlink() else path.is_file()


def is_hub_link(path: Path) -> bool:
    """Whether `path` is a link in a snapshot of the Hub's cache to a regular file in the `blobs` of the same cache."""
    if not looks_like_hub_link(path):
        return False
    blob = Path(os.path.normpath(path.parent.absolute() / path.readlink()))
    cache = blob.parent.parent
    snapshot = cache / _SNAPSHOTS
    inside = snapshot in path.absolute().parents
    # A folder on the way that is a link itself would make the lexical path another than the real one.
    real = path.parent.resolve().is_relative_to(snapshot.resolve())
    return inside and real and not blob.is_symlink() and blob.is_file()


def looks_like_hub_link(path: Path) -> bool:
    """Whether `path` is a link as the Hub's cache has them, be its blob there or not."""
    return path.is_symlink() and _HUB_TARGET.fullmatch(path.readlink().as_posix()) is not None


def is_litter(entry: os.DirEntry[str] | Path) -> bool:
    """Whether a folder's entry is a file that macOS, Windows or a Linux desktop leaves there by itself."""
    named = entry.name.startswith("._") or entry.name.casefold() in _LITTER
    return named and stat.S_ISREG(os.lstat(entry).st_mode)


def litter_note(path: Path) -> str:
    """What is said of such a file."""
    return f"{path}: not looked at, operating systems leave such files"


def is_tool_file(path: Path) -> bool:
    """Whether an entry beside a release is what git or the Hub's client keeps there, by its name and its kind.

    .git is a folder, or a short file that says where that is; .cache a folder; .gitattributes a file.
    """
    mode = path.lstat().st_mode
    if path.name == ".gitattributes":
        return stat.S_ISREG(mode) or is_hub_link(path)
    if path.name == ".git" and stat.S_ISREG(mode):
        with path.open("rb") as stream:
            return stream.read(len(_GITDIR)) == _GITDIR and path.lstat().st_size <= 4096
    return path.name in (".git", ".cache") and stat.S_ISDIR(mode)
