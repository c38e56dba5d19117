"""The contact sheets: one page for a whole shards folder, with its data inside and its pictures beside it.

review/index.html            the page: no server, no network, no framework
review/pictures-<id>/        thumbnails and larger pictures, made for one manifest

Everything that comes from shards is data in the page, never markup: JSON in a script element that is not run.
"""

from __future__ import annotations

import hashlib
import math
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.escaping import script_json
from clay_eval.schemas.files import locked, remove_leftovers, storage_errors, write_text
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.pages import PICTURES_BESIDE, environment, only_script, policy, script_of, template

from .decisions import last_by_hand
from .gather import Seen, counted, read_all
from .journal import refuse_unfinished
from .thumbnails import Shown, Sides, write_pictures

PAGE = "index.html"
_PICTURES = "pictures-"
_MAX_TEXT = 4000
_INVISIBLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_SCRIPTS = ("marks.js", "sheets.js", "page.js")


@dataclass(frozen=True)
class ReviewPage:
    """What was made: the page, how many pictures it shows, how many of them are quarantined or cannot be shown."""

    page: Path
    pictures: int
    quarantined: int
    unreadable: int


def write_review(
    shards: Path,
    folder: Path,
    sides: Sides | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> ReviewPage:
    """Make the contact sheets of a finished shards folder in `folder`; what was there of other shards goes.

    `progress` is called with 1 for every picture. Raises InputError if the shards are not finished, IntegrityError if
    they are damaged or decisions are half applied to them, BusyError if the sheets are being made already.
    """
    sides = sides or Sides()
    if not 16 <= sides.small <= sides.large <= 4096:
        raise InputError(
            "sizes of pictures that cannot be used",
            where="--thumbnail, --large",
            expected="16 <= thumbnail <= large <= 4096",
            found=f"{sides.small}, {sides.large}",
        )
    refuse_unfinished(shards)
    manifest = read_manifest(shards)
    data = _Data(manifest)

    def page(name: str, shown: list[Shown]) -> str:
        data.shown = shown
        return render_page(data.table(name), data.details)

    shown = publish_sheets(
        folder, f"{manifest['seal']} {sides}", data.note(read_all(shards, manifest)), sides, page, progress
    )
    unreadable = sum(one.fault is not None for one in shown)
    accepted, quarantined = counted(manifest)
    return ReviewPage(folder / PAGE, accepted + quarantined, quarantined, unreadable)


def publish_sheets(
    folder: Path,
    identity: str,
    images: Iterator[tuple[str, bytes]],
    sides: Sides,
    page: Callable[[str, list[Shown]], str],
    progress: Callable[[int], None] = lambda _: None,
) -> list[Shown]:
    """Write (name, encoded picture) beside the page in `folder`, then the page; pictures of an earlier one go.

    identity: what the pictures are made of; page: makes the page from the name of the pictures' folder and what became of
    each. Raises BusyError if the sheets are being made already.
    """
    with locked(folder), storage_errors(folder):
        remove_leftovers(folder)
        name = _PICTURES + hashlib.sha256(identity.encode()).hexdigest()[:16]
        building = folder / ".building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        found = []
        for shown in write_pictures(images, building, sides):
            found.append(shown)
            progress(1)
        shutil.rmtree(folder / name, ignore_errors=True)
        building.rename(folder / name)
        write_text(folder / PAGE, page(name, found))
        for old in folder.glob(f"{_PICTURES}*"):
            if old.name != name:
                shutil.rmtree(old, ignore_errors=True)
    return found


class _Data:
    """Collects, picture by picture, what the page shows: a table for the sheets, details for the enlarged view."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self.manifest = manifest
        self.entities = list(manifest["entities"])
        self.strings: dict[str, int] = {}
        self.rows: list[list[Any]] = []
        self.details: list[list[Any]] = []
        self.reasons: dict[int, list[str]] = {}
        self.failed: dict[int, str] = {}
        self.shown: list[Shown] = []

    def note(self, samples: Iterator[Seen]) -> Iterator[tuple[str, bytes]]:
        """Pass the pictures on to be decoded; remember what is said of them."""
        for seen in samples:
            record = seen.sample.record
            facts = self.manifest["entities"][record["entity"]]
            labels = [self._number(record["labels"][name]) for name in facts["attributes"]]
            self.rows.append([seen.sample.key, self.entities.index(record["entity"]), *labels])
            rejected = [shown_text(line) for line in _list(record.get("rejected"))]
            if seen.quarantined:
                self.reasons[len(self.rows) - 1] = rejected
                failed = _list(record.get("failed")) or ["other"]
                self.failed[len(self.rows) - 1] = (
                    "by hand" if last_by_hand(record) else shown_text(failed[-1])
                )
            self.details.append(
                [
                    shown_text(record.get("prompt", "")),
                    self._number(shown_text(record.get("negative_prompt", ""))),
                    [self._number(shown_text(record["diversity"][name])) for name in facts["diversity"]],
                    shown_text(record.get("seed", "")),
                    shown_text(record.get("attempt", "")),
                    _scores(record.get("scores")),
                    rejected,
                    self._number(seen.shard),
                ]
            )
            yield f"{seen.shard}: {seen.sample.key}", seen.sample.image

    def table(self, pictures: str) -> dict[str, Any]:
        """What the sheets need of all pictures at once."""
        return {
            "manifest": self.manifest["fingerprint"],
            "pictures": pictures,
            "entities": [
                {"name": name, "attributes": facts["attributes"], "diversity": facts["diversity"]}
                for name, facts in self.manifest["entities"].items()
            ],
            "strings": list(self.strings),
            "rows": self.rows,
            "reasons": self.reasons,
            "failed": self.failed,
            "sizes": [[s.width, s.height, int(s.large)] for s in self.shown],
            "faults": {n: s.fault for n, s in enumerate(self.shown) if s.fault is not None},
        }

    def _number(self, text: str) -> int:
        return self.strings.setdefault(shown_text(text), len(self.strings))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def shown_text(value: object) -> str:
    """Text without control characters and without those that turn the direction of writing, of bounded length."""
    return _INVISIBLE.sub(" ", str(value))[:_MAX_TEXT]


def _scores(value: Any) -> dict[str, float]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {shown_text(k): round(v, 4) for k, v in pairs if isinstance(v, (int, float)) and math.isfinite(v)}


def render_page(table: Mapping[str, Any], details: list[list[Any]]) -> str:
    """The page as one HTML document; `table` and `details` as `_Data` makes them.

    Its policy lets nothing run but its own script (by hash), and nothing be fetched but pictures beside it.
    """
    script = script_of(__package__, _SCRIPTS)
    return (
        environment(__package__)
        .get_template("review.html")
        .render(
            style=template(__package__, "review.css"),
            script=script,
            policy=policy(PICTURES_BESIDE, only_script(script)),
            table=script_json(table),
            details=script_json(details),
        )
    )
