"""A release: a data set as it is published. release.json names every file of it with its sha256 and is sealed itself.

SHA256SUMS (coreutils' format) says the same once more, of release.json too, and is one text that follows from
release.json; so a changed byte anywhere shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import InputError, IntegrityError
from .fingerprint import fingerprint
from .manifest import label_columns
from .shards import ShardSample
from .surroundings import FETCH, is_plain_file, looks_like_hub_link
from .validate import read_sealed

RELEASE = "release.json"
SUMS = "SHA256SUMS"
DATA = "data"
RUN_MANIFEST = "provenance/manifest.json"
RENDER_SETTINGS = "provenance/render.json"
PLAN_FOLDER = "provenance/plan"
LABELS_TABLE = "labels.parquet"
CROISSANT = "croissant.json"
CARD = "README.md"
REPORT_FILE = "baselines/report.json"
PER_QUERY = "baselines/per_query.csv"
RESULTS = "baselines/results.csv"
SPLIT = "test"
MAX_RECORD = 64 << 20
"""Records are read whole, so one of more bytes is not read at all."""
DIGESTS = ("image_sha256", "record_sha256")


def read_release(folder: Path) -> dict[str, Any]:
    """release.json of a release; a missing one raises InputError, a changed one IntegrityError."""
    path = folder / RELEASE
    if path.is_symlink() and not is_plain_file(path):
        away = f"fetch the files themselves: {FETCH}" if looks_like_hub_link(path) else None
        raise IntegrityError("a link instead of a file", where=path, hint=away)
    if not path.is_file():
        raise InputError("no release here", where=path, hint="make one: clay-eval publish")
    if path.stat().st_size > MAX_RECORD:
        raise IntegrityError("too large for a record", where=path, expected=f"at most {MAX_RECORD} bytes")
    record = read_sealed(path, "release")
    names = [entry["path"].casefold() for entry in record["files"]]
    if len(set(names)) < len(names) or {RELEASE.casefold(), SUMS.casefold()} & set(names):
        raise IntegrityError("a file is listed twice", where=path)
    return record


def sums_text(files: Mapping[str, str]) -> str:
    """SHA256SUMS of files, path -> sha256, in the format that `sha256sum -c` reads."""
    return "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(files.items()))


def table_columns(entities: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Columns of labels.parquet: those of labels.csv, then the digests of a sample's picture and of its JSON."""
    return [*label_columns(entities), *DIGESTS]


def published_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """A sample's JSON with every list of texts as one text, so that its types do not depend on what is in the lists.

    (Readers that infer types from the first samples take a list that is empty there for one of nothing.)
    """
    return {name: _joined(value) for name, value in record.items()}


def _joined(value: Any) -> Any:
    texts = isinstance(value, list) and all(isinstance(text, str) for text in value)
    return "; ".join(value) if texts else value


def table_digests(sample: ShardSample) -> tuple[str, str]:
    """sha256 of a sample's picture, and of its JSON as `published_record` has it: the same packed in either way."""
    return hashlib.sha256(sample.image).hexdigest(), fingerprint(published_record(sample.record))
