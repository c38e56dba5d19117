"""Marks relevant items in blocks of keys, in the way that suits how the database lies in memory.

A marker adds 1 to the keys of the items that count, at a *level*: 0 for relevant items, and t >= 1 for items that
match the query in at least t conditions. An item that is left out of a ranking gets the key `LAST` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from .ranking import LAST, Keys

Codes = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]
Marker = Callable[[Keys, Rows, int], None]
CodePair = tuple[npt.ArrayLike, npt.ArrayLike]


@dataclass(frozen=True, eq=False)
class Relevance:
    """What counts as found: queries `rows` (Q,) and database `columns` (N,) have equal codes where relevant.

    own: the query's own row in the database, which is left out, or -1, (Q,). grades: codes by each asked condition, for
    measures with gains. others: codes by each condition that is not asked for, for hard negatives.
    """

    rows: Codes
    columns: Codes
    own: Codes | None
    grades: Sequence[tuple[Codes, Codes]]
    others: Sequence[tuple[Codes, Codes]]


def mark_flags(flags: npt.NDArray[np.bool_]) -> Marker:
    """Mark by a matrix (Q, N) of relevance; `rows` count its rows."""

    def mark(keys: Keys, rows: Rows, level: int) -> None:
        low, high = int(rows[0]), int(rows[-1]) + 1
        keys += flags[low:high] if high - low == len(rows) else flags[rows]

    return mark


def mark_runs(first: Codes, last: Codes) -> Marker:
    """Mark the relevant items of rows whose relevant columns run from first to last, (Q,) each."""

    def mark(keys: Keys, rows: Rows, level: int) -> None:
        low, high = first[rows], last[rows]
        cuts = np.flatnonzero((np.diff(low) != 0) | (np.diff(high) != 0)) + 1
        for top, bottom in pairwise([0, *cuts.tolist(), len(rows)]):
            keys[top:bottom, low[top] : high[top]] += 1

    return mark


def mark_codes(query_codes: Codes, database_codes: Codes) -> Marker:
    """Mark the columns whose code equals the row's, (Q,) and (N,): no order of the database is needed."""
    codes, columns = dense_codes(query_codes, database_codes)

    def mark(keys: Keys, rows: Rows, level: int) -> None:
        wanted = codes[rows]
        cuts = np.flatnonzero(np.diff(wanted)) + 1
        for top, bottom in pairwise([0, *cuts.tolist(), len(rows)]):
            keys[top:bottom] += columns == wanted[top]

    return mark


def mark_levels(relevant: Marker | None, pairs: Sequence[tuple[Codes, Codes]]) -> Marker:
    """Mark level 0 by `relevant`, and level t where at least t of the pairs' codes match, (Q,) and (N,) each."""
    dense = [dense_codes(rows, columns) for rows, columns in pairs]

    def mark(keys: Keys, rows: Rows, level: int) -> None:
        if level == 0:
            assert relevant is not None
            relevant(keys, rows, level)
            return
        gains = np.zeros(keys.shape, np.int8)
        for codes, columns in dense:
            gains += columns == codes[rows, None]
        keys += gains >= level

    return mark


def leave_out(mark: Marker, own: Codes) -> Marker:
    """Mark like `mark`, and take the column own[row], if it is not -1, out of each row's ranking."""

    def marked(keys: Keys, rows: Rows, level: int) -> None:
        mark(keys, rows, level)
        column = own[rows]
        held = np.flatnonzero(column >= 0)
        keys[held, column[held]] = LAST

    return marked


def checked_codes(values: npt.ArrayLike, length: int, name: str) -> Codes:
    """Return one integer a row, (length,) int64; raises InputError for anything else."""
    codes = np.asarray(values)
    if codes.shape != (length,) or codes.dtype.kind not in "iu":
        raise InputError(
            f"{name} must be one integer a row",
            where=name,
            expected=f"integers of shape ({length},)",
            found=f"{codes.dtype} of shape {codes.shape}",
        )
    return codes.astype(np.int64)


def checked_own(own: npt.ArrayLike | None, rows: int, columns: int) -> Codes | None:
    """Return each query's own column in the database, (rows,) in -1, ..., columns - 1, or None if there are none."""
    if own is None:
        return None
    places = checked_codes(own, rows, "own")
    wrong = np.flatnonzero((places < -1) | (places >= columns))
    if wrong.size:
        raise InputError(
            "a query's own image is not in the database",
            where=f"own, row {int(wrong[0])}",
            expected=f"a row of the database, 0 to {columns - 1}, or -1 for none",
            found=int(places[wrong[0]]),
        )
    return places if (places >= 0).any() else None


def checked_pairs(pairs: Sequence[CodePair], rows: int, columns: int) -> list[tuple[Codes, Codes]]:
    """Return the codes of each condition, (rows,) and (columns,) int64."""
    return [
        (
            checked_codes(queries, rows, f"graded_codes[{i}], queries"),
            checked_codes(database, columns, f"graded_codes[{i}], database"),
        )
        for i, (queries, database) in enumerate(pairs)
    ]


def dense_codes(
    query_codes: Codes, database_codes: Codes
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the codes as int32, equal where they were; -1 for a query's code that the database lacks."""
    known, columns = np.unique(database_codes, return_inverse=True)
    places = np.minimum(np.searchsorted(known, query_codes), len(known) - 1)
    rows = np.where(known[places] == query_codes, places, -1)
    return rows.astype(np.int32), columns.astype(np.int32)
