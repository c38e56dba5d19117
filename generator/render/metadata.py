"""What a generated picture says of itself: an XMP packet inside the file.

The packet names the IPTC digital source type, the renderer, and the fingerprint of the renderer's whole identity, which
stands in the JSON beside the picture. It holds no date, so the same picture by the same renderer has the same bytes.

Sources: XMP specification, part 1 (packets) and part 3 (embedding); IPTC Photo Metadata Standard 2025.1 (Digital Source
Type, AI System Used, AI System Version Used).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from PIL.PngImagePlugin import PngInfo

from clay_eval.schemas.fingerprint import fingerprint

METADATA_VERSION = 1
"""Raised whenever the same identity would give other packets."""

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
LEARNED = SOURCE_TYPES + "trainedAlgorithmicMedia"
ALGORITHMIC = SOURCE_TYPES + "algorithmicMedia"
_WITHOUT_MODEL = frozenset({"procedural"})
_PNG_KEYWORD = "XML:com.adobe.xmp"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
{properties}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def source_type(identity: Mapping[str, Any]) -> str:
    """The IPTC digital source type of a renderer's pictures; one that is not known to draw by rules counts as learned."""
    return ALGORITHMIC if identity["type"] in _WITHOUT_MODEL else LEARNED


def xmp_packet(identity: Mapping[str, Any]) -> bytes:
    """The XMP packet, UTF-8, for the pictures of the renderer with this identity."""
    learned = source_type(identity) == LEARNED
    model = identity.get("model")
    version = identity.get("revision") or identity.get("weights_sha256")
    maker = f"clay-eval, {identity['type']} renderer" + (f", {model}" if model else "")
    properties = {
        "Iptc4xmpExt:DigitalSourceType": source_type(identity),
        "Iptc4xmpExt:AISystemUsed": model if learned else None,
        "Iptc4xmpExt:AISystemVersionUsed": version if learned else None,
        "xmp:CreatorTool": f"{maker}, identity {fingerprint(dict(identity))}",
    }
    lines = [f"   <{name}>{_text(value)}</{name}>" for name, value in properties.items() if value]
    return _PACKET.format(properties="\n".join(lines)).encode()


def save_options(image_format: str, packet: bytes) -> dict[str, Any]:
    """What Pillow's `save` takes to put `packet` into a file of the format "JPEG", "PNG" or "WEBP"."""
    if image_format != "PNG":
        return {"xmp": packet}
    info = PngInfo()
    info.add_itxt(_PNG_KEYWORD, packet.decode())
    return {"pnginfo": info}


def _text(value: object) -> str:
    return escape(_NOT_XML.sub("\ufffd", str(value)))
