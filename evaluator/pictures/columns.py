"""Columns of labels, as people and programs write them: which can be conditions, and which of their values are one.

Whatever is left out or changed is said in a note; notes go to the log and into the report's warnings.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import VALUE_LENGTH, case_twins, nfc

from .names import count, listed, some

Texts = Sequence[str]
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0+)?")
_TRUTHS = {"true": "1", "false": "0"}


def unusable(columns: Mapping[str, Texts]) -> dict[str, str]:
    """Column -> why nothing can be retrieved by it: one value only, or another one for every picture.

    Empty texts are labels that are missing, and make no column unusable.
    """
    reasons = {}
    for name, column in columns.items():
        values = set(column)
        filled = len(column) - sum(1 for text in column if not text)
        if len(values) < 2:
            reasons[name] = "the same value for all pictures"
        elif filled > 1 and len(values - {""}) == filled:
            reasons[name] = "another value for every picture"
    return reasons


def left_out_notes(reasons: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each reason to leave columns out."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name, reason in reasons.items():
        by_reason[reason].append(name)
    for reason, names in by_reason.items():
        yield f"not taken as a condition: {some(names, 8)} ({reason})"


def one_form(name: str, column: Texts) -> tuple[tuple[str, ...], list[str]]:
    """The labels of a column with what means the same written alike, and notes on it.

    Texts come out composed (NFC). In a column of numbers, 1 and 1.0 are one value, and so is true, as in every table of
    numbers; other values are never joined, but those that differ in case, or as texts of one number, are named.
    """
    values = Counter(column)
    composed = {value: nfc(value) for value in values}
    forms: dict[str, list[str]] = defaultdict(list)
    for value, text in composed.items():
        forms[text].append(value)
    notes = []
    if twice := [text for text, found in forms.items() if len(found) > 1]:
        notes.append(f"{name!r}: one value where Unicode forms differed: {some(twice)}")
    same = _same_numbers(set(forms))
    if same:
        changed = sum(times for value, times in values.items() if composed[value] in same)
        pairs = [f"{before!r} is {after!r}" for before, after in sorted(same.items())]
        notes.append(
            f"{name!r}: numbers written in several ways are one value ({count(changed, 'label')}): {listed(pairs)}"
        )
    final = {value: same.get(text, text) for value, text in composed.items()}
    distinct = set(final.values())
    if twins := case_twins(distinct):
        pairs = [" and ".join(map(repr, group)) for group in twins]
        notes.append(
            f"{name!r}: values that differ in case only are counted as different: {listed(pairs)}; write them alike if they "
            "mean the same"
        )
    if equal := _equal_numbers(distinct):
        pairs = [" and ".join(map(repr, group)) for group in equal]
        notes.append(f"{name!r}: texts of the same number are counted as different: {listed(pairs)}")
    return tuple(final[value] for value in column), notes


def check_lengths(name: str, column: Texts, place: Callable[[int, str], str]) -> None:
    """Raise InputError for a label longer than a report can hold; `place` names row i of a column."""
    row = next((i for i, text in enumerate(column) if len(text) > VALUE_LENGTH), None)
    if row is not None:
        raise InputError(
            "a label is too long",
            where=place(row, name),
            expected=f"at most {VALUE_LENGTH} characters",
            found=f"{len(column[row])} characters",
            hint="shorten it, or choose other columns with --condition",
        )


def _same_numbers(values: set[str]) -> dict[str, str]:
    """Value -> the whole number that it stands for, where that is written otherwise, in a column of numbers and truths."""
    truths = {value for value in values if value.casefold() in _TRUTHS}
    numbers = values - truths
    if not numbers or not all(map(_NUMBER.fullmatch, numbers)):
        return {}
    whole = {value: match[1] for value in numbers if (match := _WHOLE.fullmatch(value))}
    times = Counter(whole.values()) + Counter(_TRUTHS[value.casefold()] for value in truths)
    found = {value: text for value, text in whole.items() if value != text and times[text] > 1}
    return found | {value: _TRUTHS[value.casefold()] for value in truths}


def _equal_numbers(values: set[str]) -> list[list[str]]:
    """Groups of texts, in a column of numbers, that are the same number."""
    if not all(map(_NUMBER.fullmatch, values)):
        return []
    groups: dict[Decimal, list[str]] = defaultdict(list)
    for value in values:
        groups[Decimal(value)].append(value)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)
