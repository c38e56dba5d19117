"""Keys that must not be published: found in any file of a release, however they are written, and named by file."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from clay_eval.generator.publishing.privacy import require_no_secrets
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.secrets import Secrets, of_key

KEY = "sk-very/secret+1234"
SECRETS = Secrets(of_key("OPENAI_API_KEY", KEY))


def png(text: str) -> bytes:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", f"<x>{text}</x>")
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def tar(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        KEY.encode(),
        b"x" * ((8 << 20) - 9) + KEY.encode(),
        json.dumps({"a": KEY}).replace("/", r"\/").encode(),
        b"?key=sk-very%2Fsecret%2B1234",
        tar("a.json", json.dumps({"prompt": f"a {KEY} mug"}).encode()),
        tar("a.png", png(KEY)),
        b"Authorization: Bearer " + KEY.encode(),
    ],
    ids=["plain", "across blocks", "JSON", "percent", "tar", "picture", "header"],
)
def test_a_key_is_found(tmp_path: Path, data: bytes) -> None:
    place = tmp_path / "data" / "deep"
    place.mkdir(parents=True)
    (place / "fine.txt").write_text("nothing")
    require_no_secrets(tmp_path, SECRETS)
    (place / "bad.bin").write_bytes(data)
    with pytest.raises(InputError) as caught:
        require_no_secrets(tmp_path, SECRETS)
    assert caught.value.where == "data/deep/bad.bin"
    assert "OPENAI_API_KEY" in str(caught.value.found)
    assert "sk-very" not in str(caught.value)


def test_nothing_known_nothing_found(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("none EMPTY")
    require_no_secrets(tmp_path, Secrets())
    require_no_secrets(tmp_path, Secrets(of_key("K", "none")))
