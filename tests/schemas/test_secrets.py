"""Keys that are known, however they are written, and texts without them."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest

from clay_eval.schemas.secrets import (
    Secrets,
    known_secrets,
    of_environment,
    of_key,
    of_url,
    without_userinfo,
)

KEYS = ["sk-plain-0123456789", "a/b+c=d&e<f>'g\"h", "pässwörd-😀-long", r"back\slash+plus"]


@pytest.mark.parametrize("key", KEYS)
def test_every_way_to_write_a_key(key: str) -> None:
    dotnet = "".join(
        c if c.isalnum() and c.isascii() else json.dumps(c)[1:-1] if ord(c) > 127 else f"\\u{ord(c):04X}"
        for c in key
    )
    ways = [
        key,
        json.dumps(key)[1:-1],
        json.dumps(key, ensure_ascii=False)[1:-1],
        json.dumps(key).replace("/", r"\/")[1:-1],
        dotnet,
        quote(key),
        quote(key, safe=""),
        quote(key, safe="").lower() if key.islower() else key,
        html.escape(key),
        "".join(f"&#{ord(c)};" if not c.isalnum() else c for c in key),
    ]
    secrets = Secrets(of_key("K", key))
    for way in ways:
        assert secrets.masked(f"<{way}>") == "<***>"


def test_masks_are_json_still() -> None:
    secrets = Secrets(of_key("K", 'k"\\/ey-12345'))
    assert json.loads(secrets.masked(json.dumps({"a": 'is k"\\/ey-12345!'}))) == {"a": "is ***!"}


@pytest.mark.parametrize("key", ["", " ", "none", "EMPTY", "a", "sk-1234"])
def test_short_keys_leave_words_alone(key: str) -> None:
    text = f"none of the EMPTY cups is a {key} cup"
    assert Secrets(of_key("K", key)).masked(text) == text


def test_a_short_key_is_masked_in_its_header() -> None:
    assert Secrets(of_key("K", "sk-1")).masked("Authorization: Bearer sk-1") == "Authorization: ***"


def test_passwords_and_queries_of_urls() -> None:
    known = {
        s.value
        for s in of_url("U", "http://us%40er:p%23ssword@h/v1?key=0123456789&api-version=2024-06-01&n=1")
    }
    assert known >= {"p#ssword", "p%23ssword", "us@er:p#ssword", "0123456789"}
    assert base64.b64encode(b"us@er:p#ssword").decode() in known
    assert not any("2024" in value or value == "1" for value in known)
    assert {s.value for s in of_url("U", "http://u:pw@h")} == {base64.b64encode(b"u:pw").decode()}
    assert next(s.value for s in of_url("U", "https://token-0123@h")) == "token-0123"
    assert of_url("U", "http://[::1") == of_url("U", "http://h/v1") == of_url("U", "") == []


def test_what_the_environment_knows() -> None:
    found = of_environment(
        {
            "OPENAI_API_KEY": "sk-0123456\n",
            "HTTP_PROXY": "u:hunter22@h:1",
            "https_proxy": "http://v:hunter33@h:1",
            "MISTRAL_API_KEY": "0123456789abcdef",
            "MY_TOKEN": "a short one",
            "TOKEN_FILE": "/run/secrets/0123456789",
            "SSH_TOKEN": "/run/secrets/0123456789",
            "HOME": "/root/0123456789012345",
        }
    )
    values = {s.value for s in found}
    assert {"sk-0123456", "hunter22", "hunter33", "0123456789abcdef"} <= values
    assert not any(value.startswith(("/", "a short")) for value in values)
    assert "hunter22" not in repr(found)


def test_more_than_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    secrets = known_secrets(*of_key("file", "sk-of-a-file"))
    assert secrets.masked("sk-of-a-file sk-of-the-environment") == "*** ***"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://u:p@h:1/v1?k=s#f", "http://h:1/v1"),
        ("h:1", "h:1"),
        ("u:p@h", "h"),
        ("http://u:p@w@h/a@b", "http://h/a@b"),
        ("http://h?k=a://b@c", "http://h"),
        ("", ""),
    ],
)
def test_urls_that_can_be_told(url: str, told: str) -> None:
    assert without_userinfo(url) == told
