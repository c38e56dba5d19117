"""Small pictures for the report: written once beside it, and read back into the page with care."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from clay_eval.schemas.files import atomic_file
from clay_eval.schemas.thumbnails import fitted, jpeg

from ..report.beside import THUMBNAILS

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 96
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def thumbnail_path(key: str) -> str:
    """Path of a key's thumbnail, relative to the report: the key itself if it makes a plain file name, else its sha256."""
    name = key if _PLAIN.fullmatch(key) else "sha256-" + hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{THUMBNAILS}/{name}.jpg"


def write_thumbnails(images: Iterable[tuple[str, Image]], folder: Path, side: int = SIDE) -> dict[str, str]:
    """Write a JPEG of at most `side` x `side` pixels for each (key, image); return key -> path relative to `folder`."""
    paths = {}
    for key, image in images:
        paths[key] = thumbnail_path(key)
        with atomic_file(folder / paths[key], durable=False) as stream:
            stream.write(jpeg(fitted(image.convert("RGB"), side), 82, optimize=True))
    return paths
