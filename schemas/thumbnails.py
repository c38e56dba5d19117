"""Small pictures, as JPEG: for reports and contact sheets."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def fitted(picture: Image, side: int) -> Image:
    """`picture` itself, made smaller in place until no side is longer than `side` pixels."""
    from PIL.Image import Resampling

    picture.thumbnail((side, side), Resampling.LANCZOS)
    return picture


def jpeg(picture: Image, quality: int, optimize: bool = False) -> bytes:
    """An RGB picture as a JPEG file; `optimize`: smaller, in more time."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality, optimize=optimize)
    return stream.getvalue()
