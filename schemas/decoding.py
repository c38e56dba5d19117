"""Decoding pictures that strangers made: three formats, capped bytes, pixels, sides and work; upright RGB out."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError, IntegrityError
from .foreign_members import CONVERT
from .picture_headers import MAX_EXIF, picture_size

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_BYTES = 64 << 20
MAX_PIXELS = 64_000_000
MAX_SIDE = 65_535
MAX_RATIO = 100
"""Longer side by shorter: encoders enlarge a picture until its shorter side has some hundred pixels."""
GROUP_PIXELS = 64_000_000
"""Pixels of the pictures that are decoded at a time; a larger picture is alone."""
_ENLARGED = 384**2

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

    Size and structure are checked in the bytes before any pixel is decoded. EXIF orientation is applied, transparency is
    laid over white, grey and palette pictures become RGB, 16-bit grey is scaled to 8 bits; of an animation the first frame.

    Parameters
    ----------
    data: the file's content.
    where: the sample key or file that an error names.

    Raises
    ------
    InputError: more than `max_bytes` bytes or `max_pixels` pixels, a side over MAX_SIDE or MAX_RATIO times the other, a
        structure that would take too long to decode.
    IntegrityError: another format, or damaged or truncated bytes.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if len(data) > max_bytes:
        raise InputError(
            "a picture has too many bytes", where=where, expected=f"at most {max_bytes}", found=len(data)
        )
    if promised := picture_size(data, where):
        _check_size(promised, where, max_pixels)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            _check_size(opened.size, where, max_pixels)
            opened.load()
            _check_exif(opened, where)
            ImageOps.exif_transpose(opened, in_place=True)
            return _to_rgb(opened)
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(where, error, max_pixels) from error
    except UnidentifiedImageError as error:
        raise not_read(data, where) from error
    except (*_DAMAGE, *_DAMAGE_BELOW) as error:
        raise IntegrityError(
            "a picture is damaged or cut short", where=where, found=f"{type(error).__name__}: {error}"
        ) from error


def by_pixels(items: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    """(name, encoded picture) in groups that may be decoded, and prepared for an encoder, at the same time.

    A group has GROUP_PIXELS at most, or one picture; a byte counts as a pixel, and a small picture or a long strip as what
    an encoder enlarges it to. What `decode_image` refuses is not refused here.
    """
    group: list[tuple[str, bytes]] = []
    total = 0
    for name, data in items:
        pixels = _cost(data, name)
        if group and total + pixels > GROUP_PIXELS:
            yield group
            group, total = [], 0
        group.append((name, data))
        total += pixels
    if group:
        yield group


def _cost(data: bytes, name: str) -> int:
    try:
        width, height = picture_size(data, name) or (0, 0)
    except InputError:
        return GROUP_PIXELS
    shorter, longer = sorted((width, height))
    return max(len(data), width * height, _ENLARGED * longer // max(1, shorter))


def _check_size(size: tuple[int, int], where: str | Path, max_pixels: int) -> None:
    width, height = size
    shorter, longer = sorted(size)
    if width * height > max_pixels:
        raise _too_large(where, f"{width} x {height}", max_pixels)
    if longer > MAX_SIDE or longer > MAX_RATIO * max(1, shorter):
        raise InputError(
            "a picture is too long and thin",
            where=where,
            expected=f"sides of at most {MAX_SIDE} pixels, the longer at most {MAX_RATIO} times the shorter",
            found=f"{width} x {height}",
            hint="cut it into parts",
        )


def _check_exif(image: Image, where: str | Path) -> None:
    # As a text it is hexadecimal, in lines.
    found = max(len(image.info.get("exif", b"")), len(image.info.get("Raw profile type exif", "")) // 2)
    if found > MAX_EXIF + 1024:
        raise InputError(
            "a picture has too much EXIF",
            where=where,
            expected=f"at most {MAX_EXIF} bytes",
            found=found,
            hint="remove the metadata, or save it anew",
        )


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
        white = ImageModule.new("RGBA", image.size, (255, 255, 255, 255))
        image = ImageModule.alpha_composite(white, image if image.mode == "RGBA" else image.convert("RGBA"))
        del white
    return image.convert("RGB")
