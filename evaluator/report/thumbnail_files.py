"""Thumbnails beside a report, read back into the page with care."""

from __future__ import annotations

import base64
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

FOLDER = "thumbnails"
MAX_BYTES = 64 << 10
_PATH = re.compile(r"thumbnails/[A-Za-z0-9][A-Za-z0-9_-]*\.jpg")


def data_uris(paths: Mapping[str, str], folder: Path) -> dict[str, str]:
    """key -> data URI of its thumbnail, for those that can be shown.

    A path that leaves `folder`/thumbnails (also by a link), a missing file, one over MAX_BYTES and one that is no JPEG
    are left out: the page shows a placeholder for them.
    """
    shown = {}
    for key, path in paths.items():
        content = _jpeg(folder, path)
        if content is not None:
            shown[key] = "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
    return shown


def _jpeg(folder: Path, path: str) -> bytes | None:
    if not _PATH.fullmatch(path):
        return None
    try:
        file = (folder / path).resolve(strict=True)
        status = file.stat()
        inside = file.parent == folder.resolve() / FOLDER
        if not inside or not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return None
        content = file.read_bytes()
    except (OSError, RuntimeError):
        return None
    return content if content.startswith(b"\xff\xd8\xff") else None
