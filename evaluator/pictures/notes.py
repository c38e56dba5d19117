"""What a source left out or changed, in sentences: they go to the log, and into a report's warnings."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from .names import count, some

log = logging.getLogger(__name__)

LONGEST = 2000
"""Characters of a note, at most: a report's warnings have a limit."""
_Source = TypeVar("_Source")


def notes_of(source: object) -> tuple[str, ...]:
    """The notes of a source, where it has any."""
    return tuple(note[:LONGEST] for note in getattr(source, "notes", ()))


def said(source: _Source) -> _Source:
    """`source`, its notes written to the log."""
    for note in notes_of(source):
        log.warning("%s", note)
    return source


def identical_pictures(
    names: Sequence[str], hashes: Iterable[object], labels: Mapping[str, Sequence[str]]
) -> list[str]:
    """Notes on pictures with the same content under several names; those with unlike labels first.

    names, hashes: of each picture; labels: condition -> value of each.
    """
    places: dict[object, list[int]] = defaultdict(list)
    for i, digest in enumerate(hashes):
        places[digest].append(i)
    groups = [rows for rows in places.values() if len(rows) > 1]
    unlike = {}
    for rows in groups:
        found = [name for name, column in labels.items() if len({column[i] for i in rows}) > 1]
        if found:
            unlike[tuple(rows)] = found
    notes = []
    if unlike:
        shown = [
            " and ".join(
                f"{names[i]} ({', '.join(f'{c}={labels[c][i]}' for c in found[:3])})" for i in rows[:3]
            )
            for rows, found in unlike.items()
        ]
        notes.append(
            f"IDENTICAL PICTURES WITH UNLIKE LABELS, in {count(len(unlike), 'group')}: {some(shown, length=200)}; at most "
            "one of the labels can be right, and no method can tell them apart"
        )
    if groups:
        surplus = sum(len(rows) - 1 for rows in groups)
        shown = [" and ".join(names[i] for i in rows[:3]) for rows in groups]
        notes.append(
            f"{count(surplus, 'picture')} the same, byte for byte, as another: {some(shown, length=200)}; a query finds its "
            "copy first"
        )
    return notes
