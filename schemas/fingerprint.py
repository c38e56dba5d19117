"""One identity for every artefact: the sha256 of the canonical JSON of what went in.

What is left out of a fingerprint, and why:

| left out | why |
|---|---|
| paths of inputs and outputs | the same work in another folder is the same work; contents are hashed instead |
| dates and durations | they change on every run and decide nothing |
| batch size, number of workers | they move float rounding at most; they are recorded beside the fingerprint |
| device | as batch size; precision (dtype) does count |
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from .reading import open_regular

SEAL = "seal"
_BLOCK = 1 << 20


def canonical_json(value: Any) -> str:
    """`value` as JSON with sorted keys and no spaces; NaN and infinities raise ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(value: Any) -> str:
    """Hexadecimal sha256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a regular file's bytes, read in blocks of 1 MiB; InputError as `open_regular`."""
    digest = hashlib.sha256()
    with open_regular(path) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """`record` with its own fingerprint under "seal"."""
    body = {key: value for key, value in record.items() if key != SEAL}
    return {**body, SEAL: fingerprint(body)}


def sealed_text(record: dict[str, Any]) -> str:
    """The one JSON text of a `sealed` record, so that any changed byte shows."""
    return json.dumps(sealed(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def is_sealed(text: str, record: dict[str, Any]) -> bool:
    """Whether `text`, parsed into `record`, is byte for byte what `sealed_text` writes."""
    return SEAL in record and sealed_text(record) == text
