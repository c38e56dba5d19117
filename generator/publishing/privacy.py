"""What a publisher does not give away: keys, anywhere; and may not want to: folders of the own machine, in files that are
published as they came in.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.secrets import Secret, Secrets

_BLOCK = 8 << 20
_LONGEST_CHARACTER = 16
"""Bytes that an escaped character takes; zeros before its number may be more, and nobody writes them."""
_LISTED = 5
_AS_THEY_WERE = ("baselines", "data", "provenance")


def private_folders() -> list[str]:
    """Folders whose names say something of this machine: the home, and where this Python lies."""
    folders = {str(Path.home()), sys.prefix, str(Path.cwd())}
    return sorted(folder for folder in folders if folder.count("/") > 1)


def naming_folders(folder: Path, names: Iterable[str]) -> list[str]:
    """Files of a release that came from the run as they were, by their path in it, in which one of `names` stands."""
    wanted = [name.encode() for name in names]
    return [
        path.relative_to(folder).as_posix()
        for place in _AS_THEY_WERE
        for path in sorted((folder / place).rglob("*"))
        if path.is_file() and any(_holds(path, name) for name in wanted)
    ]


def _holds(path: Path, wanted: bytes) -> bool:
    with path.open("rb") as stream:
        tail = b""
        while block := stream.read(1 << 20):
            if wanted in tail + block:
                return True
            tail = block[-len(wanted) :]
    return False


def require_no_secrets(folder: Path, secrets: Secrets) -> None:
    """Raise InputError if a secret stands in a file under `folder`: texts, members of tars, what is inside pictures."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found = [(path, secret) for path in files if (secret := _first_secret(path, secrets.known)) is not None]
    if not found:
        return
    names = [path.relative_to(folder).as_posix() for path, _ in found]
    more = f" (and {len(names) - _LISTED} more)" if len(names) > _LISTED else ""
    raise InputError(
        "a key or password stands in what would be published; nothing was published",
        where=", ".join(names[:_LISTED]) + more,
        expected="no key that this machine knows",
        found=f"what is known from {', '.join(dict.fromkeys(secret.name for _, secret in found))}",
        hint="withdraw that key, take it out of the run (a plan that was drafted anew keeps no key), then publish",
    )


def _first_secret(path: Path, secrets: Iterable[Secret]) -> Secret | None:
    """The first of `secrets` that stands in a file, in any of the ways to write it."""
    patterns = [(secret, re.compile(secret.pattern.encode())) for secret in secrets]
    longest = max((_LONGEST_CHARACTER * len(secret.value) for secret, _ in patterns), default=0)
    if not patterns:
        return None
    with path.open("rb") as stream:
        tail = b""
        while block := stream.read(_BLOCK):
            data = tail + block
            for secret, pattern in patterns:
                if pattern.search(data):
                    return secret
            tail = data[-longest:]
    return None
