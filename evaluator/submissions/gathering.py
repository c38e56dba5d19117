"""Where the scores of a leaderboard come from: computed here from the data, or claimed by score records.

A seal shows that a record was cut or altered by accident. Whoever writes a record can seal it, so a claim proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import ClayEvalError, InputError

from ..pictures.labelled import ImageSource
from .layout import METHOD, SCORE, Record, read_method, shown
from .record import read_score, scored_record
from .scoring import TOLERANCE

COMPUTED, CLAIMED = "computed", "claimed"
SAID: Mapping[str, str] = {
    COMPUTED: "Every score was computed anew from the data and the submitted embeddings or runs.",
    CLAIMED: "Scores are taken on trust: they are what the score records beside the submissions claim, and nothing was "
    "computed from the data. No method is ranked; the order of the rows is that of their claims.",
}
_OWN = ("seal", "software")
"""What may differ between two records of one scoring."""


@dataclass(frozen=True)
class Gathered:
    """Score records by the name of their folder, what was excluded with the reason, and notes on what is shown."""

    scores: str
    records: dict[str, Record] = field(default_factory=dict)
    excluded: list[dict[str, str]] = field(default_factory=list)
    notes: list[dict[str, str]] = field(default_factory=list)


def claimed(places: Sequence[Path]) -> Gathered:
    """Return what the score.json of each submission says, as far as it fits its method.json and itself."""
    found = Gathered(CLAIMED)
    for place in places:
        try:
            found.records[place.name] = read_score(place)
        except ClayEvalError as error:
            found.excluded.append(_excluded(place, error))
    return found


def computed(
    places: Sequence[Path],
    sources: Sequence[ImageSource],
    *,
    split: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Gathered:
    """Return each submission's scores, computed as `score_submission` does, on the one of `sources` that it names.

    split: the file of a given split, for submissions of one. A score.json that says otherwise changes nothing, and is noted.
    """
    found = Gathered(COMPUTED)
    known = {source.fingerprint: source for source in sources}
    for place in places:
        try:
            method = read_method(place)
            source = known.get(method["data"]["fingerprint"], sources[0])
            given = split if method["settings"].get("split") == "given" else None
            record = scored_record(place, source, split=given, progress=progress)
        except ClayEvalError as error:
            found.excluded.append(_excluded(place, error))
            continue
        found.records[place.name] = record
        if note := _difference(place, record):
            found.notes.append({"submission": place.name, "note": note})
    return found


def _excluded(place: Path, error: ClayEvalError) -> dict[str, str]:
    return {"submission": place.name, "reason": error.what[:2000]}


def _difference(place: Path, record: Record) -> str:
    """What is to be said of the score.json beside a submission whose scores are `record`; nothing where it fits."""
    if not (place / SCORE).exists():
        return ""
    try:
        said = read_score(place)
    except ClayEvalError as error:
        return f"its {SCORE} was not taken ({error.what[:300]}); the scores shown were computed"
    if _same(_content(said), _content(record)):
        return ""
    return f"its {SCORE} claims other scores than the data give; the scores shown were computed"


def _content(record: Record) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in _OWN}


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, numbers within TOLERANCE."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) or isinstance(other, float):
        return (
            isinstance(one, int | float) and isinstance(other, int | float) and abs(one - other) <= TOLERANCE
        )
    return bool(one == other)


def nothing_to_show(folder: Path, found: Gathered) -> InputError:
    """The error for a folder none of whose submissions can be shown."""
    scored = found.scores == CLAIMED
    return InputError(
        "no scored submission here" if scored else "no submission here that can be scored",
        where=folder,
        expected=f"folders with {METHOD}" + (f" and {SCORE}" if scored else ", made for these data"),
        found="; ".join(f"{shown(one['submission'])}: {one['reason']}" for one in found.excluded[:3])
        or "none",
        hint="score them here: clay-eval leaderboard DIR --out RUN"
        if scored
        else "name the data they were made for: --out or --data, with the same --entity, --condition and --parent",
    )
