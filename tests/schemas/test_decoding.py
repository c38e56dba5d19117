from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clay_eval.schemas.decoding import decode_image
from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


FILES = {kind: encoded(Image.fromarray(PIXELS), kind) for kind in ("JPEG", "PNG", "WEBP")}


@pytest.mark.parametrize(
    "data", [FILES["PNG"], encoded(Image.fromarray(PIXELS), "WEBP", lossless=True)], ids=["png", "webp"]
)
def test_lossless_pictures_come_back_exactly(data: bytes) -> None:
    image = decode_image(data, "a")
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), PIXELS)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda a: a),
        (3, lambda a: a[::-1, ::-1]),
        (6, lambda a: np.rot90(a, -1)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_exif_orientation_is_applied(orientation: int, upright) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    image = decode_image(encoded(Image.fromarray(PIXELS), exif=exif), "a")
    np.testing.assert_array_equal(np.asarray(image), upright(PIXELS))


def test_transparency_lies_over_white() -> None:
    rgba = np.zeros((1, 3, 4), dtype=np.uint8)
    rgba[0, :, 0] = 200
    rgba[0, :, 3] = (0, 255, 51)
    got = np.asarray(decode_image(encoded(Image.fromarray(rgba)), "a"))[0]
    np.testing.assert_array_equal(got[0], (255, 255, 255))
    np.testing.assert_array_equal(got[1], (200, 0, 0))
    np.testing.assert_allclose(got[2], np.array([200, 0, 0]) * 0.2 + 255 * 0.8, atol=1)


def test_palettes_with_a_transparent_entry() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    got = np.asarray(decode_image(encoded(image, transparency=1), "a"))
    assert got[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    grey = np.linspace(0, 65535, 256).reshape(16, 16).astype(np.uint16)
    got = np.asarray(decode_image(encoded(Image.fromarray(grey)), "a"))
    np.testing.assert_allclose(got, np.repeat(grey[..., None] / 257, 3, axis=2), atol=0.5)


@pytest.mark.parametrize("kind", FILES)
def test_every_truncation_is_found_or_harmless(kind: str) -> None:
    whole = np.asarray(decode_image(FILES[kind], "a"))
    refused = 0
    for length in range(len(FILES[kind])):
        try:
            np.testing.assert_array_equal(np.asarray(decode_image(FILES[kind][:length], "sample-7")), whole)
        except IntegrityError as error:
            refused += "sample-7" in str(error)
    assert refused > 0.9 * len(FILES[kind])


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(FILES)), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=8)
)
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_never_raise_anything_else(kind: str, changes: list[tuple[int, int]]) -> None:
    data = bytearray(FILES[kind])
    for place, value in changes:
        data[place % len(data)] = value
    with contextlib.suppress(ClayEvalError):
        assert decode_image(bytes(data), "a").mode == "RGB"


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(IntegrityError, match="JPEG, PNG or WebP"):
        decode_image(encoded(Image.fromarray(PIXELS), kind), "a")


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises far more pixels than it holds."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [8_001, 10_000, 60_000])
@pytest.mark.filterwarnings("error")
def test_size_is_refused_from_the_header(side: int) -> None:
    with pytest.raises(InputError, match="too large to decode"):
        decode_image(bomb(side, side), "a")


def test_caps_are_options() -> None:
    with pytest.raises(InputError, match="too many bytes"):
        decode_image(FILES["PNG"], "a", max_bytes=10)
    with pytest.raises(InputError, match="9 x 12"):
        decode_image(FILES["PNG"], "a", max_pixels=107)
    assert decode_image(FILES["PNG"], "a", max_pixels=108).size == (9, 12)


def test_no_bytes() -> None:
    with pytest.raises(IntegrityError, match="no bytes"):
        decode_image(b"", "a")


@pytest.mark.parametrize(("kind", "name"), [("BMP", "BMP"), ("TIFF", "TIFF"), ("GIF", "GIF"), ("PPM", "PPM")])
def test_other_formats_are_named(kind: str, name: str) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, kind)
    with pytest.raises(IntegrityError, match=rf"{name}[\s\S]*convert"):
        decode_image(stream.getvalue(), "x")
