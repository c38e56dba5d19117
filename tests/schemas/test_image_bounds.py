"""The work and memory that a stranger's picture asks for is bounded before a decoder sees it."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clay_eval.schemas import decoding as images
from clay_eval.schemas import picture_headers as headers
from clay_eval.schemas.decoding import by_pixels, decode_image
from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.schemas.picture_headers import picture_size

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int = 2, height: int = 2, *extra: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(b"\0" * min(1 << 20, (1 + width) * height)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + rows + chunk(b"IEND")


def progressive(scans: int) -> bytes:
    """A JPEG with its last scan repeated until there are so many."""
    data = encoded(Image.new("RGB", (16, 16), "grey"), "JPEG", progressive=True)
    first, last = data.count(b"\xff\xda"), data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * (scans - first) + data[-2:]


RGB = Image.fromarray(PIXELS)
KINDS = {
    "baseline": encoded(RGB, "JPEG"),
    "progressive": encoded(RGB, "JPEG", progressive=True),
    "cmyk": encoded(RGB.convert("CMYK"), "JPEG"),
    "grey": encoded(RGB.convert("L"), "JPEG"),
    "restarts": encoded(RGB, "JPEG", restart_marker_blocks=1),
    "png": encoded(RGB),
    "palette": encoded(RGB.convert("P")),
    "webp": encoded(RGB, "WEBP"),
    "lossless": encoded(RGB, "WEBP", lossless=True),
    "alpha": encoded(RGB.convert("RGBA"), "WEBP"),
    "animated": encoded(RGB, "WEBP", lossless=True, save_all=True, append_images=[RGB.rotate(180)]),
    "apng": encoded(RGB, "PNG", save_all=True, append_images=[RGB.rotate(180)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_headers_say_the_size_that_the_decoder_finds(kind: str) -> None:
    assert picture_size(KINDS[kind], "a") == (9, 12) == decode_image(KINDS[kind], "a").size


@pytest.mark.parametrize("kind", KINDS)
def test_no_cut_header_raises(kind: str) -> None:
    for length in range(min(400, len(KINDS[kind]))):
        picture_size(KINDS[kind][:length], "a")


@pytest.mark.parametrize("kind", ["animated", "apng"])
def test_of_an_animation_the_first_frame_is_decoded(kind: str) -> None:
    np.testing.assert_array_equal(np.asarray(decode_image(KINDS[kind], "a")), PIXELS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_applied_in_every_format(kind: str) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    options = {"lossless": True} if kind == "WEBP" else {}
    plain = np.asarray(decode_image(encoded(RGB, kind, **options), "a"))
    turned = decode_image(encoded(RGB, kind, exif=exif, **options), "a")
    np.testing.assert_array_equal(np.asarray(turned), np.rot90(plain, -1))


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a decoder was asked")

    monkeypatch.setattr(Image, "open", refuse)


def test_scans_of_a_jpeg_are_counted() -> None:
    assert decode_image(progressive(headers.MAX_SCANS), "a").size == (16, 16)


@pytest.mark.usefixtures("undecoded")
def test_thousands_of_scans_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="too long to decode") as caught:
        decode_image(progressive(headers.MAX_SCANS + 1), "x: a")
    assert caught.value.where == "x: a"
    monkeypatch.setattr(headers, "MAX_SCANNED", 20 * 16 * 16)
    with pytest.raises(InputError, match="too long to decode"):
        decode_image(progressive(21), "a")


def test_scans_of_thumbnails_and_further_pictures_do_not_count() -> None:
    thumbnail = b"Exif\0\0" + b"\xff\xda\0\x08" * 1000
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    plain = KINDS["baseline"]
    data = plain[:2] + segment + plain[2:] + progressive(500)
    assert picture_size(data, "a") == (9, 12)


FLOODS = {
    "texts": png(2, 2, *[chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * 9))] * (headers.MAX_METADATA + 1)),
    "chunks": png(2, 2, chunk(b"abCd") * (headers.MAX_CHUNKS + 1)),
    "segments": KINDS["grey"][:2] + b"\xff\xe5\0\2" * (headers.MAX_PARTS + 1) + KINDS["grey"][2:],
    "markers": KINDS["grey"][:2] + b"\xff\x01" * (headers.MAX_PARTS + 1) + KINDS["grey"][2:],
    "junk": KINDS["grey"][:2] + b"\xff\xe5\0\2" + b"\0" * (headers.MAX_JUNK + 1) + KINDS["grey"][2:],
    "fill": KINDS["grey"][:2] + b"\xff" * (headers.MAX_JUNK + 2) + KINDS["grey"][2:],
    "exif": KINDS["grey"][:2] + (b"\xff\xe1\x80\x00Exif\0\0" + b"\0" * 0x7FF8) * 3 + KINDS["grey"][2:],
}


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("kind", FLOODS)
def test_floods_of_small_parts_are_not_walked_through(kind: str) -> None:
    with pytest.raises(InputError, match="too long to decode"):
        decode_image(FLOODS[kind], "a")


@pytest.mark.parametrize(
    "bomb",
    [
        chunk(b"zTXt", b"k\0\0" + zlib.compress(b"\0" * (64 << 20))),
        chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(b"\0" * (64 << 20))),
        chunk(b"iCCP", b"k\0\0" + zlib.compress(b"\0" * (64 << 20))),
        b"".join(chunk(b"zTXt", b"%d\0\0" % i + zlib.compress(b"\0" * (1 << 20))) for i in range(100)),
    ],
    ids=["zTXt", "iTXt", "iCCP", "many"],
)
def test_texts_that_unpack_to_more_are_refused_in_little_memory(bomb: bytes) -> None:
    data = png(2, 2, bomb)
    tracemalloc.start()
    try:
        with pytest.raises(ClayEvalError):
            decode_image(data, "a")
        assert tracemalloc.get_traced_memory()[1] < 300 << 20
    finally:
        tracemalloc.stop()


def overlapping_exif(size: int) -> bytes:
    """TIFF whose entries, as many as half of it can hold, each point to its other half."""
    entries, half = min(65_000, size // 24), size // 2
    body = b"".join(struct.pack("<HHII", 0x8000 + i % 0x7FFF, 1, half, 0) for i in range(entries))
    return (b"II*\0" + struct.pack("<IH", 8, entries) + body + b"\0\0\0\0").ljust(2 * half, b"\0")


@pytest.mark.filterwarnings("ignore:Tag data larger than file")
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_exif_whose_entries_overlap_takes_little_memory(kind: str) -> None:
    data = encoded(RGB, kind, exif=overlapping_exif(1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="too much EXIF"):
            decode_image(data, "a")
        decode_image(encoded(RGB, kind, exif=overlapping_exif(headers.MAX_EXIF)), "a")
        assert tracemalloc.get_traced_memory()[1] < 150 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize(
    "size", [(1, 60_000_000), (60_000_000, 1), (1, 101), (101, 1), (65_536, 900), (700, 70_001)]
)
def test_strips_are_refused_from_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="too long and thin") as caught:
        decode_image(png(*size), "a")
    assert caught.value.found == f"{size[0]} x {size[1]}"


@pytest.mark.parametrize("size", [(1, 100), (300, 3), (1, 1)])
def test_long_pictures_within_the_ratio_are_decoded(size: tuple[int, int]) -> None:
    assert decode_image(png(*size), "a").size == size


def test_a_webp_canvas_is_refused_before_its_decoder_allocates(undecoded: None) -> None:
    data = bytearray(KINDS["animated"])
    data[24:30] = struct.pack("<I", 16_382)[:3] * 2
    with pytest.raises(InputError, match="too large to decode"):
        decode_image(bytes(data), "a")


def test_groups_hold_a_bounded_number_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "GROUP_PIXELS", 2_000_000)
    sizes = {
        "a": (1000, 900),
        "b": (1000, 1000),
        "c": (1500, 1500),
        "d": (10, 1000),
        "e": (9, 9),
        "f": (9, 9),
    }
    items = [(name, png(*size)) for name, size in sizes.items()]
    groups = [[name for name, _ in group] for group in by_pixels(iter(items))]
    # A strip counts as what an encoder enlarges it to: 384 x 38,400.
    assert groups == [["a", "b"], ["c"], ["d"], ["e", "f"]]
    assert list(by_pixels([])) == []


def test_groups_hold_a_bounded_number_of_bytes_and_what_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "GROUP_PIXELS", 1_000_000)
    items = [("a", bytes(700_000)), ("b", bytes(700_000)), ("c", FLOODS["junk"]), ("d", b"")]
    assert [[name for name, _ in group] for group in by_pixels(items)] == [["a"], ["b"], ["c", "d"]]


def test_a_damaged_picture_stays_damaged() -> None:
    with pytest.raises(IntegrityError):
        decode_image(KINDS["progressive"][:-40], "a")


def test_paths_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        decode_image(png(1, 101), tmp_path / "a.png")
    assert caught.value.where == str(tmp_path / "a.png")
