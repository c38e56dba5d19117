"""What a publisher says of a release: everything that does not follow from the artefacts of the run."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.secrets import Secret

from .licences import Stated

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
HUB = "https://huggingface.co/datasets/"


@dataclass(frozen=True)
class Request:
    """How a run is to be published.

    date: YYYY-MM-DD, or None to take it from a release that is there already. title, authors, contact, url: None or empty
    take what the previous release says. notes: lines for the changelog. repository: ORG/NAME on the Hugging Face Hub.
    copy: shards are copied even where they could be linked. baselines: whether the run's report goes along. secrets: what
    must not stand in the release, besides what the environment holds.
    """

    version: str
    date: str | None = None
    licence: str | None = None
    title: str | None = None
    authors: Sequence[str] = ()
    contact: str | None = None
    url: str | None = None
    notes: Sequence[str] = ()
    stated: Stated = field(default_factory=Stated)
    repository: str | None = None
    previous: Path | None = None
    copy: bool = False
    baselines: bool = True
    secrets: Sequence[Secret] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        said = {
            "--title": [self.title],
            "--author": self.authors,
            "--contact": [self.contact],
            "--note": self.notes,
        }
        for option, texts in said.items():
            for text in texts:
                _require_line(option, text)
        if self.url is not None and not re.fullmatch(r"https?://[!-~]{1,2000}", self.url):
            raise InputError("this is no web address", where="--url", expected="https://...", found=self.url)
        if self.repository is not None and not _REPOSITORY.fullmatch(self.repository):
            raise InputError(
                "this is no repository", where="--push", expected="ORG/NAME", found=self.repository
            )
        if self.date is not None:
            _require_date(self.date)

    @property
    def address(self) -> str | None:
        """The web page of the data set: what was said, or the one on the Hub that it will have."""
        return self.url or (None if self.repository is None else HUB + self.repository)


def _require_line(option: str, text: str | None) -> None:
    if text is not None and (not text.strip() or len(text) > 2000 or _UNSEEN.search(text)):
        raise InputError(
            "a text cannot be used as it is",
            where=option,
            expected="words on one line",
            found=repr(text[:80]),
        )


def _require_date(text: str) -> None:
    try:
        right = date.fromisoformat(text).isoformat() == text
    except ValueError:
        right = False
    if not right:
        raise InputError("this is no date", where="--date", expected="YYYY-MM-DD", found=text)


def slug(title: str) -> str:
    """A name for files and citations made of a title: lower-case letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:95].strip("-") or "data-set"
