"""What a stored picture says of itself, read back by Pillow, by an XML parser, and from the raw bytes."""

from __future__ import annotations

import io
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clay_eval.generator.render.metadata import source_type, xmp_packet
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.shards.pictures import IMAGE_FORMATS, encode_image
from clay_eval.schemas.fingerprint import fingerprint

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
XMP = "{http://ns.adobe.com/xap/1.0/}"
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
DRAWN = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
DIFFUSION = {"type": "diffusion", "model": "org/a <b> & 'c'", "revision": "1f2e", "steps": 4}


def properties(packet: bytes) -> dict[str, str]:
    """Name -> text of the packet's properties, by an XML parser of the standard library."""
    root = ElementTree.fromstring(packet)  # noqa: S314
    description = next(root.iter(f"{RDF}Description"))
    assert description.get(f"{RDF}about") == ""
    return {child.tag: child.text or "" for child in description}


def picture(mode: str = "RGB") -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(levels).convert(mode)


def test_a_learned_renderers_packet() -> None:
    assert properties(xmp_packet(DIFFUSION)) == {
        f"{IPTC}DigitalSourceType": TRAINED,
        f"{IPTC}AISystemUsed": "org/a <b> & 'c'",
        f"{IPTC}AISystemVersionUsed": "1f2e",
        f"{XMP}CreatorTool": "clay-eval, diffusion renderer, org/a <b> & 'c', identity "
        + fingerprint(DIFFUSION),
    }


def test_the_procedural_renderers_packet() -> None:
    identity = ProceduralRenderer(64).identity
    found = properties(xmp_packet(identity))
    assert found == {
        f"{IPTC}DigitalSourceType": DRAWN,
        f"{XMP}CreatorTool": f"clay-eval, procedural renderer, identity {fingerprint(identity)}",
    }


@pytest.mark.parametrize("kind", ["diffusion", "endpoint", "somebody-elses"])
def test_what_is_not_known_to_follow_rules_counts_as_learned(kind: str) -> None:
    assert source_type({"type": kind}) == TRAINED


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=40))
def test_any_name_gives_well_formed_xml(name: str) -> None:
    packet = xmp_packet({"type": "diffusion", "model": name, "weights_sha256": "00"})
    found = properties(packet)
    if name.isascii() and name.isprintable() and name.strip():
        assert found[f"{IPTC}AISystemUsed"] == name


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
def test_it_lies_in_the_file_and_pillow_finds_it(image_format: str) -> None:
    packet = xmp_packet(DIFFUSION)
    data = encode_image(picture(), image_format, packet)
    assert data.count(packet) == 1, "as it is, uncompressed, for tools that scan"
    opened = Image.open(io.BytesIO(data))
    opened.load()
    found = opened.info["xmp"]
    assert (found.encode() if isinstance(found, str) else found) == packet
    assert properties(opened.info["xmp"])[f"{IPTC}DigitalSourceType"] == TRAINED
    bare = encode_image(picture(), image_format, b"" if image_format != "png" else b" ")
    np.testing.assert_array_equal(np.asarray(opened), np.asarray(Image.open(io.BytesIO(bare))))


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
def test_bytes_depend_on_pixels_and_identity_only(image_format: str) -> None:
    packet = xmp_packet(DIFFUSION)
    data = encode_image(picture(), image_format, packet)
    noted = picture()
    noted.info.update(comment=b"made at noon", icc_profile=b"profile", exif=b"Exif\0\0", dpi=(72, 72))
    assert encode_image(noted, image_format, packet) == data
    assert encode_image(picture(), image_format, xmp_packet({**DIFFUSION, "steps": 5})) != data
    assert not re.search(rb"20\d\d-\d\d-\d\d", data.replace(b"2008-02-29", b"")), "no date"


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
def test_a_packet_is_small(image_format: str) -> None:
    identity: dict[str, Any] = {"type": "diffusion", "model": "m" * 200, "weights_sha256": "0" * 64}
    assert len(xmp_packet(identity)) < 1500
