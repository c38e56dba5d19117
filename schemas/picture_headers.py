"""What a picture's first bytes promise, and how much work its structure asks for: read before any library decodes it.

Decoders bound memory, not time: a JPEG may hold thousands of scans that each touch every pixel, and libraries in Python
walk through millions of empty segments or chunks one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from .errors import InputError

MAX_SCANS = 100
MAX_SCANNED = 2_000_000_000
"""Scans of a JPEG times its pixels; encoders write 10 to 20 scans."""
MAX_PARTS = 10_000
"""Segments of a JPEG."""
MAX_CHUNKS = 100_000
"""Chunks of a PNG; libpng writes one for every 8 kB of pixels."""
MAX_METADATA = 1_000
"""Chunks of a PNG that hold texts and profiles: each may unpack to 1 MB."""
MAX_JUNK = 1 << 16
"""Bytes between the segments of a JPEG."""
MAX_EXIF = 1 << 16
"""Bytes of EXIF; thousands of its entries may each point to all of it."""

_PNG = b"\x89PNG\r\n\x1a\n"
_METADATA = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf")
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_SCAN, _END, _APP1 = 0xDA, 0xD9, 0xE1
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def picture_size(data: bytes, where: object) -> tuple[int, int] | None:
    """(width, height) that the header of a JPEG, PNG or WebP names; None where there is none to be read.

    Raises InputError for a structure that asks for more work than any real picture.
    """
    if data.startswith(_PNG):
        _check_chunks(data, where)
        return _number(data, 16, "big"), _number(data, 20, "big")
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg_size(data, where)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp_size(data)
    return None


def _number(data: bytes, start: int, order: Literal["big", "little"], length: int = 4) -> int:
    return int.from_bytes(data[start : start + length], order)


def _check_chunks(data: bytes, where: object) -> None:
    place, chunks, metadata = 8, 0, 0
    while place < len(data):
        kind = data[place + 4 : place + 8]
        chunks += 1
        metadata += kind in _METADATA
        if chunks > MAX_CHUNKS or metadata > MAX_METADATA:
            raise _too_much(where, f"{MAX_CHUNKS} chunks, {MAX_METADATA} of them texts and profiles", "more")
        if kind == b"IEND":
            return
        place += 12 + _number(data, place, "big")


def _jpeg_size(data: bytes, where: object) -> tuple[int, int] | None:
    size, scans, exif = None, 0, 0
    for marker, start, end in _segments(data, where):
        if marker in _FRAMES and not scans:
            size = _number(data, start + 3, "big", 2), _number(data, start + 1, "big", 2)
        elif marker == _APP1 and data.startswith(b"Exif\0\0", start):
            exif += end - start
        elif marker == _SCAN:
            scans += 1
        if exif > MAX_EXIF:
            raise _too_much(where, f"{MAX_EXIF} bytes of EXIF", "more")
        if scans > MAX_SCANS or (size and scans > 1 and scans * size[0] * size[1] > MAX_SCANNED):
            raise _too_much(
                where, f"{MAX_SCANS} scans, and {MAX_SCANNED} pixels in all scans", f"{scans} scans or more"
            )
    return size


def _segments(data: bytes, where: object) -> Iterator[tuple[int, int, int]]:
    """(marker, first byte after its length, end) of a JPEG's segments, what is coded in scans skipped."""
    place, number, junk, scanned = 2, 0, 0, False
    while found := _MARKER.search(data, place):
        # Between segments libraries go on byte by byte; within scans they do not.
        junk += 0 if scanned else found.start() - place
        marker, place = data[found.end() - 1], found.end()
        number += 1
        if number > MAX_PARTS or junk > MAX_JUNK:
            raise _too_much(where, f"{MAX_PARTS} segments, {MAX_JUNK} bytes between them", "more")
        if marker == _END:
            return
        if marker in _ALONE:
            continue
        end = place + max(2, _number(data, place, "big", 2))
        yield marker, place + 2, end
        scanned = scanned or marker == _SCAN
        place = end


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + _number(data, 24, "little", 3), 1 + _number(data, 27, "little", 3)
    if kind == b"VP8L":
        packed = _number(data, 21, "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return _number(data, 26, "little", 2) & 0x3FFF, _number(data, 28, "little", 2) & 0x3FFF
    return None


def _too_much(where: object, expected: str, found: str) -> InputError:
    return InputError(
        "a picture would take too long to decode",
        where=str(where),
        expected=f"at most {expected}",
        found=found,
        hint="save it anew with any program for pictures",
    )
