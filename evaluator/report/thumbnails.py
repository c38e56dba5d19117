"""Small pictures for the report: written once beside it, and read back into the page with care."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clay_eval.schemas.files import atomic_file

if TYPE_CHECKING:
    from PIL.Image import Image

FOLDER = "thumbnails"
SIDE = 96
MAX_BYTES = 64 << 10
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_PATH = re.compile(r"thumbnails/[A-Za-z0-9][A-Za-z0-9_-]*\.jpg")


def thumbnail_path(key: str) -> str:
    """Path of a key's thumbnail, relative to the report: the key itself if it makes a plain file name, else its sha256."""
    name = key if _PLAIN.fullmatch(key) else "sha256-" + hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{FOLDER}/{name}.jpg"


def write_thumbnails(images: Iterable[tuple[str, Image]], folder: Path, side: int = SIDE) -> dict[str, str]:
    """Write a JPEG of at most `side` x `side` pixels for each (key, image); return key -> path relative to `folder`."""
    from PIL import Image as Pillow

    paths = {}
    for key, image in images:
        small = image.convert("RGB")
        small.thumbnail((side, side), Pillow.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=82, optimize=True)
        paths[key] = thumbnail_path(key)
        with atomic_file(folder / paths[key]) as stream:
            stream.write(buffer.getvalue())
    return paths


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
