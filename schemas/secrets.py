"""Keys and passwords that this process knows, and texts without them.

Servers repeat keys in their answers, answers are kept, and what is kept gets published. Everything that came from a server
is masked before it is kept or told, and a release is searched before it is finished.
"""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, unquote, urlsplit

SHORTEST = 8
"""Characters. A shorter key ("none", "EMPTY") would blot out words; of such, only "Bearer KEY" and user:password count."""
MASK = "***"
_NAMED = re.compile(r"OPENAI_API_KEY|HF_TOKEN|HUGGING_FACE_HUB_TOKEN")
_KINDRED = re.compile(r".*_(API_KEY|ACCESS_KEY|TOKEN|SECRET|PASSWORD)")
_KINDRED_SHORTEST = 16
_URLS = re.compile(r"OPENAI_BASE_URL|HF_ENDPOINT|(HTTPS?|ALL)_PROXY|(https?|all)_proxy")
_PLAIN_QUERY = {"api-version"}


@dataclass(frozen=True)
class Secret:
    """A text that must not be told, and where it is known from."""

    name: str
    value: str = field(repr=False)

    @cached_property
    def pattern(self) -> str:
        """A regular expression for it as it may stand in texts, JSON, URLs and web pages."""
        return "".join(map(_written, self.value))


def _written(character: str) -> str:
    """A regular expression for the ways to write a character."""
    if character.isalnum() and character.isascii():
        return character
    units = character.encode("utf-16-be")
    escaped = {
        "".join(f"%{byte:02x}" for byte in character.encode()),
        "".join(rf"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)),
        f"&#0*{ord(character)};",
        f"&#x0*{ord(character):x};",
        re.escape(html.escape(character)),
    }
    return rf"(?:\\?{re.escape(character)}|(?i:{'|'.join(sorted(escaped))}))"


class Secrets:
    """Texts that must not be told, however they are written."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self.known = tuple(dict.fromkeys(secrets))
        patterns = [s.pattern for s in sorted(self.known, key=lambda s: -len(s.value))]
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def masked(self, text: str) -> str:
        """`text` with *** in the place of every secret. Mask before anything is cut: half a key would not be found."""
        return self._pattern.sub(MASK, text) if self._pattern else text


def of_key(name: str, key: str) -> list[Secret]:
    """The secrets that a key makes: itself, unless it is too short, and the header that it is sent in."""
    key = key.strip()
    return [Secret(name, text) for text in (key, f"Bearer {key}") if key and len(text) >= SHORTEST]


def of_url(name: str, url: str) -> list[Secret]:
    """The secrets in a URL: the password, user:password and its Basic form, and values of the query."""
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        query = parse_qsl(parts.query)
    except ValueError:
        return []
    texts = [value for name, value in query if name not in _PLAIN_QUERY]
    user, colon, password = parts.netloc.rpartition("@")[0].partition(":")
    if user or password:
        for one, other in dict.fromkeys([(user, password), (unquote(user), unquote(password))]):
            pair = f"{one}:{other}"
            texts += [other or one, base64.b64encode(pair.encode()).decode(), *([pair] if colon else [])]
    return [Secret(name, text) for text in dict.fromkeys(texts) if len(text) >= SHORTEST]


def of_environment(environment: Mapping[str, str] | None = None) -> list[Secret]:
    """The secrets in variables: keys and tokens by their names, URLs of servers and proxies with passwords."""
    found: list[Secret] = []
    for name, value in sorted((os.environ if environment is None else environment).items()):
        if _URLS.fullmatch(name):
            found += of_url(name, value)
        elif _NAMED.fullmatch(name) or _is_kindred(name, value):
            found += of_key(name, value)
    return found


def _is_kindred(name: str, value: str) -> bool:
    """Whether a variable of other programs seems to hold a key: neither a word nor a path."""
    return (
        bool(_KINDRED.fullmatch(name)) and len(value) >= _KINDRED_SHORTEST and not re.search(r"\s|^/", value)
    )


def known_secrets(*more: Secret) -> Secrets:
    """All that this process knows: `more`, and those of the environment."""
    return Secrets([*more, *of_environment()])


def without_userinfo(url: str) -> str:
    """A URL that can be told: without user and password, query and fragment."""
    head, rest = url[: (start := _start(url))], url[start:]
    authority, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{head}{authority.rpartition('@')[2]}{slash}{path}"


def _start(url: str) -> int:
    """Where the authority of a URL begins."""
    found = re.match(r"[^/?#]*://", url)
    return found.end() if found else 0
