"""Decoding pictures that strangers made: three formats, capped bytes and pixels, upright RGB out."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.foreign_members import CONVERT

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_BYTES = 64 << 20
MAX_PIXELS = 64_000_000

_OTHERS = (
    *((b"BM", "BMP"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"II+\0", "TIFF"), (b"MM\0+", "TIFF")),
    *(
        (b"GIF8", "GIF"),
        (b"\0\0\0\x0cjP  ", "JPEG 2000"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cJXL ", "JPEG XL"),
    ),
    *((b"P5", "PPM"), (b"P6", "PPM"), (b"<svg", "SVG")),
)
"""How files begin that are pictures, or stand for one, but are not read."""
# What Pillow's parsers are known to raise on damaged bytes.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError)
_DAMAGE_BELOW = (struct.error, zlib.error)


def decode_image(
    data: bytes, where: str | Path, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS
) -> Image:
    """Decode JPEG, PNG or WebP bytes into an upright RGB picture.

    The size in the header is checked before any pixel is decoded. EXIF orientation is applied, transparency is laid
    over white, grey and palette pictures become RGB, 16-bit grey is scaled to 8 bits; of an animation the first frame.

    Parameters
    ----------
    data: the file's content.
    where: the sample key or file that an error names.

    Raises
    ------
    InputError: more than `max_bytes` bytes or `max_pixels` pixels.
    IntegrityError: another format, or damaged or truncated bytes.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if len(data) > max_bytes:
        raise InputError(
            "a picture has too many bytes", where=where, expected=f"at most {max_bytes}", found=len(data)
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > max_pixels:
                raise _too_large(where, f"{width} x {height}", max_pixels)
            opened.load()
            return _to_rgb(ImageOps.exif_transpose(opened))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(where, error, max_pixels) from error
    except UnidentifiedImageError as error:
        raise not_read(data, where) from error
    except (*_DAMAGE, *_DAMAGE_BELOW) as error:
        raise IntegrityError(
            "a picture is damaged or cut short", where=where, found=f"{type(error).__name__}: {error}"
        ) from error


def not_read(data: bytes, where: str | Path) -> IntegrityError:
    """The error for bytes that are no picture, or one of a format that is not read; it says which, and to convert it."""
    name = next((name for start, name in _OTHERS if data.startswith(start)), None)
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    if brand:
        name = {b"avif": "AVIF", b"avis": "AVIF"}.get(brand, "HEIC or another ISO media file")
    return IntegrityError(
        "not a picture that can be read",
        where=where,
        expected="JPEG, PNG or WebP",
        found=name or _head(data),
        hint=CONVERT if name else None,
    )


def _too_large(where: str | Path, found: object, max_pixels: int) -> InputError:
    return InputError(
        "a picture is too large to decode safely",
        where=where,
        expected=f"at most {max_pixels} pixels",
        found=found,
        hint="make it smaller",
    )


def _head(data: bytes) -> str:
    return f"{len(data)} bytes beginning {data[:8]!r}" if data else "no bytes"


def _to_rgb(image: Image) -> Image:
    from PIL import Image as ImageModule

    if image.mode.startswith("I"):
        # Pillow clips 16-bit grey to 255 when it converts; scale it instead.
        grey = image.convert("I").point(lambda value: value * (1 / 257) + 0.5)
        return grey.convert("L").convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = ImageModule.new("RGBA", layered.size, (255, 255, 255, 255))
        return ImageModule.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")
