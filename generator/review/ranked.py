"""Contact sheets of some pictures in an order that was made elsewhere, each with what is said of it: the page of an audit.

The page is that of `sheets`, with its keys and its decisions file. Whatever comes in is data in the page, never markup.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.fingerprint import fingerprint

from .sheets import PAGE, ReviewPage, publish_sheets, render_page, shown_text
from .thumbnails import Shown, Sides


@dataclass(frozen=True)
class Exhibit:
    """A picture that the page shows. labels: attribute -> value, all of its entity's attributes in their order."""

    key: str
    entity: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Ranking:
    """One order of some of the exhibits, by their numbers, and what is said of each in it."""

    title: str
    entity: str
    numbers: Sequence[int]
    words: Sequence[str]


@dataclass(frozen=True)
class RankedSheets:
    """manifest: fingerprint of the data, for the decisions file; about: a sentence that stands above the pictures."""

    manifest: str
    about: str
    exhibits: Sequence[Exhibit]
    rankings: Sequence[Ranking]


def write_ranked(
    sheets: RankedSheets,
    folder: Path,
    picture: Callable[[Exhibit], bytes],
    sides: Sides | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> ReviewPage:
    """Make the page in `folder`; picture: reads an encoded picture; progress: called with 1 for every one.

    Raises what `picture` raises, and BusyError if the page is being made already.
    """
    sides = sides or Sides()
    identity = fingerprint(json.loads(json.dumps({**asdict(sheets), "sides": asdict(sides)})))

    def images() -> Iterator[tuple[str, bytes]]:
        for exhibit in sheets.exhibits:
            yield exhibit.key, picture(exhibit)

    def page(name: str, shown: list[Shown]) -> str:
        return render_page(*_page(sheets, name, shown))

    found = publish_sheets(folder, identity, images(), sides, page, progress)
    return ReviewPage(folder / PAGE, len(found), 0, sum(shown.fault is not None for shown in found))


def _page(
    sheets: RankedSheets, pictures: str, shown: Sequence[Shown]
) -> tuple[dict[str, Any], list[list[Any]]]:
    """The page's table and details, as `sheets.render_page` takes them."""
    strings: dict[str, int] = {}

    def number(text: str) -> int:
        return strings.setdefault(shown_text(text), len(strings))

    attributes = {one.entity: list(one.labels) for one in sheets.exhibits}
    entities = list(attributes)
    rows = [
        [one.key, entities.index(one.entity), *map(number, one.labels.values())] for one in sheets.exhibits
    ]
    details = [["", number(""), [], "", "", {}, [], number("")] for _ in sheets.exhibits]
    table = {
        "manifest": sheets.manifest,
        "page": pictures,
        "about": shown_text(sheets.about),
        "pictures": pictures,
        "entities": [
            {"name": name, "attributes": names, "diversity": []} for name, names in attributes.items()
        ],
        "strings": list(strings),
        "rows": rows,
        "reasons": {},
        "failed": {},
        "rankings": [
            {
                "id": str(place),
                "entity": shown_text(one.entity),
                "title": shown_text(one.title),
                "numbers": list(one.numbers),
                "words": [shown_text(words) for words in one.words],
            }
            for place, one in enumerate(sheets.rankings)
        ],
        "sizes": [[s.width, s.height, int(s.large)] for s in shown],
        "faults": {n: s.fault for n, s in enumerate(shown) if s.fault is not None},
    }
    return table, details
